"""What a delimited text is, told before its rows are read: its separator, and how many cells its widest row has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from jobmajor.tables.text import scan
from jobmajor.tables.text.scan import FIELDS, Asked, Found

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.tables.compression import ByteSource

SEPARATORS: Final = (",", ";", "\t", "|")
SAMPLE_BYTES: Final = 2**16
_SAMPLE_ROWS = 50
_CHUNK_BYTES = 2**22  # more than the longest row
_ROWS = 2**16
_NAMED = re.compile(rb'"?sep=([,;\t|])"?[,;\t|]*', re.IGNORECASE)  # Excel's first line


def named_separator(line: bytes) -> str:
    """Return the separator that a first line like `sep=;` names; empty if it names none."""
    found = _NAMED.fullmatch(line.strip(b"\r\n"))
    return found[1].decode() if found else ""


def separator(text: NDArray[np.uint8], end: int, begin: int, *, has_quotes: bool) -> str:
    """Return the separator that parts a text's first lines most evenly; a comma where none does.

    The first line has to have it.
    """
    best, most = SEPARATORS[0], 0.0
    for each in SEPARATORS:
        asked = Asked(ord(each), -1, 0, has_quotes=int(has_quotes))
        counts = _spans(text, end, begin, asked)[:, FIELDS]
        if not len(counts) or counts[0] < 2:
            continue
        usual = int(np.sort(counts)[len(counts) // 2])
        score = float((counts == usual).mean()) + usual / 1e4 if usual > 1 else 0.0
        if score > most:
            best, most = each, score
    return best


def _spans(text: NDArray[np.uint8], end: int, begin: int, asked: Asked) -> NDArray[np.int64]:
    rows = np.empty((_SAMPLE_ROWS, 6), np.int64)
    found = Found(rows, np.empty(1, np.uint8), np.empty(len(rows) + 1, np.int64), np.array([begin, 1, 0]))
    count = scan.scan(text, end, asked, found, is_last=False)
    return rows[:count]


def width(source: ByteSource, begin: int, asked: Asked) -> int:
    """Return how many cells the widest row has; `source` is open at its beginning, and the rows begin at `begin`."""
    text, left = np.empty(_CHUNK_BYTES, np.uint8), 0
    rows, starts = np.empty((_ROWS, 6), np.int64), np.empty(_ROWS + 1, np.int64)
    state, most, is_last = np.array([begin, 1, 0]), asked.width, False
    found = Found(rows, np.empty(1, np.uint8), starts, state)
    plain = Asked(asked.separator, -1, asked.width, has_quotes=asked.has_quotes, is_utf8=0)
    while not is_last:
        end = left + source.fill(text.data[left:])
        is_last = end < _CHUNK_BYTES
        while count := scan.scan(text, end, plain, found, is_last=is_last):
            most = max(most, int(rows[:count, FIELDS].max()))
        position = int(state[scan.POSITION])
        left = end - position
        text[:left] = text[position:end].copy()
        state[scan.POSITION] = 0
    return most
