"""Which column holds the titles, and whether there is room for others beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHOWN, _SHOWN_CHARACTERS = 20, 40


def found_column(path: Path | str, names: Sequence[str], wanted: str) -> int:
    """The place of the column of that name, or where none has it, of the only one that differs in case or blanks.

    Raises:
        DataError: There is none or there are several; says which there are.

    >>> found_column("x.csv", ["id", "Title "], "title")
    1
    """
    exact = [place for place, name in enumerate(names) if name == wanted]
    close = exact or [place for place, name in enumerate(names) if _plain(name) == _plain(wanted)]
    if len(close) == 1:
        return close[0]
    if close:
        found = f"the column {wanted!r} {len(close)} times"
        raise DataError(path, found, "it once", "rename the others")
    raise DataError(path, f"the columns {shown(names)}", f"a column {wanted!r}", "name the column with --column")


def _plain(name: str) -> str:
    return name.strip().casefold()


def shown(names: Sequence[str]) -> str:
    """The names as a sentence has them, not too many and none too long."""
    few = ", ".join(repr(name[:_SHOWN_CHARACTERS]) for name in names[:_SHOWN])
    return f"{few} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else few


def check_room(path: Path | str, names: Sequence[str], added: Sequence[str]) -> None:
    """Nothing, where no column has a name that an added one gets.

    Raises:
        DataError: One has; it is named.
    """
    taken = [name for name in added if name in set(names)]
    if taken:
        found = f"a column {taken[0]!r}, where an answer would go"
        raise DataError(path, found, "another name for it", "rename it, or put --prefix before ours")
