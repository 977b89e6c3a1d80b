"""Recipes: from examples to a classifier. The linear one needs no accelerator and a few seconds per release.

A title of several codes is given to training once with each, so that its share is split among them. All choices
here (the defaults below, and how strongly each part of the model speaks) were and are made on validation titles.
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
    pieces = bags(train["text"].to_list())
    columns = np.searchsorted(codes, train["code"].to_numpy())
    _log.info("%d examples, %d codes, %d pieces", len(train), len(codes), len(pieces.buckets))
    arrays = _learn(pieces, columns, codes, settings)
    _log.info("learned %d rows, %d entries", len(arrays.gains), len(arrays.entry_codes))
    counted = validation.filter(validation["source"] == COUNTED)
    blend = calibrate(arrays, codes, counted)
    _log.info("blend %s", asdict(blend))
    origin = {**(about or {}), "recipe": "linear", "settings": asdict(settings)}
    return Classifier(arrays, codes, blend, origin)


def _learn(pieces: Bags, columns: NDArray[np.int64], codes: tuple[str, ...], settings: Linear) -> Arrays:
    buckets = np.concatenate([[-1], np.unique(pieces.buckets)]).astype(np.int32)
    table = np.zeros(BUCKETS, np.int32)
    table[buckets[1:]] = np.arange(1, len(buckets))
    gains = _gains(pieces, buckets, table, settings.word_gain)
    found = known(pieces, table, gains)
    shape = (len(pieces.starts) - 1, len(buckets))
    places = (found.titles.astype(np.int32), found.rows)  # liblinear takes 32-bit indices only
    vectors = csr_array((found.values, places), shape=shape, dtype=np.float64)
    _, majors = np.unique([soc.ancestor(code, "major") for code in codes], return_inverse=True)
    model = LinearSVC(C=settings.penalty, random_state=settings.seed).fit(vectors, majors[columns])
    entries, totals = _counts(vectors, columns, len(codes), settings.smoothing)
    return Arrays(
        buckets=buckets,
        gains=gains,
        weights=model.coef_.T.astype(np.float32),
        bias=model.intercept_.astype(np.float32),
        entry_starts=entries.indptr.astype(np.int32),
        entry_codes=entries.indices.astype(np.int16),
        entry_values=entries.data.astype(np.float32),
        code_totals=totals.astype(np.float32),
    )


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


def _counts(
    vectors: csr_array, columns: NDArray[np.int64], codes: int, smoothing: float
) -> tuple[csr_array, NDArray[np.float64]]:
    """Multinomial naive Bayes with additive smoothing, as log ratios to a piece that a code has never seen.

    Source: Manning, Raghavan, Schütze (2008), Introduction to Information Retrieval, 13.2; each value is
    log((seen + a) / a), and each code's log(total + a * rows) stands apart, so that the matrix stays sparse.
    """
    membership = csr_array((np.ones(len(columns)), (np.arange(len(columns)), columns)), (len(columns), codes))
    seen = csr_array(vectors.T @ membership)
    totals = np.log(seen.sum(axis=0) + smoothing * seen.shape[0])
    seen.sort_indices()
    seen.data = np.log1p(seen.data / smoothing)
    return seen, totals


def calibrate(arrays: Arrays, codes: tuple[str, ...], counted: pl.DataFrame) -> Blend:
    """The blend with the least log loss on the counted rows: of their major groups, then of codes within them.

    Log loss is least where shares come true (a proper score), so this calibrates and chooses at once. A row whose
    code training never saw tells nothing and is left out.
    """
    usable = counted.filter(counted["code"].is_in(codes))
    found = evidence(bags(usable["text"].to_list()), arrays, arrays.table())
    truth = np.searchsorted(codes, usable["code"].to_numpy())
    _, major_of = np.unique([soc.ancestor(code, "major") for code in codes], return_inverse=True)
    return _sharpened(found, truth, major_of, _best_majors(found, major_of[truth], major_of))


_ACROSS = (0.7, 1.0, 1.3, 1.6)
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
