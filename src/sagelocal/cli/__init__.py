"""The command line of sagelocal: parse arguments, call one library function, print."""

from sagelocal.cli.program import app, main

__all__ = ["app", "main"]
