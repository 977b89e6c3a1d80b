"""Answers on disk while a file is being coded: titles that were scored before a kill are not scored again.

The name of each file is a hash of the titles, the model, the options and the code. So the journal needs no record of a
run's progress, which could be wrong. A changed input, model or version of the code finds no stored answers.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from sagelocal.storage import publish

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.tables.memo import Match, Words

_SUFFIX = ".answers"
_DIGEST_BYTES = 32


class Journal:
    """A folder of answers, one file for the unknown titles of each block."""

    def __init__(self, folder: Path, context: str) -> None:
        """Use a folder; `context` says what an answer depends on besides the title."""
        self._folder, self._context = folder, context.encode()

    def _path(self, match: Match) -> Path:
        name = hashlib.blake2b(self._context + match.unknown_keys(), digest_size=_DIGEST_BYTES).hexdigest()
        return self._folder / f"{name}{_SUFFIX}"

    def find(self, match: Match, words: int) -> Words | None:
        """Return the answers to the unknown titles, shape (unknown, words); None if they are absent or damaged."""
        try:
            stored = self._path(match).read_bytes()
        except OSError:
            return None
        digest, body = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if _digest(body) != digest or len(body) != len(match.firsts) * words * 8:
            return None
        return np.frombuffer(body, np.uint64).reshape(-1, words)

    def keep(self, match: Match, answers: Words) -> None:
        """Store the answers to the unknown titles; they are on disk when this returns."""
        body = answers.tobytes()
        publish.write_file(self._path(match), _digest(body) + body)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
