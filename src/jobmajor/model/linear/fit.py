"""Recipes: from examples to a classifier. The linear one needs no accelerator and under a minute per release.

A title of several codes stands in training once, as an example of each of them: given once with each code instead,
it would contradict itself. All choices here (the defaults in the settings, how strongly each part of the model
speaks) were and are made on validation titles.
"""

from __future__ import annotations

import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.sparse import csr_array
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from jobmajor import soc
from jobmajor.data import prepare
from jobmajor.data.examples import COUNTED, DESCRIPTION
from jobmajor.errors import DataError
from jobmajor.model import thresholds
from jobmajor.model.linear import network, spelling, vectors
from jobmajor.model.linear.features import BUCKETS, WORD_BUCKETS, Bags, bags
from jobmajor.model.linear.model import LinearModel
from jobmajor.model.linear.scoring import TINY, Arrays, Blend, Evidence, chances, evidence, known, softmax, split
from jobmajor.titles import without_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.classifier import Classifier
    from jobmajor.settings import Linear

_log = logging.getLogger(__name__)


def fit(
    train: pl.DataFrame, validation: pl.DataFrame, settings: Linear, about: Mapping[str, Any] | None = None
) -> Classifier:
    """A classifier learned from `train`, its scores calibrated on `validation`.

    Args:
        train: Columns `text`, `code` and `source`, as `prepare` writes them; every source counts, and phrases of
            descriptions are no titles: they teach the planes words.
        validation: The same with `source`; the counted rows are used.
        settings: Of the recipe.
        about: What the model should say of its origin.
    """
    lessons = _lessons(train)
    codes = lessons.codes
    _log.info("%d examples, %d titles, %d codes", len(train), lessons.titles, len(codes))
    with threadpool_limits(1):  # no sum, and so no model, depends on how many processors there are
        arrays = _learn(lessons, settings)
        _log.info("learned %d rows, %d entries", len(arrays.gains), len(arrays.entry_codes))
        blend = calibrate(arrays, codes, validation.filter(validation["source"] == COUNTED))
    _log.info("blend %s", asdict(blend))
    origin = {**(about or {}), "recipe": "linear", "settings": asdict(settings)}
    return thresholds.classifier(LinearModel(arrays, codes, blend), train, validation, origin)


@dataclass(frozen=True, slots=True)
class _Lessons:
    """What there is to learn from: distinct titles first, then phrases of descriptions.

    `listed`, shape (texts, codes), counts the rows that list each pair; `titles` is how many texts are titles.
    """

    texts: tuple[str, ...]
    titles: int
    codes: tuple[str, ...]
    listed: csr_array


def _lessons(train: pl.DataFrame) -> _Lessons:
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
    listed = csr_array((np.ones(len(columns)), (np.concatenate(rows), columns)), shape=(len(texts), len(codes)))
    return _Lessons(texts, len(distinct[0]), tuple(codes), listed)


def _learn(lessons: _Lessons, settings: Linear) -> Arrays:
    """All arrays; the planes and the network are learned side by side."""
    texts, codes, listed = lessons.texts, lessons.codes, lessons.listed
    pieces = bags(texts)
    buckets = np.concatenate([[-1], np.unique(pieces.buckets)]).astype(np.int32)
    rows = np.zeros(BUCKETS, np.int32)
    rows[buckets[1:]] = np.arange(1, len(buckets))
    gains = _gains(pieces, buckets, rows, settings.word_gain)
    found = known(pieces, rows, gains)
    places = (found.titles.astype(np.int32), found.rows)  # liblinear takes 32-bit indices only
    rated = csr_array((found.values, places), shape=(len(texts), len(buckets)), dtype=np.float64)
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
    """The network's arrays: for every word with a meaning, whether or not training saw it."""
    titles = [without_rank(text).split() for text in texts]
    stood, meanings = sorted(set(itertools.chain.from_iterable(titles))), vectors.known()
    # Those of the titles come first: of words that share a bucket, the first gives it its meaning.
    words, values = meanings.among(list(dict.fromkeys([*stood, *sorted(meanings.places)])))
    place = {word: row for row, word in enumerate(words)}
    rows = [[place[word] for word in title if word in place] for title in titles]
    starts = np.cumsum([0, *map(len, rows)])
    read = network.read(starts, values[list(itertools.chain.from_iterable(rows))])
    seen = csr_array(listed > 0, dtype=np.float64)
    shares = csr_array(seen.multiply(1 / seen.sum(axis=1)[:, None]))
    learned = network.fit(read, shares, _majors(codes)[1], settings)
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


