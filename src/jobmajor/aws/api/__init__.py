"""Sending requests to AWS: sessions, checks, retries, errors and waiting."""
