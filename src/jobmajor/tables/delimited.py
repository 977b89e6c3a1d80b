"""Comma- and tab-separated text: each row is copied unchanged, and the added cells follow it.

Only the title and the row's end are parsed. So quotes, line ends, a byte order mark, an id like 007 and everything
else in a row stay as they are.
"""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from jobmajor.errors import DataError
from jobmajor.tables import cells, scan
from jobmajor.tables.append import NUMBER_BYTES, append
from jobmajor.tables.block import (
    BLOCK_BYTES,
    DIGITS,
    MAX_LINE_BYTES,
    SHOWN_BYTES,
    Bad,
    Block,
    Column,
    Head,
    find_column,
    millionths,
)
from jobmajor.tables.packed import Packed
from jobmajor.tables.scan import BEGIN, END, FAULT, FIELDS, FINE, LINE, NEXT, POSITION, WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.tables.block import Values
    from jobmajor.tables.compression import ByteSource

Kind = Literal["csv", "tsv"]
_SEPARATORS: Final = {"csv": ",;\t", "tsv": "\t"}  # the first with which there is a column of titles counts
_OUT_BYTES = 4 * 2**20  # of added cells that are written at a time
_BOM = b"\xef\xbb\xbf"


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
        self._asked = (np.uint8(0), 0, 0)
        self._separator = ""

    def head(self) -> Head:
        """Return the names in the first line that isn't empty; `details` is that line unchanged."""
        if self._head is None:
            self._head = self._read_head()
        return self._head

    def _read_head(self) -> Head:
        self._text.read_on(0)
        for separator in _SEPARATORS[self._kind]:
            with suppress(DataError):
                if self._column in self._first_row(separator)[1]:
                    break
        else:
            separator = _SEPARATORS[self._kind][0]
        first, names = self._first_row(separator)
        index = find_column(self._path, names, self._column)
        self._separator, self._asked = first.separator, (np.uint8(ord(first.separator)), index, len(names))
        return Head(tuple(names), cells.all_text(len(names)), first)

    def _first_row(self, separator: str) -> tuple[FirstLine, list[str]]:
        """Return the first row and its cells; the next call of `scan` continues after it."""
        text = self._text
        before = len(_BOM) if text.data[: len(_BOM)].tobytes() == _BOM else 0
        self._state[:] = before, 1, 0
        found = np.empty((1, 6), np.int64), np.empty(text.end, np.uint8), np.empty(2, np.int64), self._state, _row()
        if not scan.scan(text.data, text.end, text.is_last, (np.uint8(ord(separator)), 0, 0), found):
            raise DataError(self._path, "no line with a word in it", "a line with the columns' names", "give it one")
        begin, end, following, line, _, fault = found[0][0].tolist()
        if fault not in (FINE, WIDTH):
            where = f"{self._path}, line {line}"
            raise DataError(where, scan.FAULTS[fault], "the columns' names", "correct the line")
        first = 0 if before and begin == before else begin
        raw, ends = text.data[first:end].tobytes(), text.data[end:following].tobytes()
        return FirstLine(raw, ends, separator, self._kind), fields(str(text.data[begin:end].data, "utf-8"), separator)

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all rows after the head."""
        self.head()
        text, row = self._text, _row()
        titles = np.empty(BLOCK_BYTES, np.uint8)
        while True:
            rows, starts = np.empty((most, 6), np.int64), np.empty(most + 1, np.int64)
            found = rows, titles, starts, self._state, row
            count = scan.scan(text.data, text.end, text.is_last, self._asked, found)
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
        whole = DelimitedRows(self._text.data, rows, self._separator, self._asked[2])
        return Block(Packed(data, starts), whole, bad, self._text.share(int(self._state[POSITION])))

    def _bad(self, row: Sequence[int]) -> Bad:
        begin = row[BEGIN]
        end = row[END] if row[END] - begin <= MAX_LINE_BYTES else begin + SHOWN_BYTES
        reason = scan.FAULTS.get(row[FAULT], f"{row[FIELDS]} fields instead of {self._asked[2]}")
        return Bad(row[LINE], reason, self._text.data[begin:end].tobytes())


def _row() -> NDArray[np.int64]:
    return np.empty(8, np.int64)


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of all added columns as bytes, as `append` takes them."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    longest: int  # bytes that the added cells of a row take at most

    @classmethod
    def of(cls, columns: Sequence[Column], joined: Callable[[Sequence[str]], bytes]) -> _Texts:
        """Put the texts together; `joined` makes one text of some cells, a separator before each."""
        texts: list[bytes] = []
        firsts, longest = [], 0
        for column in columns:
            found = [joined([""]), *(joined([text]) for text in _shown_texts(column))]
            firsts.append(-1 if column.kind == "number" else len(texts) + 1)
            texts += found
            longest += NUMBER_BYTES if column.kind == "number" else max(map(len, found))
        starts = np.cumsum([0, *map(len, texts)])
        return cls(np.frombuffer(b"".join(texts), np.uint8), starts, np.array(firsts, np.int64), longest)


def _shown_texts(column: Column) -> Sequence[str]:
    return ("false", "true") if column.kind == "truth" else column.texts


class DelimitedWriter:
    """Writes rows of a delimited table as they are, and the cells of any other table as text."""

    def __init__(self, file: IO[bytes], head: Head, added: Sequence[Column], kind: Kind, *, safe_cells: bool) -> None:
        self._file, self._added, self._is_safe = file, added, safe_cells
        first = head.details if isinstance(head.details, FirstLine) and head.details.kind == kind else None
        self._separator = first.separator if first else _SEPARATORS[kind][0]
        self._texts = _Texts.of(added, self._joined)
        self._rows = max(1, _OUT_BYTES // max(1, self._texts.longest))
        names, more = [self._safe(name) for name in head.names], [column.name for column in added]
        if first is None:
            self._write_cells([[name] for name in (*names, *more)])
        else:
            bom = _BOM if first.raw.startswith(_BOM) else b""
            raw = first.raw if names == list(head.names) else bom + self._joined(names)[1:]
            file.write(raw + self._joined(more) + first.end)

    def _safe(self, text: str) -> str:
        return cells.safe(text) if self._is_safe else text

    def _joined(self, texts: Sequence[str]) -> bytes:
        """Return the cells with a separator before each."""
        return "".join(self._separator + self._quoted(text) for text in texts).encode()

    def _quoted(self, text: str) -> str:
        if any(sign in text for sign in (self._separator, '"', "\n", "\r")):
            return '"' + text.replace('"', '""') + '"'
        return text

    def write(self, block: Block, values: Values) -> None:
        """Copy the rows, or write their cells."""
        rows = block.rows
        if isinstance(rows, DelimitedRows) and rows.separator == self._separator:
            self._write_raw(rows, _as_integers(self._added, values, len(block)))
            return
        given = [[self._safe(cells.text(value)) for value in column] for column in rows.columns()]
        more = [map(_text, column.cells(each)) for column, each in zip(self._added, values, strict=True)]
        self._write_cells([*given, *more])

    def _write_cells(self, columns: Sequence[Iterable[str]]) -> None:
        target = io.StringIO()
        csv.writer(target, delimiter=self._separator, lineterminator="\n").writerows(zip(*columns, strict=True))
        self._file.write(target.getvalue().encode())

    def _write_raw(self, rows: DelimitedRows, added: NDArray[np.int32]) -> None:
        texts = self._texts
        for first in range(0, len(rows.spans), self._rows):
            spans = rows.spans[first : first + self._rows]
            size = int((spans[:, NEXT] - spans[:, BEGIN]).sum()) * (1 + self._is_safe)
            out = np.empty(size + len(spans) * texts.longest, np.uint8)
            part = np.ascontiguousarray(added[:, first : first + self._rows])
            options = np.uint8(ord(self._separator)), self._is_safe
            count = append(rows.text, spans, part, texts.firsts, (texts.data, texts.starts), options, out)
            self._file.write(out.data[:count])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _text(value: Any) -> str:
    return f"{value:.{DIGITS}f}" if isinstance(value, float) else cells.text(value)


def _as_integers(added: Sequence[Column], values: Values, rows: int) -> NDArray[np.int32]:
    """Return the values, shape (columns, rows), as `append` takes them."""
    found = np.empty((len(added), rows), np.int32)
    for index, (column, each) in enumerate(zip(added, values, strict=True)):
        found[index] = millionths(each) if column.kind == "number" else each
    return found
