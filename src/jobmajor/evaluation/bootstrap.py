"""Estimate how much a figure would vary with other title families in the test.

Titles of one family tend to be right or wrong together. Intervals that resample rows as if they were independent are
too narrow, and a gate that relies on them takes luck for progress.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BLOCK = 50  # resamples weighted at once: 50 x 5,500 rows are 2 MB, which stays in a cache


@dataclass(frozen=True, slots=True)
class Interval:
    """The range from `low` to `high`, which holds the share `level` of the resampled values."""

    low: float
    high: float
    level: float = 0.95


def family_weights(families: NDArray[Any], resamples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each row occurs in each resample, in blocks of shape (up to 50, rows).

    Whole families are drawn with replacement. They are sorted first, so that the order of rows changes nothing.
    Source: Field, C. A. and Welsh, A. H. (2007), J. R. Stat. Soc. B 69(3), 369-390.
    """
    names, member = np.unique(families, return_inverse=True)
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        draws = rng.integers(len(names), size=(size, len(names)))
        draws += len(names) * np.arange(size)[:, None]
        times = np.bincount(draws.ravel(), minlength=size * len(names))
        yield times.reshape(size, len(names))[:, member].astype(np.float64)


def bootstrap(
    statistic: Callable[[Floats], Floats],
    families: NDArray[Any],
    *,
    seed: int,
    resamples: int = 1000,
) -> Floats:
    """Return the values of `statistic` under resampling of families, shape (resamples, statistics).

    Args:
        statistic: From row weights of shape (stack, rows) to values of shape (stack, statistics).
        families: Shape (rows,), at least one row; equal values are drawn together.
        seed: The same seed gives the same values, whatever the order of rows.
        resamples: How many; 1,000 leave each end of an interval uncertain by 2 % of its width.
    """
    return np.concatenate([statistic(block) for block in family_weights(families, resamples, seed)])


def interval(values: Floats, level: float = 0.95) -> Interval:
    """Return the percentile interval of bootstrapped values, shape (resamples,)."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high), level)
