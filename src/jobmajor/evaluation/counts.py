"""How many titles of a file belong to each code: estimates with intervals, instead of counts of best answers.

To count best answers is biased: an occupation whose titles are easy takes titles from those that are hard, and mistakes
that are rare for one title add up over a file. The shares of all codes know of both. They are calibrated on the mix of
occupations that training had, so they are moved toward the mix of the file first:

    Saerens, M., Latinne, P. and Decaestecker, C. (2002), Neural Computation 14(1), 21-41: the ratio of both mixes by
    expectation-maximization. The ratio is damped to its square root here, because files also have other wordings than
    training, and the whole ratio takes those for another mix.

Where titles with known codes are at hand, the shares are corrected by their confusion, too: by what the true codes are
of titles that are answered alike, with the shares themselves as a Dirichlet prior.

    Buonaccorsi, J. P. (2010), Measurement Error, ch. 2; Meertens, Q. A. et al. (2022), Journal of Official Statistics
    38(2), 485-508: the calibration estimator of counts under misclassification.

González, P. et al. (2017), ACM Computing Surveys 50(5), 74, compares such methods.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

STRENGTH: Final = 0.5  # the power of the ratio of both mixes
_PRIOR: Final = 10.0  # how many labelled titles the shares count as, among titles that are answered alike
_SURE: Final = 0.8  # answers with a larger share are judged apart from others
_SPREAD: Final = 0.4  # of the logarithm of a code's ratio, which differs by kind of file; see docs/experiments.md
_RESAMPLES: Final = 300
_LEAST_MIX: Final = 0.5  # titles of training that each code is taken to have at least
_LEAST_SHARE: Final = 1e-3
_TAIL: Final = 0.025
_TINY: Final = 1e-9
_STEPS, _FEW_STEPS, _CLOSE = 200, 3, 1e-6  # of the estimation, and of each resample, which begins at its result


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of codes for distinct titles, laid out flat.

    Attributes:
        starts: Shape (titles + 1,); title i has the entries from `starts[i]` on, one at least.
        labels: Shape (entries,); the code of each as an index.
        scores: Shape (entries,); its share, above 0.
        classes: How many codes there are.
    """

    starts: Integers
    labels: Integers
    scores: Floats
    classes: int

    @classmethod
    def of(cls, labels: NDArray[np.int16], scores: NDArray[np.float32], classes: int) -> Shares:
        """Lay out the shares of each title, and leave out the smallest ones.

        Args:
            labels: Codes of each title, shape (titles, k), the best one first; below 0 where there are fewer. A title
                without any gets the first code, so give its true code, too.
            scores: Their shares, likewise.
            classes: How many codes there are.
        """
        kept = (labels >= 0) & (scores >= _LEAST_SHARE)
        kept[:, 0] = True
        starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
        return cls(
            starts, np.maximum(labels[kept], 0).astype(np.int64), scores[kept].astype(np.float64) + _TINY, classes
        )

    @property
    def title_of(self) -> Integers:
        """Return the title of each entry."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @property
    def best(self) -> Integers:
        """Return the entry with the largest share of each title."""
        order: Integers = np.lexsort((-self.scores, self.title_of))
        return order[self.starts[:-1]]

    def scaled(self, factors: Floats) -> Shares:
        """Return these with each entry multiplied by a factor above 0, so that a title's sum is 1 again."""
        values = self.scores * factors
        sums = np.add.reduceat(values, self.starts[:-1])
        return replace(self, scores=values / np.repeat(sums, np.diff(self.starts)))

    def totals(self, weights: Floats) -> Floats:
        """Return the weight of each code, shape (classes,)."""
        return _summed(self.labels, self.scores * np.repeat(weights, np.diff(self.starts)), self.classes)


class Truth(NamedTuple):
    """The true codes of some of the titles.

    Attributes:
        titles: Shape (facts,); the indices of titles. A title with several true codes has several facts.
        labels: Shape (facts,); a true code of each.
        parts: Shape (facts,); how much of the title's rows have it. A title's parts sum to 1.
        is_sample: Shape (facts,); whether the title tells how titles are confused. Titles that somebody chose don't.
    """

    titles: Integers
    labels: Integers
    parts: Floats
    is_sample: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Counts:
    """The weight of each code's titles, shape (classes,): an estimate with its 95 % interval, and as answered."""

    estimate: Floats
    low: Floats
    high: Floats
    answered: Floats


def estimate(shares: Shares, weights: Floats, mix: Floats, truth: Truth, *, seed: int) -> Counts:
    """Return how much weight of a file's titles belongs to each code.

    The intervals hold what is not known of each title (all rows of a title count as one case), of the mix, and of how
    far the file's wordings differ from training's. With a sample of true codes, they hold what is not known of the
    confusion instead of the last two.

    Args:
        shares: The shares of the file's titles, and of further titles with a true code.
        weights: How often each title occurs in the file, shape (titles,); 0 for titles that have only a true code.
        mix: How many titles of training have each code, shape (classes,); of one code at least.
        truth: True codes of some of the titles, or of none; their rows count as these say.
        seed: For the intervals.
    """
    rng = np.random.default_rng(seed)
    source = (mix + _LEAST_MIX) / (mix + _LEAST_MIX).sum()
    target = _target(shares, weights, _Start(source, source, STRENGTH), _STEPS)
    moved = shares.scaled(_ratio(target, source, STRENGTH)[shares.labels])
    certain = _summed(truth.labels, truth.parts * weights[truth.titles], shares.classes)
    left = np.where(np.isin(np.arange(len(weights)), truth.titles), 0.0, weights)
    if truth.is_sample.any():
        confusion = _confusion(moved, weights, truth)
        drawn = _by_confusion(moved, left, confusion, rng)
        moved = _corrected(moved, confusion, confusion.counts + _PRIOR * confusion.means)
    else:
        drawn = _by_mix(shares, left, (source, target), rng)
    point = moved.totals(left)
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL], axis=0)
    answered = _summed(shares.labels[shares.best], weights, shares.classes)
    return Counts(point + certain, np.minimum(low, point) + certain, np.maximum(high, point) + certain, answered)


