"""Runs any SageMaker pipeline definition on this machine: no Docker, no account."""
