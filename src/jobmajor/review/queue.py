"""Titles that wait for a person, for several people at once, with every decision kept.

A title stands for its family: normalised titles with the same words. It is lent to one reviewer for some minutes. A
decision is about all spellings that the family has by then. Whatever has returned is on the disk.
"""

from __future__ import annotations

import hashlib
import json
import time
from copy import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model.rules.overrides import NOT_A_JOB
from jobmajor.review import ledger, lending, opinions, records
from jobmajor.review.lending import VALUE, Holder
from jobmajor.titles import family_key, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from jobmajor.review.database import Database
    from jobmajor.review.doubtful import DoubtfulTitle
    from jobmajor.review.records import Entry, Waiting

LEASE_MINUTES: Final = 15.0
_SKIP_S: Final = 24 * 3600.0  # a skipped title is not shown to the same reviewer for so long
_LONGEST_NAME: Final = 64


class Queue:
    """The queue in a file, or in a database on a server."""

    def __init__(
        self, place: Path | str, *, second: float = opinions.SHARE, clock: Callable[[], float] = time.time
    ) -> None:
        """Make the file, or the tables, unless they are there.

        Args:
            place: The file, or the URL of a PostgreSQL database.
            second: The share of titles that a second person is asked about.
            clock: Seconds since 1970.

        Raises:
            ArtifactError: The file or the database can't be used. InputError: The URL can't be used.
        """
        self.ledger, self._second, self._clock, self._screen = ledger.opened(place), second, clock, ""

    def at(self, screen: str) -> Self:
        """Return this queue for one of several screens at which people work under one name: each has its own titles.

        Raises:
            InputError: The screen's name can't be used.
        """
        _check_name(screen, "the screen")
        found = copy(self)
        found._screen = screen
        return found

    def add(self, titles: Iterable[DoubtfulTitle], source: str) -> int:
        """Add titles, and return how many families are new.

        Args:
            titles: The titles; `rows` are those of this source.
            source: What the rows were counted in. The same source again adds no rows.
        """
        new = 0
        with self.ledger.change() as database:
            for each in titles:
                new += self._arrived(database, each, source)
        return new

    def take(
        self, reviewer: str, most: int = 1, *, minutes: float = LEASE_MINUTES, order: str = VALUE
    ) -> list[Waiting]:
        """Lend the next titles to a reviewer; those that the reviewer has already come first.

        Raises:
            InputError: The name or the order can't be used.
        """
        holder, now = self._holder(reviewer), self._clock()
        with self.ledger.change() as database:
            rows = lending.waiting(database, holder, now, most, order)
            found = [records.waiting(database, row) for row in rows]
            lending.lend(database, [(row[0], row[8] == opinions.SECOND) for row in rows], holder, now + 60 * minutes)
        return found

    def next(self, reviewer: str, most: int = 1, *, order: str = VALUE) -> list[Waiting]:
        """Return what `take` would lend, and lend nothing."""
        holder, now = self._holder(reviewer), self._clock()
        with self.ledger.read() as database:
            return [records.waiting(database, row) for row in lending.waiting(database, holder, now, most, order)]

    def find(self, title: str) -> Waiting | None:
        """Return a title of the queue, whatever its state and whoever has it; None if it is unknown."""
        with self.ledger.read() as database:
            row = database.execute("SELECT * FROM titles WHERE family = ?", (_family(title),)).fetchone()
            return records.waiting(database, row) if row else None

    def decide(self, title: str, code: str, reviewer: str) -> bool:
        """Keep what a reviewer says of a title that was lent, and return whether it is new.

        The same decision again changes nothing. Where somebody else decided meanwhile, this is a second opinion.

        Raises:
            InputError: The title has no word, there is no such code, or the name can't be used.
        """
        return self.decide_all([(title, code)], reviewer) == 1

    def decide_all(self, given: Sequence[tuple[str, str]], reviewer: str) -> int:
        """Keep several decisions, all or none, and return how many are new; as `decide`."""
        _check_name(reviewer)
        for title, code in given:
            _check(title, code)
        with self.ledger.change() as database:
            return sum(self._decided(database, title, code, reviewer) for title, code in given)

    def correct(self, title: str, code: str | None, reviewer: str) -> str | None:
        """Give a title a code in place of the one that it has, or take that back; return the code that it had."""
        _check_name(reviewer)
        _check(title, code)
        text, family = normalise(title), _family(title)
        with self.ledger.change() as database:
            self._ensure(database, title)
            before = records.labels(database, family).get(text)
            if code is not None and code != before:
                self._keep(database, family, [text], (code, reviewer, False, None))
            elif code is None:
                for each in records.live(database, family, text):
                    self._keep(database, family, [text], (None, reviewer, False, each))
        return before

    def skip(self, title: str, reviewer: str) -> None:
        """Give a title back undecided; it is not lent to the same reviewer on this day."""
        family = _family(title)
        with self.ledger.change() as database:
            database.execute(
                "INSERT INTO skips VALUES (?, ?, ?) "
                "ON CONFLICT (family, reviewer) DO UPDATE SET until = excluded.until",
                (family, reviewer, self._clock() + _SKIP_S),
            )
            lending.give_back(database, family, Holder(reviewer, self._screen))

    def undo(self, reviewer: str, title: str | None = None) -> str | None:
        """Take a reviewer's latest decision back, lend the title again, and return it; None if there is none.

        With a title, the latest decision on it.
        """
        with self.ledger.change() as database:
            row = database.execute(
                "SELECT number, family, texts, is_second FROM decisions d WHERE reviewer = :reviewer "
                "AND code IS NOT NULL AND NOT EXISTS (SELECT 1 FROM decisions WHERE undoes = d.number) "
                "AND (:family IS NULL OR family = :family) ORDER BY number DESC LIMIT 1",
                {"reviewer": reviewer, "family": None if title is None else _family(title)},
            ).fetchone()
            if row is None:
                return None
            number, family, texts, is_second = row
            self._keep(database, family, json.loads(texts), (None, reviewer, False, number))
            until = self._clock() + 60 * LEASE_MINUTES
            lending.lend(database, [(family, is_second)], Holder(reviewer, self._screen), until)
            found: str = database.execute("SELECT title FROM titles WHERE family = ?", (family,)).fetchone()[0]
            return found

    def labels(self) -> dict[str, str]:
        """Return the code, or `NOT_A_JOB`, of each normalised title that has one; titles in dispute have none."""
        with self.ledger.read() as database:
            return records.labels(database)

    def history(self, since: int = 0) -> list[Entry]:
        """Return the decisions after a number, in their order."""
        with self.ledger.read() as database:
            return records.history(database, since)

    def last(self) -> int:
        """Return the number of the latest decision; 0 before the first."""
        with self.ledger.read() as database:
            return records.last(database)

    def progress(self) -> dict[str, Any]:
        """Return counts of titles and rows by state, and how far reviewers agree; quick however much was decided."""
        with self.ledger.read() as database:
            return records.progress(database)

    def status(self) -> dict[str, Any]:
        """Return counts of titles and rows by state, what is lent, the reviewers, and how far they agree."""
        with self.ledger.read() as database:
            return records.status(database, self._clock())

    def _holder(self, reviewer: str) -> Holder:
        _check_name(reviewer)
        return Holder(reviewer, self._screen)

    def _arrived(self, database: Database, each: DoubtfulTitle, source: str) -> int:
        text, family = normalise(each.title), _family(each.title)
        if not text:
            return 0
        is_new = self._ensure(database, each.title)
        database.execute(
            "INSERT INTO rows VALUES (?, ?, ?) "
            "ON CONFLICT (text, source) DO UPDATE SET rows = excluded.rows WHERE rows.rows < excluded.rows",
            (text, source, each.rows),
        )
        spellings = database.execute(
            "SELECT spellings.title, sum(coalesce(rows, 0)) FROM spellings LEFT JOIN rows USING (text) "
            "WHERE family = ? GROUP BY spellings.text ORDER BY 2 DESC, spellings.text",
            (family,),
        ).fetchall()
        about = json.dumps([[answer.label, answer.name, answer.score] for answer in each.candidates])
        is_first = spellings[0][0] == each.title or is_new
        database.execute(
            "UPDATE titles SET title = ?, rows = ? WHERE family = ?",
            (spellings[0][0], sum(rows for _, rows in spellings), family),
        )
        if is_first:
            database.execute(
                "UPDATE titles SET reason = ?, uncertainty = ?, novelty = ?, candidates = ? WHERE family = ?",
                (each.reason, each.uncertainty, each.novelty, about, family),
            )
        return int(is_new)

    def _ensure(self, database: Database, title: str) -> bool:
        """Make the family and the spelling of a title unless they are there; return whether the family is new."""
        family = _family(title)
        made = database.execute(
            "INSERT INTO titles VALUES (?, ?, 0, '', 1, 1, ?, '[]', ?, NULL, '') ON CONFLICT DO NOTHING",
            (family, title, _draw(family), opinions.OPEN),
        ).rowcount
        database.execute(
            "INSERT INTO spellings VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (normalise(title), family, title)
        )
        return bool(made)

    def _decided(self, database: Database, title: str, code: str, reviewer: str) -> bool:
        family = _family(title)
        self._ensure(database, title)
        asked = lending.asked_for_second(database, family, Holder(reviewer, self._screen))
        every = records.decisions(database, family)
        undone = {each.undoes for each in every}
        mine = [each for each in every if each.reviewer == reviewer and each.code and each.number not in undone]
        if asked is None and mine and mine[-1].code == code:
            return False
        now = opinions.settle(every, wants_second=False)
        is_second = bool(asked) or (now.state == opinions.DONE and now.reviewer != reviewer)
        texts = [text for (text,) in database.execute("SELECT text FROM spellings WHERE family = ?", (family,))]
        self._keep(database, family, sorted(texts), (code, reviewer, is_second, None))
        return True

    def _keep(
        self,
        database: Database,
        family: str,
        texts: Sequence[str],
        said: tuple[str | None, str, bool, int | None],
    ) -> None:
        """Add a decision, settle its title, and end its lease."""
        code, reviewer, is_second, undoes = said
        at = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        database.execute(
            "INSERT INTO decisions (family, texts, code, reviewer, at, is_second, undoes) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (family, json.dumps(texts), code, reviewer, at, is_second, undoes),
        )
        wanted = opinions.wants_second(family, self._second)
        found = opinions.settle(records.decisions(database, family), wants_second=wanted)
        database.execute(
            "UPDATE titles SET state = ?, code = ?, reviewer = ? WHERE family = ?",
            (found.state, found.code, found.reviewer, family),
        )
        database.execute("DELETE FROM leases WHERE family = ?", (family,))


def _check_name(name: str, what: str = "the reviewer") -> None:
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InputError(f"{what} is {name[:40]!r}: expected a name of 1 to {_LONGEST_NAME} characters")


def _check(title: str, code: str | None) -> None:
    if not normalise(title):
        raise InputError(f"the title {title[:40]!r} has no letter or digit: expected one that has")
    if code not in (None, NOT_A_JOB):
        soc.parse(str(code))


def _family(title: str) -> str:
    return family_key(normalise(title))


def _draw(family: str) -> float:
    """Return a title's place in the random order, 0 to 1."""
    return int.from_bytes(hashlib.sha256(f"order:{family}".encode("utf-8", "surrogatepass")).digest()[:6]) / 2**48
