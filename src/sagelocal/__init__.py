"""Run SageMaker pipeline definitions on this machine, without Docker and without an account."""
