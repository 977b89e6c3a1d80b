"""Calibrate a network's scores to shares that come true, coherent at every level.

A major group's share is that of all its codes together, sharpened or flattened by one temperature; within a group
another one does the same for its codes. Each is fitted on validation by log loss, which is least where shares come
true. The two parts of the log loss, of the group and of the code within it, depend on one of them each.
Source: Guo, Pleiss, Sun, Weinberger (2017), "On Calibration of Modern Neural Networks", section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Columns = NDArray[np.int64]

_LOG_RANGE = (-3.0, 3.0)  # temperatures from 0.05 to 20


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Temperatures `across` major groups and `within` each; 1 changes nothing, and a higher one evens the shares."""

    across: float = 1.0
    within: float = 1.0


def shares(logits: NDArray[np.float32], sizes: Sequence[int], temperatures: Temperatures) -> NDArray[np.float32]:
    """Return the share of each code, shape (titles, codes); each row sums to 1.

    Args:
        logits: Shape (titles, codes); each major group's codes stand side by side.
        sizes: How many codes each group has.
        temperatures: How sure to be.
    """
    return np.exp(
        _log_majors(logits, sizes, temperatures.across).repeat(sizes, axis=1)
        + _log_within(logits, sizes, temperatures.within)
    ).astype(np.float32)


def _group_totals(logits: Floats, sizes: Sequence[int]) -> Floats:
    """Return the logarithm of each group's summed exponentials, shape (titles, groups)."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    peaks = np.maximum.reduceat(logits, starts, axis=1)
    totals: Floats = np.log(np.add.reduceat(np.exp(logits - peaks.repeat(sizes, axis=1)), starts, axis=1)) + peaks
    return totals


def _log_majors(logits: NDArray[np.float32], sizes: Sequence[int], temperature: float) -> Floats:
    groups = _group_totals(logits.astype(np.float64), sizes) / temperature
    peaks = groups.max(axis=1, keepdims=True)
    logs: Floats = groups - peaks - np.log(np.exp(groups - peaks).sum(axis=1, keepdims=True))
    return logs


def _log_within(logits: NDArray[np.float32], sizes: Sequence[int], temperature: float) -> Floats:
    scaled = logits.astype(np.float64) / temperature
    logs: Floats = scaled - _group_totals(scaled, sizes).repeat(sizes, axis=1)
    return logs


def log_losses(logits: NDArray[np.float32], sizes: Sequence[int], truth: Columns) -> Floats:
    """Return -log of the share of the true code plus -log of that of its major group, shape (titles,)."""
    rows = np.arange(len(truth))
    group = np.repeat(np.arange(len(sizes)), sizes)[truth]
    major, within = _log_majors(logits, sizes, 1.0)[rows, group], _log_within(logits, sizes, 1.0)[rows, truth]
    losses: Floats = -(2 * major + within)
    return losses


def fit(logits: NDArray[np.float32], sizes: Sequence[int], truth: Columns) -> Temperatures:
    """Return the temperatures with the least log loss of the true codes, columns of `logits`; 1 without titles."""
    if len(truth) == 0:
        return Temperatures()
    rows, group = np.arange(len(truth)), np.repeat(np.arange(len(sizes)), sizes)[truth]
    return Temperatures(
        across=_least(lambda temperature: -_log_majors(logits, sizes, temperature)[rows, group].mean()),
        within=_least(lambda temperature: -_log_within(logits, sizes, temperature)[rows, truth].mean()),
    )


def _least(loss: Callable[[float], float]) -> float:
    found = minimize_scalar(lambda log: loss(np.exp(log)), bounds=_LOG_RANGE, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
