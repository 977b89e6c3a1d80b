"""Decide whether a candidate becomes a version, and whether a person has to promote it: the checks, with reasons.

A failed check refuses the candidate. A check that holds it leaves the decision to a person: it is registered, but only
a person makes it the champion.

`inspect` makes all checks but the threshold on weighted F1. That one is a parameter of the pipeline's Condition step,
so that a new threshold does not evaluate a model again. `decide` computes in Python what the Condition step computes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from jobmajor.errors import SettingError
from jobmajor.evaluation.checks import HOLD, PROMOTE, REFUSE, Check, Limits, at, missing, number
from jobmajor.evaluation.comparison import verdicts
from jobmajor.evaluation.metrics import HEADLINES
from jobmajor.titles import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's decision: `outcome` is one of `checks.OUTCOMES`, and `passed` says that it is not "refuse".

    `reasons` says why it is no, what a person has to decide, and what could not be compared; `holds` has the second of
    these alone.
    """

    passed: bool
    threshold: float
    test_f1: float | None
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]
    outcome: str = PROMOTE
    holds: tuple[str, ...] = ()

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


_OF_JOB_TITLES = ("behaviour.sr_prefix", "behaviour.nonsense_unsure")


def _rules() -> list[_Rule]:
    return [rule for rule in _RULES if not (is_plain() and rule.path in _OF_JOB_TITLES)]


def _at_least(rule: _Rule, evaluation: Mapping[str, Any], limit: float) -> Check:
    value = number(at(evaluation, rule.path))
    if value is None:
        return missing(rule.name, rule.path, limit)
    passed = value >= limit
    found = f"{value:.3f}, at least {limit:g} is asked: {rule.why}"
    return Check(rule.name, value, limit, passed=passed, reason=found)


def behaves(evaluation: Mapping[str, Any], limits: Limits | None = None) -> list[Check]:
    """Return the checks of `evaluation["behaviour"]`."""
    rules = [rule for rule in _rules() if rule.path.startswith("behaviour.")]
    return [_at_least(rule, evaluation, getattr(limits or Limits(), rule.limit)) for rule in rules]


def _calibration(evaluation: Mapping[str, Any], limits: Limits) -> Check:
    path, by_chance, name = "calibration.ece", "calibration.ece_by_chance", "calibration error"
    measured, chance = (number(at(evaluation, key)) for key in (path, by_chance))
    if measured is None or chance is None:
        return missing(name, path if measured is None else by_chance, limits.max_ece)
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
    return bool(entries) and all(number(at(entry, key)) is not None for entry in entries for key in keys)


def _overconfidence(evaluation: Mapping[str, Any], limits: Limits) -> Check:
    name, path, limit = "overconfidence", "calibration.thresholds", limits.max_overconfidence
    entries = at(evaluation, path)
    if not _complete(entries, "threshold", "rows"):
        return missing(name, path, limit)
    reached = [entry for entry in entries if entry["rows"]]
    if not reached:
        return Check(name, None, limit, passed=None, reason="no answer reaches any threshold: nothing to judge")
    if not _complete(reached, "stated", "accuracy"):
        return missing(name, path, limit)
    worst = max(reached, key=_shortfall)
    value = max(0.0, _shortfall(worst))
    reason = (
        f"accepting at {worst['threshold']:g} is {value:.3f} less right than stated, beyond chance; at most "
        f"{limit:g} is allowed: a threshold must keep what it promises"
    )
    return Check(name, value, limit, passed=value <= limit, reason=reason)


def _weakest_class(evaluation: Mapping[str, Any], limits: Limits) -> Check:
    name, limit, classes = "weakest class", limits.min_class_recall, at(evaluation, "per_class")
    if not _complete(classes, "recall", "support"):
        return missing(name, "per_class", limit)
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


def _headlines(evaluation: Mapping[str, Any]) -> Check:
    name, figures = "headline figures", [f"classification_metrics.{key}" for key in HEADLINES]
    absent = [figure for figure in figures if number(at(evaluation, figure)) is None]
    if absent:
        return missing(name, absent[0], 1)
    return Check(name, 1, 1, passed=True, reason="all are there and are numbers")


def _checks(evaluation: Mapping[str, Any], limits: Limits) -> Iterator[Check]:
    yield _headlines(evaluation)
    yield _calibration(evaluation, limits)
    yield _overconfidence(evaluation, limits)
    for rule in _rules():
        yield _at_least(rule, evaluation, getattr(limits, rule.limit))
    yield _weakest_class(evaluation, limits)
    yield from verdicts.against_champion(evaluation, limits)


