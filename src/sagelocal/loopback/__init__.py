"""AWS services on loopback: S3 over the folders of a workspace, and what an SDK asks of an account."""
