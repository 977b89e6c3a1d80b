"""A check of the gate, the limits of all checks, and the three things that the gate can say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROMOTE, HOLD, REFUSE = OUTCOMES = ("promote", "hold", "refuse")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the checks; every value is a share, 0 to 1, or a difference of two."""

    # Reviewers accept by stated confidence, and can work with an average error of 5 points. The goal is 0.02.
    # The error that chance alone causes in a small test is subtracted first.
    max_ece: float = 0.05
    # An auto-accept threshold of 0.9 must not mean 0.85. The goal is 0.01; a candidate fails if the accuracy is
    # more than twice that below the stated one, beyond chance.
    max_overconfidence: float = 0.02
    # Case, spaces and look-alike characters carry no meaning, and the normaliser removes them. So a share below 1 is
    # a bug, except that one title in a hundred may be on the border of two classes.
    min_case: float = 0.99
    min_spaces: float = 0.99
    min_full_width: float = 0.99
    min_zero_width: float = 0.99
    # The features leave out rank, because a model that sees it learns seniority instead of work: such a model kept
    # only 0.83 of its answers.
    min_sr_prefix: float = 0.99
    # 27 of 30 random strings: a classifier that is sure of noise is sure of anything.
    min_nonsense_unsure: float = 0.90
    # A class of 0.5 % of rows hardly changes weighted F1. A class that is almost never found was lost in training.
    min_class_recall: float = 0.10
    # The recall of fewer rows is too coarse to judge a class (1 of 20 is 0.05).
    min_class_rows: int = 20
    # Equal scores are no answer: a classifier that gives all classes one score would seem to answer the first class.
    min_untied: float = 0.99
    # Weighted F1 of a linear model varies by 0.006 between seeds (one standard deviation); a smaller drop is no
    # evidence of a worse model.
    max_f1_drop: float = 0.005
    # Of titles with an owner (reviewed ones, a labelled file): 2 answers of 100, more than anyone overlooks. A smaller
    # loss that is certain is left to a person.
    max_own_drop: float = 0.02


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    `passed` is None if there was nothing to check, or if `holds` says that a person has to decide.
    """

    name: str
    value: float | None
    limit: float
    passed: bool | None
    reason: str
    holds: bool = False


def number(value: Any) -> float | None:
    """Return a finite number, or None for anything else, true and false included."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def at(evaluation: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None."""
    value: Any = evaluation
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def missing(name: str, path: str, limit: float) -> Check:
    """Return the failed check of a figure that the evaluation lacks."""
    return Check(name, None, limit, passed=False, reason=f"{path} is missing or no number: evaluate again")
