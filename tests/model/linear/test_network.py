"""The network is learned with numpy alone, so its slopes are checked against differences of its loss."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from jobmajor.model.linear import network
from jobmajor.model.linear.network import ROLES, Network, fit, read
from jobmajor.model.linear.vectors import SIZE
from jobmajor.settings import Linear

MAJOR_OF = np.array([0, 0, 1, 1, 1, 2])  # six codes of three groups
STARTS = np.array([0, 2, 5])
CODES_LOSS = 0.3
SMALL = Linear(hidden=8, epochs=60, rate=0.01, dropout=0.1)


def loss(weights: list[np.ndarray], titles: np.ndarray, dropped: np.ndarray, truth: np.ndarray) -> float:
    """Mean cross-entropy of the major groups plus a share of the codes', by one title and one group after another."""
    inputs, hidden_bias, outputs, output_bias = weights
    total = 0.0
    for title, keeps, shares in zip(titles, dropped, truth, strict=True):
        hidden = np.where(title @ inputs + hidden_bias > 0, title @ inputs + hidden_bias, 0) * keeps
        powers = np.exp(hidden @ outputs + output_bias)
        found = powers / powers.sum()
        total -= CODES_LOSS * float((shares * np.log(found)).sum())
        for major in range(3):
            total -= float(shares[major == MAJOR_OF].sum() * np.log(found[major == MAJOR_OF].sum()))
    return total / len(titles)


@pytest.mark.parametrize("seed", range(4))
def test_slopes_are_the_differences_of_the_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # In float64, which the network itself is not: differences of its loss would drown in rounding.
    weights: Any = [rng.normal(0, 0.5, size=shape) for shape in ((7, 4), (4,), (4, 6), (6,))]
    titles: Any = rng.normal(size=(5, 7))
    dropped: Any = rng.choice([0.0, 1.25], (5, 4), p=[0.2, 0.8])
    truth: Any = rng.random((5, 6)) * (rng.random((5, 6)) < 0.5) + np.eye(6)[[0, 1, 3, 4, 5]]
    truth /= truth.sum(axis=1, keepdims=True)

    slopes = network._slopes(weights, titles, dropped, network._Wanted(truth, MAJOR_OF, STARTS, CODES_LOSS))

    assert [slope.shape for slope in slopes] == [part.shape for part in weights]
    for part, slope in zip(weights, slopes, strict=True):
        for place in np.ndindex(part.shape):
            kept, ends = part[place], []
            for step in (1e-5, -1e-5):
                part[place] = kept + step
                ends.append(loss(weights, titles, dropped, truth))
            part[place] = kept
            assert slope[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_slopes_of_a_certain_answer_are_numbers_and_small_where_it_is_right() -> None:
    weights = [np.zeros((1, 1), np.float32), np.zeros(1, np.float32), np.zeros((1, 6), np.float32)]
    certain = np.array([500, 0, 0, 0, 0, 0], np.float32)
    title, truth = np.ones((1, 1), np.float32), np.eye(6, dtype=np.float32)

    right, wrong = (
        network._slopes([*weights, certain], title, title, network._Wanted(truth[[code]], MAJOR_OF, STARTS, 1.0))[-1]
        for code in (0, 5)
    )

    assert np.abs(right).max() < 1e-6
    # The wrong code's: p - y = -1, as its share is no number above 0; the right one's: twice its share of 1.
    assert wrong == pytest.approx([2, 0, 0, 0, 0, -1])


def test_title_is_read_as_the_mean_of_its_words_the_last_and_the_first() -> None:
    vectors = np.arange(4, dtype=np.float32)[:, None] + np.linspace(0, 1, SIZE, dtype=np.float32)

    found = read(np.array([0, 0, 3, 3, 4, 4]), vectors)

    assert found.shape == (5, ROLES * SIZE)
    assert found.dtype == np.float32
    assert not found[[0, 2, 4]].any()
    assert found[1].reshape(ROLES, SIZE) == pytest.approx(np.array([vectors[1], vectors[2], vectors[0]]))
    assert found[3].reshape(ROLES, SIZE) == pytest.approx(np.array([vectors[3]] * 3))


def test_titles_without_any_word_and_no_titles_are_read_as_zeros() -> None:
    none = np.empty((0, SIZE), np.float32)

    assert np.array_equal(read(np.zeros(4, np.int64), none), np.zeros((3, ROLES * SIZE)))
    assert read(np.zeros(1, np.int64), none).shape == (0, ROLES * SIZE)


@given(st.lists(st.integers(0, 4), max_size=6), st.integers(0, 2**32 - 1))
def test_parts_of_the_words_add_up_to_what_the_network_reads(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *counts])
    vectors = rng.normal(size=(starts[-1], SIZE)).astype(np.float32)
    inputs = rng.normal(size=(ROLES * SIZE, 5)).astype(np.float32)
    learned = Network(inputs, np.zeros(5, np.float32), np.zeros((5, 2), np.float32), np.zeros(2, np.float32))

    each, last, first = learned.parts(vectors).transpose(1, 0, 2)

    expected = read(starts, vectors) @ inputs
    for row, (begin, end) in enumerate(pairwise(starts)):
        summed = each[begin:end].mean(axis=0) + last[end - 1] + first[begin] if end > begin else np.zeros(5)
        assert summed == pytest.approx(expected[row], abs=1e-3)


