"""Learn what a second text says of the codes: centroids of O*NET's tasks, and a weight fitted on validation titles.

The weight is fitted on pairs of a validation title and one task of its code, with that task taken out of the code's
centroid, so that it holds for a text that was never seen. Tasks cut to a few words stand for short texts.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from jobmajor.data.examples import COUNTED, TASK
from jobmajor.model.linear.context import Context, hashed, pool, terms
from jobmajor.model.linear.scoring import TINY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_DESCRIPTION = 3.0  # tasks that a description counts as; chosen on validation titles (docs/experiments.md)
_WIDEST = 0.5  # share of the codes: a term of more says nothing ("and"), and takes most of the time
_TITLES = 600  # validation titles that the weight is fitted on, at most; it has two parameters
_LENGTHS = (1, 2, 4, 8, 1000)  # terms of a task that are kept: the last keeps all
_START = (60.0, 20.0)
_BOUNDS = ((0.1, 200.0), (1.0, 100.0))
_SEED = 0


@dataclass(frozen=True, slots=True)
class _Texts:
    """What each text adds to its code's centroid.

    `vectors` has shape (texts, terms), each row of length 1 times its weight; `columns` are the texts' codes.
    """

    names: NDArray[np.uint64]
    gains: NDArray[np.float64]
    vectors: csr_array
    columns: NDArray[np.int64]
    tasks: list[tuple[str, ...]]


def learn(
    duties: pl.DataFrame,
    validation: pl.DataFrame,
    codes: Sequence[str],
    shares: Callable[[Sequence[str]], NDArray[np.float32]],
) -> Context:
    """Return the centroids of a model's codes, with the weight that makes validation titles' shares come true.

    Args:
        duties: Columns `code`, `text` and `source`, as `examples.duties` gives them; codes that the model lacks are
            left out.
        validation: Columns `text`, `code` and `source`; the counted rows are used.
        codes: The model's codes, ascending.
        shares: The model's shares of normalised titles, shape (titles, codes).
    """
    kept = duties.filter(pl.col("code").is_in(list(codes)))
    texts = _read(kept, np.searchsorted(codes, kept["code"].to_numpy()), len(codes))
    centroids = _summed(texts, len(codes))
    plain = _context(texts, centroids, _START)
    with threadpool_limits(1):  # as in `fit`: the weight must not depend on the number of processors
        strength = _fitted(plain, texts, centroids, _asked(validation, texts, kept, codes), shares)
    _log.info("context: %d terms, weight %.2f, half of it at length %.2f", len(texts.names), *strength)
    return _context(texts, centroids, strength)


def _read(duties: pl.DataFrame, columns: NDArray[np.int64], codes: int) -> _Texts:
    found = _telling([terms(text) for text in duties["text"]], columns, codes)
    names, places = np.unique(hashed(found), return_inverse=True)
    owners = np.repeat(np.arange(len(found)), [len(each) for each in found])
    gains = np.log((1 + codes) / (1 + _spread(places, columns[owners], codes))) + 1  # as in `fit`, over codes
    values = gains[places]
    lengths = np.sqrt(np.bincount(owners, values**2, len(found)))
    weights = np.where(duties["source"].to_numpy() == TASK, 1.0, _DESCRIPTION)
    values = values * (weights / np.maximum(lengths, TINY))[owners]
    vectors = csr_array((values, (owners, places)), shape=(len(found), len(names)))
    return _Texts(names, gains, vectors, columns, found)


def _telling(found: Sequence[tuple[str, ...]], columns: NDArray[np.int64], codes: int) -> list[tuple[str, ...]]:
    """Return the terms of each text without those that too many codes have."""
    names, places = np.unique([term for each in found for term in each], return_inverse=True)
    owners = np.repeat(np.arange(len(found)), [len(each) for each in found])
    wide = set(names[_spread(places, columns[owners], codes) > _WIDEST * codes].tolist())
    return [tuple(term for term in each if term not in wide) for each in found]


def _spread(places: NDArray[np.int64], columns: NDArray[np.int64], codes: int) -> NDArray[np.int64]:
    """Return how many codes have each term, given the term and the code of each occurrence."""
    pairs: NDArray[np.int64] = np.unique(places * codes + columns)
    return np.bincount(pairs // codes)


def _summed(texts: _Texts, codes: int) -> csr_array:
    """Return each code's sum of its texts' vectors, shape (codes, terms)."""
    count = len(texts.columns)
    members = csr_array((np.ones(count), (texts.columns, np.arange(count))), shape=(codes, count))
    return csr_array(members @ texts.vectors)


def _context(texts: _Texts, centroids: csr_array, strength: Sequence[float]) -> Context:
    lengths = np.sqrt(np.asarray(centroids.multiply(centroids).sum(axis=1)).ravel())
    by_term = csr_array((centroids.multiply(1 / np.maximum(lengths, TINY)[:, None]).T).tocsr())
    by_term.sort_indices()
    repeated = np.repeat(texts.gains, np.diff(by_term.indptr))
    return Context(
        names=texts.names,
        gains=texts.gains.astype(np.float32),
        starts=by_term.indptr.astype(np.int32),
        columns=by_term.indices.astype(np.int16),
        values=(by_term.data * repeated).astype(np.float32),
        strength=np.array(strength, np.float32),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Validation titles, each with the column of its code and one task of that code, a row of the texts."""

    titles: list[str]
    columns: NDArray[np.int64]
    tasks: NDArray[np.int64]


