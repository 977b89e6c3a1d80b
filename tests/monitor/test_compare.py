"""What a check says of shares that differ, and of shares that don't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobmajor.errors import InputError
from jobmajor.monitor import compare
from jobmajor.monitor.profile import LENGTHS, SCORES, Profile
from jobmajor.monitor.shape import Flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FLAGS = (Flag("11-0000", "prediction", ""), Flag("13-0000", "prediction", ""), Flag("unsure", "prediction", ""))


def of_rows(shares: Sequence[float], rows: int) -> Profile:
    """Return a profile of independent rows, where exactly these shares have each flag and no row has two of them."""
    counts = np.vstack([np.zeros((1, len(shares)), np.int64), np.eye(len(shares), dtype=np.int64)])
    flagged = [round(share * rows) for share in shares]
    units = np.array([rows - sum(flagged), *flagged])
    return of_units(np.ones(len(units), np.int64), counts, units)


def of_units(rows: NDArray[np.int64], counts: NDArray[np.int64], units: NDArray[np.int64] | None = None) -> Profile:
    units = np.ones(len(rows), np.int64) if units is None else units
    names = tuple(flag.name for flag in FLAGS)
    bins = np.zeros(SCORES, np.int64), np.zeros(LENGTHS, np.int64)
    return Profile(names, rows, counts, units, *bins, {}, {"kind": "traffic", "unit": "client"})


def clients(rng: np.random.Generator, count: int) -> Profile:
    """Return clients of 100 rows each; one in ten sends nothing but the first flag, the others never do."""
    chosen = rng.random(count) < 0.1
    counts = np.column_stack([100 * chosen, rng.binomial(100, 0.2, count), np.zeros(count)])
    return of_units(np.full(count, 100), counts.astype(np.int64))


def test_group_of_five_percent_that_gains_five_points_is_an_alarm() -> None:
    changes = compare.compare(of_rows([0.05, 0.3, 0.2], 30_000), of_rows([0.1, 0.28, 0.2], 1_000), FLAGS)

    assert [change.is_alarm() for change in changes] == [True, False, False]
    assert changes[0].difference == pytest.approx(0.05)


def test_equal_shares_are_no_alarm() -> None:
    changes = compare.compare(of_rows([0.05, 0.3, 0.2], 30_000), of_rows([0.05, 0.3, 0.2], 1_000), FLAGS)

    assert [change.p for change in changes] == [1.0, 1.0, 1.0]


def test_certain_but_tiny_difference_is_no_alarm() -> None:
    changes = compare.compare(of_rows([0.05, 0.3, 0.2], 2_000_000), of_rows([0.055, 0.3, 0.2], 1_000_000), FLAGS)

    assert changes[0].p <= compare.ALARMS
    assert not changes[0].is_alarm()


def test_clients_that_resemble_nobody_are_no_alarm_where_clients_are_units() -> None:
    rng = np.random.default_rng(7)
    alarms = sum(
        any(change.is_alarm() for change in compare.compare(clients(rng, 300), clients(rng, 10), FLAGS, seed=seed))
        for seed in range(40)
    )

    # Each check has a chance of 1/365, so two or more in 40 have one of 0.5 %. Taken for independent rows, every
    # second of these checks finds a difference.
    assert alarms <= 1


def test_a_day_like_the_days_before_is_no_alarm_and_another_one_is() -> None:
    rng = np.random.default_rng(0)
    shares = rng.normal(0.3, 0.05, 40)
    days = of_units(np.full(40, 1000), np.column_stack([1000 * shares, np.full((40, 2), 100)]).astype(np.int64))
    like, unlike = (of_units(np.array([1000]), np.array([[count, 100, 100]])) for count in (330, 700))

    found = [[change.is_alarm() for change in compare.compare(days, each, FLAGS)] for each in (like, unlike)]

    assert found == [[False, False, False], [True, False, False]]


def test_one_day_against_few_days_is_refused() -> None:
    days = of_units(np.full(3, 1000), np.full((3, 3), 100))

    with pytest.raises(InputError, match=r"the reference has 3 units \(client\): expected at least 5"):
        compare.compare(days, of_units(np.array([1000]), np.full((1, 3), 100)), FLAGS)


def test_profile_without_rows_is_refused() -> None:
    empty = of_units(np.zeros(0, np.int64), np.zeros((0, 3), np.int64))

    with pytest.raises(InputError, match="the input has no rows"):
        compare.compare(of_rows([0.1, 0.1, 0.1], 100), empty, FLAGS)


def test_same_seed_gives_the_same_chances() -> None:
    pair = of_rows([0.05, 0.3, 0.2], 3_000), of_rows([0.08, 0.3, 0.2], 500)

    assert compare.compare(*pair, FLAGS) == compare.compare(*pair, FLAGS)
