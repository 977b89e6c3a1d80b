"""The pipelines of this repository."""
