"""By hand where a number can be, beside scikit-learn where a law can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, f1_score, precision_recall_fscore_support

from jobmajor.evaluation import metrics

TRUTH = np.array([0, 0, 0, 1, 1, 2])
ANSWER = np.array([0, 0, 1, 1, 2, 2])
ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


def _columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    truth, answer = np.array(rows, dtype=np.int64).T
    return truth, answer


def test_confusion_matrix_counts_truth_in_rows_and_answers_in_columns() -> None:
    matrix = metrics.confusion_matrix(TRUTH, ANSWER, classes=3)

    assert matrix.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_class_scores_are_those_worked_out_by_hand() -> None:
    scores = metrics.class_scores(metrics.confusion_matrix(TRUTH, ANSWER, classes=3))

    assert scores.precision == pytest.approx([1, 1 / 2, 1 / 2])
    assert scores.recall == pytest.approx([2 / 3, 1 / 2, 1])
    assert scores.f1 == pytest.approx([4 / 5, 1 / 2, 2 / 3])
    assert scores.support.tolist() == [3, 2, 1]


def test_averages_are_those_worked_out_by_hand() -> None:
    matrix = metrics.confusion_matrix(TRUTH, ANSWER, classes=3)

    assert float(metrics.accuracy(matrix)) == pytest.approx(4 / 6)
    assert float(metrics.weighted_f1(matrix)) == pytest.approx((3 * 4 / 5 + 2 * 1 / 2 + 2 / 3) / 6)
    assert float(metrics.macro_f1(matrix)) == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)


@given(ROWS)
def test_f1_equals_that_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    truth, answer = _columns(rows)

    matrix = metrics.confusion_matrix(truth, answer, classes=5)

    weighted = f1_score(truth, answer, average="weighted", zero_division=0)
    macro = f1_score(truth, answer, average="macro", zero_division=0)
    assert float(metrics.weighted_f1(matrix)) == pytest.approx(weighted)
    assert float(metrics.macro_f1(matrix)) == pytest.approx(macro)


@given(ROWS)
def test_class_scores_equal_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    truth, answer = _columns(rows)

    scores = metrics.class_scores(metrics.confusion_matrix(truth, answer, classes=5))

    expected = precision_recall_fscore_support(truth, answer, labels=range(5), zero_division=0)
    for mine, theirs in zip((scores.precision, scores.recall, scores.f1, scores.support), expected, strict=True):
        assert mine == pytest.approx(theirs)


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_matrix(rows: list[tuple[int, int]], random: object) -> None:
    mixed = rows.copy()
    random.shuffle(mixed)  # type: ignore[attr-defined]  # hypothesis declares its Random as object

    before, after = (metrics.confusion_matrix(*_columns(some), classes=5) for some in (rows, mixed))

    assert before.tolist() == after.tolist()


def test_macro_f1_leaves_out_a_class_that_occurs_nowhere() -> None:
    three = metrics.confusion_matrix(TRUTH, ANSWER, classes=3)
    ten = metrics.confusion_matrix(TRUTH, ANSWER, classes=10)

    assert float(metrics.macro_f1(ten)) == float(metrics.macro_f1(three))


def test_one_stray_answer_in_an_empty_class_adds_a_zero_to_macro_f1() -> None:
    matrix = metrics.confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), classes=3)

    assert float(metrics.macro_f1(matrix)) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_no_rows_give_no_number() -> None:
    empty = np.zeros((2, 2))

    assert np.isnan([metrics.accuracy(empty), metrics.weighted_f1(empty), metrics.macro_f1(empty)]).all()


def test_weights_count_a_row_as_often_as_they_say() -> None:
    weights = np.array([[1.0, 1, 1, 1, 1, 1], [2, 0, 0, 0, 0, 3]])

    stack = metrics.confusion_matrix(TRUTH, ANSWER, 3, weights)

    assert stack[0].tolist() == metrics.confusion_matrix(TRUTH, ANSWER, 3).tolist()
    assert stack[1].tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 3]]
    assert metrics.accuracy(stack) == pytest.approx([4 / 6, 1])


def test_top_k_counts_rows_whose_true_class_is_among_the_k_best() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], dtype=np.float32)

    assert [metrics.top_k_accuracy(scores, np.array([0, 2]), k) for k in (1, 2, 3)] == [0.5, 0.5, 1]


def test_model_that_scores_all_codes_alike_gets_no_credit() -> None:
    alike = np.full((4, 5), 0.2, dtype=np.float32)
    truth = np.array([0, 1, 2, 0])

    assert [metrics.top_k_accuracy(alike, truth, k) for k in (1, 3, 4)] == [0, 0, 0]
    assert metrics.any_code_hits(alike, np.eye(5, dtype=bool)[truth]).mean() == 0


def test_score_that_is_no_number_counts_against() -> None:
    scores = np.array([[np.nan, 0.1, 0.2], [0.9, np.nan, 0.2]])

    assert metrics.ranks(scores, np.array([0, 0])).tolist() == [2, 1]


def test_any_listed_code_is_accepted() -> None:
    scores = np.array([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]])
    accepted = np.array([[True, True, False], [True, True, False]])

    assert metrics.any_code_hits(scores, accepted).mean() == 0.5


def test_title_without_a_listed_class_is_wrong() -> None:
    assert metrics.any_code_hits(np.array([[0.6, 0.4]]), np.array([[False, False]])).mean() == 0


@given(st.integers(0, 2**32 - 1))
def test_any_code_with_one_code_each_is_top_1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = rng.integers(4, size=(20, 4)) / 4, rng.integers(4, size=20)

    assert metrics.any_code_hits(scores, np.eye(4, dtype=bool)[truth]).mean() == metrics.top_k_accuracy(
        scores, truth, 1
    )


def test_calibration_error_is_that_worked_out_by_hand() -> None:
    confidence = np.array([0.2, 0.2, 0.8, 0.8])
    correct = np.array([False, True, True, True])

    bins = metrics.reliability(confidence, correct, bins=2)

    assert [(entry.rows, entry.accuracy) for entry in bins] == [(2, 0.5), (2, 1)]
    assert metrics.expected_calibration_error(bins) == pytest.approx(0.5 * 0.3 + 0.5 * 0.2)
    spread = (2 * 0.2 * 0.8) ** 0.5
    assert metrics.chance_calibration_error(bins) == pytest.approx((2 / np.pi) ** 0.5 * 2 * spread / 4)


def test_equal_confidences_share_a_bin() -> None:
    bins = metrics.reliability(np.full(100, 0.25), np.arange(100) < 25)

    assert [(entry.rows, entry.confidence, entry.accuracy) for entry in bins] == [(100, 0.25, 0.25)]


def test_bins_hold_about_the_same_number_each() -> None:
    confidence = np.random.default_rng(0).random(1500)

    bins = metrics.reliability(confidence, confidence > 0.5, bins=15)

    assert len(bins) == 15
    assert all(99 <= entry.rows <= 101 for entry in bins)


def test_calibrated_model_errs_as_much_as_chance_says() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.random((200, 600))
    measured = [
        metrics.expected_calibration_error(metrics.reliability(row, rng.random(600) < row)) for row in confidence
    ]

    expected = metrics.chance_calibration_error(metrics.reliability(confidence[0], confidence[0] > 0))

    assert np.mean(measured) == pytest.approx(expected, rel=0.1)


def test_brier_score_is_that_worked_out_by_hand() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0, 0, 1]])

    assert metrics.brier(probabilities, np.array([0, 0])) == pytest.approx((0.25 + 0.09 + 0.04 + 2) / 2)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_brier_score_equals_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities, truth = rng.dirichlet(np.ones(4), size=15), rng.integers(4, size=15)

    expected = brier_score_loss(truth, probabilities, labels=range(4), scale_by_half=False)

    assert metrics.brier(probabilities, truth) == pytest.approx(expected)


def test_selection_says_how_many_are_accepted_and_how_many_of_them_are_right() -> None:
    confidence = np.array([0.5, 0.8, 0.9, 0.4])

    half, most = metrics.selections(confidence, np.array([True, False, True, True]), [0.8, 0.95])

    assert (half.rows, half.coverage, half.accuracy) == (2, 0.5, 0.5)
    assert half.stated == pytest.approx(0.85)
    assert (most.rows, most.coverage, most.stated, most.accuracy) == (0, 0, None, None)


def test_share_that_was_rounded_above_one_leaves_nothing_to_chance() -> None:
    sure = metrics.Bin(low=0.9, high=1.0000001, rows=50, confidence=1.0000001, accuracy=1.0)

    assert metrics.chance_calibration_error([sure]) == 0.0