def toy() -> tuple[np.ndarray, csr_array, np.ndarray]:
    """Titles of one word each, of three meanings with a little noise; the third stands under two codes of a group."""
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, 3, 600)
    words = (rng.normal(size=(3, SIZE))[kinds] + rng.normal(0, 0.3, (600, SIZE))).astype(np.float32)
    shares = np.array([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 0.5, 0.5, 0, 0]])[kinds]
    return read(np.arange(601), words), csr_array(shares), kinds


def answers(learned: Network, titles: np.ndarray) -> np.ndarray:
    scores = np.maximum(titles @ learned.inputs + learned.hidden_bias, 0) @ learned.outputs + learned.output_bias
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def test_network_learns_which_meaning_has_which_code_and_how_two_share_a_title() -> None:
    titles, shares, kinds = toy()

    found = answers(fit(titles, shares, MAJOR_OF, SMALL), titles)

    assert found.shape == (600, 6)
    assert (found[kinds == 0, 0] > 0.9).all()
    assert (found[kinds == 1, 1] > 0.9).all()
    assert found[kinds == 2][:, [2, 3]] == pytest.approx(0.5, abs=0.1)


def same(one: Network, other: Network) -> bool:
    names = ("inputs", "hidden_bias", "outputs", "output_bias")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_one_seed_gives_one_network_and_another_seed_another() -> None:
    titles, shares, _ = toy()
    one, again, other = (fit(titles, shares, MAJOR_OF, Linear(hidden=8, epochs=2, seed=seed)) for seed in (3, 3, 4))

    assert same(one, again)
    assert not same(one, other)
    assert {part.dtype.name for part in (one.inputs, one.hidden_bias, one.outputs, one.output_bias)} == {"float32"}


def test_one_thread_gives_one_network_whatever_stood_before() -> None:
    titles, shares, _ = toy()
    made = []
    for threads in (1, 2):
        with threadpool_limits(threads), threadpool_limits(1):
            made.append(fit(titles, shares, MAJOR_OF, Linear(epochs=2)))

    assert same(*made)


def test_titles_without_words_are_learned_from_the_biases_alone() -> None:
    titles = np.zeros((40, ROLES * SIZE), np.float32)
    shares = csr_array(np.tile([0.75, 0, 0, 0.25, 0, 0], (40, 1)))

    learned = fit(titles, shares, MAJOR_OF, Linear(hidden=4, epochs=400, rate=0.05, dropout=0.0))

    assert answers(learned, titles[:1])[0] == pytest.approx([0.75, 0, 0, 0.25, 0, 0], abs=0.02)


def test_rate_rises_to_its_peak_in_a_tenth_of_the_steps_and_falls_to_nothing() -> None:
    rates = [network._rate(step / 1000, 2.0) for step in range(1001)]

    assert rates[0] == pytest.approx(0.08)  # a twenty-fifth of the peak
    assert max(rates) == rates[100] == 2.0
    assert rates[1000] == pytest.approx(0)
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_dropout_leaves_out_its_share_and_raises_the_rest_to_the_same_mean() -> None:
    found = network._dropped(np.random.default_rng(0), (200, 500), 0.2)

    assert sorted({float(value) for value in np.unique(found)}) == pytest.approx([0, 1.25])
    assert found.mean() == pytest.approx(1, abs=0.01)  # of 100,000 draws: 8 standard errors
    assert (network._dropped(np.random.default_rng(0), (3, 3), 0.0) == 1).all()


def test_first_step_of_adam_goes_by_the_rate_against_the_sign_of_the_slope() -> None:
    weights, slopes = [np.array([1.0, 1.0, 1.0], np.float32)], [np.array([0.5, -20, 0], np.float32)]
    moments = [(np.zeros(3, np.float32), np.zeros(3, np.float32))]

    network._descend(weights, slopes, moments, (1, 0.25))

    # Both moments start at 0 and are corrected for it: g / sqrt(g * g), whatever the slope's size.
    assert weights[0] == pytest.approx([0.75, 1.25, 1.0], abs=1e-6)
    assert moments[0][0] == pytest.approx([0.05, -2, 0])
    assert moments[0][1] == pytest.approx([0.00025, 0.4, 0])
