"""A row of delimited text as cells, and cells as a row."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@cache
def _cell(separator: str) -> re.Pattern[str]:
    """Return the pattern of a cell in quotes, up to its separator or the row's end."""
    return re.compile(rf'"((?:[^"]|"")*+)"(?={re.escape(separator)}|\Z)')


def fields(row: str, separator: str, *, has_quotes: bool = True) -> list[str]:
    """Return the cells of a row; a quote that opens none is a character like others.

    >>> fields('007,"a ""b"", c",', ","), fields('"a" b,"c', ",")
    (['007', 'a "b", c', ''], ['"a" b', '"c'])
    """
    if not has_quotes or '"' not in row:
        return row.split(separator)
    found, position, pattern = [], 0, _cell(separator)
    while True:
        quoted = pattern.match(row, position)
        if quoted:
            cell, position = quoted[1].replace('""', '"'), quoted.end()
        else:
            end = row.find(separator, position)
            end = len(row) if end < 0 else end
            cell, position = row[position:end], end
        found.append(cell)
        if position >= len(row):
            return found
        position += 1


def joined(cells: Iterable[str], separator: str) -> str:
    r"""Return a row of cells, in quotes where they need them.

    >>> joined(["a", "b c", "d,e"], ",")
    'a,b c,"d,e"'
    """
    return separator.join(quoted(cell, separator) for cell in cells)


def quoted(cell: str, separator: str) -> str:
    """Return a cell as it stands in a row."""
    if any(sign in cell for sign in (separator, '"', "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell
