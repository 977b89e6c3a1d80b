"""The HTTP service: titles in, codes out, under SageMaker's inference contract.

The command `jobmajor serve` and the container's `serve` both run it. It needs the extra `serve`. Only `app` and what it
imports need Starlette and uvicorn, so that the command line shows its help without them.
"""

from __future__ import annotations

import importlib.util

from jobmajor.errors import MissingExtra

_PACKAGES = ("starlette", "httptools", "uvicorn")


def require() -> None:
    """Raise MissingExtra if Starlette, httptools or uvicorn is not installed."""
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        raise MissingExtra("jobmajor serve", "serve")
