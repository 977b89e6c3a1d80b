"""What passes from a table's reader to a writer: some rows, with their titles where the scorer can see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobmajor.batch.added import Answers
    from jobmajor.tables.cells import Kind
    from jobmajor.tables.packed import Packed

MAX_LINE_BYTES: Final = 2**20  # of one row of text: more is no row of a table
BLOCK_BYTES: Final = 4 * MAX_LINE_BYTES  # of rows that are in work together, about
SHOWN_BYTES: Final = 1000  # of a row that is longer, beside its reason


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that can't be used: the line in which it begins, why, and as it was (of a longer one the beginning)."""

    line: int
    reason: str
    row: bytes


class Rows(Protocol):
    """The rows of a block in their own format."""

    def columns(self) -> list[list[Any]]:
        """The cells of the table's columns as plain values (see `cells`), column by column."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows.

    Attributes:
        titles: The title of each row.
        rows: The whole rows.
        bad: Those between them that can't be used, and are left out.
        share: How much of the table was read up to here, 0 to 1.
    """

    titles: Packed
    rows: Rows
    bad: Sequence[Bad] = ()
    share: float = 0.0

    def __len__(self) -> int:
        return len(self.titles)


@dataclass(frozen=True, slots=True)
class Head:
    """A table's columns in order, and what each holds; `details` is what only its own format knows of them."""

    names: tuple[str, ...]
    kinds: Sequence[Kind]
    details: Any = field(default=None, compare=False)


class Reader(Protocol):
    """A table that is read once, from its beginning."""

    def head(self) -> Head:
        """Its columns; may read the whole table where its format has no head.

        Raises:
            InputError: It has no column of titles, which is named.
        """
        ...

    def blocks(self, most: int) -> Iterator[Block]:
        """All rows, in blocks of so many at most: the same file always gives the same blocks."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Writer(Protocol):
    """A table that is being written."""

    def write(self, block: Block, answers: Answers) -> None:
        """Write the block's rows with their answers, shape (rows,)."""
        ...

    def close(self) -> None:
        """Write what is left, and wait until it is on its way to the disk."""
        ...
