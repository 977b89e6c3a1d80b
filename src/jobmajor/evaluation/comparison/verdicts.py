"""What a comparison with the champion decides: a clear drop refuses a candidate, a certain loss in a part holds it.

A loss is certain if the whole interval of the difference is below 0. Whether one group may lose for the good of all
others is no question that figures answer, so a person decides it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobmajor import soc
from jobmajor.evaluation.checks import Check, Limits, at, missing, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NAMED = 5  # groups or forms in one reason


def against_champion(evaluation: Mapping[str, Any], limits: Limits) -> Iterator[Check]:
    """Yield the checks of `evaluation["champion"]`; one, which decides nothing, if there is nothing to compare with."""
    yield _overall(evaluation, limits)
    for name, path, what in (
        ("groups against the champion", "champion.groups", "F1"),
        ("forms of titles against the champion", "champion.behaviour", "share of kept answers"),
        ("levels against the champion", "champion.levels", "accuracy"),
        ("titles new to the champion", "champion.unseen.levels", "accuracy"),
    ):
        parts = at(evaluation, path)
        if parts:
            yield _parts(name, what, parts if isinstance(parts, list) else _named(parts))
    for level, found in (at(evaluation, "reviewed.levels") or {}).items():
        if "difference" in found:
            yield own_titles(f"reviewed titles, {level} level", found, limits)


def own_titles(name: str, found: Mapping[str, Any], limits: Limits) -> Check:
    """Return the check of titles that have an owner: reviewed ones, or a labelled file.

    Args:
        name: The check's name.
        found: What `paired.Paired.to_json` returns, and `titles`.
        limits: A drop that is larger than `max_own_drop`, and certain, refuses.
    """
    drop, high = -(number(found["difference"]) or 0.0), _high(found)
    reason = f"accuracy {_both(found)} on {found['titles']:,} titles"
    if high is None:
        return Check(name, None, limits.max_own_drop, passed=None, reason=f"{reason}: too few to tell")
    if high >= 0:
        return Check(name, drop, limits.max_own_drop, passed=True, reason=f"{reason}: no certain loss")
    if drop > limits.max_own_drop:
        reason += f": a certain loss of at most {limits.max_own_drop:g} is left to a person, a larger one is refused"
        return Check(name, drop, limits.max_own_drop, passed=False, reason=reason)
    reason += ": a small but certain loss, which a person has to weigh"
    return Check(name, drop, limits.max_own_drop, passed=None, reason=reason, holds=True)


def nothing_to_compare(name: str, found: Mapping[str, Any], limits: Limits) -> Check:
    """Return the check of titles that decide nothing: there is no champion, or there are too few of them."""
    why = f"{found['titles']:,} titles are too few to tell" if found.get("champion") else "there is no champion yet"
    return Check(name, None, limits.max_own_drop, passed=None, reason=f"not compared: {why}")


def _overall(evaluation: Mapping[str, Any], limits: Limits) -> Check:
    name, limit, champion = "F1 drop against the champion", limits.max_f1_drop, evaluation.get("champion")
    if champion is None:
        reason = "there is no champion yet: nothing to compare with"
        return Check(name, None, limit, passed=None, reason=reason)
    if at(evaluation, "champion.comparable") is False:
        why = at(evaluation, "champion.reason") or "no reason is recorded"
        return Check(name, None, limit, passed=None, reason=f"not compared with the champion: {why}")
    difference = number(at(evaluation, "champion.difference"))
    if difference is None:
        return missing(name, "champion.difference", limit)
    drop, high = 0.0 - difference, number(at(evaluation, "champion.interval.high"))
    reason = (
        f"weighted F1 differs from the champion's by {difference:+.4f} on the same rows, a drop of at most "
        f"{limit:g} is allowed: a new version must not be a step back"
    )
    if drop <= limit and high is not None and high < 0:
        reason = (
            f"weighted F1 is {drop:.4f} below the champion's on the same rows; that is within the allowed {limit:g}, "
            f"but no chance (the interval ends at {high:+.4f}): a person has to say what the new version is for"
        )
        return Check(name, drop, limit, passed=None, reason=reason, holds=True)
    return Check(name, drop, limit, passed=drop <= limit, reason=reason)


def _named(parts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": name.replace("_", " "), **part} for name, part in parts.items()]


def _parts(name: str, what: str, parts: Sequence[Mapping[str, Any]]) -> Check:
    """Return the check of parts that are compared at once; its value is the largest loss that is certain."""
    judged = [part for part in parts if _high(part) is not None]
    if not judged:
        return Check(name, None, 0.0, passed=None, reason="no part has enough rows: nothing to judge")
    losing = sorted((part for part in judged if (_high(part) or 0.0) < 0), key=lambda part: part["difference"])
    if not losing:
        reason = f"none of {len(judged)} loses for certain, all intervals together at 95 %"
        return Check(name, 0.0, 0.0, passed=True, reason=reason)
    shown = "; ".join(f"{_label(part)}: {what} {_both(part)}" for part in losing[:_NAMED])
    more = f"; and {len(losing) - _NAMED} more" if len(losing) > _NAMED else ""
    reason = f"{shown}{more}: a certain loss in a part, which a person has to weigh against the rest"
    return Check(name, -(_high(losing[0]) or 0.0), 0.0, passed=None, reason=reason, holds=True)


def _label(part: Mapping[str, Any]) -> str:
    return f"{part['name']} ({part['code']})" if part.get("code") in soc.table() else str(part["name"])


def _both(part: Mapping[str, Any]) -> str:
    ends = part.get("interval") or {}
    text = f"{part['champion']:.3f} → {part['candidate']:.3f} ({part['difference']:+.3f}"
    return f"{text}, from {ends['low']:+.3f} to {ends['high']:+.3f})" if ends else f"{text})"


def _high(part: Mapping[str, Any]) -> float | None:
    return number(at(part, "interval.high"))
