"""`s3://` addresses as folders or as S3 itself; folders are published whole, with a manifest of their files."""
