"""Which objects of a prefix were published there: a record for each prefix, beside the buckets.

A publication may replace what earlier ones put there, and never what a user put there.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FOLDER: Final = ".published"  # no bucket can have this name


@dataclass(frozen=True, slots=True)
class Owners:
    """The records of a store with the given root; a prefix is an address without a slash at its end."""

    root: Path

    def read(self, prefix: str) -> set[str]:
        """Return the names below the prefix that publications to it put there."""
        with suppress(FileNotFoundError, ValueError):
            return set(json.loads(self._path(prefix).read_bytes())["objects"])
        return set()

    def write(self, prefix: str, names: Iterable[str]) -> None:
        """Replace the record of a prefix."""
        body = {"uri": prefix, "objects": sorted(names)}
        publish.write_file(self._path(prefix), json.dumps(body).encode())

    def every(self) -> list[tuple[Path, str]]:
        """Return each record and its prefix; records that can't be read are left out."""
        found = []
        for path in sorted((self.root / _FOLDER).glob("*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.append((path, str(json.loads(path.read_bytes())["uri"])))
        return found

    def _path(self, prefix: str) -> Path:
        digest = hashlib.sha256(prefix.removeprefix("s3://").encode()).hexdigest()
        return self.root / _FOLDER / f"{digest}.json"
