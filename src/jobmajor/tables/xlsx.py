"""Workbooks as tables: read whole within bounds, since the format can't be streamed; written row by row.

Values are kept; formulas and formats are not. A cell with a formula gives the value that the spreadsheet last saved.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import DataError, InputError, MissingExtra
from jobmajor.tables import cells, workbook
from jobmajor.tables.block import Bad, Block, Head, guessed_notes, named_column
from jobmajor.tables.compression import EXTRA
from jobmajor.tables.packed import Packed
from jobmajor.tables.text.guess import SAMPLE_ROWS, guess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jobmajor.tables.block import Column, Reading, Values
    from jobmajor.tables.cells import Kind

SHEET_ROWS: Final = 1_048_576  # of any workbook
CELL_CHARACTERS: Final = 32_767
_WHOLE: Final = 2**53  # a spreadsheet's numbers are floats
_DO = "save it as CSV, or in smaller parts"


@dataclass(frozen=True, slots=True)
class SheetRows:
    """Rows of a sheet."""

    cells: Sequence[Sequence[Any]]
    kinds: Sequence[Kind]

    def columns(self) -> list[list[Any]]:
        """Return all cells."""
        return [list(column) for column in zip(*self.cells, strict=True)] or [[] for _ in self.kinds]


class WorkbookReader:
    """Reads the first sheet of a workbook; its first row that isn't blank names the columns."""

    def __init__(self, path: Path, reading: Reading) -> None:
        """Read the sheet.

        Raises:
            DataError: It is missing, damaged, too large, or no workbook.
        """
        self._path, self._reading = path, reading
        self._head: Head | None = None
        try:
            found = workbook.sheet(path, reading.sheet)
        except DataError as error:
            do = "name one of them with --sheet" if error.found.startswith("the sheets") else _DO
            raise DataError(error.where, error.found, error.expected, do) from error
        values = [(number, list(map(_value, row))) for number, row in enumerate(found.rows, 1)]
        self._rows = [(number, row) for number, row in values if any(value is not None for value in row)]
        self._notes = found.notes
        if not self._rows:
            raise DataError(path, "an empty sheet", "the columns' names in its first row", "give it one")

    def head(self) -> Head:
        """Return the columns, each with the kind that fits all its values."""
        if self._head is None:
            self._head = self._read_head()
        return self._head

    def _read_head(self) -> Head:
        shown = [[cells.text(value) for value in row] for _, row in self._rows[: SAMPLE_ROWS + 1]]
        guessed = guess(shown)
        index, has_header = named_column(
            self._path, shown[0], self._reading, guessed.column, has_header=guessed.has_header
        )
        names = shown[0] if has_header else [f"column {number + 1}" for number in range(len(shown[0]))]
        self._rows = self._rows[1:] if has_header else self._rows
        while names and not names[-1] and all(row[len(names) - 1] is None for _, row in self._rows):
            names.pop()
        kinds = [cells.widened(None, (row[index] for _, row in self._rows)) or "text" for index in range(len(names))]
        notes = guessed_notes(self._reading, names[index], has_header=has_header)
        return Head(tuple(names), tuple(kinds), None, index, (*self._notes, *notes))

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all rows but blank ones."""
        head = self.head()
        width, index = len(head.names), head.title
        for first in range(0, len(self._rows), most):
            part = self._rows[first : first + most]
            listed = [
                Bad(number, "a title that is no text", cells.text(row[index]).encode())
                for number, row in part
                if not isinstance(row[index], str | None)
            ]
            titles = Packed.of([cells.text(row[index]) for _, row in part])
            rows = SheetRows([row[:width] for _, row in part], head.kinds)
            yield Block(titles, rows, (), (first + len(part)) / len(self._rows), listed)

    def close(self) -> None:
        """Free the rows."""
        self._rows = []


def _value(cell: object) -> Any:
    """Return a cell as a plain value; spreadsheets have only floats, so a whole one becomes an int."""
    if cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _WHOLE:
        return int(cell)
    return cell


class _Number(float):
    """A number that keeps all its digits: xlsxwriter prints 16, and some floats need 17."""

    def __format__(self, style: str) -> str:
        shown = format(float(self), style)
        return shown if float(shown) == self else repr(float(self))


def _is_held(value: object) -> bool:
    """Return whether a cell can be this number: a float that is finite, or a whole number that a float holds."""
    if isinstance(value, int):
        return abs(value) <= _WHOLE
    return isinstance(value, float) and math.isfinite(value)


class WorkbookWriter:
    """Writes a sheet row by row; the same rows always give the same bytes."""

    def __init__(self, path: Path, head: Head, added: Sequence[Column], *, safe_cells: bool) -> None:
        try:
            import xlsxwriter  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingExtra("a .xlsx file", EXTRA) from error
        options = {"constant_memory": True, "tmpdir": str(path.parent)}
        self._fault = xlsxwriter.exceptions.FileCreateError
        self._book = xlsxwriter.Workbook(str(path), options)
        self._book.set_properties({"created": datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC).replace(tzinfo=None)})
        self._sheet = self._book.add_worksheet()
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._span = self._book.add_format({"num_format": "[h]:mm:ss"})
        self._time = self._book.add_format({"num_format": "hh:mm:ss"})
        self._added, self._is_safe, self._count = added, safe_cells, 0
        self._put_row([*(self._safe(name) for name in head.names), *(column.name for column in added)])

    def _safe(self, value: Any) -> Any:
        return cells.safe(value) if self._is_safe and isinstance(value, str) else value

    def write(self, block: Block, values: Values) -> None:
        """Write the rows.

        Raises:
            InputError: They are more than a sheet has, or a cell is longer than one can be.
        """
        given = [[self._safe(value) for value in column] for column in block.rows.columns()]
        more = [column.cells(each) for column, each in zip(self._added, values, strict=True)]
        for row in zip(*given, *more, strict=True):
            self._put_row(row)

    def _put_row(self, row: Sequence[Any]) -> None:
        if self._count == SHEET_ROWS:
            raise InputError(f"found more rows than the {SHEET_ROWS:,} of a sheet: write .csv or .parquet instead")
        for column, value in enumerate(row):
            if value is not None and value != "":
                self._put(self._count, column, value)
        self._count += 1

    def _put(self, row: int, column: int, value: Any) -> None:
        sheet = self._sheet
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif _is_held(value):
            sheet.write_number(row, column, _Number(value))
        elif isinstance(value, datetime.timedelta):
            sheet.write_datetime(row, column, value, self._span)
        elif isinstance(value, datetime.datetime | datetime.date | datetime.time):
            sheet.write_datetime(row, column, *self._dated(value))
        else:
            text = cells.text(value)
            if len(text) > CELL_CHARACTERS:
                what = f"row {row + 1}, column {column + 1} has {len(text):,} characters"
                raise InputError(f"{what}, a cell takes {CELL_CHARACTERS:,}: write .csv or .parquet instead")
            sheet.write_string(row, column, text)

    def _dated(self, value: datetime.date | datetime.time) -> tuple[Any, Any]:
        if isinstance(value, datetime.datetime):
            return value.replace(tzinfo=None), self._moment
        return value, self._day if isinstance(value, datetime.date) else self._time

    def close(self) -> None:
        """Write the file."""
        try:
            self._book.close()
        except self._fault as error:  # the cause stands in it
            cause = error.args[0] if error.args else error
            raise cause if isinstance(cause, OSError) else OSError(str(cause)) from error
