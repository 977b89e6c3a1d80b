"""Convert a workbook to CSV in a separate process: `python -m jobmajor.serve.page.spreadsheet`.

The limits in `tables.workbook` protect a user from a damaged file. A file that comes over HTTP may be made to get
past them: one text of 200 KB that a million cells refer to is a small file. So the process has limits on
memory and time, and if it dies, only this request fails.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor.errors import DataError
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.tables.cells import text as cells_as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MEMORY_BYTES = 2**30  # of address space; a table of 100,000 rows takes a quarter of it
_SECONDS = 30  # the largest workbook within the limits takes 6
_ANSWER_BYTES = 64 * 2**20
_WRONG = 3  # the exit status for a workbook with a fault that it can name
_DO = "correct it, or save the sheet as CSV"


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet as CSV (UTF-8, commas, one line to each row, blank ones included), and the names of all sheets."""

    sheet: str
    sheets: tuple[str, ...]
    csv: bytes


def to_csv(body: bytes, sheet: str | None, seconds: float = _SECONDS) -> Table:
    """Convert the sheet of that name, or the first one.

    Raises:
        Refusal: 422 if the body is no workbook, has no such sheet, or exceeds the limits on memory or time.
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
    """Convert standard input's workbook; write a line of JSON, then the table, to standard output."""
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
    with nullcontext() if sys.platform == "linux" else suppress(OSError, ValueError):  # macOS may refuse this bound
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(path: Path, sheet: str | None) -> tuple[dict[str, object], bytes]:
    from jobmajor.tables import workbook  # noqa: PLC0415 - the reader's library, which the service itself does not need

    found = workbook.sheet(path, sheet)
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    for row in found.rows:
        writer.writerow(list(_shown(row)))
        if target.tell() > _ANSWER_BYTES:
            raise DataError(path, f"over {_ANSWER_BYTES} characters in a sheet", "fewer", _DO)
    return {"sheet": found.name, "sheets": found.names}, target.getvalue().encode()


def _shown(cells: Sequence[object]) -> Iterator[str]:
    """Yield cells as a spreadsheet shows them: whole numbers without a decimal point, times without a T."""
    for cell in cells:
        if isinstance(cell, bool):
            yield str(cell).upper()
        elif isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
            yield str(int(cell))
        elif isinstance(cell, datetime):
            yield cell.isoformat(" ")
        elif isinstance(cell, timedelta):
            yield cells_as_text(cell)
        else:
            yield str(cell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
