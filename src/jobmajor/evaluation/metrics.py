"""Metrics of answers, each with one definition for all reports, gates and tests.

Every metric of a classification is a function of its confusion matrix, and accepts one matrix or a stack of them. The
bootstrap calls these functions with reweighted matrices, so an interval and its point estimate always have one
definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Scores = NDArray[np.floating[Any]]
    Columns = NDArray[np.int64]

# The headline figures in `classification_metrics`; other programs read them, so don't rename one.
HEADLINES = (
    "test_accuracy",
    "test_f1",
    "test_f1_macro",
    "test_top_3",
    "test_top_5",
    "test_any_code_accuracy",
)


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One value per class, each of shape (..., classes); 0 where the denominator would be 0."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: Floats


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of similar confidence: its range, their number, their mean confidence and their accuracy."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Selection:
    """The answers with a confidence of at least `threshold`: number, share, mean confidence and accuracy.

    `stated` and `accuracy` are None where no answer is that sure.
    """

    threshold: float
    rows: int
    coverage: float
    stated: float | None
    accuracy: float | None


def _ratio(above: Floats, below: Floats, *, empty: float = 0.0) -> Floats:
    above, below = np.broadcast_arrays(above, below)
    quotient: Floats = np.divide(above, below, out=np.full(below.shape, empty), where=below > 0)
    return quotient


def confusion_matrix(truth: Columns, predicted: Columns, classes: int, weights: Scores | None = None) -> Floats:
    """Return the weight of the rows of each true class (first axis) that got each answer (second axis).

    Args:
        truth: Shape (rows,); the true class as a column, 0 to `classes` - 1.
        predicted: Shape (rows,); the answer, likewise.
        classes: How many classes there are, seen here or not.
        weights: Shape (stack, rows); None counts every row once.

    Returns:
        Shape (classes, classes), or (stack, classes, classes) with weights.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    cells, size = truth * classes + predicted, classes * classes
    if weights is None:
        return np.bincount(cells, minlength=size).reshape(classes, classes).astype(np.float64)
    stack = len(weights)
    indices = cells + size * np.arange(stack)[:, None]  # (stack, rows)
    counts = np.bincount(indices.ravel(), weights.ravel(), minlength=stack * size)
    return counts.astype(np.float64).reshape(stack, classes, classes)


def class_scores(matrix: Floats) -> ClassScores:
    """Return precision, recall, F1 and support of every class of a matrix of shape (..., classes, classes)."""
    right = np.diagonal(matrix, axis1=-2, axis2=-1)
    support, answered = matrix.sum(axis=-1), matrix.sum(axis=-2)
    return ClassScores(
        precision=_ratio(right, answered),
        recall=_ratio(right, support),
        f1=_ratio(2 * right, support + answered),
        support=support,
    )


def accuracy(matrix: Floats) -> Floats:
    """Return the share of rows answered right, shape (...); NaN for a matrix without rows."""
    right = np.trace(matrix, axis1=-2, axis2=-1)
    return _ratio(right, matrix.sum(axis=(-2, -1)), empty=np.nan)


def weighted_f1(matrix: Floats) -> Floats:
    """Return the mean F1 of the classes, each weighted by its true rows, shape (...); NaN without rows.

    The same as scikit-learn's `f1_score(average="weighted", zero_division=0)`.
    """
    scores = class_scores(matrix)
    total = (scores.f1 * scores.support).sum(axis=-1)
    return _ratio(total, scores.support.sum(axis=-1), empty=np.nan)


def macro_f1(matrix: Floats) -> Floats:
    """Return the mean F1 of the classes that occur in truth or answers, shape (...); NaN without rows.

    The same as scikit-learn's `f1_score(average="macro", zero_division=0)` without `labels`. The
    trap: the number of classes in the mean depends on the rows. One stray answer in a class without
    true rows adds a zero to it, a class that no row has or gets drops out of it. Never compare the
    macro F1 of different sets of rows.
    """
    scores = class_scores(matrix)
    occurs = (scores.support + matrix.sum(axis=-2)) > 0
    return _ratio(scores.f1.sum(axis=-1), occurs.sum(axis=-1).astype(np.float64), empty=np.nan)


def ranks(scores: Scores, truth: Columns) -> Columns:
    """Return how many other classes score at least as high as each row's true one: 0 is the sole best.

    Args:
        scores: Shape (rows, classes); only the order within a row counts, and NaN counts against.
        truth: Shape (rows,); the true class as a column of `scores`.
    """
    true_score = np.take_along_axis(scores, truth[:, None], axis=1)  # (rows, 1)
    others: Columns = scores.shape[1] - 1 - (scores < true_score).sum(axis=1)
    return others


