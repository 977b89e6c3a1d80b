"""Compare a period with a reference, and say what differs by more than chance: what `jobmajor monitor check` does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import binom

from jobmajor import soc
from jobmajor.data import labelled
from jobmajor.errors import InputError
from jobmajor.evaluation import hits
from jobmajor.evaluation.hits import Answered
from jobmajor.model.rules import abstain
from jobmajor.monitor import compare
from jobmajor.monitor.compare import ALARMS
from jobmajor.monitor.profile import LEAST_CHANGE, TRAINING, is_hashed
from jobmajor.monitor.shape import is_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.data.labelled import TitleFile
    from jobmajor.model.classifier import Classifier
    from jobmajor.monitor.compare import Change
    from jobmajor.monitor.profile import Profile
    from jobmajor.monitor.shape import Flag

_TITLES: Final = 10  # of those that moved most
_OF_GROUP: Final = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """When a difference is a violation.

    Attributes:
        alarms: The chance that a check of rows that don't differ finds a violation; 1/365 is one a year, if daily.
        least: The smallest difference of a share that counts.
    """

    alarms: float = ALARMS
    least: float = LEAST_CHANGE

    def __post_init__(self) -> None:
        """Refuse what is no chance, or what shuffling can't tell apart."""
        if not 0.0005 <= self.alarms <= 0.5:
            raise InputError(f"the chance of a false alarm is {self.alarms:g}: expected 0.0005 to 0.5")
        if not 0 <= self.least < 1:
            raise InputError(f"the smallest change is {self.least:g}: expected 0 to 1")


@dataclass(frozen=True, slots=True)
class Moved:
    """A title whose share of the rows differs: its rows in each profile, the difference, and the code of its answer.

    None stands for the rows of a title that is not among the commonest of the reference.
    """

    title: str
    code: str
    reference: int | None
    found: int
    difference: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How right the answers are to titles whose codes came late.

    Attributes:
        titles: Distinct titles with codes.
        right: The share of answers that are right, by row.
        accepted: The share of rows with a sure answer.
        precision: The share of sure answers that are right, by row; None without any.
        promised: The precision that sure answers are promised to have.
        p: The chance of so few right answers, if the promise held; by distinct title.
        alarm: Whether that is a violation.
    """

    titles: int
    right: float
    accepted: float
    precision: float | None
    promised: float
    p: float
    alarm: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        reference: The profile that was compared with.
        found: The profile that was checked.
        changes: Each flag's change, the least likely by chance first.
        moved: The titles that moved most.
        limits: When a change is a violation.
        quality: How right the answers are; None without labelled titles.
    """

    reference: Profile
    found: Profile
    changes: Sequence[Change]
    moved: Sequence[Moved]
    limits: Limits = field(default_factory=Limits)
    quality: Quality | None = None

    @property
    def alarms(self) -> list[Change]:
        """The changes that are violations."""
        return [each for each in self.changes if each.is_alarm(self.limits.alarms, self.limits.least)]

    @property
    def is_violated(self) -> bool:
        """Whether there is any violation."""
        return bool(self.alarms) or bool(self.quality and self.quality.alarm)

    @property
    def note(self) -> str:
        """What was not compared; empty if all was."""
        if not is_hashed(self.found):
            return ""
        return "the capture holds hashes instead of titles: answers are compared, texts are not, and there is no review"

    @property
    def verdict(self) -> str:
        """One sentence about the whole."""
        against = "training" if self.reference.about["kind"] == TRAINING else "the reference"
        verb = "differs from" if against == "training" else "has drifted from"
        if not self.alarms:
            return f"nothing differs from {against} by more than chance"
        names = ", ".join(named(change) for change in self.alarms[:3])
        more = f" and {len(self.alarms) - 3} more" if len(self.alarms) > 3 else ""
        return f"this {verb} {against}: {names}{more}"


