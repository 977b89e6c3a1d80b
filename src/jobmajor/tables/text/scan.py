"""The scanner of delimited text: it finds where rows begin and end, and their titles.

It does not split the rows, so they can be written again unchanged. Quotes follow RFC 4180, and a line ends with LF,
CR LF or CR. Text that Python's `csv` reads in strict mode gives the same rows here. A quote that is never closed, or
that is closed before other text, is a character like others: it spoils its own row, and no row is lost. In
tab-separated text, so are two quotes with whole rows between them. The page's reader has the same rules.

`scan.c` scans where there is compiled code, and Python elsewhere; a property test compares the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobmajor.native import library
from jobmajor.native.library import Struct, address
from jobmajor.tables.block import MAX_LINE_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FINE, WIDTH, NO_UTF8, A_NUL, TOO_LONG, NOT_CLOSED, BEHIND_QUOTE, STRAY = range(8)
BEGIN, END, NEXT, LINE, FIELDS, FAULT = range(6)  # the columns of `Found.rows`
FAULTS: Final = {
    NO_UTF8: "bytes that are no UTF-8",
    A_NUL: "a NUL in it",
    TOO_LONG: f"over {MAX_LINE_BYTES} bytes",
    NOT_CLOSED: "a quote that is not closed",
    BEHIND_QUOTE: "something behind a closing quote",
    STRAY: "a quote that is closed only rows later",
}
POSITION, LINES, SKIPS = range(3)  # the indices of `Found.state`


@dataclass(frozen=True, slots=True)
class Asked(Struct):
    """How to read the text.

    Attributes:
        separator: The byte between cells.
        column: The index of the title's column.
        width: The number of columns.
        longest: The most bytes of a row; a longer one is left out.
        has_quotes: Whether a cell may stand in quotes.
        is_utf8: Whether bytes that are no UTF-8 are a fault.
    """

    separator: int
    column: int
    width: int
    longest: int = MAX_LINE_BYTES
    has_quotes: int = 1
    is_utf8: int = 1


@dataclass(frozen=True, slots=True)
class Found(Struct):
    """The arrays that `scan` fills.

    Attributes:
        rows: int64, (most, 6): where each row begins and ends, where the next one begins, its line, fields and fault.
        titles: uint8, at least as long as the text.
        starts: int64, (most + 1,): title i is `titles[starts[i]:starts[i + 1]]`.
        state: int64, (3,): the position up to which the text was read, the line there, and whether the scanner is
            within a line that is too long.
    """

    rows: NDArray[np.int64]
    titles: NDArray[np.uint8]
    starts: NDArray[np.int64]
    state: NDArray[np.int64]


def scan(text: NDArray[np.uint8], end: int, asked: Asked, found: Found, *, is_last: bool) -> int:
    """Find the rows from the position in `state` on, and return how many fit into `found` or are complete before `end`.

    An empty line is a row only if the table has one column. A row that is `TOO_LONG` counts as found at once. The
    scanner skips the rest of it, which may take several calls.
    """
    compiled = library.load()
    if compiled is None:
        return scan_in_python(text, end, asked, found, is_last=is_last)
    count: int = compiled.jm_scan(address(text), end, is_last, asked, found)
    return count


_QUOTED = re.compile(rb'"((?:[^"]|"")*+)("?)')  # a cell from its opening quote on, and whether a quote closes it
_LINE_END = re.compile(rb"[\r\n]")
_LINE_ENDS = re.compile(rb"\n|\r(?!\n)")


@dataclass(slots=True)
class _Row:
    begin: int
    end: int
    next: int = 0
    lines: int = 0
    fields: int = 0
    fault: int = FINE
    title: bytes = b""


class _Scanner:
    """Reads rows of `text`; more text follows unless it is the last."""

    def __init__(self, text: bytes, asked: Asked, *, is_last: bool) -> None:
        self._text, self._asked, self._is_last = text, asked, is_last
        self._separator = bytes([asked.separator])
        self._plain = re.compile(b"[^\r\n" + re.escape(self._separator) + b"]*+")

    def line_end(self, begin: int, limit: int) -> int:
        """Return where the line ends, or the limit."""
        found = _LINE_END.search(self._text, begin, limit)
        return found.start() if found else limit

    def after_line_end(self, position: int) -> int | None:
        """Return where the next line begins, after the byte that ends one; None if more text is needed to tell."""
        if self._text[position : position + 1] == b"\n":
            return position + 1
        if position + 1 < len(self._text):
            return position + 1 + (self._text[position + 1 : position + 2] == b"\n")
        return position + 1 if self._is_last else None

    def row(self, begin: int) -> _Row | None:
        """Read a row; return None if it does not end within the text."""
        limit = min(len(self._text), begin + self._asked.longest + 1)
        row = self._cells(begin, limit, has_quotes=bool(self._asked.has_quotes))
        if row.end >= limit and limit - begin > self._asked.longest:
            return self._first_line(begin, limit)
        if row.end >= len(self._text) and not self._is_last:
            return None
        return self._ended(row)

    def _cells(self, begin: int, limit: int, *, has_quotes: bool) -> _Row:
        row = _Row(begin, begin)
        while True:
            is_quoted = has_quotes and self._text[row.end : row.end + 1] == b'"'
            cell = self._quoted(row, limit) if is_quoted else self._unquoted(row, limit)
            if row.fields == self._asked.column:
                row.title = cell
            row.fields += 1
            if row.end >= limit or self._text[row.end : row.end + 1] != self._separator:
                return row
            row.end += 1

    def _unquoted(self, row: _Row, limit: int) -> bytes:
        found = self._plain.match(self._text, row.end, limit)
        row.end = found.end() if found else row.end
        return found[0] if found else b""

    def _quoted(self, row: _Row, limit: int) -> bytes:
        """Read a cell in quotes; a quote that opens no cell is read as a character like others."""
        found = _QUOTED.match(self._text, row.end, limit)
        if not found:  # beyond the limit
            return self._unquoted(row, limit)
        fault, end = self._quote_fault(row, found, limit), found.end()
        is_cut = end >= len(self._text) and not self._is_last  # what follows decides
        if fault == FINE or is_cut:
            row.end = end
            row.lines += len(_LINE_ENDS.findall(found[1]))
            return found[1].replace(b'""', b'"')
        row.fault = row.fault or fault
        return self._unquoted(row, limit)

    def _quote_fault(self, row: _Row, found: re.Match[bytes], limit: int) -> int:
        if not found[2]:
            return NOT_CLOSED
        end = found.end()
        if end < limit and self._text[end : end + 1] not in (self._separator, b"\r", b"\n"):
            return BEHIND_QUOTE
        return STRAY if _LINE_END.search(found[1]) and self._is_stray(row.begin, end, limit) else FINE

    def _is_stray(self, begin: int, end: int, limit: int) -> bool:
        """Return whether a quoted cell of tab-separated text has whole rows in it."""
        width = self._asked.width
        if self._separator != b"\t" or width < 2:
            return False
        *lines, last = _LINE_ENDS.split(self._text[begin:end])
        fields = 1 + last.count(b"\t")
        is_at_end = end >= limit or self._text[end : end + 1] in (b"\r", b"\n")
        is_whole = fields == width if is_at_end else fields < width
        return is_whole and all(1 + line.count(b"\t") == width for line in lines)

    def _first_line(self, begin: int, limit: int) -> _Row | None:
        """Return the first line of a row that is too long: a row of its own if it is short enough."""
        if self.line_end(begin, limit) < limit:
            row = self._cells(begin, limit, has_quotes=False)
            row.fault = NOT_CLOSED
            return self._ended(row)
        return _Row(begin, limit, limit, fault=TOO_LONG)

    def _ended(self, row: _Row) -> _Row | None:
        following = self.after_line_end(row.end) if row.end < len(self._text) else row.end
        if following is None:
            return None
        row.next = following
        return row

    def fault(self, row: _Row) -> int:
        """Return the fault of a complete row."""
        if row.fault != FINE:
            return row.fault
        whole = self._text[row.begin : row.end]
        if b"\0" in whole:
            return A_NUL
        try:
            whole.decode("utf-8" if self._asked.is_utf8 else "latin-1")
        except UnicodeDecodeError:
            return NO_UTF8
        return FINE if row.fields == self._asked.width else WIDTH


def scan_in_python(text: NDArray[np.uint8], end: int, asked: Asked, found: Found, *, is_last: bool) -> int:
    """Do what `scan` does, row by row: it serves where there is no compiled code."""
    scanner, state, count = _Scanner(text[:end].tobytes(), asked, is_last=is_last), found.state, 0
    found.starts[0] = 0
    while state[POSITION] < end and count < len(found.rows):
        begin = int(state[POSITION])
        if state[SKIPS]:
            line_end = scanner.line_end(begin, end)
            following = scanner.after_line_end(line_end) if line_end < end else None
            state[POSITION] = line_end if following is None else following
            if following is None:
                break
            state[SKIPS], state[LINES] = 0, state[LINES] + 1
            continue
        row = scanner.row(begin)
        if row is None:
            break
        is_endless = row.fault == TOO_LONG
        if row.end > begin or asked.width == 1 or row.fault != FINE:
            _put(found, count, row, scanner.fault(row))
            count += 1
        state[POSITION], state[SKIPS] = row.next, is_endless
        state[LINES] += row.lines + 1 - is_endless
    return count


def _put(found: Found, count: int, row: _Row, fault: int) -> None:
    title = row.title if fault != TOO_LONG else b""
    first = int(found.starts[count])
    found.titles[first : first + len(title)] = memoryview(title)
    found.starts[count + 1] = first + len(title)
    found.rows[count] = row.begin, row.end, row.next, found.state[LINES], row.fields, fault
