"""AWS: the same definition on SageMaker, and everything around it that has an account, a region and a bill.

Every request goes through `calls.Account`, which checks it, makes it at most once in effect, and can print it instead
of sending it. Only this package imports boto3, and only when something is really sent.
"""
