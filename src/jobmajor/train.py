"""Recipes: from examples to a classifier. The linear one needs no accelerator and under a minute per release.

A title of several codes stands in training once, as an example of each of them: given once with each code instead,
it would contradict itself. All choices here (the defaults in the settings, how strongly each part of the model
speaks) were and are made on validation titles.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.svm import LinearSVC

from jobmajor import soc
from jobmajor.classifier import Classifier
from jobmajor.errors import DataError
from jobmajor.examples import COUNTED
from jobmajor.features import BUCKETS, WORD_BUCKETS, Bags, bags
from jobmajor.scoring import TINY, Arrays, Blend, Evidence, blended, chances, evidence, known, softmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from jobmajor.settings import Linear

_log = logging.getLogger(__name__)


def fit(
    train: pl.DataFrame, validation: pl.DataFrame, settings: Linear, about: Mapping[str, Any] | None = None
) -> Classifier:
    """A classifier learned from `train`, its scores calibrated on `validation`.

    Args:
        train: Columns `text` and `code`, as `prepare` writes them; every source counts.
        validation: The same with `source`; the counted rows are used.
        settings: Of the recipe.
        about: What the model should say of its origin.
    """
    codes = tuple(sorted(train["code"].unique()))
    texts = train["text"].unique().sort()
    places = texts.search_sorted(train["text"]).to_numpy(), np.searchsorted(codes, train["code"].to_numpy())
    listed = csr_array((np.ones(len(train)), places), shape=(len(texts), len(codes)))  # rows that list each pair
    _log.info("%d examples, %d titles, %d codes", len(train), len(texts), len(codes))
    arrays = _learn(bags(texts.to_list()), listed, codes, settings)
    _log.info("learned %d rows, %d entries", len(arrays.gains), len(arrays.entry_codes))
    blend = calibrate(arrays, codes, validation.filter(validation["source"] == COUNTED))
    _log.info("blend %s", asdict(blend))
    origin = {**(about or {}), "recipe": "linear", "settings": asdict(settings)}
    return Classifier(arrays, codes, blend, origin)


def _learn(pieces: Bags, listed: csr_array, codes: tuple[str, ...], settings: Linear) -> Arrays:
    buckets = np.concatenate([[-1], np.unique(pieces.buckets)]).astype(np.int32)
    table = np.zeros(BUCKETS, np.int32)
    table[buckets[1:]] = np.arange(1, len(buckets))
    gains = _gains(pieces, buckets, table, settings.word_gain)
    found = known(pieces, table, gains)
    places = (found.titles.astype(np.int32), found.rows)  # liblinear takes 32-bit indices only
    vectors = csr_array((found.values, places), shape=(len(pieces.starts) - 1, len(buckets)), dtype=np.float64)
    weights, bias = _margins(vectors, listed, codes, settings)
    entries, totals = _counts(vectors, listed, settings)
    return Arrays(
        buckets=buckets,
        gains=gains,
        weights=weights,
        bias=bias,
        entry_starts=entries.indptr.astype(np.int32),
        entry_codes=entries.indices.astype(np.int16),
        entry_values=entries.data.astype(np.float32),
        code_totals=totals.astype(np.float32),
    )


def _margins(
    vectors: csr_array, listed: csr_array, codes: tuple[str, ...], settings: Linear
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each major group, the plane between its titles and all others: weights (rows, majors), bias (majors,)."""
    majors, major_of = np.unique([soc.ancestor(code, "major") for code in codes], return_inverse=True)
    if len(majors) < 2:
        raise DataError("the training titles", f"one major group, {majors[0]}", "two or more", "use more titles")
    planes = []
    for column in range(len(majors)):
        belongs = listed[:, np.flatnonzero(major_of == column)].sum(axis=1) > 0
        planes.append(LinearSVC(C=settings.penalty, random_state=settings.seed).fit(vectors, belongs))
    weights = np.column_stack([plane.coef_[0] for plane in planes])
    return weights.astype(np.float32), np.array([plane.intercept_[0] for plane in planes], np.float32)


