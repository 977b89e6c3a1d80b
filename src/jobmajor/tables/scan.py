"""The scanner of delimited text, compiled: it finds where rows begin and end, and their titles.

It does not split the rows, so they can be written again unchanged. Quotes follow RFC 4180, and a line ends with LF,
CR LF or CR. Text that Python's `csv` reads in strict mode gives the same rows here. If a quote is never closed, or text
follows a closing quote, only the line in which that row begins counts as faulty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from jobmajor.jit import entry, inner
from jobmajor.tables.block import MAX_LINE_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINE, WIDTH, NO_UTF8, A_NUL, TOO_LONG, NOT_CLOSED, BEHIND_QUOTE = range(7)
BEGIN, END, NEXT, LINE, FIELDS, FAULT = range(6)  # the columns of `Found.rows`
_TITLE_END, _IS_ENDLESS = 6, 7  # the further columns of `Found.row`
FAULTS: Final = {
    NO_UTF8: "no UTF-8",
    A_NUL: "a NUL in it",
    TOO_LONG: f"over {MAX_LINE_BYTES} bytes",
    NOT_CLOSED: "a quote that is not closed",
    BEHIND_QUOTE: "something behind a closing quote",
}
POSITION, LINES, SKIPS = range(3)  # the indices of `Found.state`
_QUOTE, _LF, _CR, _TOP = np.frombuffer(b'"\n\r\x80', np.uint8)
_UNKNOWN, _INCOMPLETE = -1, -2


class Asked(NamedTuple):
    """How to read the text: the separator, the index of the title's column and the number of columns."""

    separator: np.uint8
    column: int
    width: int


class Found(NamedTuple):
    """The arrays that `scan` fills.

    Attributes:
        rows: int64, (most, 6): where each row begins and ends, where the next one begins, its line, fields and fault.
        titles: uint8, at least as long as the text.
        starts: int64, (most + 1,): title i is `titles[starts[i]:starts[i + 1]]`.
        state: int64, (3,): the position up to which the text was read, the line there, and whether the scanner is
            within a line that is too long.
        row: int64, (8,); the row that the scanner is reading.
    """

    rows: NDArray[np.int64]
    titles: NDArray[np.uint8]
    starts: NDArray[np.int64]
    state: NDArray[np.int64]
    row: NDArray[np.int64]


@inner
def _line_end(text: Any, begin: int, end: int) -> Any:
    position = begin
    while position < end and text[position] != _LF and text[position] != _CR:
        position += 1
    return position


@inner
def _after_line_end(text: Any, position: int, end: int, is_last: bool) -> Any:
    """Return where the next line begins, after the byte that ends one; `_INCOMPLETE` if more text is needed."""
    if text[position] == _LF:
        return position + 1
    if position + 1 < end:
        return position + 2 if text[position + 1] == _LF else position + 1
    return position + 1 if is_last else _INCOMPLETE


@inner
def _lowest(sign: Any) -> int:
    """Return the lowest byte that may follow a first byte."""
    if sign == 0xE0:
        return 0xA0
    return 0x90 if sign == 0xF0 else 0x80


@inner
def _highest(sign: Any) -> int:
    """Return the highest byte that may follow a first byte."""
    if sign == 0xED:
        return 0x9F
    return 0x8F if sign == 0xF4 else 0xBF


@inner
def _is_utf8(text: Any, begin: int, end: int) -> bool:
    """Tell whether the bytes are well-formed. Source: The Unicode Standard 15.0, table 3-7."""
    position = begin
    while position < end:
        sign = text[position]
        position += 1
        if sign < _TOP:
            continue
        if sign < 0xC2 or sign > 0xF4:
            return False
        low, high = _lowest(sign), _highest(sign)
        for _ in range(1 + (sign >= 0xE0) + (sign >= 0xF0)):
            if position >= end or text[position] < low or text[position] > high:
                return False
            low, high = 0x80, 0xBF
            position += 1
    return True


@inner
def _after_quoted(text: Any, begin: int, end: int, titles: Any, write: int, row: Any) -> Any:
    """Read from after an opening quote to after the closing one, or to the end; return the position there.

    The text is copied to `titles[write:]`, as far as `titles` reaches. `row` gets the fault of a quote that is not
    closed, the end of the copy, and the number of lines that end within the quotes.
    """
    position, lines = begin, 0
    row[FAULT] = NOT_CLOSED
    while position < end:
        sign = text[position]
        position += 1
        if sign == _QUOTE:
            if position >= end or text[position] != _QUOTE:
                row[FAULT] = FINE
                break
            position += 1
        elif sign == _LF or (sign == _CR and (position >= end or text[position] != _LF)):
            lines += 1
        if write < len(titles):
            titles[write] = sign
            write += 1
    row[_TITLE_END] = write
    row[LINE] += lines
    return position


@inner
def _quoted_cell(text: Any, begin: int, end: int, separator: np.uint8, titles: Any, is_title: bool, row: Any) -> Any:
    """Return where a quoted cell ends; copy a title's text. Anything after the closing quote is a fault."""
    write = row[_TITLE_END]
    position = _after_quoted(text, begin + 1, end, titles, write if is_title else len(titles), row)
    if not is_title:
        row[_TITLE_END] = write
    if row[FAULT] == FINE and position < end:
        sign = text[position]
        row[FAULT] = FINE if sign == separator or sign == _LF or sign == _CR else BEHIND_QUOTE
    return position


