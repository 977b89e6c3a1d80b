"""What the queue's file says: titles that wait, decisions, the labels that they come to, and figures of the whole."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor import soc
from jobmajor.model.answers import Answer
from jobmajor.model.rules.overrides import NOT_A_JOB
from jobmajor.review import opinions
from jobmajor.review.doubtful import DoubtfulTitle
from jobmajor.review.opinions import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobmajor.review.database import Database

_STATES: Final = (opinions.OPEN, opinions.SECOND, opinions.DISPUTED, opinions.DONE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision as it was kept: `code` is None where the reviewer took the decision `undoes` back."""

    number: int
    at: str
    reviewer: str
    title: str
    code: str | None
    is_second: bool
    undoes: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A title that is lent to a reviewer.

    Attributes:
        title: What is asked, with the spelling of most rows.
        spellings: Other titles with the same words, which a decision is about as well.
        said: Where two people disagree, what each said: reviewer and code.
    """

    title: DoubtfulTitle
    spellings: tuple[str, ...] = ()
    said: tuple[tuple[str, str], ...] = ()


def waiting(database: Database, row: Sequence[Any]) -> Waiting:
    """Return a title, given as a row of the table."""
    family, title, rows, reason, uncertainty, novelty, _, candidates, state, *_ = row
    answers = tuple(Answer(*each) for each in json.loads(candidates))
    spellings = database.execute("SELECT title FROM spellings WHERE family = ? ORDER BY text", (family,))
    others = tuple(each for (each,) in spellings if each != title)
    said: tuple[tuple[str, str], ...] = ()
    if state == opinions.DISPUTED:
        standing = [each for each, _ in _standing(database, family)]
        said = tuple((each.reviewer, str(each.code)) for each in standing[-2:])
    return Waiting(DoubtfulTitle(title, rows, reason, answers, uncertainty, novelty), others, said)


def decisions(database: Database, family: str) -> list[Decision]:
    """Return the decisions on a family, in their order."""
    return [decision for decision, _ in _decisions(database, family)]


def live(database: Database, family: str, text: str) -> list[int]:
    """Return the numbers of the decisions on a normalised title that nobody took back, in their order."""
    return [each.number for each, texts in _standing(database, family) if text in texts]


def labels(database: Database, family: str | None = None) -> dict[str, str]:
    """Return the code of each normalised title that has one, of all families or of one."""
    by_text: dict[str, list[Decision]] = defaultdict(list)
    for decision, texts in _decisions(database, family):
        for text in texts:
            by_text[text].append(decision)
    settled = {text: opinions.settle(found, wants_second=False).code for text, found in by_text.items()}
    return {text: code for text, code in settled.items() if code is not None}


def history(database: Database, since: int) -> list[Entry]:
    """Return the decisions after a number, in their order."""
    rows = database.execute(
        "SELECT number, at, decisions.reviewer, title, decisions.code, is_second, undoes "
        "FROM decisions JOIN titles USING (family) WHERE number > ? ORDER BY number",
        (since,),
    ).fetchall()
    return [
        Entry(number, at, reviewer, title, code, is_second=bool(is_second), undoes=undoes)
        for number, at, reviewer, title, code, is_second, undoes in rows
    ]


def last(database: Database) -> int:
    """Return the number of the latest decision; 0 before the first."""
    return int(database.execute("SELECT coalesce(max(number), 0) FROM decisions").fetchone()[0])


def status(database: Database, now: float) -> dict[str, Any]:
    """Return counts of titles and rows by state, what is lent, the reviewers, and how far they agree."""
    reviewers = database.execute(
        "SELECT reviewer, count(*), max(at) FROM decisions WHERE code IS NOT NULL GROUP BY reviewer ORDER BY reviewer"
    ).fetchall()
    return {
        **progress(database),
        "lent": database.execute("SELECT count(*) FROM leases WHERE until > ?", (now,)).fetchone()[0],
        "labels": len(labels(database)),
        "reviewers": [dict(zip(("reviewer", "decisions", "last"), row, strict=True)) for row in reviewers],
    }


def progress(database: Database) -> dict[str, Any]:
    """Return counts of titles and rows by state, and how far reviewers agree."""
    states = database.execute("SELECT state, count(*), sum(rows) FROM titles GROUP BY state").fetchall()
    found = _pairs(database)
    majors = [(_major(first), _major(second)) for first, second in found]
    return {
        "states": {state: {"titles": 0, "rows": 0.0} for state in _STATES}
        | {state: {"titles": titles, "rows": rows} for state, titles, rows in states},
        "agreement": {
            "code": asdict(opinions.agreement(found)),
            "major": asdict(opinions.agreement(majors)),
        },
    }


def _decisions(database: Database, family: str | None = None) -> Iterator[tuple[Decision, list[str]]]:
    """Yield the decisions on a family, or on all, with the normalised titles that each is about."""
    rows = database.execute(
        "SELECT number, code, reviewer, is_second, undoes, texts FROM decisions "
        "WHERE :family IS NULL OR family = :family ORDER BY number",
        {"family": family},
    )
    for number, code, reviewer, is_second, undoes, texts in rows:
        yield Decision(number, code, reviewer, bool(is_second), undoes), json.loads(texts)


def _standing(database: Database, family: str) -> list[tuple[Decision, list[str]]]:
    """Return the decisions on a family that nobody took back, as `_decisions`."""
    found = list(_decisions(database, family))
    undone = {decision.undoes for decision, _ in found}
    return [(each, texts) for each, texts in found if each.code and each.number not in undone]


def _pairs(database: Database) -> list[tuple[str, str]]:
    """Return first and second opinions of all families."""
    by_family: dict[str, list[Decision]] = defaultdict(list)
    rows = database.execute(
        "SELECT family, number, code, reviewer, is_second, undoes FROM decisions WHERE family IN "
        "(SELECT family FROM decisions WHERE is_second = 1) ORDER BY number"
    )
    for family, number, code, reviewer, is_second, undoes in rows:
        by_family[family].append(Decision(number, code, reviewer, bool(is_second), undoes))
    return [pair for found in by_family.values() for pair in opinions.settle(found, wants_second=False).pairs]


def _major(code: str) -> str:
    return code if code == NOT_A_JOB else soc.ancestor(code, "major")
