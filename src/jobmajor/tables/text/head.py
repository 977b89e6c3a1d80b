"""The head of a delimited text: its separator, the names of its columns, and which of them holds the titles."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jobmajor.errors import DataError
from jobmajor.tables import cells
from jobmajor.tables.block import BLOCK_BYTES, Head, guessed_notes, named_column
from jobmajor.tables.text import scan, survey
from jobmajor.tables.text.guess import SAMPLE_ROWS, guess
from jobmajor.tables.text.scan import BEGIN, END, FAULT, LINE, NEXT, Asked, Found
from jobmajor.tables.text.split import fields, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.tables.block import Reading
    from jobmajor.tables.compression import ByteSource
    from jobmajor.tables.text.encoding import Encoding

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FirstLine:
    """How the rows are written, and the line of the columns' names.

    Attributes:
        before: What stands before that line, unchanged: a mark, a line `sep=;`, empty lines.
        raw: The line, unchanged; None if no line names the columns.
        end: The bytes that end a line.
        width: How many cells the first row has.
        separator: The character between cells.
        encoding: Of the bytes as they are read.
        has_quotes: Whether a cell may stand in quotes.
        kind: "csv" or "tsv".
    """

    before: bytes
    raw: bytes | None
    end: bytes
    width: int
    separator: str
    encoding: Encoding
    has_quotes: bool
    kind: str

    def line(self, names: Sequence[str], more: Sequence[str], *, is_changed: bool) -> bytes:
        """Return the line of names with more behind them; the names as they stand there unless they were changed."""
        if self.raw is None or is_changed:
            return self.before + self._bytes([*names, *more]) + self.end
        added = [*names[self.width :], *more]
        return self.before + self.raw + b"".join(self._bytes(["", name]) for name in added) + self.end

    def _bytes(self, names: Sequence[str]) -> bytes:
        return joined(names, self.separator).encode(self.encoding.codec, "replace")


class Start(NamedTuple):
    """What a reader needs to go on with: the head, how to scan, and the scanner's state where the rows begin."""

    head: Head
    asked: Asked
    state: tuple[int, int, int]


class _Row(NamedTuple):
    begin: int
    end: int
    following: int
    line: int
    cells: list[str]


def read_head(path: Path, text: NDArray[np.uint8], encoding: Encoding, reading: Reading, kind: str) -> Start:
    """Read the beginning of a text.

    Raises:
        DataError: It has no row, or no column of the name that `reading` asks for.
    """
    scout = _Scout(text, encoding, has_quotes=reading.has_quotes)
    separator, rows = scout.rows(reading.column, kind)
    if not rows:
        raise DataError(path, "no line with a word in it", "a line with the columns' names", "give it one")
    guessed = guess([row.cells for row in rows])
    first = rows[0]
    index, has_header = named_column(path, first.cells, reading, guessed.column, has_header=guessed.has_header)
    following, line = (
        (rows[0].following, rows[1].line if len(rows) > 1 else 2) if has_header else (first.begin, first.line)
    )
    raw = text[first.begin : first.end].tobytes() if has_header else None
    end = text[first.end : first.following].tobytes()
    width = len(first.cells)
    names = first.cells if has_header else [f"column {number}" for number in range(1, width + 1)]
    before = text[: first.begin].tobytes()
    details = FirstLine(before, raw, end, width, separator, encoding, reading.has_quotes, kind)
    notes = guessed_notes(reading, names[index], has_header=has_header)
    head = Head(tuple(names), cells.all_text(width), details, index, notes)
    asked = Asked(ord(separator), index, width, has_quotes=int(reading.has_quotes), is_utf8=int(encoding.is_utf8))
    return Start(head, asked, (following, line, 0))


def widened(start: Start, again: Callable[[], ByteSource]) -> Head:
    """Return the head with a name for each cell of the widest row."""
    with closing(again()) as source:
        width = survey.width(source, start.state[0], start.asked)
    head = start.head
    more = (f"column {number}" for number in range(len(head.names) + 1, width + 1))
    return replace(head, names=(*head.names, *more), kinds=cells.all_text(width))


class _Scout:
    """Reads some rows of the beginning with one separator or another."""

    def __init__(self, text: NDArray[np.uint8], encoding: Encoding, *, has_quotes: bool) -> None:
        self._text, self._encoding, self._has_quotes = text, encoding, has_quotes
        self._begin = len(BOM) if text[: len(BOM)].tobytes() == BOM else 0
        line = text[self._begin : self._begin + 20].tobytes().splitlines(keepends=True)
        self._named = survey.named_separator(line[0]) if line else ""
        self._begin += len(line[0]) if self._named else 0

    def rows(self, column: str | None, kind: str) -> tuple[str, list[_Row]]:
        """Return the separator, and the rows with it: the one with which there is such a column, if one has it."""
        if self._named:
            return self._named, self._rows(self._named)
        head = self._text[: survey.SAMPLE_BYTES]
        best = survey.separator(head, len(head), self._begin, has_quotes=self._has_quotes)
        best = "\t" if kind == "tsv" else best
        for each in (best, *survey.SEPARATORS):
            if self._is_named(each, column):
                return each, self._rows(each)
        return best, self._rows(best)

    def _is_named(self, separator: str, column: str | None) -> bool:
        rows = self._rows(separator)[:1]
        return column is not None and any(column in row.cells for row in rows)

    def _rows(self, separator: str) -> list[_Row]:
        text = self._text
        spans = np.empty((SAMPLE_ROWS + 1, 6), np.int64)
        starts, state = np.empty(len(spans) + 1, np.int64), np.array([self._begin, 1 + bool(self._named), 0])
        found = Found(spans, np.empty(1, np.uint8), starts, state)
        asked = Asked(ord(separator), -1, 0, has_quotes=int(self._has_quotes), is_utf8=0)
        is_last = len(text) < BLOCK_BYTES
        count = scan.scan(text, len(text), asked, found, is_last=is_last)
        fine = [row for row in spans[:count].tolist() if row[FAULT] != scan.TOO_LONG]
        return [_Row(row[BEGIN], row[END], row[NEXT], row[LINE], self._cells(row, separator)) for row in fine]

    def _cells(self, row: Sequence[int], separator: str) -> list[str]:
        raw = self._text[row[BEGIN] : row[END]].tobytes()
        return fields(self._encoding.decoded(raw), separator, has_quotes=self._has_quotes)