@inner
def _plain_cell(text: Any, begin: int, end: int, separator: np.uint8, titles: Any, is_title: bool, row: Any) -> Any:
    """Return where a cell without quotes ends; copy a title's text."""
    position, write = begin, row[_TITLE_END]
    while position < end:
        sign = text[position]
        if sign == separator or sign == _LF or sign == _CR:
            break
        if is_title:
            titles[write] = sign
            write += 1
        position += 1
    row[_TITLE_END] = write
    return position


@inner
def _fields(text: Any, begin: int, end: int, wanted: Any, titles: Any, row: Any) -> Any:
    """Read a row's fields and return where its line ends, or `end`; `row` gets the fault, fields, lines and title."""
    separator, column = wanted[0], wanted[1]
    position, fields = begin, 0
    row[FAULT], row[LINE] = FINE, 0
    while row[FAULT] == FINE:
        if position < end and text[position] == _QUOTE:
            position = _quoted_cell(text, position, end, separator, titles, fields == column, row)
        else:
            position = _plain_cell(text, position, end, separator, titles, fields == column, row)
        fields += 1
        if position >= end or text[position] != separator:
            break
        position += 1
    row[FIELDS] = fields
    return position


@inner
def _note_end(text: Any, position: int, end: int, is_last: bool, row: Any) -> bool:
    """Note where the row ends and the next begins; return False if more text is needed."""
    row[END] = row[NEXT] = position
    if position < end:
        row[NEXT] = _after_line_end(text, position, end, is_last)
    return bool(row[NEXT] != _INCOMPLETE)


@inner
def _give_up(text: Any, begin: int, limits: Any, is_last: bool, row: Any) -> bool:
    """Note only the first line of a row that is faulty or too long; return False if more text is needed."""
    limit, end = limits
    position = _line_end(text, begin, limit)
    row[LINE] = 0
    if position < limit:
        row[FAULT] = max(row[FAULT], NOT_CLOSED)
        return _note_end(text, position, end, is_last, row)
    row[END] = row[NEXT] = position
    if limit - begin > MAX_LINE_BYTES:
        row[FAULT], row[_IS_ENDLESS] = TOO_LONG, 1
        return True
    return is_last


@inner
def _is_whole(text: Any, begin: int, limits: Any, is_last: bool, wanted: Any, titles: Any, row: Any) -> bool:
    """Read a row and return whether it ends within the text."""
    limit, end = limits
    row[BEGIN], row[_IS_ENDLESS] = begin, 0
    position = _fields(text, begin, limit, wanted, titles, row)
    if position >= end and not is_last and row[FAULT] != BEHIND_QUOTE:
        return False
    if row[FAULT] != FINE or (position >= limit and limit < end):
        return _give_up(text, begin, limits, is_last, row)
    return _note_end(text, position, end, is_last, row)


@inner
def _fault(text: Any, row: Any, width: int) -> int:
    """Return the fault of a complete row."""
    if row[FAULT] != FINE:
        return row[FAULT]  # type: ignore[no-any-return]  # a number
    begin, end = row[BEGIN], row[END]
    most, least = np.uint8(0), np.uint8(255)
    for position in range(begin, end):
        sign = text[position]
        most, least = max(most, sign), min(least, sign)
    if end > begin and least == 0:
        return A_NUL
    if most >= _TOP and not _is_utf8(text, begin, end):
        return NO_UTF8
    return FINE if row[FIELDS] == width else WIDTH


@inner
def _skip_line(text: Any, end: int, is_last: bool, state: Any) -> bool:
    """Skip the rest of an endless line; return False if it does not end in the text."""
    position = _line_end(text, state[POSITION], end)
    state[POSITION] = position
    following = _after_line_end(text, position, end, is_last) if position < end else _INCOMPLETE
    if following == _INCOMPLETE:
        return False
    state[POSITION], state[SKIPS] = following, 0
    state[LINES] += 1
    return True


@entry
def scan(text: Any, end: int, is_last: bool, wanted: Any, found: Any) -> int:
    """Find the rows from the position in `state` on, and return how many fit into `found` or are complete before `end`.

    An empty line is a row only if the table has one column. A row that is `TOO_LONG` counts as found at once. The
    scanner skips the rest of it, which may take several calls.
    """
    rows, titles, starts, state, row = found
    count = 0
    starts[0] = row[_TITLE_END] = 0
    while state[POSITION] < end and count < len(rows):
        if state[SKIPS] != 0:
            if not _skip_line(text, end, is_last, state):
                break
            continue
        begin = state[POSITION]
        if not _is_whole(text, begin, (min(end, begin + MAX_LINE_BYTES + 1), end), is_last, wanted, titles, row):
            break
        state[POSITION], state[SKIPS] = row[NEXT], row[_IS_ENDLESS]
        if row[END] > begin or wanted[2] == 1 or row[FAULT] != FINE:
            row[FAULT] = _fault(text, row, wanted[2])
            if row[FAULT] != FINE:
                row[_TITLE_END] = starts[count]
            for field in range(FAULT + 1):
                rows[count, field] = row[field]
            rows[count, LINE] = state[LINES]
            count += 1
            starts[count] = row[_TITLE_END]
        else:
            row[_TITLE_END] = starts[count]
        state[LINES] += row[LINE] + 1 - row[_IS_ENDLESS]
    return count
