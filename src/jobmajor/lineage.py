"""Which code made something: the identity that manifests, cache keys and versions carry."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib import metadata, resources
from pathlib import Path

# Those whose code decides what a model learns and answers, and those that only one recipe uses.
_LIBRARIES = ("numba", "numpy", "polars", "python-calamine", "safetensors", "scikit-learn", "scipy")
_OWN = {"transformer": ("tokenizers", "torch", "transformers")}
_SOURCES = (".py", ".tsv", ".j2", ".css", ".safetensors")
_WORDS = "vectors.txt"  # names the rows of vectors.safetensors


@cache
def code_version(recipe: str = "linear") -> str:
    """sha256 over the sources of both packages, Python's version and those of the libraries that the recipe needs.

    Times, paths and compiled files don't count; the starter titles are data and have a digest of their own. The
    versions are read from the libraries' metadata: none is imported.
    """
    total = hashlib.sha256(f"python {sys.version_info.major}.{sys.version_info.minor}\n".encode())
    for name in (*_LIBRARIES, *_OWN.get(recipe, ())):
        total.update(f"{name} {metadata.version(name)}\n".encode())
    for package in ("jobmajor", "sagelocal"):
        root = Path(str(resources.files(package)))
        for path in sorted(root.rglob("*")):
            if path.suffix in _SOURCES or path.name == _WORDS:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                total.update(f"{package}/{path.relative_to(root).as_posix()} {digest}\n".encode())
    return total.hexdigest()
