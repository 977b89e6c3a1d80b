"""Rows of delimited text, copied as they are with cells behind each: compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobmajor.jit import entry, inner

_QUOTE, _LF, _CR, _ZERO, _DOT, _APOSTROPHE = np.frombuffer(b"\"\n\r0.'", np.uint8)
_EQUALS, _PLUS, _MINUS, _AT, _TAB = np.frombuffer(b"=+-@\t", np.uint8)
_DIGITS = 6
_LARGEST = 10**_DIGITS


@inner
def _put(pieces: Any, place: int, out: Any, at: int) -> Any:
    data, starts = pieces
    for source in range(starts[place], starts[place + 1]):
        out[at] = data[source]
        at += 1
    return at


@inner
def _put_score(millionths: int, separator: np.uint8, out: Any, at: int) -> Any:
    out[at] = separator
    out[at + 1] = _ZERO + np.uint8(millionths >= _LARGEST)
    out[at + 2] = _DOT
    left = millionths % _LARGEST
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
    is_first, is_quoted, place = True, False, begin
    while place < end:
        sign = text[place]
        place += 1
        if is_first and sign == _QUOTE:
            is_quoted = True
            out[at] = sign
            at += 1
            if place == end:
                break
            sign = text[place]
            place += 1
            if sign != _QUOTE and _is_formula(sign):
                out[at] = _APOSTROPHE
                at += 1
        elif is_first and sign != separator and _is_formula(sign):
            out[at] = _APOSTROPHE
            at += 1
        if is_quoted and sign == _QUOTE:
            if place < end and text[place] == _QUOTE:
                out[at] = sign
                at += 1
                place += 1
            else:
                is_quoted = False
        out[at] = sign
        at += 1
        is_first = not is_quoted and sign == separator
    return at


@inner
def _copy(text: Any, begin: int, end: int, out: Any, at: int) -> Any:
    for place in range(begin, end):
        out[at] = text[place]
        at += 1
    return at


@inner
def _put_answers(row: int, answers: Any, pieces: Any, tables: Any, separator: np.uint8, out: Any, at: int) -> Any:
    labels, scores, reasons, sources = answers
    of_label, of_reason, of_source = tables
    for level in range(labels.shape[1]):
        for rank in range(labels.shape[2]):
            label = labels[row, level, rank]
            at = _put(pieces, of_label[level, label], out, at)
            if label >= 0:
                at = _put_score(scores[row, level, rank], separator, out, at)
            else:
                out[at] = separator
                at += 1
            if rank == 0:
                at = _put(pieces, of_reason[level, reasons[row, level], sources[row]], out, at)
    return _put(pieces, of_source[sources[row]], out, at)


@entry
def append(text: Any, rows: Any, answers: Any, pieces: Any, tables: Any, asked: Any, out: Any) -> int:
    """The bytes that were written to `out`: each row, the cells of its answers, and its line's end.

    Args:
        text: What the rows are of.
        rows: Shape (rows, 3 or more): where each begins and ends, and where the next one begins.
        answers: Labels and millionths of scores, shape (rows, levels, k), reasons (rows, levels), sources (rows,).
        pieces: Texts as bytes, and where each begins.
        tables: Which piece stands for a label, a reason and a source (see `added.Pieces`).
        asked: The separator, and whether the rows' own cells are made safe.
        out: Long enough.
    """
    separator, is_safe = asked
    at = 0
    for row in range(len(rows)):
        begin, end, following = rows[row, 0], rows[row, 1], rows[row, 2]
        at = _put_safe(text, begin, end, separator, out, at) if is_safe else _copy(text, begin, end, out, at)
        at = _put_answers(row, answers, pieces, tables, separator, out, at)
        at = _copy(text, end, following, out, at)
    return at
