"""The resources around the pipeline: CloudFormation stacks, a Studio project, a schedule and image builds."""
