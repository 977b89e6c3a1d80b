"""The linear recipe: from examples to a model, without an accelerator and in under a minute for a release.

A title of several codes stands in training once, as an example of each of them: given once with each code instead,
it would contradict itself. All choices here (the defaults in the settings, how strongly each part of the model
speaks) were and are made on validation titles.
"""

from __future__ import annotations

import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.sparse import csr_array
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from jobmajor.data import prepare
from jobmajor.data.examples import COUNTED, DESCRIPTION, REVIEWED
from jobmajor.model.linear import network, vectors
from jobmajor.model.linear.arrays import Arrays
from jobmajor.model.linear.calibrate import calibrate, majors_of
from jobmajor.model.linear.features import BUCKETS, WORD_BUCKETS, Bags, bags
from jobmajor.model.linear.model import LinearModel
from jobmajor.model.linear.scoring import TINY, known_pieces
from jobmajor.titles import without_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.model.linear.arrays import Blend
    from jobmajor.settings import Linear

_log = logging.getLogger(__name__)


def fit(train: pl.DataFrame, validation: pl.DataFrame, settings: Linear) -> LinearModel:
    """Learn a model from `train` and calibrate its scores on `validation`.

    Args:
        train: Columns `text`, `code` and `source`, as `prepare` writes them. Rows of every source count; phrases of
            descriptions are no titles, they teach the planes words.
        validation: The same columns; the counted rows are used.
        settings: Of the recipe.
    """
    with threadpool_limits(1):  # so that sums, and with them the model, don't depend on the number of processors
        arrays, codes = _learned(train, settings)
        blend = calibrate(arrays, codes, validation.filter(validation["source"] == COUNTED))
    _log.info("blend %s", asdict(blend))
    return LinearModel(arrays, codes, blend)


def refit(rows: pl.DataFrame, settings: Linear, blend: Blend) -> LinearModel:
    """Learn a model from all rows; the blend is that of a model that was calibrated on rows held out.

    Args:
        rows: As `train` of `fit`.
        settings: Of the recipe.
        blend: How the parts are weighed.
    """
    with threadpool_limits(1):
        arrays, codes = _learned(rows, settings)
    return LinearModel(arrays, codes, blend)


def _learned(train: pl.DataFrame, settings: Linear) -> tuple[Arrays, tuple[str, ...]]:
    lessons = _lessons(train, settings)
    _log.info("%d examples, %d titles, %d codes", len(train), lessons.titles, len(lessons.codes))
    arrays = _learn(lessons, settings)
    _log.info("learned %d rows, %d entries", len(arrays.gains), len(arrays.entry_codes))
    return arrays, lessons.codes


@dataclass(frozen=True, slots=True)
class _Lessons:
    """The training texts: distinct titles first, then phrases of descriptions.

    `listed`, shape (texts, codes), counts the rows that list each pair, a reviewed one as often as its weight;
    `titles` is how many texts are titles; `is_reviewed`, shape (texts,), which texts people have coded.
    """

    texts: tuple[str, ...]
    titles: int
    codes: tuple[str, ...]
    listed: csr_array
    is_reviewed: NDArray[np.bool_]


def _lessons(train: pl.DataFrame, settings: Linear) -> _Lessons:
    titles = prepare.titles(train)
    codes = pl.Series(titles["code"].unique().sort())
    phrases = train.filter((pl.col("source") == DESCRIPTION) & pl.col("code").is_in(codes.implode()))
    distinct = [part["text"].unique().sort() for part in (titles, phrases)]
    rows = [
        each.search_sorted(part["text"]).to_numpy() + start
        for each, part, start in zip(distinct, (titles, phrases), (0, len(distinct[0])), strict=True)
    ]
    texts = tuple(pl.concat(distinct))
    columns = codes.search_sorted(pl.concat([titles["code"], phrases["code"]])).to_numpy()
    marks = (pl.concat([titles["source"], phrases["source"]]) == REVIEWED).to_numpy()
    times = np.where(marks, settings.reviewed, 1.0)
    listed = csr_array((times, (np.concatenate(rows), columns)), shape=(len(texts), len(codes)))
    is_reviewed = np.zeros(len(texts), np.bool_)
    is_reviewed[np.concatenate(rows)[marks]] = True
    return _Lessons(texts, len(distinct[0]), tuple(codes), listed, is_reviewed)


