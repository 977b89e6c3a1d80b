"""The HTTP service: titles in, codes out, under SageMaker's inference contract; also what the container's `serve` runs.

An extra: Starlette and uvicorn are imported by `app` and `server` alone, so that the command line can show its help
without them.
"""

from __future__ import annotations

import importlib.util

from jobmajor.errors import MissingExtra

_PACKAGES = ("starlette", "httptools", "uvicorn")


def require() -> None:
    """MissingExtra where Starlette, httptools or uvicorn is not installed."""
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        raise MissingExtra("jobmajor serve", "serve")
