"""One job under SageMaker's container contract: its inputs, its processes, its outputs."""