def _learn(lessons: _Lessons, settings: Linear) -> Arrays:
    """Return all arrays; the planes and the network are trained in parallel."""
    texts, codes, listed = lessons.texts, lessons.codes, lessons.listed
    pieces = bags(texts)
    buckets = np.concatenate([[-1], np.unique(pieces.buckets)]).astype(np.int32)
    rows = np.zeros(BUCKETS, np.int32)
    rows[buckets[1:]] = np.arange(1, len(buckets))
    gains = _gains(pieces, buckets, rows, settings.word_gain)
    found = known_pieces(pieces, rows, gains)
    coordinates = (found.titles.astype(np.int32), found.rows)  # liblinear takes 32-bit indices only
    rated = csr_array((found.values, coordinates), shape=(len(texts), len(buckets)), dtype=np.float64)
    with ThreadPoolExecutor(1) as beside:
        planes = beside.submit(_margins, rated, lessons, settings)
        titles = slice(lessons.titles)
        understood = _network(texts[titles], listed[titles], codes, settings)
        entries, totals = _counts(rated[titles], listed[titles], settings)
        weights, bias = planes.result()
    return Arrays(
        buckets=buckets,
        gains=gains,
        weights=weights,
        bias=bias,
        entry_starts=entries.indptr.astype(np.int32),
        entry_codes=entries.indices.astype(np.int16),
        entry_values=entries.data.astype(np.float32),
        code_totals=totals.astype(np.float32),
        **understood,
    )


def _network(
    texts: Sequence[str], listed: csr_array, codes: tuple[str, ...], settings: Linear
) -> dict[str, NDArray[Any]]:
    """Return the network's arrays for every word with a vector, whether or not training saw it."""
    titles = [without_rank(text).split() for text in texts]
    stood, meanings = sorted(set(itertools.chain.from_iterable(titles))), vectors.shipped()
    # The words of titles come first: if words share a bucket, it gets the vector of the first.
    words, values = meanings.among(list(dict.fromkeys([*stood, *sorted(meanings.row_of)])))
    row_of = {word: row for row, word in enumerate(words)}
    rows = [[row_of[word] for word in title if word in row_of] for title in titles]
    starts = np.cumsum([0, *map(len, rows)])
    read = network.read(starts, values[list(itertools.chain.from_iterable(rows))])
    seen = csr_array(listed > 0, dtype=np.float64)
    shares = csr_array(seen.multiply(1 / seen.sum(axis=1)[:, None]))
    learned = network.fit(read, shares, majors_of(codes)[1], settings)
    hashed = bags(words)
    buckets, first = np.unique(hashed.words, return_index=True)
    parts = learned.parts(values[first])
    scales = np.maximum(np.abs(parts).max(axis=0), TINY) / np.float32(127)
    return {
        "word_buckets": buckets,
        "word_checks": hashed.word_checks[first],
        "word_parts": np.rint(parts / scales).astype(np.int8),
        "word_scales": scales.astype(np.float32),
        "hidden_bias": learned.hidden_bias,
        "outputs": learned.outputs,
        "output_bias": learned.output_bias,
    }


def _margins(rated: csr_array, lessons: _Lessons, settings: Linear) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit for each major group the plane between its titles and all others.

    Returns:
        The weights, shape (rows, majors), and the bias, shape (majors,).
    """
    majors, major_of = majors_of(lessons.codes)
    is_title = np.arange(len(lessons.texts)) < lessons.titles
    weights = np.where(is_title, 1.0, settings.phrases)
    weights[lessons.is_reviewed] = settings.reviewed
    planes = []
    for column in range(len(majors)):
        belongs = lessons.listed[:, np.flatnonzero(major_of == column)].sum(axis=1) > 0
        planes.append(LinearSVC(C=settings.penalty, random_state=settings.seed).fit(rated, belongs, weights))
    slopes = np.column_stack([plane.coef_[0] for plane in planes])
    return slopes.astype(np.float32), np.array([plane.intercept_[0] for plane in planes], np.float32)


def _gains(pieces: Bags, buckets: NDArray[np.int32], table: NDArray[np.int32], word_gain: float) -> NDArray[np.float32]:
    """Return the smoothed inverse document frequency, shape (rows,). Source: TfidfTransformer of scikit-learn."""
    count = len(pieces.starts) - 1
    titles = np.repeat(np.arange(count), np.diff(pieces.starts))
    rows = np.unique(titles * len(buckets) + table[pieces.buckets]) % len(buckets)
    frequency = np.bincount(rows, minlength=len(buckets))
    gains = np.log((1 + count) / (1 + frequency)) + 1
    gains *= np.where(buckets >= WORD_BUCKETS, word_gain, 1.0)
    gains[0] = 0.0
    return gains.astype(np.float32)


def _counts(rated: csr_array, listed: csr_array, settings: Linear) -> tuple[csr_array, NDArray[np.float64]]:
    """Fit multinomial naive Bayes with additive smoothing, as log ratios to a piece that a code has never seen.

    Source: Manning, Raghavan, Schütze (2008), Introduction to Information Retrieval, 13.2. Each value is
    log((seen + a) / a), and the log(total + a * rows) of each code is a separate array, so that the matrix stays
    sparse. Pieces with very many codes are left out: they tell little about any code, and would take most of the time.
    """
    seen = csr_array(rated.T @ listed)
    totals = np.log(seen.sum(axis=0) + settings.smoothing * seen.shape[0])
    spread = np.diff(seen.indptr)
    seen.data[np.repeat(spread > settings.widest, spread)] = 0.0
    seen.eliminate_zeros()
    seen.sort_indices()
    seen.data = np.log1p(seen.data / settings.smoothing)
    return seen, totals
