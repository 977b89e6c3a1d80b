"""Which shares of rows differ between two profiles by more than chance, with a bound on false alarms.

The difference of each flag's share is measured on a scale on which chance is alike for rare and for common flags:
z = 2 (asin √p − asin √q) √(n m / (n + m) / d), with the shares p of n rows and q of m rows, and d, by how much units
vary more than independent rows do. The largest z of all flags is compared with what it is when the units of both
profiles are shuffled. So one chance in 365 of an alarm holds for the whole check, whatever the number of flags and
however much they, or the rows of a unit, belong together.

A group that grows matters most, so its z counts fully; others count by a factor below 1.

With fewer than eight units on the side that is checked, such as one day, shuffling can't show anything. The z of each
flag is then compared with Student's t distribution by the spread of the reference's units, and the chance is shared out
among the flags.
Source: Westfall & Young (1993), Resampling-Based Multiple Testing. Anscombe (1948), Biometrika 35, 246-254.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.stats import t as student

from jobmajor.errors import InputError
from jobmajor.monitor.profile import LEAST_CHANGE
from jobmajor.monitor.shape import is_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.monitor.profile import Profile
    from jobmajor.monitor.shape import Flag

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

ALARMS: Final = 1 / 365  # the chance of an alarm where nothing differs: one a year, if checked daily
_FEW_UNITS: Final = 8
_LEAST_UNITS: Final = 5
_FIRST, _ALL = 499, 9_999  # shuffles: the first ones end the test where chance alone explains the difference
LEAST_CHANCE: Final = 2 / (1 + _ALL)  # shuffling can't tell smaller ones apart
_CLEAR: Final = 0.05
_OTHER_WEIGHT: Final = 0.9
_BLOCK: Final = 500  # shuffles at a time


@dataclass(frozen=True, slots=True)
class Change:
    """How the share of rows with a flag differs.

    Attributes:
        flag: The flag.
        reference: Its share in the reference, 0 to 1.
        found: Its share in what is checked.
        z: The difference on the scale of chance.
        p: The chance that any flag of the check seems to differ as much where nothing does.
    """

    flag: Flag
    reference: float
    found: float
    z: float
    p: float

    @property
    def difference(self) -> float:
        """By how much the share is larger than in the reference."""
        return self.found - self.reference

    def is_alarm(self, alarms: float = ALARMS, least: float = LEAST_CHANGE) -> bool:
        """Tell whether the difference is large enough, and hardly by chance."""
        return self.p <= alarms and abs(self.difference) >= least


def compare(reference: Profile, found: Profile, flags: Sequence[Flag], *, seed: int = 0) -> list[Change]:
    """Return how the share of each flag differs, in the order of the flags.

    Raises:
        InputError: The profiles count other flags, one of them is empty, or there are too few units to say anything.
    """
    _check(reference, found)
    count = len(reference.rows)
    pool = _Pool(
        np.concatenate([reference.rows, found.rows]),
        np.concatenate([reference.counts, found.counts]),
        np.concatenate([reference.units, found.units]),
    )
    one = pool.drawn(np.concatenate([np.zeros(count, np.int64), found.units])[None])
    weights = np.array([1.0 if is_group(flag.name) else _OTHER_WEIGHT for flag in flags])
    scores = pool.scores(one)[0]
    if found.units.sum() >= _FEW_UNITS:
        chances = _shuffled(pool, int(found.units.sum()), _weighed(scores, weights), weights, seed)
    else:
        chances, scores = _by_unit(reference, found)
    shares = [np.array(list(each.flagged().values())) / each.total for each in (reference, found)]
    columns = (each.tolist() for each in (*shares, scores, chances))
    return [Change(flag, *values) for flag, *values in zip(flags, *columns, strict=True)]


def _check(reference: Profile, found: Profile) -> None:
    if reference.names != found.names:
        raise InputError(
            "the reference counts other codes or properties than this version of jobmajor and this model: "
            "make it again by `jobmajor monitor baseline`"
        )
    for what, profile in (("reference", reference), ("input", found)):
        if not profile.total:
            raise InputError(f"the {what} has no rows: expected some titles")
    units = [int(profile.units.sum()) for profile in (reference, found)]
    if units[1] < _FEW_UNITS and units[0] < _LEAST_UNITS:
        unit = reference.about.get("unit") or "row"
        raise InputError(
            f"the reference has {units[0]} units ({unit}): expected at least {_LEAST_UNITS}, to tell how much they vary"
        )


@dataclass(frozen=True, slots=True)
class _Pool:
    """The units of both profiles together, as in `Profile`."""

    rows: Counts
    counts: Counts
    units: Counts

    def drawn(self, units: Counts) -> tuple[Floats, Floats]:
        """Return the rows and counts of some units, shapes (draws,) and (draws, flags), for units (draws, lines)."""
        chosen = units.astype(np.float64)
        return chosen @ self.rows.astype(np.float64), chosen @ self.counts.astype(np.float64)

    def scores(self, drawn: tuple[Floats, Floats]) -> Floats:
        """Return z of each flag where these units are compared with all others, shape (draws, flags)."""
        rows, counts = drawn
        all_rows, all_counts = float(self.rows @ self.units), (self.counts * self.units[:, None]).sum(axis=0)
        others, other_counts = all_rows - rows, all_counts - counts
        size = rows * others / all_rows
        difference = _angle(counts, rows[:, None]) - _angle(other_counts, others[:, None])
        found: Floats = 2 * difference * np.sqrt(size[:, None] / self._spread(all_rows, all_counts))
        return found

    def _spread(self, all_rows: float, all_counts: Counts) -> Floats:
        """Return by how much units vary more than independent rows would, at least 1, shape (flags,)."""
        share = all_counts / all_rows
        expected = np.maximum(all_rows * share * (1 - share), 1e-12)
        apart = ((self.counts - self.rows[:, None] * share) ** 2 * self.units[:, None]).sum(axis=0)
        found: Floats = np.maximum(apart / expected, 1.0)
        return found


def _angle(counts: Floats, rows: Floats) -> Floats:
    found: Floats = np.arcsin(np.sqrt((counts + 0.375) / (rows + 0.75)))
    return found


def _weighed(scores: Floats, weights: Floats) -> Floats:
    """Return how much each flag's z counts: fully for a group that grows, by its weight otherwise."""
    found: Floats = np.where(scores > 0, scores * weights, -scores * _OTHER_WEIGHT)
    return found


