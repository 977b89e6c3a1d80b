"""Read delimited text without a change to its rows; `delimited_writer` writes them again.

Only the title and the row's end are parsed. So quotes, line ends, a byte order mark, an id like 007 and everything
else in a row stay as they are. Every row is kept: one that has a fault is listed as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jobmajor.tables.block import BLOCK_BYTES, SHOWN_BYTES, Bad, Block, Head
from jobmajor.tables.packed import Packed
from jobmajor.tables.text import scan
from jobmajor.tables.text.encoding import Encoding
from jobmajor.tables.text.head import FirstLine, read_head, widened
from jobmajor.tables.text.scan import BEGIN, END, FAULT, FIELDS, FINE, LINE, NEXT, POSITION, Asked, Found
from jobmajor.tables.text.split import fields, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.tables.block import Reading
    from jobmajor.tables.compression import ByteSource

Kind = Literal["csv", "tsv"]
_QUOTE_FAULTS = (scan.NOT_CLOSED, scan.BEHIND_QUOTE, scan.STRAY)


@dataclass(frozen=True, slots=True)
class DelimitedRows:
    """Rows of the text: `spans`, shape (rows, 6), are the rows of `scan.Found`."""

    text: NDArray[np.uint8]
    spans: NDArray[np.int64]
    first: FirstLine
    width: int

    def columns(self) -> list[list[Any]]:
        """Return all cells as text; a short row ends with empty ones."""
        whole, first = self.text.data, self.first
        bounds = self.spans[:, : END + 1].tolist()
        rows = [
            fields(first.encoding.decoded(bytes(whole[begin:end])), first.separator, has_quotes=first.has_quotes)
            for begin, end in bounds
        ]
        rows = [row + [""] * (self.width - len(row)) for row in rows]
        return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(self.width)]


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
    """Reads a table; whether its first line names the columns, and all else that it does not say, is guessed."""

    def __init__(
        self, path: Path, again: Callable[[], ByteSource], encoding: Encoding, reading: Reading, kind: Kind
    ) -> None:
        """Take `again`, which opens the file at its beginning."""
        self._path, self._again, self._reading, self._kind = path, again, reading, kind
        self._encoding = encoding
        self._source = again()
        self._text = _Text(self._source)
        self._state = np.array([0, 1, 0])
        self._head: Head | None = None
        self._asked = Asked(0, 0, 0)

    def head(self) -> Head:
        """Return the names of the columns; `details` is the line that they stand in, unchanged."""
        if self._head is None:
            self._text.read_on(0)
            known = self._encoding if self._encoding.is_kept else Encoding()
            start = read_head(self._path, self._text.data[: self._text.end], known, self._reading, self._kind)
            self._asked, self._state[:] = start.asked, start.state
            self._head = replace(widened(start, self._again), notes=(*self._read_as(), *start.head.notes))
        return self._head

    def _read_as(self) -> tuple[str, ...]:
        if self._encoding.is_utf8 or self._reading.encoding:
            return ()
        return (f"read as {self._encoding.label}{'' if self._encoding.is_kept else ', the output is UTF-8'}",)

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
        head = self.head()
        first: FirstLine = head.details
        packed = Packed(titles[: starts[-1]].copy(), starts)
        packed = packed if first.encoding.is_utf8 else first.encoding.packed(packed)
        text, bad, listed = self._text.data, list[Bad](), list[Bad]()
        if not (rows[:, FAULT] == FINE).all():
            is_left_out = rows[:, FAULT] == scan.TOO_LONG
            bad = [self._bad(row) for row in rows[is_left_out].tolist()]
            listed = [self._bad(row) for row in rows[~is_left_out & (rows[:, FAULT] != FINE)].tolist()]
            packed = _readable(packed, rows) if first.encoding.is_utf8 else packed
            packed = Packed(packed.data, np.append(packed.starts[:-1][~is_left_out], packed.starts[-1]))
            text, rows = _mended(text, rows[~is_left_out], first)
        whole = DelimitedRows(text, rows, first, len(head.names))
        return Block(packed, whole, bad, self._text.share(int(self._state[POSITION])), listed)

    def _bad(self, row: Sequence[int]) -> Bad:
        begin = row[BEGIN]
        end = row[END] if row[FAULT] != scan.TOO_LONG else begin + SHOWN_BYTES
        cells = "1 cell" if row[FIELDS] == 1 else f"{row[FIELDS]} cells"
        reasons = [scan.FAULTS[row[FAULT]]] if row[FAULT] in scan.FAULTS else []
        if row[FIELDS] != self._asked.width and row[FAULT] != scan.TOO_LONG:
            reasons.append(f"{cells} instead of {self._asked.width}")
        return Bad(row[LINE], "; ".join(reasons), self._text.data[begin:end].tobytes())


def _readable(titles: Packed, rows: NDArray[np.int64]) -> Packed:
    """Return the titles with U+FFFD for what is no UTF-8."""
    if not (rows[:, FAULT] == scan.NO_UTF8).any():
        return titles
    data, starts = titles.data.tobytes(), titles.starts.tolist()
    return Packed.of([data[begin:end].decode("utf-8", "replace") for begin, end in pairwise(starts)])


def _mended(
    text: NDArray[np.uint8], rows: NDArray[np.int64], first: FirstLine
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return text and rows, those with a fault of quotes written anew behind the text, so that other readers agree."""
    faulty = np.flatnonzero(np.isin(rows[:, FAULT], _QUOTE_FAULTS))
    if not len(faulty):
        return text, rows
    rows, whole, more, at = rows.copy(), text.data, list[bytes](), len(text)
    for index in faulty.tolist():
        begin, end, following = rows[index, [BEGIN, END, NEXT]].tolist()
        raw = bytes(whole[begin:end]).decode("latin-1")  # one character to each byte, whatever they mean
        mended = joined(fields(raw, first.separator), first.separator).encode("latin-1")
        more += [mended, bytes(whole[end:following])]
        rows[index, BEGIN], rows[index, END] = at, at + len(mended)
        at += len(mended) + following - end
        rows[index, NEXT] = at
    return np.concatenate([text, np.frombuffer(b"".join(more), np.uint8)]), rows