def top_k_accuracy(scores: Scores, truth: Columns, k: int) -> float:
    """Return the share of titles whose true class is among the k best-scored ones.

    Args:
        scores: Shape (titles, classes); higher is more likely.
        truth: Shape (titles,); the true class as a column of `scores`.
        k: How many classes a row may name, 1 to `classes`.

    Returns:
        Between 0 and 1. A tie at rank k counts against the model, so one that scores every class
        alike gets 0.

    >>> scores = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], dtype=np.float32)
    >>> top_k_accuracy(scores, np.array([0, 2]), k=1)
    0.5
    """
    return float((ranks(scores, truth) < k).mean())


def any_code_hits(scores: Scores, accepted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which titles have an accepted class as their sole best; a tie with another class counts against.

    Both arguments have shape (titles, classes); a title with nothing accepted is wrong.
    """
    best = np.where(accepted, scores, -np.inf).max(axis=1)
    other = np.where(accepted, -np.inf, scores).max(axis=1)
    hits: NDArray[np.bool_] = best > other
    return hits


def reliability(confidence: Scores, correct: NDArray[np.bool_], bins: int = 15) -> tuple[Bin, ...]:
    """Return the answers binned by stated confidence, the same number in each as far as ties allow.

    Bins have equal mass: of bins of equal width, most would be almost empty, and the error would depend on the few
    answers in them. Equal confidences always share a bin, so the order of rows changes nothing, and a model that is
    equally sure of everything has one bin. Source: Roelofs, R. et al. (2022), Mitigating Bias in Calibration Error
    Estimation, AISTATS (PMLR 151), 4036-4054.

    Args:
        confidence: Shape (rows,); the probability that each answer states for itself.
        correct: Shape (rows,); whether the answer was right.
        bins: The greatest number of bins.

    Returns:
        Bins that hold rows, by rising confidence.
    """
    stated = confidence.astype(np.float64)
    edges = np.unique(np.quantile(stated, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of = np.searchsorted(edges, stated, side="left")
    return tuple(
        Bin(
            low=float(stated[inside].min()),
            high=float(stated[inside].max()),
            rows=int(inside.sum()),
            confidence=float(stated[inside].mean()),
            accuracy=float(correct[inside].mean()),
        )
        for inside in (bin_of == number for number in np.unique(bin_of))
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Return the mean distance between stated and real accuracy, weighted by rows; 0 is perfect.

    Source: Naeini, M. P. et al. (2015), Obtaining Well Calibrated Probabilities Using Bayesian
    Binning, AAAI.
    """
    total = sum(entry.rows for entry in bins)
    return sum(entry.rows * abs(entry.accuracy - entry.confidence) for entry in bins) / total


def chance_calibration_error(bins: Sequence[Bin]) -> float:
    """Return the calibration error that a perfectly calibrated model with these confidences would show by chance.

    A bin's real accuracy strays from its confidence by chance alone, by sqrt(2 / pi) standard
    deviations of a binomial share on average: with 5,500 rows about 0.015, with 300 about 0.06. A
    measured error means something only where it is well above this.
    """
    total = sum(entry.rows for entry in bins)
    # Summed shares may round to slightly above 1, and then the variance would be negative.
    spread = sum((entry.rows * max(entry.confidence * (1 - entry.confidence), 0.0)) ** 0.5 for entry in bins)
    return float((2 / np.pi) ** 0.5 * spread / total)


def brier(probabilities: Scores, truth: Columns) -> float:
    """Return the mean squared distance between stated probabilities and what came true, 0 (perfect) to 2.

    The sum over all classes, as in: Brier, G. W. (1950), Monthly Weather Review 78(1), 1-3.
    """
    came = np.zeros(probabilities.shape)
    came[np.arange(len(truth)), truth] = 1
    return float(((probabilities - came) ** 2).sum(axis=1).mean())


def selections(confidence: Scores, correct: NDArray[np.bool_], thresholds: Sequence[float]) -> tuple[Selection, ...]:
    """Return what accepting only answers of at least each threshold would accept, and how right that is."""
    found = []
    for threshold in thresholds:
        kept = confidence >= threshold
        rows = int(kept.sum())
        found.append(
            Selection(
                threshold=threshold,
                rows=rows,
                coverage=float(kept.mean()),
                stated=float(confidence[kept].astype(np.float64).mean()) if rows else None,
                accuracy=float(correct[kept].mean()) if rows else None,
            )
        )
    return tuple(found)
