"""One day against thirty: how often a check is wrong, and what it sees."""

from __future__ import annotations

import numpy as np
import pytest

from jobmajor.monitor import compare
from jobmajor.monitor.profile import LENGTHS, SCORES, Profile
from jobmajor.monitor.shape import Flag

# Twenty groups, half of them large and half of them small; and a property of the text.
SHARES = np.array([0.05, *[0.095] * 9, *[0.0095] * 10])
FLAGS = (*(Flag(f"{11 + group}-0000", "prediction", "") for group in range(20)), Flag("digit", "text", ""))
DAY = 1_000


def days(rng: np.random.Generator, shares: np.ndarray, count: int, spread: float | None = None) -> np.ndarray:
    """Return the counts of days whose rows are independent, or whose mix varies; more if the spread is smaller."""
    mixes = np.tile(shares, (count, 1)) if spread is None else rng.dirichlet(spread * shares, size=count)
    return np.column_stack([rng.multinomial(DAY, mixes), rng.binomial(DAY, 0.1, count)])


def profile(counts: np.ndarray) -> Profile:
    ones, names = np.ones(len(counts), np.int64), tuple(flag.name for flag in FLAGS)
    bins = np.zeros(SCORES, np.int64), np.zeros(LENGTHS, np.int64)
    return Profile(names, DAY * ones, counts, ones, *bins, {}, {"kind": "traffic", "unit": "day"})


def is_alarm(reference: np.ndarray, day: np.ndarray) -> bool:
    return any(change.is_alarm() for change in compare.compare(profile(reference), profile(day), FLAGS))


def test_group_of_five_percent_that_gains_five_points_is_seen_the_same_day() -> None:
    rng, more = np.random.default_rng(0), SHARES * 0.9 / 0.95
    more[0] = 0.1

    seen = [is_alarm(days(rng, SHARES, 30), days(rng, more, 1)) for _ in range(300)]

    # The difference of 5 points has z = 6.0, so 99 % of days are beyond a limit of 3.65. With Student's distribution
    # of 29 degrees of freedom and a chance that is shared out equally, the limit is 4.5: 93 % of days, 279 of 300.
    assert sum(seen) >= 292


@pytest.mark.parametrize("spread", [None, 300, 50])
def test_day_that_varies_as_the_others_do_is_hardly_ever_an_alarm(spread: float | None) -> None:
    rng = np.random.default_rng(1)
    drawn = days(rng, SHARES, 31 * 800, spread).reshape(800, 31, -1)

    alarms = sum(is_alarm(each[:30], each[30:]) for each in drawn)

    # 800 checks with a chance of 1/365 each have 2.2 alarms; more than 8 have a chance of 0.04 %.
    assert alarms <= 8


def test_few_days_can_be_compared_with_few() -> None:
    rng = np.random.default_rng(2)
    reference, found = days(rng, SHARES, 5), days(rng, SHARES, 3)

    changes = compare.compare(profile(reference), profile(found), FLAGS)

    assert all(0 < change.p <= 1 for change in changes)
