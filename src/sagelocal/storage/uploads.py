"""The uploads of one execution: together they replace what earlier executions uploaded to the same prefixes.

The first upload to a prefix hides what earlier executions uploaded there, from everything that this execution reads.
Later uploads, and results that are taken from the cache, add to it. When the execution ends, what is still hidden is
removed. Objects that nobody published, such as a user's data, are never hidden.

S3 has no executions: there, old objects stay until somebody removes them, and steps read them with the new ones.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from sagelocal.errors import Error, InputError
from sagelocal.storage.address import join, prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sagelocal.storage.manifest import FileRecord
    from sagelocal.storage.store import Backend, Skip, Upload


class Uploads:
    """A store as one execution sees it; `whole` is the store itself, with what is hidden."""

    def __init__(self, whole: Backend) -> None:
        self.whole, self._lock = whole, threading.Lock()
        self._own: set[str] = set()  # addresses of what this execution uploaded or took from the cache
        self._earlier: dict[str, dict[str, str]] = {}  # by prefix: what earlier executions uploaded there

    def listing(self, uri: str) -> dict[str, FileRecord]:
        """See `Store.listing`."""
        skip = self._skip(uri)
        return {name: record for name, record in self.whole.listing(uri).items() if not skip(name)}

    def download(self, uri: str, folder: Path, skip: Skip | None = None) -> dict[str, FileRecord]:
        """See `Store.download`."""
        hidden = self._skip(uri)
        return self.whole.download(uri, folder, lambda name: hidden(name) or bool(skip and skip(name)))

    def read(self, uri: str, max_bytes: int) -> bytes:
        """See `Store.read`."""
        if prefix(uri) in self._hidden():
            raise InputError(f"{uri} is of an earlier run, and this run wrote other objects there: expected a new one")
        return self.whole.read(uri, max_bytes)

    def publish(self, uri: str, folder: Path) -> dict[str, FileRecord]:
        """Add the objects of a folder."""
        return self.add([(uri, folder)])[0]

    def add(self, uploads: Sequence[Upload]) -> list[dict[str, FileRecord]]:
        """See `Store.add`. If it fails, nothing is hidden either."""
        prefixes = {prefix(uri): uri for uri, _ in uploads}
        new = {base: self.whole.published_at(uri) for base, uri in prefixes.items() if base not in self._earlier}
        records = self.whole.add(uploads)
        with self._lock:
            self._own |= {join(uri, name) for (uri, _), found in zip(uploads, records, strict=True) for name in found}
            for base, tokens in new.items():
                self._earlier.setdefault(base, tokens)
        return records

    def claim(self, outputs: Mapping[str, Iterable[str]]) -> None:
        """Add the outputs of a step that is taken from the cache: names of objects by prefix."""
        with self._lock:
            self._own |= {join(uri, name) for uri, names in outputs.items() for name in names}

    def close(self) -> None:
        """Remove what is hidden; what can't be removed now is hidden again by the next upload there."""
        for base, tokens in self._earlier.items():
            gone = {name: token for name, token in tokens.items() if join(base, name) not in self._own}
            with suppress(Error, OSError):
                if gone:
                    self.whole.discard(base, gone)

    def _hidden(self) -> set[str]:
        with self._lock:
            return {join(base, name) for base, names in self._earlier.items() for name in names} - self._own

    def _skip(self, uri: str) -> Skip:
        hidden = self._hidden()
        if not hidden:
            return lambda _name: False
        is_one = prefix(uri) in hidden
        return lambda name: is_one or join(uri, name) in hidden
