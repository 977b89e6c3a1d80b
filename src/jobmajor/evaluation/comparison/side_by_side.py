"""Candidate and champion side by side, as the report draws them: values, and positions on an axis of differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SHOWN: Final = 20  # changed titles above the fold
_LEAST_REACH: Final = 0.02
_FORMS: Final = {"sr_prefix": "“Sr.” before it"}
_CALLED: Final = {"candidate": "the candidate", "champion": "the champion", "neither": "neither"}


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of differences from `-reach` to `reach`; positions on it are percentages of the width."""

    reach: float

    def at(self, difference: float) -> str:
        """Return the position of a difference."""
        return f"{50 + 50 * min(1.0, max(-1.0, difference / self.reach)):.2f}%"


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of both models; `interval` is None where there are too few rows to tell.

    `champion` and `difference` are None where there is nothing to compare with.
    """

    name: str
    code: str
    rows: int | None
    champion: float | None
    candidate: float
    difference: float | None
    interval: Mapping[str, float] | None
    verdict: str | None


def view(champion: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the report shows of `evaluation["champion"]`; None without a comparison.

    Returns:
        `parts` and `groups`, each a list of `Row`; `axes`, one for each of the two; `shown` and `more`, the changed
        titles above and below the fold; `called`, the words for who is right.
    """
    if not champion or champion.get("comparable") is False:
        return None
    parts, groups = list(_parts(champion)), [_row(part["name"], part) for part in champion.get("groups") or ()]
    groups = [row for row in groups if row.rows]
    largest = (champion.get("changes") or {}).get("largest") or []
    body = {"parts": parts, "groups": groups, "axes": (_axis(parts), _axis(groups)), "called": _CALLED}
    return {**body, "shown": largest[:_SHOWN], "more": largest[_SHOWN:]}


def unseen(champion: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the report shows of titles that a champion of other data did not learn from; None without a figure.

    Returns:
        `titles`; `rows`, a `Row` for each level; `axis`.
    """
    found = champion.get("unseen") or {}
    if not found.get("levels"):
        return None
    rows = [
        _row(f"Right code, {level} level", {**part, "rows": found["titles"]}) for level, part in found["levels"].items()
    ]
    return {"titles": found["titles"], "rows": rows, "axis": _axis(rows)}


def reviewed(own: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what report and card show of `evaluation["reviewed"]`; None without such titles.

    Returns:
        `titles`; `rows`, a `Row` for each level that the titles' codes reach, with the level's own titles; `axis`.
    """
    if not own:
        return None
    rows = [_own(level, part) for level, part in own["levels"].items()]
    return {"titles": own["titles"], "rows": rows, "axis": _axis(rows)}


def _own(level: str, part: Mapping[str, Any]) -> Row:
    alone = {"champion": None, "candidate": part["accuracy"], "difference": None}
    return _row(f"Right code, {level} level", {**alone, **part, "rows": part["titles"]})


def _parts(champion: Mapping[str, Any]) -> Iterator[Row]:
    overall = {"candidate": champion["candidate_f1"], "champion": champion["champion_f1"]}
    yield _row("Weighted F1", {**overall, "difference": champion["difference"], "interval": champion.get("interval")})
    for level, part in (champion.get("levels") or {}).items():
        yield _row(f"Right code, {level} level", part)
    for form, part in (champion.get("behaviour") or {}).items():
        yield _row(f"Answer kept: {_FORMS.get(form) or form.replace('_', ' ')}", part)


def _row(name: str, part: Mapping[str, Any]) -> Row:
    return Row(
        name=name.removesuffix(" Occupations"),
        code=str(part.get("code", "")),
        rows=part.get("rows"),
        champion=part["champion"],
        candidate=part["candidate"],
        difference=part["difference"],
        interval=part.get("interval"),
        verdict=part.get("verdict"),
    )


def _axis(rows: Sequence[Row]) -> Axis:
    ends = [abs(end) for row in rows if row.interval for end in (row.interval["low"], row.interval["high"])]
    return Axis(math.ceil(max([_LEAST_REACH, *ends]) * 50) / 50)
