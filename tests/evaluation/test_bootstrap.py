from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor.evaluation.bootstrap import bootstrap, family_weights, interval


def _mean(values: np.ndarray):  # type: ignore[no-untyped-def]  # returns a statistic for `bootstrap`
    return lambda weights: (weights @ values / weights.sum(axis=1))[:, None]


def test_rows_of_one_family_are_drawn_together() -> None:
    families = np.array([7, 3, 7, 3, 9])

    weights = np.concatenate(list(family_weights(families, 120, seed=1)))

    assert weights.shape == (120, 5)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 3]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 4] == 3).all()


@settings(max_examples=20)
@given(st.permutations(range(12)))
def test_order_of_rows_changes_no_value(order: list[int]) -> None:
    families, values = np.arange(12) // 3, np.arange(12) % 2

    before = bootstrap(_mean(values), families, seed=4, resamples=60)
    after = bootstrap(_mean(values[order]), families[order], seed=4, resamples=60)

    assert before.tolist() == after.tolist()


def test_another_seed_gives_other_values() -> None:
    values = np.arange(50) % 2

    first, second = (bootstrap(_mean(values), np.arange(50), seed=seed) for seed in (1, 2))

    assert first.shape == (1000, 1)
    assert first.tolist() != second.tolist()


def test_interval_of_a_share_is_as_wide_as_theory_says() -> None:
    right = np.arange(400) < 300

    found = interval(bootstrap(_mean(right), np.arange(400), seed=0)[:, 0])

    expected = 2 * 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert found.high - found.low == pytest.approx(expected, rel=0.1)
    assert found.low < 0.75 < found.high


def test_rows_that_are_right_together_make_the_interval_wider() -> None:
    right = np.arange(400) < 300

    alone = interval(bootstrap(_mean(right), np.arange(400), seed=0)[:, 0])
    fours = interval(bootstrap(_mean(right), np.arange(400) // 4, seed=0)[:, 0])

    # A mean of 100 independent fours has twice the standard error of one of 400 rows.
    assert (fours.high - fours.low) / (alone.high - alone.low) == pytest.approx(2, rel=0.15)


def test_interval_leaves_out_the_same_share_at_both_ends() -> None:
    found = interval(np.arange(101.0), level=0.95)

    assert (found.low, found.high) == pytest.approx((2.5, 97.5))
    assert found.level == 0.95
