"""Answers on disk while a file is in work: what was scored before a kill is not scored again.

A stored part is found by what it answers: the titles, the model, the options and the code. So there is nothing that
says how far a run came, which could be wrong, and a changed input or model finds nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from sagelocal.storage import publish

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.batch.memo import Match, Words

_SUFFIX = ".answers"
_DIGEST_BYTES = 32


class Journal:
    """A folder with the answers to titles, part by part."""

    def __init__(self, folder: Path, context: str) -> None:
        """`context` says all but the titles that an answer depends on."""
        self._folder, self._context = folder, context.encode()

    def _path(self, match: Match) -> Path:
        name = hashlib.blake2b(self._context + match.unknown_keys(), digest_size=_DIGEST_BYTES).hexdigest()
        return self._folder / f"{name}{_SUFFIX}"

    def find(self, match: Match, words: int) -> Words | None:
        """The answers to the unknown titles, shape (unknown, words); None where they aren't whole."""
        try:
            stored = self._path(match).read_bytes()
        except OSError:
            return None
        digest, body = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if _digest(body) != digest or len(body) != len(match.firsts) * words * 8:
            return None
        return np.frombuffer(body, np.uint64).reshape(-1, words)

    def keep(self, match: Match, answers: Words) -> None:
        """Store the answers to the unknown titles, whole and safe when this returns."""
        body = answers.tobytes()
        publish.write_file(self._path(match), _digest(body) + body)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
