"""Chosen columns of a table in any format that is read, row by row as text."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobmajor.errors import InputError
from jobmajor.tables import cells, formats
from jobmajor.tables.block import find_column
from jobmajor.tables.formats import Format

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BLOCK_ROWS: Final = 4096
_AS_TABLE: Final = Format("csv")  # for JSON lines: the columns are then the keys of all lines, not of the first


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a table.

    Attributes:
        cells: One tuple for each row, in the order of the columns asked for; an empty text where there is nothing.
        bad: How many rows beside these can't be read.
    """

    cells: Sequence[tuple[str, ...]]
    bad: int


def names(path: Path, column: str) -> tuple[str, ...]:
    """Return the names of a table's columns.

    Raises:
        InputError: As `rows`.
    """
    _expect_file(path)
    with closing(formats.reader(path, column, _AS_TABLE)) as reader:
        return reader.head().names


def rows(path: Path, wanted: Sequence[str]) -> Iterator[Rows]:
    """Yield the cells of the wanted columns, block by block; the first column has to be one of text.

    Raises:
        InputError: The file is missing, of no format that is read, damaged, or lacks one of the columns.
    """
    _expect_file(path)
    with closing(formats.reader(path, wanted[0], _AS_TABLE)) as reader:
        found = reader.head().names
        indices = [find_column(path, found, name) for name in wanted]
        for block in reader.blocks(_BLOCK_ROWS):
            columns = block.rows.columns()
            texts = [[cells.text(value) for value in columns[index]] for index in indices]
            yield Rows(list(zip(*texts, strict=True)), len(block.bad))


def _expect_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path} is not there: expected a file ({formats.EXPECTED})")