def _gains(pieces: Bags, buckets: NDArray[np.int32], table: NDArray[np.int32], word_gain: float) -> NDArray[np.float32]:
    """Smoothed inverse document frequency, shape (rows,). Source: scikit-learn's TfidfTransformer, smooth_idf."""
    count = len(pieces.starts) - 1
    titles = np.repeat(np.arange(count), np.diff(pieces.starts))
    rows = np.unique(titles * len(buckets) + table[pieces.buckets]) % len(buckets)
    frequency = np.bincount(rows, minlength=len(buckets))
    gains = np.log((1 + count) / (1 + frequency)) + 1
    gains *= np.where(buckets >= WORD_BUCKETS, word_gain, 1.0)
    gains[0] = 0.0
    return gains.astype(np.float32)


def _counts(vectors: csr_array, listed: csr_array, settings: Linear) -> tuple[csr_array, NDArray[np.float64]]:
    """Multinomial naive Bayes with additive smoothing, as log ratios to a piece that a code has never seen.

    Source: Manning, Raghavan, Schütze (2008), Introduction to Information Retrieval, 13.2; each value is
    log((seen + a) / a), and each code's log(total + a * rows) stands apart, so that the matrix stays sparse. Pieces
    of very many codes say little about any and cost most of the time: theirs are left out.
    """
    seen = csr_array(vectors.T @ listed)
    totals = np.log(seen.sum(axis=0) + settings.smoothing * seen.shape[0])
    spread = np.diff(seen.indptr)
    seen.data[np.repeat(spread > settings.widest, spread)] = 0.0
    seen.eliminate_zeros()
    seen.sort_indices()
    seen.data = np.log1p(seen.data / settings.smoothing)
    return seen, totals


def calibrate(arrays: Arrays, codes: tuple[str, ...], counted: pl.DataFrame) -> Blend:
    """The blend with the least log loss on the counted rows: of their major groups, then of codes within them.

    Log loss is least where shares come true (a proper score), so this calibrates and chooses at once. A row whose
    code training never saw tells nothing and is left out; where no row is left, the blend is the default.
    """
    usable = counted.filter(counted["code"].is_in(codes))
    if usable.is_empty():
        return Blend()
    found = evidence(bags(usable["text"].to_list()), arrays, arrays.table())
    truth = np.searchsorted(codes, usable["code"].to_numpy())
    _, major_of = np.unique([soc.ancestor(code, "major") for code in codes], return_inverse=True)
    return _sharpened(found, truth, major_of, _best_majors(found, major_of[truth], major_of))


_ACROSS = (1.0, 1.3, 1.6, 2.0)
_COUNTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
_LINEAR = (2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
_SHIFT = (-0.5, 0.0, 0.5, 1.0, 1.5)
_WITHIN = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def _best_majors(found: Evidence, truth: NDArray[np.int64], major_of: NDArray[np.int64]) -> Blend:
    """The blend whose shares of the major groups have the least log loss; `truth` holds their columns."""
    members = (major_of[:, None] == np.arange(found.margins.shape[1])).astype(np.float64)  # (detailed, majors)
    logs = {across: np.log(softmax(across * found.likelihoods) @ members + TINY) for across in _ACROSS}
    best, least = Blend(), np.inf
    for linear, shift in itertools.product(_LINEAR, _SHIFT):
        alone = chances(found.margins, Blend(linear=linear, shift=shift))
        for across, counts in itertools.product(_ACROSS, _COUNTS):
            loss = _log_loss(alone + counts * logs[across], truth)
            if loss < least:
                best, least = Blend(linear, shift, counts, across), loss
    return best


def _log_loss(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    peaks = logits.max(axis=1, keepdims=True)
    totals = np.log(np.exp(logits - peaks).sum(axis=1)) + peaks[:, 0]
    return float((totals - logits[np.arange(len(truth)), truth]).mean())


def _sharpened(found: Evidence, truth: NDArray[np.int64], major_of: NDArray[np.int64], blend: Blend) -> Blend:
    """The same blend with the sharpness within groups that has the least log loss of the detailed codes."""
    rows = np.arange(len(truth))
    losses = {}
    for within in _WITHIN:
        shares = blended(found, replace(blend, within=within), major_of)
        losses[within] = -np.log(shares[rows, truth] + TINY).mean()
    return replace(blend, within=min(losses, key=losses.__getitem__))
