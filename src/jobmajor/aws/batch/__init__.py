"""Scoring files in S3 with processing jobs and batch transforms."""
