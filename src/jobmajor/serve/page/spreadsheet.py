"""Convert a workbook to CSV in a process of its own: `python -m jobmajor.serve.page.spreadsheet`.

The bounds of `tables.workbook` were made for files that somebody chose. What comes over HTTP may be made to get past
them: one text of 200 KB, named by a million cells, is a small file. So the reader may take only so much memory and
time, and whatever it dies of is the workbook's fault and one request's.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor.errors import DataError
from jobmajor.serve.messages.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MEMORY_BYTES = 2**30  # of address space; a table of 100,000 rows takes a quarter
_SECONDS = 30  # the largest workbook that is let in takes 6
_ANSWER_BYTES = 64 * 2**20
_WRONG = 3  # the process's status for a workbook that it can tell the fault of
_DO = "correct it, or save the sheet as CSV"


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet as CSV (UTF-8, comma, a line to each row, blank ones too), and the names of all sheets."""

    sheet: str
    sheets: tuple[str, ...]
    csv: bytes


def to_csv(body: bytes, sheet: str | None, seconds: float = _SECONDS) -> Table:
    """The sheet of that name, or the first one.

    Raises:
        Refusal: 422 for what is no workbook, has no such sheet, or needs more memory or time than it may take.
    """
    words = [sys.executable, "-P", "-m", __name__, *([] if sheet is None else [json.dumps(sheet)])]
    try:
        done = subprocess.run(words, input=body, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise _refusal(f"the workbook was not read within {seconds:g} s") from error
    if done.returncode not in (0, _WRONG):
        raise _refusal("the workbook needs more memory than it may take, or breaks its reader")
    head, _, rest = done.stdout.partition(b"\n")
    told = json.loads(head)
    if done.returncode:
        raise _refusal(told["found"])
    return Table(told["sheet"], tuple(told["sheets"]), rest)


def _refusal(found: str) -> Refusal:
    return Refusal(422, f"{found}: {_DO}", field="body")


def main(words: Sequence[str]) -> int:
    """Standard input's workbook to standard output: a line of JSON, then the table."""
    _bound()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workbook.xlsx"
        path.write_bytes(sys.stdin.buffer.read())
        try:
            head, rows = _read(path, json.loads(words[0]) if words else None)
        except DataError as error:
            head, rows = {"found": f"the workbook: found {error.found}, expected {error.expected}"}, b""
        sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + rows)
    return _WRONG if "found" in head else 0


def _bound() -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(path: Path, sheet: str | None) -> tuple[dict[str, object], bytes]:
    from jobmajor.tables import workbook  # noqa: PLC0415 - the reader's library, which the service itself needs not

    found = workbook.sheet(path, sheet)
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    for row in found.rows:
        writer.writerow(list(_shown(row)))
        if target.tell() > _ANSWER_BYTES:
            raise DataError(path, f"over {_ANSWER_BYTES} characters in a sheet", "fewer", _DO)
    return {"sheet": found.name, "sheets": found.names}, target.getvalue().encode()


def _shown(cells: Sequence[object]) -> Iterator[str]:
    """Cells as a spreadsheet shows them: whole numbers without a point, times without a T."""
    for cell in cells:
        if isinstance(cell, bool):
            yield str(cell).upper()
        elif isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
            yield str(int(cell))
        elif isinstance(cell, datetime):
            yield cell.isoformat(" ")
        else:
            yield str(cell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
