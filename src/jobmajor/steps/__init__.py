"""The container commands: each step as folders in, folders out, under SageMaker's container contract.

`__main__` runs a step and reports whatever ends it; `commands` is the work. Importing this package imports neither.
"""
