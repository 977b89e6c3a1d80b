"""The scoring path as compiled code: the same answers as numpy, for large batches."""
