"""The scanner of delimited text: it finds where rows begin and end, and their titles.

It does not split the rows, so they can be written again unchanged. Quotes follow RFC 4180, and a line ends with LF,
CR LF or CR. Text that Python's `csv` reads in strict mode gives the same rows here. If a quote is never closed, or text
follows a closing quote, only the line in which that row begins counts as faulty.

`scan.c` scans where there is compiled code, and `scanner` in Python elsewhere; a property test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobmajor.native import library
from jobmajor.native.library import Struct, address
from jobmajor.tables.block import MAX_LINE_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FINE, WIDTH, NO_UTF8, A_NUL, TOO_LONG, NOT_CLOSED, BEHIND_QUOTE = range(7)
BEGIN, END, NEXT, LINE, FIELDS, FAULT = range(6)  # the columns of `Found.rows`
FAULTS: Final = {
    NO_UTF8: "no UTF-8",
    A_NUL: "a NUL in it",
    TOO_LONG: f"over {MAX_LINE_BYTES} bytes",
    NOT_CLOSED: "a quote that is not closed",
    BEHIND_QUOTE: "something behind a closing quote",
}
POSITION, LINES, SKIPS = range(3)  # the indices of `Found.state`


@dataclass(frozen=True, slots=True)
class Asked(Struct):
    """How to read the text.

    Attributes:
        separator: The byte between cells.
        column: The index of the title's column.
        width: The number of columns.
        longest: The most bytes of a row; a longer one is faulty.
    """

    separator: int
    column: int
    width: int
    longest: int = MAX_LINE_BYTES


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
        from jobmajor.tables import scanner  # noqa: PLC0415 - it imports this module

        return scanner.scan(text, end, asked, found, is_last=is_last)
    count: int = compiled.jm_scan(address(text), end, is_last, asked, found)
    return count