def named(change: Change) -> str:
    """Return what differs and by how much, in a few words."""
    name = change.flag.name
    shown = f"{name} {soc.name(name)}" if is_group(name) and soc.name(name) != name else name
    return f"{shown} {100 * change.reference:.1f} % to {100 * change.found:.1f} %"


def check(
    reference: Profile,
    found: Profile,
    flags: Sequence[Flag],
    limits: Limits | None = None,
    *,
    quality: Quality | None = None,
) -> Finding:
    """Compare a profile with a reference.

    Raises:
        InputError: They were made with different models, one of hashes, or `compare` can't compare them.
    """
    if is_hashed(reference) != is_hashed(found):
        kinds = ["hashes of titles" if is_hashed(each) else "titles" for each in (reference, found)]
        raise InputError(
            f"the reference was made of {kinds[0]}, and this has {kinds[1]}: make a reference of {kinds[1]}, too"
        )
    models = [each.about.get("model") for each in (reference, found)]
    if models[0] != models[1]:
        raise InputError(
            f"the reference was made with the model {str(models[0])[:12]}, and this one is {str(models[1])[:12]}: "
            "make the reference again by `jobmajor monitor baseline`, or name its model by --model"
        )
    compared = compare.compare(reference, found, flags)
    seen = [change for change in compared if change.flag.kind != "text" or not is_hashed(found)]
    changes = sorted(seen, key=lambda change: (change.p, -abs(change.z)))
    return Finding(reference, found, changes, moved(reference, found), limits or Limits(), quality)


def moved(reference: Profile, found: Profile) -> list[Moved]:
    """Return the titles whose share of the rows differs most, the largest difference first."""
    totals = reference.total, found.total
    least = min((count for count, _ in reference.titles.values()), default=0)
    rows = []
    for title in reference.titles.keys() | found.titles.keys():
        before, after = reference.titles.get(title), found.titles.get(title)
        # A title beyond the commonest has at most as many rows as the last of them.
        counts = [known[0] if known else 0 for known in (before, after)]
        floor = counts[0] if before else least
        difference = counts[1] / totals[1] - counts[0] / totals[0]
        if difference > 0 and not before:
            difference = max(counts[1] / totals[1] - floor / totals[0], 0.0)
        code = (after or before or (0, ""))[1]
        rows.append(Moved(title, code, counts[0] if before else None, counts[1], difference))
    rows.sort(key=lambda each: (-abs(each.difference), each.title))
    return [each for each in rows[:_TITLES] if each.difference]


def titles_of(finding: Finding, code: str) -> list[str]:
    """Return the titles with the most rows that are answered with a code."""
    chosen = [title for title, (_, answer) in finding.found.titles.items() if answer == code]
    return chosen[:_OF_GROUP]


def quality(file: TitleFile, classifier: Classifier, limits: Limits | None = None) -> Quality:
    """Return how right the answers to labelled titles are, at the major level.

    Raises:
        InputError: The table can't be used.
    """
    given, wanted = labelled.read(file), limits or Limits()
    coded = classifier.answer(given.titles, "major")
    answers = Answered(
        [each.answers[0].label for each in coded],
        np.array([each.answers[0].score for each in coded], np.float32),
        np.array([not each.abstain for each in coded], np.bool_),
        classifier.classes("major"),
    )
    counted = hits.count(given, answers, "major")
    taken = answers.accepted & counted.counted
    rows, sure = counted.weight.sum(), counted.weight[taken].sum()
    p = float(binom.cdf(int(counted.hit[taken].sum()), int(taken.sum()), abstain.PRECISION))
    return Quality(
        titles=int(counted.counted.sum()),
        right=float(counted.right.sum() / max(rows, 1)),
        accepted=float(sure / max(rows, 1)),
        precision=float(counted.right[taken].sum() / sure) if sure else None,
        promised=abstain.PRECISION,
        p=p,
        alarm=p <= wanted.alarms,
    )