def _shuffled(pool: _Pool, units: int, found: Floats, weights: Floats, seed: int) -> Floats:
    """Return for each flag how often the largest z of shuffled units is as large as its own, shape (flags,)."""
    rng = np.random.default_rng(seed)
    reached, shuffles = np.zeros(len(found)), 0
    while shuffles < _ALL:
        block = min(_BLOCK, _ALL - shuffles)
        draws = rng.multivariate_hypergeometric(pool.units, units, size=block, method="marginals")
        largest = _weighed(pool.scores(pool.drawn(draws)), weights).max(axis=1)
        reached += (largest[:, None] >= found).sum(axis=0)
        shuffles += block
        if shuffles > _FIRST and (1 + reached.min()) / (1 + shuffles) > _CLEAR:
            break
    chances: Floats = (1 + reached) / (1 + shuffles)
    return chances


def _by_unit(reference: Profile, found: Profile) -> tuple[Floats, Floats]:
    """Return the chance of each flag, and its t, by how much the units of the reference vary."""
    angles = [
        _angle(each.counts.astype(np.float64), each.rows[:, None].astype(np.float64)) for each in (reference, found)
    ]
    sizes = [int(each.units.sum()) for each in (reference, found)]
    means = [
        (angle * each.units[:, None]).sum(axis=0) / size
        for angle, each, size in zip(angles, (reference, found), sizes, strict=True)
    ]
    apart = ((angles[0] - means[0]) ** 2 * reference.units[:, None]).sum(axis=0) / (sizes[0] - 1)
    chance = 0.25 / (found.rows * found.units).sum() * sizes[1]  # the variance of a unit of independent rows
    scores = (means[1] - means[0]) / np.sqrt(np.maximum(apart, chance) * (1 / sizes[0] + 1 / sizes[1]))
    chances: Floats = np.minimum(2 * student.sf(np.abs(scores), sizes[0] - 1) * len(scores), 1.0)
    return chances, scores


def as_json(change: Change, alarms: float = ALARMS, least: float = LEAST_CHANGE) -> dict[str, Any]:
    """Return a change as plain data that fits into JSON."""
    return {
        "flag": change.flag.name,
        "kind": change.flag.kind,
        "meaning": change.flag.meaning,
        "reference": change.reference,
        "found": change.found,
        "difference": change.difference,
        "z": change.z,
        "p": change.p,
        "alarm": change.is_alarm(alarms, least),
    }
