"""Differences between two models on the same titles, and which of many differences are more than luck.

Of 22 groups, one differs "significantly" by chance in two comparisons of three. So intervals of several groups are
simultaneous: with equal models, at least 95 of 100 comparisons have all differences within their intervals.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.evaluation.bootstrap import Interval, bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Paired:
    """A figure of the candidate and of the champion on the same titles, with the interval of their difference.

    `interval` is None where there are too few titles to tell.
    """

    candidate: float
    champion: float
    interval: Interval | None

    @property
    def difference(self) -> float:
        """Return candidate minus champion."""
        return self.candidate - self.champion

    def to_json(self) -> dict[str, Any]:
        """Return plain data; `verdict` is better, worse or "no difference", None without an interval."""
        found = self.interval
        return {
            "candidate": self.candidate,
            "champion": self.champion,
            "difference": self.difference,
            "interval": asdict(found) if found else None,
            "verdict": verdict(found),
        }


def verdict(found: Interval | None) -> str | None:
    """Return whether an interval of differences is on one side of 0.

    >>> verdict(Interval(-0.2, -0.1)), verdict(Interval(-0.2, 0.0)), verdict(Interval(0.1, 0.2))
    ('worse', 'no difference', 'better')
    """
    if found is None:
        return None
    return "worse" if found.high < 0 else "better" if found.low > 0 else "no difference"


def simultaneous(points: Floats, drawn: Floats, level: float = 0.95) -> list[Interval]:
    """Return intervals that hold all differences at once with probability `level`.

    Each difference is divided by its own standard error, so that a small group doesn't widen the interval of a large
    one. The intervals are as wide as the largest of these ratios asks in `level` of the resamples, so differences that
    move together cost less than a correction by their number.
    Source: Romano, J. P. and Wolf, M. (2005), Econometrica 73(4), 1237-1282, the first step; Efron, B. and Tibshirani,
    R. J. (1993), An Introduction to the Bootstrap, chapter 12.

    Args:
        points: Shape (differences,).
        drawn: The same under resampling, shape (resamples, differences).
        level: The probability.
    """
    error = drawn.std(axis=0, ddof=1)
    ratios = np.divide(np.abs(drawn - points), error, out=np.zeros_like(drawn), where=error > 0)
    width = np.quantile(ratios.max(axis=1, initial=0.0), level) * error
    return [Interval(float(low), float(high), level) for low, high in zip(points - width, points + width, strict=True)]


def shares(
    candidate: Sequence[NDArray[np.bool_]],
    champion: Sequence[NDArray[np.bool_]],
    families: NDArray[Any],
    *,
    seed: int,
) -> list[Paired]:
    """Return how often each of two models is right, for several marks of the same titles, with simultaneous intervals.

    Args:
        candidate: For each mark, whether the candidate gets each title right, shape (titles,).
        champion: Likewise.
        families: Shape (titles,), at least one; equal values are drawn together.
        seed: For the resamples.
    """
    new, old = (np.column_stack(side).astype(np.float64) for side in (candidate, champion))
    return ratios((new, old), np.ones_like(new), families, seed=seed)


def ratios(right: tuple[Floats, Floats], total: Floats, families: NDArray[Any], *, seed: int) -> list[Paired]:
    """Return two models' shares of what counts, for several marks, with simultaneous intervals.

    Args:
        right: What the candidate and the champion get right of each title, each of shape (titles, marks).
        total: What counts of each title, likewise; each mark has some.
        families: As in `shares`.
        seed: For the resamples.
    """
    columns, marks = np.column_stack([*right, total]), total.shape[1]

    def figures(times: Floats) -> Floats:
        new, old, every = np.split(times @ columns, [marks, 2 * marks], axis=1)
        some = np.maximum(every, np.finfo(np.float64).tiny)  # a resample may miss all titles of a mark
        return np.column_stack([new / some, old / some])

    point = figures(np.ones((1, len(families))))[0]
    drawn = bootstrap(figures, families, seed=seed)
    found = simultaneous(point[:marks] - point[marks:], drawn[:, :marks] - drawn[:, marks:])
    return [
        Paired(float(new), float(old), each) for new, old, each in zip(point[:marks], point[marks:], found, strict=True)
    ]
