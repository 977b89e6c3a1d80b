"""Compute the figures of a candidate: the content of `evaluation.json`.

The functions are pure: they turn a test table and probabilities into plain data. Equal rows and seeds give equal
figures in any order of rows, so that others can repeat an evaluation.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from jobmajor import soc
from jobmajor.evaluation import metrics
from jobmajor.evaluation.bootstrap import bootstrap, interval
from jobmajor.evaluation.judged import Judged, all_classes, headline, judge, majors_listed, slice_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from jobmajor.evaluation.judged import Answers

    Floats = NDArray[np.float64]

_THRESHOLDS = tuple(step / 20 for step in range(10, 20))  # 0.50 to 0.95: where one would auto-accept
_WORST = 20
_EXAMPLES = 5


def _figures(counted: Judged) -> Callable[[Floats], Floats]:
    """Return a function from row weights (stack, rows) to headline figures and each class's F1, (stack, figures)."""
    rank = metrics.ranks(counted.scores, counted.truth)
    stands, accepted = _any_code(counted)
    hits = np.column_stack([rank < 3, rank < 5, stands & accepted, stands]).astype(np.float64)

    def figures(weights: Floats) -> Floats:
        matrix = counted.matrix(weights)
        hit, total = weights @ hits, weights.sum(axis=1)  # sums of whole numbers: exact in any order
        return np.column_stack(
            [
                metrics.accuracy(matrix),
                metrics.weighted_f1(matrix),
                metrics.macro_f1(matrix),
                hit[:, 0] / total,
                hit[:, 1] / total,
                hit[:, 2] / hit[:, 3],
                metrics.class_scores(matrix).f1,
            ]
        )

    return figures


