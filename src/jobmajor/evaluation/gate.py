"""Decide whether a candidate may become a version: the checks, their limits, and the reasons in words.

`inspect` makes all checks but the threshold on weighted F1. That one is a parameter of the pipeline's Condition step,
so that a new threshold does not evaluate a model again. `decide` computes in Python what the Condition step computes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from jobmajor.errors import SettingError
from jobmajor.evaluation.metrics import HEADLINES

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; `passed` is None if there was nothing to check."""

    name: str
    value: float | None
    limit: float
    passed: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's decision; `reasons` says why it is no, and what could not be compared."""

    passed: bool
    threshold: float
    test_f1: float | None
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A check of one figure: its name, its path in the evaluation, the field of `Limits` for it, and the reason."""

    name: str
    path: str
    limit: str
    why: str


_RULES = (
    _Rule("upper case", "behaviour.upper_case", "min_case", "case must not change the answer"),
    _Rule("extra spaces", "behaviour.extra_spaces", "min_spaces", "spaces must not change the answer"),
    _Rule(
        "full-width text",
        "behaviour.full_width",
        "min_full_width",
        "compatibility forms of letters must not change the answer",
    ),
    _Rule(
        "zero-width character",
        "behaviour.zero_width",
        "min_zero_width",
        "an invisible character must not change the answer",
    ),
    _Rule("Sr. prefix", "behaviour.sr_prefix", "min_sr_prefix", "seniority rarely changes the major group"),
    _Rule(
        "unsure of nonsense",
        "behaviour.nonsense_unsure",
        "min_nonsense_unsure",
        "a string that is no title must not get a sure answer",
    ),
    _Rule(
        "untied answers",
        "classification_metrics.untied_share",
        "min_untied",
        "an answer must score above every other class",
    ),
)


def _number(value: Any) -> float | None:
    """Return a finite number, or None for anything else, true and false included."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _at(evaluation: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None."""
    value: Any = evaluation
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _missing(name: str, path: str, limit: float) -> Check:
    return Check(name, None, limit, passed=False, reason=f"{path} is missing or no number: evaluate again")


def _at_least(rule: _Rule, evaluation: Mapping[str, Any], limit: float) -> Check:
    value = _number(_at(evaluation, rule.path))
    if value is None:
        return _missing(rule.name, rule.path, limit)
    passed = value >= limit
    found = f"{value:.3f}, at least {limit:g} is asked: {rule.why}"
    return Check(rule.name, value, limit, passed=passed, reason=found)


def behaves(evaluation: Mapping[str, Any], limits: Limits | None = None) -> list[Check]:
    """Return the checks of `evaluation["behaviour"]`."""
    rules = [rule for rule in _RULES if rule.path.startswith("behaviour.")]
    return [_at_least(rule, evaluation, getattr(limits or Limits(), rule.limit)) for rule in rules]


def _calibration(evaluation: Mapping[str, Any], limits: Limits) -> Check:
    path, by_chance, name = "calibration.ece", "calibration.ece_by_chance", "calibration error"
    measured, chance = (_number(_at(evaluation, key)) for key in (path, by_chance))
    if measured is None or chance is None:
        return _missing(name, path if measured is None else by_chance, limits.max_ece)
    value = max(0.0, measured - chance)
    reason = (
        f"{value:.3f} beyond chance ({measured:.3f} measured, {chance:.3f} by chance), at most "
        f"{limits.max_ece:g} is allowed: a stated confidence must mean what it says"
    )
    return Check(name, value, limits.max_ece, passed=value <= limits.max_ece, reason=reason)


def _shortfall(entry: Mapping[str, Any]) -> float:
    """Return how far the real accuracy lies below the stated one, two standard errors taken off."""
    stated, rows = float(entry["stated"]), int(entry["rows"])
    return stated - float(entry["accuracy"]) - 2 * math.sqrt(max(0.0, stated * (1 - stated)) / rows)


def _complete(entries: Any, *keys: str) -> bool:
    """Tell whether there is an entry, and every entry has a number under every key."""
    return bool(entries) and all(_number(_at(entry, key)) is not None for entry in entries for key in keys)


def _overconfidence(evaluation: Mapping[str, Any], limits: Limits) -> Check:
    name, path, limit = "overconfidence", "calibration.thresholds", limits.max_overconfidence
    entries = _at(evaluation, path)
    if not _complete(entries, "threshold", "rows"):
        return _missing(name, path, limit)
    reached = [entry for entry in entries if entry["rows"]]
    if not reached:
        return Check(name, None, limit, passed=None, reason="no answer reaches any threshold: nothing to judge")
    if not _complete(reached, "stated", "accuracy"):
        return _missing(name, path, limit)
    worst = max(reached, key=_shortfall)
    value = max(0.0, _shortfall(worst))
    reason = (
        f"accepting at {worst['threshold']:g} is {value:.3f} less right than stated, beyond chance; at most "
        f"{limit:g} is allowed: a threshold must keep what it promises"
    )
    return Check(name, value, limit, passed=value <= limit, reason=reason)


