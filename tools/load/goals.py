"""What the trials' figures should be, and which of them are counts that no busy machine excuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.load.trials import Figures


@dataclass(frozen=True, slots=True)
class Goal:
    """One bound.

    Attributes:
        trial: Whose figure it is.
        figure: Its name.
        bound: What it may be at most; with `at_least`, what it must be.
        at_least: Which way.
        is_count: Whether it counts wrongs: it holds on any machine. The others are times and rates, which depend on it.
    """

    trial: str
    figure: str
    bound: float
    at_least: bool = False
    is_count: bool = False

    def is_met(self, value: float) -> bool:
        """Whether a figure keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    @property
    def text(self) -> str:
        """As a table says it."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


def _none(trial: str, figure: str) -> Goal:
    return Goal(trial, figure, 0, is_count=True)


GOALS = (
    _none("steady", "errors"),
    Goal("steady", "p99_by_p50", 5),
    Goal("steady", "memory_grown_mb", 10),
    Goal("overload", "goodput_share", 0.9, at_least=True),
    Goal("overload", "refused_p99_ms", 50),
    Goal("overload", "recovery_s", 5),
    _none("overload", "refused_without_retry_after"),
    _none("overload", "other_outcomes"),
    _none("overload", "pings_failed"),
    _none("swaps", "failed"),
    _none("swaps", "mixed"),
    Goal("swaps", "models", 2, at_least=True, is_count=True),
    _none("ends", "lost"),
    _none("ends", "refused_status"),
    _none("ends", "unclean_exits"),
)
ENOUGH = {"steady": "requests", "overload": "refused", "swaps": "swaps", "ends": "requests"}  # none of them: no trial


def judged(figures: Mapping[str, Figures]) -> list[tuple[Goal, float, bool]]:
    """Each goal of the trials that were made, its figure, and whether it is met; a trial of nothing meets none."""
    rows = []
    for goal in GOALS:
        if goal.trial in figures:
            found = figures[goal.trial]
            value = found[goal.figure]
            rows.append((goal, value, found[ENOUGH[goal.trial]] > 0 and goal.is_met(value)))
    return rows


def wrongs(figures: Mapping[str, Figures]) -> list[str]:
    """The counts that are not as they must be on any machine, in words."""
    rows: Sequence[tuple[Goal, float, bool]] = judged(figures)
    return [f"{goal.trial}: {goal.figure} is {value:g}" for goal, value, met in rows if goal.is_count and not met]
