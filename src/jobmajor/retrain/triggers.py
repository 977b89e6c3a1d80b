"""Why the pipeline should run again: drift, new labels, a new release, age, or no champion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jobmajor.data import folder as folders
from jobmajor.errors import InputError
from jobmajor.monitor import violations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.registry.versions import Version
    from jobmajor.review.queue import Queue

LINEAGE: Final = "retrain"  # the key of a version's lineage that says why it was made
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Triggers:
    """When the pipeline runs again.

    Attributes:
        drift: A check's `violations.json`; None looks at none.
        new_labels: From so many titles on that were labelled since the champion was trained; None never.
        days: From this age of the champion on; None never.
    """

    drift: Path | None = None
    new_labels: int | None = 50
    days: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that would always or never be reached."""
        if self.new_labels is not None and self.new_labels < 1:
            raise InputError(f"the number of new labels is {self.new_labels}: expected 1 or more")
        if self.days is not None and not self.days > 0:
            raise InputError(f"the age is {self.days:g} days: expected more than 0")


@dataclass(frozen=True, slots=True)
class Situation:
    """What the triggers are compared with.

    Attributes:
        has_champion: Whether there is one.
        age_days: Its age; 0 without one.
        release: The release that it was trained on.
        found: The release that a run would read.
        drift: The verdict of a check with a violation; empty without one.
        labels: How many titles were labelled since.
        decision: The number of the latest decision.
    """

    has_champion: bool
    age_days: float = 0.0
    release: str = ""
    found: str = ""
    drift: str = ""
    labels: int = 0
    decision: int = 0


def due(triggers: Triggers, now: Situation) -> list[str]:
    """Return why the pipeline should run again, a few words each; nothing if there is no reason.

    >>> due(Triggers(days=30), Situation(True, age_days=31.2, release="28.1", found="28.1"))
    ['the champion is 31 days old']
    """
    if not now.has_champion:
        return ["there is no champion yet"]
    found = []
    if now.drift:
        found.append(f"a check found: {now.drift}")
    if triggers.new_labels is not None and now.labels >= triggers.new_labels:
        found.append(f"{now.labels:,} titles were labelled since the champion")
    if now.found and now.found != now.release:
        found.append(f"the data is {now.found}, and the champion's was {now.release or 'another'}")
    if triggers.days is not None and now.age_days >= triggers.days:
        found.append(f"the champion is {now.age_days:.0f} days old")
    return found


def situation(champion: Version | None, source: Path, queue: Queue, drift: str) -> Situation:
    """Return the situation of a workspace.

    Args:
        champion: The champion.
        source: The folder of the data that a run would read.
        queue: The queue.
        drift: What `verdict` returned.

    Raises:
        DataError: The folder holds no release.
    """
    layout = folders.describe(source)
    if champion is None:
        return Situation(has_champion=False, found=layout.release, drift=drift, decision=queue.last())
    made = datetime.fromisoformat(champion.created)
    age = datetime.now(UTC) - (made if made.tzinfo else made.replace(tzinfo=UTC))
    since = int(dict(champion.lineage.get(LINEAGE) or {}).get("decision", 0))
    return Situation(
        has_champion=True,
        age_days=age.total_seconds() / _DAY_S,
        release=str(dict(champion.lineage.get("data") or {}).get("release", "")),
        found=layout.release,
        drift=drift,
        labels=_labelled(queue, since),
        decision=queue.last(),
    )


def _labelled(queue: Queue, since: int) -> int:
    """Return how many titles got a code after a decision that nobody took back."""
    found = queue.history(since)
    undone = {each.undoes for each in found}
    return len({each.title for each in found if each.code is not None and each.number not in undone})


def verdict(path: Path | None) -> str:
    """Return what a check found; empty without a violation, or without a check.

    Raises:
        DataError: The file is no check's.
    """
    if path is None:
        return ""
    try:
        body: Mapping[str, Any] = json.loads(path.read_bytes())
        return str(body["verdict"]) if list(body["violations"]) else ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise violations.not_a_check(path) from error
