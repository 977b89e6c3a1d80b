"""Read comma- and tab-separated text without a change to its rows; `delimited_writer` writes them again.

Only the title and the row's end are parsed. So quotes, line ends, a byte order mark, an id like 007 and everything
else in a row stay as they are.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from jobmajor.errors import DataError
from jobmajor.tables import cells, scan
from jobmajor.tables.block import (
    BLOCK_BYTES,
    MAX_LINE_BYTES,
    SHOWN_BYTES,
    Bad,
    Block,
    Head,
    find_column,
)
from jobmajor.tables.packed import Packed
from jobmajor.tables.scan import BEGIN, END, FAULT, FIELDS, FINE, LINE, POSITION, WIDTH, Asked, Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.tables.compression import ByteSource

Kind = Literal["csv", "tsv"]
SEPARATORS: Final = {"csv": ",;\t", "tsv": "\t"}  # the first with which there is a column of titles counts
BOM = b"\xef\xbb\xbf"


class FirstLine(NamedTuple):
    """The line of the columns' names, and the bytes that end it, unchanged."""

    raw: bytes
    end: bytes
    separator: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class DelimitedRows:
    """Rows of the text, unchanged: `spans`, shape (rows, 6), are the rows of `scan.Found`."""

    text: NDArray[np.uint8]
    spans: NDArray[np.int64]
    separator: str
    width: int

    def columns(self) -> list[list[Any]]:
        """Return all cells as text."""
        whole = self.text.data
        bounds = self.spans[:, : END + 1].tolist()
        rows = [fields(str(whole[begin:end], "utf-8"), self.separator) for begin, end in bounds]
        return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(self.width)]


def fields(row: str, separator: str) -> list[str]:
    """Return the cells of a row that the scanner found complete.

    >>> fields('007,"a ""b"", c",', ",")
    ['007', 'a "b", c', '']
    """
    if '"' not in row:
        return row.split(separator)
    found, position = [], 0
    while True:
        if row.startswith('"', position):
            cell, position = _unquoted(row, position + 1)
        else:
            end = row.find(separator, position)
            end = len(row) if end < 0 else end
            cell, position = row[position:end], end
        found.append(cell)
        if position >= len(row):
            return found
        position += 1


def _unquoted(row: str, position: int) -> tuple[str, int]:
    """Return a quoted cell's text, and the position after its closing quote; `position` is after the opening one."""
    parts = []
    while True:
        quote = row.index('"', position)
        parts.append(row[position:quote])
        position = quote + 1
        if not row.startswith('"', position):
            return "".join(parts), position
        parts.append('"')
        position += 1


class _Text:
    """The text in chunks, each in a new array, since its rows may still be in use when the next is read."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self.data, self.end, self.is_last = np.empty(0, np.uint8), 0, False
        self._shares = 0.0, 0.0

    def read_on(self, position: int) -> None:
        """Drop the text before a position, and append more to the rest."""
        left = self.data[position : self.end]
        self.data = np.empty(BLOCK_BYTES, np.uint8)
        self.data[: len(left)] = left
        self.end = len(left) + self._source.fill(self.data.data[len(left) :])
        self._shares = self._shares[1], self._source.share
        self.is_last = self.end < BLOCK_BYTES

    def share(self, position: int) -> float:
        """Return how much of the file lies before a position of the text, 0 to 1."""
        before, now = self._shares
        return before + (now - before) * position / max(self.end, 1)


class DelimitedReader:
    """Reads a table whose first line names the columns."""

    def __init__(self, path: Path, source: ByteSource, column: str, kind: Kind) -> None:
        self._path, self._source, self._column, self._kind = path, source, column, kind
        self._text = _Text(source)
        self._state = np.array([0, 1, 0])
        self._head: Head | None = None
        self._asked = Asked(0, 0, 0)
        self._separator = ""

    def head(self) -> Head:
        """Return the names in the first line that isn't empty; `details` is that line unchanged."""
        if self._head is None:
            self._head = self._read_head()
        return self._head

    def _read_head(self) -> Head:
        self._text.read_on(0)
        for separator in SEPARATORS[self._kind]:
            with suppress(DataError):
                if self._column in self._first_row(separator)[1]:
                    break
        else:
            separator = SEPARATORS[self._kind][0]
        first, names = self._first_row(separator)
        index = find_column(self._path, names, self._column)
        self._separator, self._asked = first.separator, Asked(ord(first.separator), index, len(names))
        return Head(tuple(names), cells.all_text(len(names)), first)

    def _first_row(self, separator: str) -> tuple[FirstLine, list[str]]:
        """Return the first row and its cells; the next call of `scan` continues after it."""
        text = self._text
        before = len(BOM) if text.data[: len(BOM)].tobytes() == BOM else 0
        self._state[:] = before, 1, 0
        rows = np.empty((1, 6), np.int64)
        found = Found(rows, np.empty(text.end, np.uint8), np.empty(2, np.int64), self._state)
        if not scan.scan(text.data, text.end, Asked(ord(separator), 0, 0), found, is_last=text.is_last):
            raise DataError(self._path, "no line with a word in it", "a line with the columns' names", "give it one")
        begin, end, following, line, _, fault = rows[0].tolist()
        if fault not in (FINE, WIDTH):
            where = f"{self._path}, line {line}"
            raise DataError(where, scan.FAULTS[fault], "the columns' names", "correct the line")
        first = 0 if before and begin == before else begin
        raw, ends = text.data[first:end].tobytes(), text.data[end:following].tobytes()
        return FirstLine(raw, ends, separator, self._kind), fields(str(text.data[begin:end].data, "utf-8"), separator)

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all rows after the head."""
        self.head()
        text = self._text
        titles = np.empty(BLOCK_BYTES, np.uint8)
        while True:
            rows, starts = np.empty((most, 6), np.int64), np.empty(most + 1, np.int64)
            found = Found(rows, titles, starts, self._state)
            count = scan.scan(text.data, text.end, self._asked, found, is_last=text.is_last)
            if count:
                yield self._block(rows[:count], titles, starts[: count + 1])
            elif text.is_last:
                return
            else:
                text.read_on(int(self._state[POSITION]))
                self._state[POSITION] = 0

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def _block(self, rows: NDArray[np.int64], titles: NDArray[np.uint8], starts: NDArray[np.int64]) -> Block:
        data = titles[: starts[-1]].copy()
        fine = rows[:, FAULT] == FINE
        if fine.all():
            bad = []
        else:
            bad = [self._bad(row) for row in rows[~fine].tolist()]
            starts = np.append(starts[:-1][fine], starts[-1])  # a bad row's title is empty
            rows = rows[fine]
        whole = DelimitedRows(self._text.data, rows, self._separator, self._asked.width)
        return Block(Packed(data, starts), whole, bad, self._text.share(int(self._state[POSITION])))

    def _bad(self, row: Sequence[int]) -> Bad:
        begin = row[BEGIN]
        end = row[END] if row[END] - begin <= MAX_LINE_BYTES else begin + SHOWN_BYTES
        reason = scan.FAULTS.get(row[FAULT], f"{row[FIELDS]} fields instead of {self._asked.width}")
        return Bad(row[LINE], reason, self._text.data[begin:end].tobytes())
