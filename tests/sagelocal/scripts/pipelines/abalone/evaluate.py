"""Code that the pipeline beside it uploads."""
