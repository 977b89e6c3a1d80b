"""The side file: rows that can't be used, each with its line and why, so that none is lost."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from jobmajor.tables import cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobmajor.tables.block import Bad

COLUMNS = ("line", "reason", "row")


class BadRows:
    """Writes a CSV file once there is a row for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._writer: Any = None

    def write(self, rows: Sequence[Bad]) -> None:
        """Add rows; what is no text in them stands there as escapes."""
        if rows and self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file, lineterminator="\n")
            self._writer.writerow(COLUMNS)
        for bad in rows:
            text = bad.row.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
            self._writer.writerow((bad.line, bad.reason, cells.safe(text)))

    def close(self) -> bool:
        """Whether there is a file."""
        if self._file is not None:
            self._file.close()
        return self._file is not None