def _any_code(counted: Judged) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows represent the distinct texts, and for each row whether any code listed for it is answered."""
    numbered = counted.frame.with_row_index("row").sort("text", "title", "code")
    first = numbered.unique("text", keep="first", maintain_order=True)["row"].to_numpy()
    stands = np.zeros(counted.frame.height, dtype=bool)
    stands[first] = True
    listed = counted.frame.select(majors_listed()).to_series().to_list()
    accepted = np.array([[code in codes for code in counted.classes] for codes in listed])
    return stands, metrics.any_code_hits(counted.scores, accepted)


def evaluate(
    test: pl.DataFrame, probabilities: NDArray[np.float32], classes: Sequence[str], *, seed: int
) -> dict[str, Any]:
    """Return the first six parts of a `document.Evaluation`, by name.

    Args:
        test: Columns `title`, `text`, `code`, `codes`, `source`, `family`. All figures count the rows with source
            "alternate", except the slices named "source: …".
        probabilities: Shape (rows, classes). The first of equal ones is the answer, as in the classifier; the top-k
            and any-code figures count a tie as wrong.
        classes: Major groups, "29-0000", in the order of the columns.
        seed: For the intervals, which resample families.

    Raises:
        DataError: No row to count, probabilities of another shape, or a value among them that is no number.
    """
    judged = judge(test, (probabilities, classes), all_classes(test, classes))
    counted = headline(judged)
    figures = _figures(counted)
    point = figures(np.ones((1, counted.frame.height)))[0]
    resampled = bootstrap(figures, counted.families, seed=seed)
    return {
        "classification_metrics": _headline_figures(counted, point, resampled),
        "per_class": _per_class(counted, resampled[:, len(metrics.HEADLINES) :]),
        "confusion": {
            "classes": list(counted.classes),
            "matrix": counted.matrix().astype(int).tolist(),
        },
        "slices": _slices(judged, counted),
        "calibration": _calibration(counted),
        "confusions": _confusions(counted),
    }


def _headline_figures(counted: Judged, point: Floats, resampled: Floats) -> dict[str, Any]:
    figures: dict[str, Any] = {name: float(value) for name, value in zip(metrics.HEADLINES, point, strict=False)}
    figures["rows"] = counted.frame.height
    figures["titles"] = counted.frame["text"].n_unique()
    figures["families"] = counted.frame["family"].n_unique()
    figures["untied_share"] = float(((counted.scores == counted.confidence[:, None]).sum(axis=1) == 1).mean())
    figures["intervals"] = {
        name: asdict(interval(resampled[:, column])) for column, name in enumerate(metrics.HEADLINES)
    }
    return figures


def _per_class(counted: Judged, resampled_f1: Floats) -> list[dict[str, Any]]:
    matrix = counted.matrix()
    scores = metrics.class_scores(matrix)
    return [
        {
            "code": code,
            "name": soc.name(code),
            "precision": float(scores.precision[column]),
            "recall": float(scores.recall[column]),
            "f1": float(scores.f1[column]),
            "f1_interval": asdict(interval(resampled_f1[:, column])),
            "support": int(scores.support[column]),
            "predicted": int(matrix[:, column].sum()),
        }
        for column, code in enumerate(counted.classes)
    ]


def _slices(judged: Judged, counted: Judged) -> dict[str, dict[str, Any]]:
    found = {name: _slice(counted.where(rule)) for name, rule in slice_rules().items()}
    for source in judged.frame["source"].unique().sort():
        found[f"source: {source}"] = _slice(judged.where(pl.col("source") == source))
    return found


def _slice(part: Judged) -> dict[str, Any]:
    """Return accuracy and weighted F1 of some rows; None, not a number, where there are none."""
    if not part.truth.size:
        return {"rows": 0, "accuracy": None, "f1": None}
    matrix = part.matrix()
    return {
        "rows": part.frame.height,
        "accuracy": float(metrics.accuracy(matrix)),
        "f1": float(metrics.weighted_f1(matrix)),
    }


def _calibration(counted: Judged) -> dict[str, Any]:
    bins = metrics.reliability(counted.confidence, counted.correct)
    chosen = metrics.selections(counted.confidence, counted.correct, _THRESHOLDS)
    return {
        "ece": metrics.expected_calibration_error(bins),
        "ece_by_chance": metrics.chance_calibration_error(bins),
        "brier": metrics.brier(counted.scores, counted.truth),
        "bins": [asdict(entry) for entry in bins],
        "thresholds": [asdict(entry) for entry in chosen],
    }


def _confusions(counted: Judged) -> list[dict[str, Any]]:
    """Return the commonest mistakes; examples are those that the classifier was surest of, each title once."""
    matrix = counted.matrix().astype(int)
    support = matrix.sum(axis=1)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:_WORST]
    pairs = [divmod(int(cell), len(counted.classes)) for cell in order]
    return [
        {
            "truth": counted.classes[true],
            "predicted": counted.classes[answer],
            "count": int(matrix[true, answer]),
            "share": float(matrix[true, answer] / support[true]),
            "examples": _mistakes(counted, true, answer),
        }
        for true, answer in pairs
        if matrix[true, answer]
    ]


def _mistakes(counted: Judged, true: int, answer: int) -> list[str]:
    rows = np.flatnonzero((counted.truth == true) & (counted.predicted == answer))
    named = counted.frame.select("title", "text")[rows].rows()
    surest: dict[str, str] = {}
    for _, (title, text) in sorted(zip(-counted.confidence[rows], named, strict=True)):
        surest.setdefault(text, title)
    return list(surest.values())[:_EXAMPLES]


def by_level(counted: pl.DataFrame, answers: Mapping[str, Answers]) -> dict[str, dict[str, float]]:
    """Return how often the code itself is the answer, and how often it is among the best five, at each level.

    Args:
        counted: The rows to count, as in `evaluate`.
        answers: By level, "major" to "detailed": shares of shape (rows, codes), and the codes in the columns' order.
    """
    found = {level: _best_five(counted, each, level) for level, each in answers.items()}
    return {
        level: {"accuracy": float(hits[:, 0].mean()), "top_5": float(hits.any(axis=1).mean())}
        for level, hits in found.items()
    }


def right_by_level(counted: pl.DataFrame, answers: Mapping[str, Answers]) -> dict[str, NDArray[np.bool_]]:
    """Return whether each counted row's answer is its code at each level, shape (rows,); arguments as in `by_level`."""
    return {level: _best_five(counted, each, level)[:, 0] for level, each in answers.items()}


def _best_five(counted: pl.DataFrame, answers: Answers, level: str) -> NDArray[np.bool_]:
    """Return whether each of the best five answers is the row's code, shape (rows, 5)."""
    shares, classes = answers
    column, depth = {code: index for index, code in enumerate(classes)}, soc.parse_level(level)
    truth = [column.get(soc.ancestor(code, depth), -1) for code in counted["code"]]
    best = np.argsort(-shares, axis=1, kind="stable")[:, :5]
    hits: NDArray[np.bool_] = best == np.array(truth)[:, None]
    return hits