def _weakest_class(evaluation: Mapping[str, Any], limits: Limits) -> Check:
    name, limit, classes = "weakest class", limits.min_class_recall, _at(evaluation, "per_class")
    if not _complete(classes, "recall", "support"):
        return _missing(name, "per_class", limit)
    judged = [entry for entry in classes if entry["support"] >= limits.min_class_rows]
    if not judged:
        reason = f"no class has {limits.min_class_rows} rows: nothing to judge"
        return Check(name, None, limit, passed=None, reason=reason)
    weakest = min(judged, key=lambda entry: entry["recall"])
    value = float(weakest["recall"])
    reason = (
        f"{weakest['name']} ({weakest['code']}) has recall {value:.3f}, at least {limit:g} is asked of every "
        f"class with {limits.min_class_rows} rows: none may be lost"
    )
    return Check(name, value, limit, passed=value >= limit, reason=reason)


def _champion(evaluation: Mapping[str, Any], limits: Limits) -> Check:
    name, limit, champion = "F1 drop against the champion", limits.max_f1_drop, evaluation.get("champion")
    if champion is None:
        reason = "there is no champion yet: nothing to compare with"
        return Check(name, None, limit, passed=None, reason=reason)
    if _at(evaluation, "champion.comparable") is False:
        why = _at(evaluation, "champion.reason") or "no reason is recorded"
        return Check(name, None, limit, passed=None, reason=f"not compared with the champion: {why}")
    difference = _number(_at(evaluation, "champion.difference"))
    if difference is None:
        return _missing(name, "champion.difference", limit)
    drop = 0.0 - difference
    reason = (
        f"weighted F1 differs from the champion's by {difference:+.4f} on the same rows, a drop of at most "
        f"{limit:g} is allowed: a new version must not be a step back"
    )
    return Check(name, drop, limit, passed=drop <= limit, reason=reason)


def _headlines(evaluation: Mapping[str, Any]) -> Check:
    name, figures = "headline figures", [f"classification_metrics.{key}" for key in HEADLINES]
    absent = [figure for figure in figures if _number(_at(evaluation, figure)) is None]
    if absent:
        return _missing(name, absent[0], 1)
    return Check(name, 1, 1, passed=True, reason="all are there and are numbers")


def _checks(evaluation: Mapping[str, Any], limits: Limits) -> Iterator[Check]:
    yield _headlines(evaluation)
    yield _calibration(evaluation, limits)
    yield _overconfidence(evaluation, limits)
    for rule in _RULES:
        yield _at_least(rule, evaluation, getattr(limits, rule.limit))
    yield _weakest_class(evaluation, limits)
    yield _champion(evaluation, limits)


def inspect(evaluation: Mapping[str, Any], limits: Limits | None = None) -> dict[str, Any]:
    """Return `evaluation["gate"]`: all checks but the threshold on F1.

    A check whose figure is missing or no number fails. If there is no champion, or it was evaluated on another split,
    its check neither passes nor fails (`passed` is None) and says why.

    Returns:
        `passed`; `checks`, each with `name`, `value`, `limit`, `passed`, `reason`; and `summary`, one sentence of
        what failed, for the pipeline's Fail step.
    """
    checks = list(_checks(evaluation, limits or Limits()))
    failed = [f"{check.name}: {check.reason}" for check in checks if check.passed is False]
    summary = "; ".join(failed) or "all passed"
    return {"passed": not failed, "summary": summary, "checks": [asdict(check) for check in checks]}


def decide(evaluation: Mapping[str, Any], threshold: float) -> Decision:
    """Decide whether the candidate passes: weighted F1 above the threshold, and no failed check in the gate.

    The pipeline's Condition step computes the same: `classification_metrics.test_f1` is greater than the threshold
    (equal is not enough), and `gate.passed`.

    Raises:
        SettingError: A threshold that is no share from 0 to 1.
    """
    if not 0 <= threshold <= 1:
        raise SettingError("TestScoreThreshold", threshold, "a share from 0 to 1")
    test_f1 = _number(_at(evaluation, "classification_metrics.test_f1"))
    reached = test_f1 is not None and test_f1 > threshold
    checks = _recorded(evaluation)
    passed = _at(evaluation, "gate.passed") is True
    reasons = [] if reached else [_below(test_f1, threshold)]
    reasons += [f"{check.name}: {check.reason}" for check in checks if check.passed is False]
    if not passed and all(check.passed is not False for check in checks):
        reasons.append("gate.passed is not true and no check says why: evaluate again")
    reasons += [f"{check.name}: {check.reason}" for check in checks if check.passed is None]
    return Decision(reached and passed, threshold, test_f1, checks, tuple(reasons))


def _recorded(evaluation: Mapping[str, Any]) -> tuple[Check, ...]:
    names = [field.name for field in fields(Check)]
    return tuple(Check(**{name: check.get(name) for name in names}) for check in _at(evaluation, "gate.checks") or ())


def _below(test_f1: float | None, threshold: float) -> str:
    if test_f1 is None:
        return "classification_metrics.test_f1 is missing or no number: evaluate again"
    return f"weighted F1 is {test_f1:.4f}, more than {threshold:g} is asked"