def _majors(codes: Sequence[str]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """The major groups in order, and the column of each code's."""
    majors, major_of = np.unique([soc.ancestor(code, "major") for code in codes], return_inverse=True)
    if len(majors) < 2:
        raise DataError("the training titles", f"one major group, {majors[0]}", "two or more", "use more titles")
    return majors, major_of


def _margins(rated: csr_array, lessons: _Lessons, settings: Linear) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each major group, the plane between its titles and all others: weights (rows, majors), bias (majors,)."""
    majors, major_of = _majors(lessons.codes)
    is_title = np.arange(len(lessons.texts)) < lessons.titles
    weights = np.where(is_title, 1.0, settings.phrases)
    planes = []
    for column in range(len(majors)):
        belongs = lessons.listed[:, np.flatnonzero(major_of == column)].sum(axis=1) > 0
        planes.append(LinearSVC(C=settings.penalty, random_state=settings.seed).fit(rated, belongs, weights))
    slopes = np.column_stack([plane.coef_[0] for plane in planes])
    return slopes.astype(np.float32), np.array([plane.intercept_[0] for plane in planes], np.float32)


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


def _counts(rated: csr_array, listed: csr_array, settings: Linear) -> tuple[csr_array, NDArray[np.float64]]:
    """Multinomial naive Bayes with additive smoothing, as log ratios to a piece that a code has never seen.

    Source: Manning, Raghavan, Schütze (2008), Introduction to Information Retrieval, 13.2; each value is
    log((seen + a) / a), and each code's log(total + a * rows) stands apart, so that the matrix stays sparse. Pieces
    of very many codes say little about any and cost most of the time: theirs are left out.
    """
    seen = csr_array(rated.T @ listed)
    totals = np.log(seen.sum(axis=0) + settings.smoothing * seen.shape[0])
    spread = np.diff(seen.indptr)
    seen.data[np.repeat(spread > settings.widest, spread)] = 0.0
    seen.eliminate_zeros()
    seen.sort_indices()
    seen.data = np.log1p(seen.data / settings.smoothing)
    return seen, totals


def calibrate(arrays: Arrays, codes: tuple[str, ...], counted: pl.DataFrame) -> Blend:
    """The blend with the least log loss on the counted rows: of their major groups, then of codes within them.

    Log loss is least where shares come true (a proper score), so this calibrates and chooses at once. A row of a
    major group that training never saw tells nothing; one of a code that it never saw tells of the major groups
    only. Where no row is left, the blend is the default.
    """
    majors, major_of = _majors(codes)
    usable = counted.filter((counted["code"].str.head(2) + "-0000").is_in(majors.tolist()))
    if usable.is_empty():
        return Blend()
    tables = arrays.tables()
    found = evidence(spelling.pieces(usable["text"].to_list(), arrays.gains, tables), arrays, tables)
    true_major = np.searchsorted(majors, (usable["code"].str.head(2) + "-0000").to_numpy())
    blend = _best_majors(found, true_major, major_of)
    seen = np.flatnonzero(usable["code"].is_in(codes))
    if len(seen) == 0:
        return blend
    truth = np.searchsorted(codes, usable["code"].to_numpy()[seen])
    known_rows = Evidence(found.margins[seen], found.likelihoods[seen], found.scores[seen])
    return _sharpened(known_rows, truth, major_of, blend)


_ACROSS = (1.0, 1.3, 1.6, 2.0)
_BOUNDS = {  # how strongly each part may speak
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
    """The blend whose shares of the major groups have the least log loss; `truth` holds their columns."""
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
    """The blend with the least loss when only the named parts move, and that loss.

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
    """The same blend with the sharpness within groups that has the least log loss of the codes in their true groups."""
    groups = []  # only a row's own group counts: its evidence, and the place of its code there
    for major in np.unique(major_of[truth]):
        rows, columns = np.flatnonzero(major_of[truth] == major), np.flatnonzero(major_of == major)
        own = np.ix_(rows, columns)
        groups.append((found.likelihoods[own], found.scores[own], truth[rows] - columns[0]))
    whole = np.zeros(1, np.int64)

    def loss(blend: Blend) -> float:
        shares = [split(said, meant, blend, whole)[np.arange(len(own)), own] for said, meant, own in groups]
        return -float(np.log(np.concatenate(shares) + TINY).mean())

    names = ("within", "deeper", "within_alone", "deeper_alone", "counts_share", "network_share")
    return _least(loss, blend, names)[0]
