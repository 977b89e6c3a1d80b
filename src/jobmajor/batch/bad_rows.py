"""The side file: every row with a fault, with its line and the reason, and whether it is in the output."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from jobmajor.tables import cells

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.tables.block import Block

COLUMNS = ("line", "reason", "row", "in_output")


class BadRows:
    """Writes rows to a CSV file, which is made with the first row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._writer: Any = None

    def write(self, block: Block) -> None:
        """Add the rows of a block that have a fault; bytes that are not UTF-8 become escapes."""
        rows = sorted([*block.bad, *block.listed], key=lambda bad: bad.line)
        left_out = set(map(id, block.bad))
        if rows and self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file, lineterminator="\n")
            self._writer.writerow(COLUMNS)
        for bad in rows:
            text = bad.row.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
            self._writer.writerow((bad.line, bad.reason, cells.safe(text), "no" if id(bad) in left_out else "yes"))

    def close(self) -> bool:
        """Close the file, and return whether there is one."""
        if self._file is not None:
            self._file.close()
        return self._file is not None
