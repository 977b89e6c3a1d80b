"""The pipeline on SageMaker: upsert, start, follow, and read its logs."""
