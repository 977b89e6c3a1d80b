"""The pipeline on AWS SageMaker: everything that needs an account.

Every request goes through `api.account.Account`, which checks it, makes it idempotent, and can print it instead of
sending it. boto3 is imported only when a request is sent.
"""
