"""Whether a few units, such as one day, differ from those of a reference, by how much the reference's units vary.

There are too few units to shuffle, so the difference of each flag's mean angle is compared with Student's t
distribution. Three things make that test powerful where days are alike, and honest where they are not:

- Thirty days say little of how much one group varies. Groups vary alike, so the variance of each is drawn towards the
  usual one, the more the less the groups differ in it.
- The mix of groups of a day is skewed: large shares are more frequent than the normal distribution has them if days
  vary much, and less frequent if rows are independent. The first terms of Cornish and Fisher's expansion correct it.
- The chance of a false alarm is shared out among the flags by how much each matters.

Source: Smyth, G. K. (2004), Stat. Appl. Genet. Mol. Biol. 3(1), 3. Cornish & Fisher (1938), Rev. Inst. Int. Stat. 5,
307-320. Genovese, Roeder & Wasserman (2006), Biometrika 93, 509-524, on weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import digamma, polygamma
from scipy.stats import t as student

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.monitor.profile import Profile

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_OTHER_WEIGHT: Final = 0.025  # the part of the chance that a flag gets which matters less
_LEAST_ROWS: Final = 3  # with the flag in a unit; the angle of rarer ones varies in another way
_FEWEST: Final = 3  # flags that say what variance is usual
_MOST_SKEW: Final = 0.5
_FAR: Final = 5.0  # standard deviations; the expansion is not continued beyond
_SURE: Final = 1e6  # degrees of freedom that stand for any number


class _Spread(NamedTuple):
    """How much the angles of units vary: their variance, shape (flags,), and its degrees of freedom."""

    variance: Floats
    freedom: Floats


def chances(reference: Profile, found: Profile, is_group: Bools, is_first: Bools) -> tuple[Floats, Floats]:
    """Return the chance of each flag, and its t, shapes (flags,).

    Args:
        reference: At least five units.
        found: The units to check.
        is_group: Which flags are groups, which vary alike; shape (flags,).
        is_first: Which flags matter most if they grow; shape (flags,).
    """
    units, others = int(found.units.sum()), int(reference.units.sum())
    rows = float(found.rows @ found.units) / units
    share = (reference.counts * reference.units[:, None]).sum(axis=0) / float(reference.rows @ reference.units)
    chance = 0.25 / rows  # the variance of the angle of a unit of independent rows
    mean, own = _moments(reference)
    spread = _drawn_together(own, others - 1, is_group & (share * rows >= _LEAST_ROWS))
    variance = np.maximum(spread.variance, chance)
    part = 1 / units + 1 / others
    skew = _skew(share, rows, variance / chance) * (1 / units**2 - 1 / others**2) / part**1.5
    scores = _unskewed((_moments(found)[0] - mean) / np.sqrt(variance * part), skew)
    weights = np.where(is_first & (scores > 0), 1.0, _OTHER_WEIGHT)
    total = float(np.where(is_first, 1.0, _OTHER_WEIGHT).sum()) + _OTHER_WEIGHT * len(scores)  # growing, shrinking
    tails = student.sf(np.abs(scores), spread.freedom)
    return np.minimum(tails * total / weights, 1.0), scores


def angle(counts: Floats, rows: Floats) -> Floats:
    """Return shares on a scale on which chance is alike for rare and for common ones: asin √p."""
    found: Floats = np.arcsin(np.sqrt((counts + 0.375) / (rows + 0.75)))
    return found


def _moments(profile: Profile) -> tuple[Floats, Floats]:
    """Return the mean and the variance of the units' angles, shapes (flags,)."""
    angles = angle(profile.counts.astype(np.float64), profile.rows[:, None].astype(np.float64))
    units, weights = int(profile.units.sum()), profile.units[:, None]
    mean = (angles * weights).sum(axis=0) / units
    return mean, ((angles - mean) ** 2 * weights).sum(axis=0) / max(units - 1, 1)


def _drawn_together(variance: Floats, freedom: int, is_alike: Bools) -> _Spread:
    """Return variances, those of some flags drawn towards what is usual among these flags."""
    freedoms = np.full(len(variance), float(freedom))
    chosen = np.flatnonzero(is_alike & (variance > 0))
    if len(chosen) < _FEWEST:
        return _Spread(variance, freedoms)
    usual, weight = _usual(variance[chosen], freedom)
    variance = variance.copy()
    variance[chosen] = (weight * usual + freedom * variance[chosen]) / (weight + freedom)
    freedoms[chosen] += weight
    return _Spread(variance, freedoms)


def _usual(variance: Floats, freedom: int) -> tuple[float, float]:
    """Return the usual variance, and how many degrees of freedom it is worth; more if variances differ less.

    Source: Smyth (2004), section 6.2.

    >>> _usual(np.array([1.0, 1.0, 1.0]), 29)[1]
    1000000.0
    >>> 1 < _usual(np.array([0.2, 1.0, 5.0, 1.0]), 29)[1] < 5
    True
    """
    half = freedom / 2
    logs = np.log(variance) - digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - polygamma(1, half))
    weight = min(2 * _inverse_trigamma(excess), _SURE) if excess > 0 else _SURE
    return float(np.exp(logs.mean() + digamma(weight / 2) - np.log(weight / 2))), weight


def _inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value, by Newton's method.

    >>> round(_inverse_trigamma(float(polygamma(1, 3.5))), 6)
    3.5
    """
    found = 0.5 + 1 / value
    for _ in range(20):
        trigamma = float(polygamma(1, found))
        found += trigamma * (1 - trigamma / value) / float(polygamma(2, found))
    return found


def _skew(share: Floats, rows: float, spread: Floats) -> Floats:
    """Return the skewness of the angle of a beta-binomial count whose variance is `spread` times the binomial's.

    That of the count is (2 spread - 1) / √spread times the binomial's; the angle takes 1.5 √spread times it away.
    """
    binomial = (1 - 2 * share) / np.sqrt(np.maximum(rows * share * (1 - share), 1.0))
    found: Floats = np.clip(binomial * (spread / 2 - 1) / np.sqrt(spread), -_MOST_SKEW, _MOST_SKEW)
    return found


def _unskewed(scores: Floats, skew: Floats) -> Floats:
    """Return the scores of the normal distribution that are as likely as those of a skewed one."""
    found: Floats = scores - skew * (np.minimum(scores**2, _FAR**2) - 1) / 6
    return found
