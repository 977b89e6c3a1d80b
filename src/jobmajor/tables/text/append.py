"""Rows of delimited text, copied as they are with the added cells behind each.

`append.c` does it where there is compiled code; the functions here do it elsewhere, and a test compares the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.native import library
from jobmajor.native.library import Struct, address
from jobmajor.tables.block import DIGITS, MILLION
from jobmajor.tables.text.scan import FIELDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NUMBER_BYTES = 3 + DIGITS  # a separator, one digit, a point and the decimals
_CELL = re.compile(rb'"(?:[^"]|"")*+"?')
_FORMULA = b"=+-@\t\r"  # a cell that begins with one of these may be taken for a formula


@dataclass(frozen=True, slots=True)
class Cells(Struct):
    """Rows, and the cells to add.

    Attributes:
        text: The bytes that the rows are part of.
        rows: Shape (rows, `row_fields`), as in `scan.Found`.
        cells: Shape (columns, rows): the index of a text, -1 for none; of a number its millionths, -1 for none.
        firsts: Shape (columns,): where a column's texts begin in `texts`, behind its empty one; -1 for a number.
        texts: All texts as bytes, each with the separator in front.
        text_starts: Where each text begins, and where the last one ends.
        row_fields: The length of a row of `rows`.
        width: How many cells a row has to have; empty ones are added behind a shorter row.
    """

    text: NDArray[np.uint8]
    rows: NDArray[np.int64]
    cells: NDArray[np.int32]
    firsts: NDArray[np.int64]
    texts: NDArray[np.uint8]
    text_starts: NDArray[np.int64]
    row_fields: int
    width: int


def append(given: Cells, separator: int, out: NDArray[np.uint8], *, is_safe: bool) -> int:
    """Write each row, its added cells and its line end to `out`; return how many bytes were written.

    Args:
        given: The rows and cells.
        separator: The byte between cells.
        out: Long enough for all.
        is_safe: Put an apostrophe before every cell of the rows that would be a formula.
    """
    compiled = library.load()
    if compiled is not None:
        count: int = compiled.jm_append(given, separator, is_safe, address(out))
        return count
    text, written = given.text.tobytes(), bytearray()
    for index, (begin, end, following, _, fields) in enumerate(given.rows[:, : FIELDS + 1].tolist()):
        row = text[begin:end]
        written += _safe(row, bytes([separator])) if is_safe else row
        written += bytes([separator]) * (given.width - fields)
        written += b"".join(_cells(given, index, bytes([separator]))) + text[end:following]
    out[: len(written)] = memoryview(written)
    return len(written)


def _cells(given: Cells, row: int, separator: bytes) -> list[bytes]:
    found = []
    for value, first in zip(given.cells[:, row].tolist(), given.firsts.tolist(), strict=True):
        if first < 0:
            found.append(separator + (b"" if value < 0 else b"%d.%06d" % divmod(value, MILLION)))
        else:
            begin, end = given.text_starts[first + value : first + value + 2].tolist()
            found.append(given.texts[begin:end].tobytes())
    return found


def _safe(row: bytes, separator: bytes) -> bytes:
    """Return a row with an apostrophe before every cell that would be a formula."""
    cells, position = [], 0
    while True:
        quoted = _CELL.match(row, position)
        end = row.find(separator, quoted.end() if quoted else position)
        cell = row[position : end if end >= 0 else len(row)]
        text = cell[1:] if quoted else cell
        is_formula = text[:1] != b"" and text[:1] in _FORMULA and text[:1] != separator
        cells.append(cell[: len(cell) - len(text)] + b"'" + text if is_formula else cell)
        if end < 0:
            return separator.join(cells)
        position = end + 1