def inspect(evaluation: Mapping[str, Any], limits: Limits | None = None) -> dict[str, Any]:
    """Return `evaluation["gate"]`: all checks but the threshold on F1.

    A check whose figure is missing or no number fails. If there is no champion, or it was evaluated on another split,
    its check neither passes nor fails (`passed` is None) and says why.

    Returns:
        `passed`; `outcome`, one of `checks.OUTCOMES`; `checks`, each with `name`, `value`, `limit`, `passed`, `reason`
        and `holds`; and `summary`, one sentence of what failed, for the pipeline's Fail step.
    """
    checks = list(_checks(evaluation, limits or Limits()))
    failed, held = _told(check for check in checks if check.passed is False), _holding(checks)
    summary = "; ".join(failed) or ("for a person to decide: " + "; ".join(held) if held else "all passed")
    outcome = REFUSE if failed else HOLD if held else PROMOTE
    body = {"passed": not failed, "outcome": outcome, "summary": summary}
    return {**body, "checks": [asdict(check) for check in checks]}


def _told(checks: Iterable[Check]) -> list[str]:
    return [f"{check.name}: {check.reason}" for check in checks]


def _holding(checks: Sequence[Check]) -> list[str]:
    return _told(check for check in checks if check.holds)


def decide(evaluation: Mapping[str, Any], threshold: float) -> Decision:
    """Decide whether the candidate passes: weighted F1 above the threshold, and no failed check in the gate.

    The pipeline's Condition step computes the same: `classification_metrics.test_f1` is greater than the threshold
    (equal is not enough), and `gate.passed`.

    Raises:
        SettingError: A threshold that is no share from 0 to 1.
    """
    if not 0 <= threshold <= 1:
        raise SettingError("TestScoreThreshold", threshold, "a share from 0 to 1")
    scores = (threshold, number(at(evaluation, "classification_metrics.test_f1")))
    return _decision(scores, _recorded(evaluation), is_passed=at(evaluation, "gate.passed") is True)


def with_checks(decision: Decision, more: Sequence[Check]) -> Decision:
    """Return a decision with further checks, made after the pipeline's; they replace earlier ones of the same name."""
    names = {check.name for check in more}
    checks = (*(check for check in decision.checks if check.name not in names), *more)
    is_explained = decision.passed or any(check.passed is False for check in decision.checks)
    return _decision((decision.threshold, decision.test_f1), checks, is_passed=is_explained)


def from_dict(recorded: Mapping[str, Any]) -> Decision:
    """Return a decision from what `Decision.to_dict` gave."""
    reasons = tuple(map(str, recorded.get("reasons") or ()))
    checks = _recorded({"gate": recorded})
    outcome = (recorded.get("outcome") or PROMOTE) if recorded.get("passed") is True else REFUSE
    threshold, test_f1 = number(recorded.get("threshold")) or 0.0, number(recorded.get("test_f1"))
    return Decision(outcome != REFUSE, threshold, test_f1, checks, reasons, outcome, tuple(_holding(checks)))


def _decision(scores: tuple[float, float | None], checks: tuple[Check, ...], *, is_passed: bool) -> Decision:
    threshold, test_f1 = scores
    reached = test_f1 is not None and test_f1 > threshold
    failed, holds = _told(check for check in checks if check.passed is False), _holding(checks)
    reasons = [*([] if reached else [_below(test_f1, threshold)]), *failed]
    if not is_passed and not failed:
        reasons.append("gate.passed is not true and no check says why: evaluate again")
    reasons += holds + _told(check for check in checks if check.passed is None and not check.holds)
    outcome = REFUSE if failed or not (reached and is_passed) else HOLD if holds else PROMOTE
    return Decision(outcome != REFUSE, threshold, test_f1, checks, tuple(reasons), outcome, tuple(holds))


def _recorded(evaluation: Mapping[str, Any]) -> tuple[Check, ...]:
    names = [field.name for field in fields(Check)]
    return tuple(
        Check(**{**{name: check.get(name) for name in names}, "holds": check.get("holds") is True})
        for check in at(evaluation, "gate.checks") or ()
    )


def _below(test_f1: float | None, threshold: float) -> str:
    if test_f1 is None:
        return "classification_metrics.test_f1 is missing or no number: evaluate again"
    return f"weighted F1 is {test_f1:.4f}, more than {threshold:g} is asked"
