"""Calibrate the weights of the parts of the linear model, so that its shares come true on validation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.optimize import minimize

from jobmajor import soc
from jobmajor.data.examples import major_group
from jobmajor.errors import DataError
from jobmajor.model.linear import spelling
from jobmajor.model.linear.arrays import Blend
from jobmajor.model.linear.scoring import TINY, Evidence, chances, evidence, softmax, split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.linear.arrays import Arrays


def majors_of(codes: Sequence[str]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Return the major groups in order, and for each code the index of its major group."""
    majors, major_of = np.unique([soc.ancestor(code, "major") for code in codes], return_inverse=True)
    if len(majors) < 2:
        raise DataError("the training titles", f"one major group, {majors[0]}", "two or more", "use more titles")
    return majors, major_of


def calibrate(arrays: Arrays, codes: tuple[str, ...], counted: pl.DataFrame) -> Blend:
    """Return the blend with the least log loss on the counted rows: of their major groups, then within them.

    Log loss is a proper score: it is least for shares that come true. So this calibrates and selects in one step. A row
    of a major group that training never saw does not count; a row of a code that it never saw counts for the major
    groups only. Without any row, the blend is the default.
    """
    majors, major_of = majors_of(codes)
    usable = counted.filter(major_group(pl.col("code")).is_in(majors.tolist()))
    if usable.is_empty():
        return Blend()
    tables = arrays.tables()
    found = evidence(spelling.read(usable["text"].to_list(), arrays.gains, tables)[0], arrays, tables)
    true_major = np.searchsorted(majors, usable.select(major_group(pl.col("code"))).to_series().to_numpy())
    blend = _best_majors(found, true_major, major_of)
    seen = np.flatnonzero(usable["code"].is_in(codes))
    if len(seen) == 0:
        return blend
    truth = np.searchsorted(codes, usable["code"].to_numpy()[seen])
    known_rows = Evidence(found.margins[seen], found.likelihoods[seen], found.scores[seen])
    return _sharpened(known_rows, truth, major_of, blend)


_ACROSS = (1.0, 1.3, 1.6, 2.0)
_BOUNDS = {  # the range of each weight
    "linear": (0.5, 20.0),
    "shift": (-3.0, 3.0),
    "counts": (0.0, 1.0),
    "network": (0.0, 2.0),
    "within": (0.0, 5.0),
    "deeper": (0.0, 5.0),
    "within_alone": (0.0, 5.0),
    "deeper_alone": (0.0, 5.0),
    "counts_share": (0.0, 0.45),
    "network_share": (0.0, 0.45),
}


def _best_majors(found: Evidence, truth: NDArray[np.int64], major_of: NDArray[np.int64]) -> Blend:
    """Return the blend with the least log loss of the major groups; `truth` holds their columns."""
    members = (major_of[:, None] == np.arange(found.margins.shape[1])).astype(np.float64)  # (detailed, majors)
    understood = np.log(softmax(found.scores) @ members + TINY)
    results = []
    for across in _ACROSS:
        counted = np.log(softmax(across * found.likelihoods) @ members + TINY)

        def loss(blend: Blend, counted: NDArray[np.float64] = counted) -> float:
            logs = chances(found.margins, blend) + blend.counts * counted + blend.network * understood
            return _log_loss(logs, truth)

        results.append(_least(loss, Blend(across=across), ("linear", "shift", "counts", "network")))
    return min(results, key=lambda result: result[1])[0]


def _least(loss: Callable[[Blend], float], start: Blend, names: tuple[str, ...]) -> tuple[Blend, float]:
    """Return the blend with the least loss when only the named factors vary, and that loss.

    Source: L-BFGS-B, Byrd, Lu, Nocedal, Zhu (1995), SIAM J. Sci. Comput. 16(5), 1190-1208.
    """

    def moved(values: NDArray[np.float64]) -> Blend:
        return replace(start, **{name: float(value) for name, value in zip(names, values, strict=True)})

    origin = [getattr(start, name) for name in names]
    found = minimize(lambda values: loss(moved(values)), origin, bounds=[_BOUNDS[name] for name in names])
    # Rounded, so that the last bits of a sum, which differ between processors, don't make another model.
    return moved(np.round(found.x, 4)), float(found.fun)


def _log_loss(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    peaks = logits.max(axis=1, keepdims=True)
    totals = np.log(np.exp(logits - peaks).sum(axis=1)) + peaks[:, 0]
    return float((totals - logits[np.arange(len(truth)), truth]).mean())


def _sharpened(found: Evidence, truth: NDArray[np.int64], major_of: NDArray[np.int64], blend: Blend) -> Blend:
    """Return the blend with the sharpness within groups that gives the least log loss of codes in their true groups."""
    groups = []  # only the true group of a row counts: its evidence, and the index of the row's code in it
    for major in np.unique(major_of[truth]):
        rows, columns = np.flatnonzero(major_of[truth] == major), np.flatnonzero(major_of == major)
        block = np.ix_(rows, columns)
        groups.append((found.likelihoods[block], found.scores[block], truth[rows] - columns[0]))
    whole = np.zeros(1, np.int64)

    def loss(blend: Blend) -> float:
        shares = [
            split(likelihoods, scores, blend, whole)[np.arange(len(label)), label]
            for likelihoods, scores, label in groups
        ]
        return -float(np.log(np.concatenate(shares) + TINY).mean())

    names = ("within", "deeper", "within_alone", "deeper_alone", "counts_share", "network_share")
    return _least(loss, blend, names)[0]