def _asked(validation: pl.DataFrame, texts: _Texts, duties: pl.DataFrame, codes: Sequence[str]) -> _Asked:
    rng = np.random.default_rng(_SEED)
    is_task = duties["source"].to_numpy() == TASK
    tasks_of = {column: np.flatnonzero(is_task & (texts.columns == column)) for column in np.unique(texts.columns)}
    usable = [codes[column] for column, tasks in tasks_of.items() if len(tasks) > 1]
    counted = validation.filter((pl.col("source") == COUNTED) & pl.col("code").is_in(usable))
    chosen = np.sort(rng.permutation(len(counted))[:_TITLES])
    columns = np.searchsorted(codes, counted["code"].to_numpy()[chosen])
    tasks = np.array([rng.choice(tasks_of[column]) for column in columns.tolist()], np.int64)
    return _Asked(counted["text"].gather(chosen).to_list(), columns, tasks)


def _fitted(
    plain: Context,
    texts: _Texts,
    centroids: csr_array,
    asked: _Asked,
    shares: Callable[[Sequence[str]], NDArray[np.float32]],
) -> tuple[float, float]:
    """Return the weight with the least log loss over the titles and all lengths; the default without titles."""
    if not asked.titles:
        return _START
    found, truth = shares(asked.titles), (np.arange(len(asked.titles)), asked.columns)
    compared = [_unseen(plain, texts, centroids, asked, most) for most in _LENGTHS]

    def loss(logs: NDArray[np.float64]) -> float:
        pooled = (pool(found, *each, np.exp(logs))[truth] for each in compared)
        return float(np.mean([-np.log(each + TINY).mean() for each in pooled]))

    options = {"xatol": 0.03, "fatol": 1e-4}
    best = minimize(loss, np.log(_START), method="Nelder-Mead", bounds=np.log(_BOUNDS), options=options)
    most, half = np.round(np.exp(best.x), 3).tolist()
    return most, half


def _unseen(
    plain: Context, texts: _Texts, centroids: csr_array, asked: _Asked, most: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what `Context.compared` says of the tasks, cut to so many terms, without each in its own code's centroid.

    The product of a vector x with a centroid s / |s| becomes x (s - t) / |s - t|, where t is the whole task.
    """
    rng = np.random.default_rng(most)
    cut = [" ".join(sorted(rng.permutation(texts.tasks[task])[:most])) for task in asked.tasks.tolist()]
    products, lengths = plain.compared(cut, centroids.shape[0])
    own, rows = csr_array(centroids[asked.columns]), (np.arange(len(cut)), asked.columns)
    tasks = csr_array(texts.vectors[asked.tasks])
    before = np.asarray(own.multiply(own).sum(axis=1)).ravel()
    after = before - 2 * np.asarray(own.multiply(tasks).sum(axis=1)).ravel() + 1
    kept = csr_array(tasks.multiply(_vectors(plain, cut, texts)))
    given = np.asarray(kept.sum(axis=1)).ravel()
    products[rows] = (products[rows] * np.sqrt(before) - given) / np.sqrt(np.maximum(after, TINY))
    return products, lengths


def _vectors(plain: Context, cut: Sequence[str], texts: _Texts) -> csr_array:
    """Return the texts' own vectors, shape (texts, terms): the gain of each of their terms."""
    found = [tuple(text.split()) for text in cut]
    places = np.searchsorted(plain.names, hashed(found))
    owners = np.repeat(np.arange(len(found)), [len(each) for each in found])
    return csr_array((texts.gains[places], (owners, places)), shape=(len(found), len(plain.names)))
