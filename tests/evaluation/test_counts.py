"""Counts of a file whose truth is known, and what they must do for any file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor.evaluation import counts
from jobmajor.evaluation.counts import Shares, Truth

NOTHING = Truth(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.bool_))


def shares(table: list[list[float]]) -> Shares:
    scores = np.array(table, np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")
    return Shares.of(order.astype(np.int16), np.take_along_axis(scores, order, axis=1), scores.shape[1])


def sample(titles: list[int], labels: list[int]) -> Truth:
    size = len(titles)
    return Truth(np.array(titles), np.array(labels), np.ones(size), np.ones(size, np.bool_))


def test_sure_answers_are_counted_as_they_are() -> None:
    given = shares([[1, 0, 0], [0, 1, 0], [0, 1, 0]])

    found = counts.estimate(given, np.array([5.0, 2.0, 1.0]), np.ones(3), NOTHING, seed=0)

    assert found.answered.tolist() == [5, 3, 0]
    assert found.estimate == pytest.approx([5, 3, 0], abs=1e-6)
    assert found.low == pytest.approx([5, 3, 0], abs=1e-6)
    assert found.high == pytest.approx([5, 3, 0], abs=1e-6)


def test_second_best_codes_are_counted_too() -> None:
    """Each of 100 titles is of the second code with 0.4: to count best answers finds none of those 40."""
    given = shares([[0.6, 0.4]] * 100)

    found = counts.estimate(given, np.ones(100), np.array([60.0, 40.0]), NOTHING, seed=0)

    assert found.answered.tolist() == [100, 0]
    assert found.estimate == pytest.approx([60, 40], rel=0.02)
    assert found.low[1] < 40 < found.high[1]


def test_mix_of_the_file_moves_the_unsure_titles() -> None:
    """Training had as many of both codes, and the file's sure titles are all of the first."""
    given = shares([[1.0, 0.0]] * 80 + [[0.5, 0.5]] * 20)

    found = counts.estimate(given, np.ones(100), np.array([50.0, 50.0]), NOTHING, seed=0)

    assert 91 < found.estimate[0] < 100


def test_labelled_titles_correct_answers_that_are_wrong_alike() -> None:
    """All titles say 0.95 for the first code, and half of those that were looked at are of the second."""
    given = shares([[0.95, 0.05]] * 400)
    looked_at = list(range(200))

    found = counts.estimate(given, np.ones(400), np.ones(2), sample(looked_at, [row % 2 for row in looked_at]), seed=0)

    assert found.answered.tolist() == [400, 0]
    assert found.estimate[1] == pytest.approx(200, rel=0.1)
    assert found.low[1] < 200 < found.high[1]


def test_titles_that_a_user_chose_count_as_coded_and_correct_nothing_else() -> None:
    given = shares([[0.95, 0.05]] * 100)
    chosen = sample([0, 1], [1, 1])._replace(is_sample=np.zeros(2, np.bool_))

    found = counts.estimate(given, np.ones(100), np.array([95.0, 5.0]), chosen, seed=0)

    assert found.low[1] >= 2
    assert found.estimate[1] == pytest.approx(2 + 98 * 0.05, rel=0.1)


def test_one_heavy_title_makes_a_wide_interval() -> None:
    """All rows of a title are of one code, so 100 rows of one title are one case, not 100."""
    light = counts.estimate(shares([[0.6, 0.4]] * 100), np.ones(100), np.ones(2), NOTHING, seed=0)
    heavy = counts.estimate(shares([[0.6, 0.4]]), np.array([100.0]), np.ones(2), NOTHING, seed=0)

    assert (heavy.low[0], heavy.high[0]) == (0, 100)
    assert light.high[0] - light.low[0] < 80


def test_interval_holds_the_true_count_of_most_codes_where_the_shares_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(10):
        table = rng.dirichlet([0.2] * 6, size=300)
        truth = np.array([rng.choice(6, p=row) for row in table])
        found = counts.estimate(shares(table.tolist()), np.ones(300), np.ones(6), NOTHING, seed=seed)
        true = np.bincount(truth, minlength=6)
        covered += ((found.low <= true) & (true <= found.high)).tolist()

    assert np.mean(covered) >= 0.9


@settings(max_examples=25)
@given(st.data())
def test_counts_add_up_to_the_rows_and_lie_in_their_intervals(data: st.DataObject) -> None:
    size, classes = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    given = shares(rng.dirichlet(np.ones(classes), size=size).tolist())
    weights, mix = rng.integers(1, 50, size).astype(float), rng.integers(0, 9, classes).astype(float)
    titles = list(range(data.draw(st.integers(0, size))))
    truth = sample(titles, [int(rng.integers(classes)) for _ in titles]) if titles else NOTHING

    found = counts.estimate(given, weights, mix, truth, seed=0)

    assert found.estimate.sum() == pytest.approx(weights.sum())
    assert found.answered.sum() == pytest.approx(weights.sum())
    assert (found.low <= found.estimate).all()
    assert (found.estimate <= found.high).all()
    assert (found.low >= -1e-6).all()


def test_same_seed_gives_the_same_intervals() -> None:
    given = shares([[0.7, 0.3], [0.2, 0.8]])

    first, second = (counts.estimate(given, np.ones(2), np.ones(2), NOTHING, seed=3) for _ in range(2))

    assert first.low.tolist() == second.low.tolist()
    assert first.high.tolist() == second.high.tolist()
