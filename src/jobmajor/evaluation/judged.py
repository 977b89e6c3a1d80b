"""Answers and true classes in one order of classes: every figure of an evaluation is computed from these.

The rules of the slices read a title as text, by plain patterns that anybody can check: they say "ends like a plural",
not "is a plural". Slices keep one good average from hiding a kind of title that fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobmajor.data.examples import COUNTED, major_group
from jobmajor.errors import DataError
from jobmajor.evaluation import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Answers = tuple[NDArray[np.float32], Sequence[str]]  # probabilities (rows, classes) and the classes
    Floats = NDArray[np.float64]

_SENIORITY = r"\b(senior|junior|lead|head|chief|principal|deputy|trainee|apprentice|intern|entry level)\b"
_ABBREVIATION = r"\b[A-Z]{2,5}\b"


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows of a table with their scores, true classes and answers; a class is an index in `classes`."""

    frame: pl.DataFrame
    classes: tuple[str, ...]
    scores: NDArray[np.float32]  # (rows, classes)
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]

    def where(self, condition: pl.Expr) -> Judged:
        """Return the rows that meet the condition; null counts as not met."""
        kept = self.frame.select(condition.fill_null(value=False).alias("kept"))["kept"].to_numpy()
        frame = self.frame.filter(pl.Series(kept))
        return Judged(frame, self.classes, self.scores[kept], self.truth[kept], self.predicted[kept])

    @property
    def families(self) -> NDArray[np.int64]:
        """Return the family of each row, shape (rows,); a family is drawn as a whole."""
        return self.frame["family"].to_numpy()

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Return the probability of each answer, shape (rows,)."""
        best: NDArray[np.float32] = self.scores.max(axis=1)
        return best

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Return whether each answer is the row's true class, shape (rows,)."""
        right: NDArray[np.bool_] = self.predicted == self.truth
        return right

    def matrix(self, weights: Floats | None = None) -> Floats:
        """Return the confusion matrix, or a stack of them for weights of shape (stack, rows)."""
        return metrics.confusion_matrix(self.truth, self.predicted, len(self.classes), weights)


def _checked(test: pl.DataFrame, probabilities: NDArray[np.float32], classes: Sequence[str]) -> None:
    if probabilities.shape != (test.height, len(classes)):
        raise DataError(
            "the probabilities",
            f"shape {probabilities.shape}",
            f"one row per title and one column per class, {(test.height, len(classes))}",
            "score the same table with the same classifier",
        )
    broken = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if broken:
        raise DataError(
            "the probabilities", f"{broken} rows with a value that is no number", "finite ones", "train again"
        )


def judge(test: pl.DataFrame, answers: Answers, classes: Sequence[str]) -> Judged:
    """Join `test` with `answers`, in the order of `classes`; a class without an answer has probability 0.

    Raises:
        DataError: Probabilities of another shape than the table's, or a value that is no number.
    """
    probabilities, answered = answers
    _checked(test, probabilities, answered)
    column_of = {code: column for column, code in enumerate(classes)}
    scores = np.zeros((test.height, len(classes)), dtype=np.float32)
    scores[:, [column_of[code] for code in answered]] = probabilities
    truth = np.array([column_of[code] for code in _true_majors(test)], dtype=np.int64)
    return Judged(test, tuple(classes), scores, truth, scores.argmax(axis=1))


def _true_majors(test: pl.DataFrame) -> list[str]:
    return test.select(major_group(pl.col("code"))).to_series().to_list()


def all_classes(test: pl.DataFrame, *more: Sequence[str]) -> tuple[str, ...]:
    """Return every class that a classifier knows or a row has, so that a class unknown to it counts as wrong."""
    return tuple(sorted(set(_true_majors(test)).union(*more)))


def headline(judged: Judged) -> Judged:
    """Return the rows that the headline figures count.

    Raises:
        DataError: There is none.
    """
    counted = judged.where(is_counted())
    if not counted.truth.size:
        raise DataError("the test table", "no row to count", f"rows with source {COUNTED!r}", "run prepare again")
    return counted


def majors_listed() -> pl.Expr:
    """Return the major groups of all codes listed for each row's text, distinct and sorted."""
    return pl.col("codes").list.eval(major_group(pl.element())).list.unique().list.sort()


def is_counted() -> pl.Expr:
    """Select the rows that the headline figures count; the other forms of a row are slices."""
    return pl.col("source") == COUNTED


def slice_rules() -> Mapping[str, pl.Expr]:
    """Return, by the slice's name, the condition that puts a headline row into it."""
    words = pl.col("text").str.count_matches(" ") + 1
    ambiguous = majors_listed().list.len() > 1
    written = pl.col("title")
    return {
        "ambiguous": ambiguous,
        "unambiguous": ~ambiguous,
        "one word": words == 1,
        "four words or more": words >= 4,
        "plural ending": pl.col("text").str.contains(r"[^aious]s$"),
        "abbreviation": written.str.contains(_ABBREVIATION) & written.str.contains("[a-z]"),
        "parenthesised": written.str.contains(r"\("),
        "seniority word": pl.col("text").str.contains(_SENIORITY),
    }
