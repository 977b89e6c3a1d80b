"""Rows of delimited text, copied as they are with the added cells behind each: compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobmajor.jit import entry, inner
from jobmajor.tables.block import DIGITS as _DIGITS
from jobmajor.tables.block import MILLION as _MILLION

_QUOTE, _LF, _CR, _ZERO, _DOT, _APOSTROPHE = np.frombuffer(b"\"\n\r0.'", np.uint8)
_EQUALS, _PLUS, _MINUS, _AT, _TAB = np.frombuffer(b"=+-@\t", np.uint8)
NUMBER_BYTES = 3 + _DIGITS  # a separator, one digit, a point and the decimals


@inner
def _put_text(texts: Any, index: int, out: Any, at: int) -> Any:
    data, starts = texts
    for source in range(starts[index], starts[index + 1]):
        out[at] = data[source]
        at += 1
    return at


@inner
def _put_number(millionths: int, separator: np.uint8, out: Any, at: int) -> Any:
    out[at] = separator
    if millionths < 0:
        return at + 1
    out[at + 1] = _ZERO + np.uint8(millionths >= _MILLION)
    out[at + 2] = _DOT
    left = millionths % _MILLION
    for digit in range(_DIGITS):
        out[at + 2 + _DIGITS - digit] = _ZERO + np.uint8(left % 10)
        left //= 10
    return at + 3 + _DIGITS


@inner
def _is_formula(sign: np.uint8) -> Any:
    return sign == _EQUALS or sign == _PLUS or sign == _MINUS or sign == _AT or sign == _TAB or sign == _CR


@inner
def _put_safe(text: Any, begin: int, end: int, separator: np.uint8, out: Any, at: int) -> Any:
    """Copy a row with an apostrophe before every cell that would be a formula."""
    is_first, is_quoted, read = True, False, begin
    while read < end:
        sign = text[read]
        read += 1
        if is_first and sign == _QUOTE:
            is_quoted = True
            out[at] = sign
            at += 1
            if read == end:
                break
            sign = text[read]
            read += 1
            if sign != _QUOTE and _is_formula(sign):
                out[at] = _APOSTROPHE
                at += 1
        elif is_first and sign != separator and _is_formula(sign):
            out[at] = _APOSTROPHE
            at += 1
        if is_quoted and sign == _QUOTE:
            if read < end and text[read] == _QUOTE:
                out[at] = sign
                at += 1
                read += 1
            else:
                is_quoted = False
        out[at] = sign
        at += 1
        is_first = not is_quoted and sign == separator
    return at


@inner
def _copy(text: Any, begin: int, end: int, out: Any, at: int) -> Any:
    for source in range(begin, end):
        out[at] = text[source]
        at += 1
    return at


@inner
def _put_cells(row: int, cells: Any, firsts: Any, texts: Any, separator: np.uint8, out: Any, at: int) -> Any:
    for column in range(len(cells)):
        value, first = cells[column, row], firsts[column]
        is_number = first < 0
        at = _put_number(value, separator, out, at) if is_number else _put_text(texts, first + value, out, at)
    return at


@entry
def append(text: Any, rows: Any, cells: Any, firsts: Any, texts: Any, options: Any, out: Any) -> int:
    """Write each row, its added cells and its line end to `out`; return how many bytes were written.

    Args:
        text: The bytes that the rows are part of.
        rows: Shape (rows, 3 or more): where each begins and ends, and where the next one begins.
        cells: int32, shape (columns, rows): the index of a text, -1 for none; of a number its millionths, -1 for none.
        firsts: Shape (columns,): where a column's texts begin in `texts`, behind its empty one; -1 for a number.
        texts: All texts as bytes, each with the separator in front, and where each begins.
        options: The separator, and whether the rows' own cells are made safe.
        out: Long enough for all.
    """
    separator, is_safe = options
    at = 0
    for row in range(len(rows)):
        begin, end, following = rows[row, 0], rows[row, 1], rows[row, 2]
        at = _put_safe(text, begin, end, separator, out, at) if is_safe else _copy(text, begin, end, out, at)
        at = _put_cells(row, cells, firsts, texts, separator, out, at)
        at = _copy(text, end, following, out, at)
    return at
