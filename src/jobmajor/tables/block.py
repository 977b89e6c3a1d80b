"""The values that pass from a table's reader to a writer: blocks of rows with their titles, and columns to add."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from jobmajor import arguments
from jobmajor.errors import DataError
from jobmajor.titles import said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.tables.cells import Kind
    from jobmajor.tables.packed import Packed

    Values = Sequence[NDArray[Any]]  # one array for each added column, as `Column` describes them

MAX_LINE_BYTES: Final = 2**20  # the longest row of text; a longer one is a bad row
BLOCK_BYTES: Final = 4 * MAX_LINE_BYTES  # about what a block of rows takes
SHOWN_BYTES: Final = 1000  # what the side file shows of a row that is too long
DIGITS: Final = 6  # decimals of a number in text, as the service prints them
MILLION: Final = 10**DIGITS
_SHOWN_NAMES, _SHOWN_CHARACTERS = 20, 40


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that can't be used: the line where it begins, the reason, and its bytes (the first ones if it is long)."""

    line: int
    reason: str
    row: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """How a table is to be read, where its own bytes don't decide.

    Attributes:
        column: The column of titles, by its name or its number from 1; guessed when None.
        encoding: The encoding of a text file; recognised when None.
        has_header: Whether the first row names the columns; guessed when None.
        has_quotes: Whether a cell of delimited text may stand in quotes.
        sheet: The sheet of a workbook; the first one when None.
    """

    column: str | None = None
    encoding: str | None = None
    has_header: bool | None = None
    has_quotes: bool = True
    sheet: str | None = None

    def __post_init__(self) -> None:
        arguments.check(self)


AS_IT_IS: Final = Reading()  # as the file's own bytes say


class Rows(Protocol):
    """The rows of a block in their own format."""

    def columns(self) -> list[list[Any]]:
        """Return the cells as plain values (see `cells`), column by column."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of a table.

    Attributes:
        titles: The title of each row.
        rows: The whole rows.
        bad: The rows among them that can't be used; `titles` and `rows` leave them out.
        share: How much of the table has been read by the end of the block, 0 to 1.
        listed: The rows with a fault that are among `rows` all the same.
    """

    titles: Packed
    rows: Rows
    bad: Sequence[Bad] = ()
    share: float = 0.0
    listed: Sequence[Bad] = ()

    def __len__(self) -> int:
        return len(self.titles)


@dataclass(frozen=True, slots=True)
class Head:
    """A table's columns in order.

    Attributes:
        names: Their names.
        kinds: The kind of each.
        details: What only the format itself understands.
        title: The index of the column of titles.
        notes: What was guessed, and what will differ from the input: a few words each.
    """

    names: tuple[str, ...]
    kinds: Sequence[Kind]
    details: Any = field(default=None, compare=False)
    title: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a writer adds behind the columns of its input.

    A writer gets the column's values as an array, shape (rows,): float32 for a number, NaN where there is none; bool
    for a truth value; integers for text, each the index of a text in `texts`, -1 where there is none.

    Attributes:
        name: What it is called.
        kind: "text", "number" or "truth".
        texts: All texts that a column of text can hold.
        is_encoded: Whether parquet gives a column of text the type of a dictionary instead of a string.
    """

    name: str
    kind: Kind
    texts: tuple[str, ...] = ()
    is_encoded: bool = True

    def cells(self, values: NDArray[Any]) -> list[Any]:
        """Return plain values: the texts themselves ("" for none), numbers of six decimals, truth values.

        >>> Column("code", "text", ("11", "13")).cells(np.array([1, -1]))
        ['13', '']
        >>> Column("score", "number").cells(np.array([0.25, np.nan], np.float32))
        [0.25, None]
        """
        if self.kind == "text":
            texts = (*self.texts, "")
            return [texts[index] for index in values.tolist()]
        if self.kind == "number":
            return [None if value < 0 else value / MILLION for value in millionths(values).tolist()]
        return list(values.tolist())


def millionths(values: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return numbers from 0 on in whole millionths, as every text format prints them; -1 stands for NaN."""
    found = np.rint(values.astype(np.float64) * MILLION)
    return np.where(np.isnan(found), -1, found).astype(np.int32)


class Reader(Protocol):
    """A table that is read once, from its beginning."""

    def head(self) -> Head:
        """Return its columns; reads the whole table where the format has no head.

        Raises:
            InputError: It has no column of titles; names the columns that it has.
        """
        ...

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all rows in blocks of at most `most`; the same file always gives the same blocks."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Writer(Protocol):
    """A table that is being written."""

    def write(self, block: Block, values: Values) -> None:
        """Write the block's rows with the values of the added columns."""
        ...

    def close(self) -> None:
        """Write what is left and close the file."""
        ...


def find_column(path: Path | str, names: Sequence[str], wanted: str) -> int:
    """Return the index of a column by its name.

    Where no name is equal, a single one that differs only in case or surrounding blanks counts.

    Raises:
        DataError: There is no such column, or several; the error lists the names.

    >>> find_column("x.csv", ["id", "Title "], "title")
    1
    """
    exact = [index for index, name in enumerate(names) if name == wanted]
    close = exact or [index for index, name in enumerate(names) if _plain(name) == _plain(wanted)]
    if len(close) == 1:
        return close[0]
    if close:
        found = f"the column {wanted!r} {len(close)} times"
        raise DataError(path, found, "it once", "rename the others")
    raise DataError(path, f"the columns {shown(names)}", f"a column {wanted!r}", "name one that is there")


def named_column(
    path: Path | str, names: Sequence[str], reading: Reading, guessed: int, *, has_header: bool
) -> tuple[int, bool]:
    """Return the index of the column of titles, and whether the first row, `names`, names the columns.

    A column that is no name counts as a number, from 1. What `reading` leaves open is as guessed.

    Raises:
        DataError: There is no such column.
    """
    is_named = reading.has_header is not False
    wanted = reading.column
    if wanted is None:
        return guessed, has_header if reading.has_header is None else reading.has_header
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names) and not (is_named and wanted in names):
        return int(wanted) - 1, has_header if reading.has_header is None else reading.has_header
    if is_named:
        return find_column(path, names, wanted), True
    raise DataError(path, f"{len(names)} columns without names", f"a column {wanted!r}", "name it by its number")


def guessed_notes(reading: Reading, name: str, *, has_header: bool) -> tuple[str, ...]:
    """Return what was guessed of a table, as a person should hear it."""
    notes = []
    if not has_header and reading.has_header is None:
        notes.append("the first line is a row, not names of columns")
    if reading.column is None and name.strip().lower() != "title":
        notes.append(f"{said('titles are in column')} {name[:_SHOWN_CHARACTERS]!r}")
    return tuple(notes)


def _plain(name: str) -> str:
    return name.strip().casefold()


def shown(names: Sequence[str]) -> str:
    """Return the names for an error message: at most 20, each cut after 40 characters."""
    few = ", ".join(repr(name[:_SHOWN_CHARACTERS]) for name in names[:_SHOWN_NAMES])
    return f"{few} and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else few


def check_names(path: Path | str, names: Sequence[str], added: Sequence[str]) -> None:
    """Check that no column of the input has the name of an added one.

    Raises:
        DataError: One has; the error names it.
    """
    taken = [name for name in added if name in set(names)]
    if taken:
        found = f"a column {taken[0]!r}, where an answer would go"
        raise DataError(path, found, "another name for it", "rename it, or put --prefix before ours")
