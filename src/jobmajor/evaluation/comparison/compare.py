"""Compare a candidate with the champion on the test: the part `champion` of `evaluation.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor import soc
from jobmajor.evaluation import metrics
from jobmajor.evaluation.bootstrap import bootstrap, interval
from jobmajor.evaluation.checks import Limits
from jobmajor.evaluation.comparison import changes, paired
from jobmajor.evaluation.judged import all_classes, headline, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from jobmajor.evaluation.judged import Answers, Judged

    Floats = NDArray[np.float64]
    Marks = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Side:
    """A model's answers to the test.

    Attributes:
        answers: Shares of the major groups, shape (rows, classes), and the classes.
        levels: For each level, whether the answer to each counted row is right.
        kept: For each form of a title, whether each counted row keeps its answer.
    """

    answers: Answers
    levels: Marks = field(default_factory=dict)
    kept: Marks = field(default_factory=dict)


def compare(test: pl.DataFrame, candidate: Side, champion: Side, *, seed: int) -> dict[str, Any]:
    """Return how much better the candidate is than the champion, on the same rows and the same resamples.

    Args:
        test: As in `evaluate.evaluate`.
        candidate: Its answers to the test.
        champion: Likewise; its classes may differ.
        seed: For the intervals of the differences.

    Returns:
        `difference` is candidate minus champion in weighted F1; `won` and `lost` count the rows that only the
        candidate, or only the champion, answered right. `levels` has the accuracy of both at each level, `groups` the
        F1 of both in each major group, `behaviour` the share of titles that keep their answer in each form: each of
        these three with simultaneous intervals. `changes` has the titles whose answer differs.
    """
    classes = all_classes(test, candidate.answers[1], champion.answers[1])
    new, old = (headline(judge(test, side.answers, classes)) for side in (candidate, champion))

    def f1s(weights: Floats) -> Floats:
        matrices = [side.matrix(weights) for side in (new, old)]
        by_class = [metrics.class_scores(matrix).f1 for matrix in matrices]
        return np.column_stack([*(metrics.weighted_f1(matrix) for matrix in matrices), *by_class])

    point = f1s(np.ones((1, new.frame.height)))[0]
    resampled = bootstrap(f1s, new.families, seed=seed)
    return {
        "comparable": True,
        "rows": new.frame.height,
        "candidate_f1": float(point[0]),
        "champion_f1": float(point[1]),
        "difference": float(point[0] - point[1]),
        "interval": asdict(interval(resampled[:, 0] - resampled[:, 1])),
        "won": int((new.correct & ~old.correct).sum()),
        "lost": int((old.correct & ~new.correct).sum()),
        "levels": _shares(candidate.levels, champion.levels, new, seed),
        "groups": _groups(new, point[2:], resampled[:, 2:]),
        "behaviour": _shares(candidate.kept, champion.kept, new, seed),
        "changes": changes.changed(new, old),
    }


def _shares(candidate: Marks, champion: Marks, counted: Judged, seed: int) -> dict[str, dict[str, Any]]:
    names = [name for name in candidate if name in champion]
    new, old = ([side[name] for name in names] for side in (candidate, champion))
    if not names:
        return {}
    found = paired.shares(new, old, counted.families, seed=seed)
    return {name: each.to_json() for name, each in zip(names, found, strict=True)}


def _groups(counted: Judged, point: Floats, resampled: Floats) -> list[dict[str, Any]]:
    """Return both models' F1 of each major group; groups with too few rows get no interval and decide nothing."""
    new, old = np.split(point, 2)
    differences = np.subtract(*np.split(resampled, 2, axis=1))  # (resamples, classes)
    rows = np.bincount(counted.truth, minlength=len(counted.classes))
    judged = np.flatnonzero(rows >= Limits().min_class_rows)
    found = paired.simultaneous((new - old)[judged], differences[:, judged])
    intervals = dict(zip(judged.tolist(), found, strict=True))
    return [
        {
            "code": code,
            "name": soc.name(code),
            "rows": int(rows[column]),
            **paired.Paired(float(new[column]), float(old[column]), intervals.get(column)).to_json(),
        }
        for column, code in enumerate(counted.classes)
    ]
