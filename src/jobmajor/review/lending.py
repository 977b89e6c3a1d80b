"""Which titles a reviewer may have now, and who holds one: a title is lent to one screen of one reviewer at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jobmajor.errors import InputError
from jobmajor.review import opinions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobmajor.review.database import Database

VALUE, RANDOM = "value", "random"
ORDERS: Final = (VALUE, RANDOM)
_STATES: Final = {"open": opinions.OPEN, "second": opinions.SECOND, "disputed": opinions.DISPUTED}
_HELD: Final = "leases.family = titles.family AND reviewer = :reviewer AND screen = :screen"
_MINE: Final = f"EXISTS (SELECT 1 FROM leases WHERE {_HELD})"  # noqa: S608 - constants
_ORDER_BY: Final = {VALUE: "rows * uncertainty * novelty DESC, titles.family", RANDOM: "draw, titles.family"}
_WAITING: Final = f"""
(state IN (:open, :disputed) OR (state = :second AND titles.reviewer != :reviewer))
AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.family = titles.family AND until > :now AND NOT ({_HELD}))
AND NOT EXISTS (SELECT 1 FROM skips WHERE skips.family = titles.family AND until > :now AND reviewer = :reviewer)
"""  # noqa: S608 - constants
_OF_HOLDER: Final = "FROM leases WHERE family = :family AND reviewer = :reviewer AND screen = :screen"


class Holder(NamedTuple):
    """Who has a title: a reviewer, and which screen, where people work under one name; empty for the only one."""

    reviewer: str
    screen: str = ""


def waiting(database: Database, holder: Holder, now: float, most: int, order: str) -> list[Sequence[Any]]:
    """Return the next titles as rows of the table; those that the holder has already come first.

    Raises:
        InputError: The order is none of `ORDERS`.
    """
    if order not in ORDERS:
        raise InputError(f"the order is {order!r}: expected {' or '.join(ORDERS)}")
    found: list[Sequence[Any]] = database.execute(
        f"SELECT * FROM titles WHERE {_WAITING} ORDER BY {_MINE} DESC, {_ORDER_BY[order]} LIMIT :most",  # noqa: S608 - constants
        {**_STATES, **holder._asdict(), "now": now, "most": most},
    ).fetchall()
    return found


def lend(database: Database, families: Iterable[tuple[str, bool]], holder: Holder, until: float) -> None:
    """Lend families, each with whether a second opinion is asked for; `until` is in seconds since 1970."""
    database.executemany(
        "INSERT INTO leases (family, is_second, reviewer, screen, until) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (family) DO UPDATE SET is_second = excluded.is_second, reviewer = excluded.reviewer, "
        "screen = excluded.screen, until = excluded.until",
        [(family, is_second, *holder, until) for family, is_second in families],
    )


def give_back(database: Database, family: str, holder: Holder) -> None:
    """End the lease of a holder, if there is one."""
    database.execute(f"DELETE {_OF_HOLDER}", {"family": family, **holder._asdict()})


def asked_for_second(database: Database, family: str, holder: Holder) -> bool | None:
    """Return whether a family was lent for a second opinion; None if the holder has not got it."""
    row = database.execute(f"SELECT is_second {_OF_HOLDER}", {"family": family, **holder._asdict()}).fetchone()
    return bool(row[0]) if row else None
