"""What an account needs around the pipeline: stacks, a Studio project, a schedule, an image build."""
