"""Batch scoring on SageMaker: processing jobs and batch transform."""
