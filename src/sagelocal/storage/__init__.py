"""`s3://` addresses as folders or as S3 itself; folders published whole, with a manifest of what they hold."""
