"""Each goal of the load is missed by a figure just beyond it, and a trial of nothing meets none."""

from __future__ import annotations

import pytest
from tools.load import goals
from tools.load.client import share

GOOD = {
    "steady": {"requests": 1.0, "errors": 0.0, "p99_by_p50": 5.0, "memory_grown_mb": 10.0},
    "overload": {
        "goodput_share": 0.9,
        "refused": 1.0,
        "refused_p99_ms": 50.0,
        "recovery_s": 5.0,
        "refused_without_retry_after": 0.0,
        "other_outcomes": 0.0,
        "pings_failed": 0.0,
    },
    "swaps": {"swaps": 1.0, "failed": 0.0, "mixed": 0.0, "models": 2.0},
    "ends": {"requests": 1.0, "lost": 0.0, "refused_status": 0.0, "unclean_exits": 0.0},
}


def test_figures_at_their_bounds_meet_every_goal() -> None:
    rows = goals.judged(GOOD)

    assert len(rows) == len(goals.GOALS)
    assert all(met for _, _, met in rows)
    assert goals.wrongs(GOOD) == []


@pytest.mark.parametrize("goal", goals.GOALS, ids=lambda goal: goal.figure)
def test_figure_just_beyond_its_bound_misses_its_goal_and_no_other(goal: goals.Goal) -> None:
    beyond = goal.bound - 0.01 if goal.at_least else goal.bound + 0.01
    figures = {**GOOD, goal.trial: {**GOOD[goal.trial], goal.figure: beyond}}

    missed = [each for each, _, met in goals.judged(figures) if not met]

    assert missed == [goal]
    assert len(goals.wrongs(figures)) == int(goal.is_count)


@pytest.mark.parametrize("trial", GOOD)
def test_trial_in_which_nothing_happened_meets_no_goal(trial: str) -> None:
    nothing = {trial: {**GOOD[trial], goals.ENOUGH[trial]: 0.0}}

    assert not any(met for _, _, met in goals.judged(nothing))


def test_share_of_values_is_one_of_them() -> None:
    assert [share([3, 1, 2], part) for part in (0, 0.5, 1)] == [1, 2, 3]
    assert share([], 0.5) == 0