def _summed(labels: Integers, weights: Floats, classes: int) -> Floats:
    return np.bincount(labels, weights, classes).astype(np.float64)


class _Start(NamedTuple):
    """Where an estimation of the file's mix begins: training's mix, a mix to begin with, and the ratio's strength."""

    source: Floats
    target: Floats
    strength: float


def _ratio(target: Floats, source: Floats, strength: float) -> Floats:
    found: Floats = (target / source) ** strength
    return found


def _target(shares: Shares, weights: Floats, start: _Start, steps: int) -> Floats:
    """Return the file's mix by expectation-maximization."""
    target, total = start.target, weights.sum()
    for _ in range(steps):
        before = target
        moved = shares.scaled(_ratio(before, start.source, start.strength)[shares.labels])
        target = moved.totals(weights) / total
        if abs(target - before).sum() < _CLOSE:
            break
    return target


def _by_mix(shares: Shares, weights: Floats, mixes: tuple[Floats, Floats], rng: np.random.Generator) -> Floats:
    """Return counts of possible files, shape (resamples, classes).

    Each is drawn with other titles, with a strength of the ratio between none and all of it, since neither end is
    known to be wrong, and with ratios that differ for each code as they do between kinds of files.
    """
    source, target = mixes
    size, found = len(weights), np.empty((_RESAMPLES, shares.classes))
    for row in range(_RESAMPLES):
        strength, times = float(rng.random()), np.bincount(rng.integers(size, size=size), minlength=size)
        drawn = _target(shares, weights * times + _TINY, _Start(source, target, strength), _FEW_STEPS)
        factors = _ratio(drawn, source, strength) * np.exp(_SPREAD * rng.standard_normal(shares.classes))
        found[row] = _outcome(shares.scaled(factors[shares.labels]), weights, rng)
    return found


def _outcome(shares: Shares, weights: Floats, rng: np.random.Generator) -> Floats:
    """Draw a code for each title, and return the weight of each code."""
    firsts, lasts = shares.starts[:-1], shares.starts[1:] - 1
    ends = np.cumsum(shares.scores)
    begins = ends[firsts] - shares.scores[firsts]
    entries = np.searchsorted(ends, begins + rng.random(len(weights)) * (ends[lasts] - begins), side="right")
    return _summed(shares.labels[np.clip(entries, firsts, lasts)], weights, shares.classes)


class _Confusion(NamedTuple):
    """Pairs of a cell, which holds the titles that are answered alike, and a code.

    Attributes:
        pair_of: Shape (entries,); the pair of each entry.
        cell_of: Shape (pairs,); the cell of each pair.
        label_of: Shape (pairs,); the code of each pair.
        means: Shape (pairs,); the mean share of the code in its cell. A cell's means sum to 1.
        counts: Shape (pairs,); how many labelled titles of the cell have the code.
    """

    pair_of: Integers
    cell_of: Integers
    label_of: Integers
    means: Floats
    counts: Floats

    def per_cell(self, values: Floats) -> Floats:
        """Return values of pairs scaled so that each cell's sum is 1."""
        sums = _summed(self.cell_of, values, int(self.cell_of[-1]) + 1)[self.cell_of]
        scaled: Floats = values / np.maximum(sums, _TINY)
        return scaled


def _confusion(shares: Shares, weights: Floats, truth: Truth) -> _Confusion:
    best, title_of = shares.best, shares.title_of
    cells = 2 * shares.labels[best] + (shares.scores[best] > _SURE)  # (titles,)
    pairs, pair_of = np.unique(cells[title_of] * shares.classes + shares.labels, return_inverse=True)
    # A title that is not in the file tells the mean of its cell only where no title of the file does.
    sums = _summed(pair_of, shares.scores * (weights + _TINY)[title_of], len(pairs))
    wanted = cells[truth.titles] * shares.classes + truth.labels
    at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    told = truth.is_sample & (pairs[at] == wanted)
    counts = _summed(at[told], truth.parts[told], len(pairs))
    found = _Confusion(pair_of, pairs // shares.classes, pairs % shares.classes, sums, counts)
    return found._replace(means=found.per_cell(sums))


def _corrected(shares: Shares, confusion: _Confusion, counts: Floats) -> Shares:
    """Return shares whose means in each cell are near those that the counts say."""
    factors = confusion.per_cell(counts) / np.maximum(confusion.means, _TINY)
    return shares.scaled(factors[confusion.pair_of] + _TINY)


def _by_confusion(shares: Shares, weights: Floats, confusion: _Confusion, rng: np.random.Generator) -> Floats:
    """Return counts of possible files, shape (resamples, classes), each by a confusion from its Dirichlet posterior."""
    found = np.empty((_RESAMPLES, shares.classes))
    for row in range(_RESAMPLES):
        factors = np.exp(_SPREAD * rng.standard_normal(shares.classes))[confusion.label_of]
        prior = _PRIOR * confusion.per_cell(confusion.means * factors)
        corrected = _corrected(shares, confusion, rng.standard_gamma(confusion.counts + prior))
        found[row] = _outcome(corrected, weights, rng)
    return found
