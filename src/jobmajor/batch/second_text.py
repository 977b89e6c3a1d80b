"""The column of context: it is joined with each title, so that equal titles with two contexts have two answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jobmajor.model import contextual
from jobmajor.tables import cells
from jobmajor.tables.block import find_column
from jobmajor.tables.packed import LONGEST, Packed

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.tables.block import Block, Reader


def find(reader: Reader, path: Path, column: str | None) -> int | None:
    """Return the index of the column of context in a table; None if there is none to read, or no row.

    Raises:
        DataError: The table has no such column.
    """
    names = reader.head().names
    return None if column is None or not names else find_column(path, names, column)


def joined(block: Block, column: int | None) -> Block:
    """Return the block with titles joined with the cells of a column; the block itself without one."""
    if column is None:
        return block
    titles = [block.titles.title(row, LONGEST) for row in range(len(block))]
    given = [cells.text(value) for value in block.rows.columns()[column]]
    return replace(block, titles=Packed.of(contextual.joined(titles, given)))
