"""Which shares of rows differ between two profiles by more than chance, with a bound on false alarms.

The difference of each flag's share is measured on a scale on which chance is alike for rare and for common flags:
z = 2 (asin √p − asin √q) √(n m / (n + m) / d), with the shares p of n rows and q of m rows, and d, by how much units
vary more than independent rows do. The largest z of all flags is compared with what it is when the units of both
profiles are shuffled. So one chance in 365 of an alarm holds for the whole check, whatever the number of flags and
however much they, or the rows of a unit, belong together.

A group that grows matters most, so its z counts fully if it has at least 2.5 % of all rows; a smaller one that gains
some points shows anyway. All else counts by a factor below 1.

With fewer than eight units on the side that is checked, such as one day, shuffling can't show anything; `by_unit` then
tells the chances.
Source: Westfall & Young (1993), Resampling-Based Multiple Testing. Anscombe (1948), Biometrika 35, 246-254.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobmajor.errors import InputError
from jobmajor.monitor import by_unit
from jobmajor.monitor.by_unit import angle
from jobmajor.monitor.profile import LEAST_CHANGE
from jobmajor.monitor.shape import is_group
from jobmajor.native import library

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
_ALL: Final = 9_999  # shuffles
LEAST_CHANCE: Final = 2 / (1 + _ALL)  # shuffling can't tell smaller ones apart
_CLEAR: Final = 0.05
_OTHER_WEIGHT: Final = 0.8
_USED: Final = 0.85  # of the chance of an alarm; so measured rates stay below the bound instead of around it
_LARGE: Final = 0.025  # the share of a group from which on its growth counts fully
_BLOCK: Final = 500  # shuffles at a time; the first ones end the test where chance alone explains the difference


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
    is_code = np.array([is_group(flag.name) for flag in flags])
    if found.units.sum() >= _FEW_UNITS:
        weights = np.where(is_code & (pool.shares >= _LARGE), 1.0, _OTHER_WEIGHT)
        scores = pool.scores(one)[0]
        chances = _shuffled(pool, int(found.units.sum()), _weighed(scores, weights), weights, seed)
    else:
        is_large = reference.counts.T @ reference.units >= _LARGE * reference.total
        chances, scores = by_unit.chances(reference, found, is_code, is_code & is_large)
    shares = [np.array(list(each.flagged().values())) / each.total for each in (reference, found)]
    columns = (each.tolist() for each in (*shares, scores, np.minimum(chances / _USED, 1.0)))
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

    @property
    def shares(self) -> Floats:
        """The share of all rows with each flag, shape (flags,)."""
        found: Floats = self.counts.T @ self.units / float(self.rows @ self.units)
        return found

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
        difference = angle(counts, rows[:, None]) - angle(other_counts, others[:, None])
        found: Floats = 2 * difference * np.sqrt(size[:, None] / self._spread(all_rows, all_counts))
        return found

    def _spread(self, all_rows: float, all_counts: Counts) -> Floats:
        """Return by how much units vary more than independent rows would, at least 1, shape (flags,)."""
        share = all_counts / all_rows
        expected = np.maximum(all_rows * share * (1 - share), 1e-12)
        apart = ((self.counts - self.rows[:, None] * share) ** 2 * self.units[:, None]).sum(axis=0)
        found: Floats = np.maximum(apart / expected, 1.0)
        return found


def _weighed(scores: Floats, weights: Floats) -> Floats:
    """Return how much each flag's z counts: fully for a group that grows, by its weight otherwise."""
    found: Floats = np.where(scores > 0, scores * weights, -scores * _OTHER_WEIGHT)
    return found


def _shuffled(pool: _Pool, units: int, found: Floats, weights: Floats, seed: int) -> Floats:
    """Return for each flag how often the largest z of shuffled units is as large as its own, shape (flags,)."""
    sizes = [min(_BLOCK, _ALL - first) for first in range(0, _ALL, _BLOCK)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))

    def reached(block: int) -> Counts:
        rng = np.random.default_rng(seeds[block])
        draws = rng.multivariate_hypergeometric(pool.units, units, size=sizes[block], method="marginals")
        largest = _weighed(pool.scores(pool.drawn(draws)), weights).max(axis=1)
        count: Counts = (largest[:, None] >= found).sum(axis=0)
        return count

    total, shuffles = reached(0), sizes[0]
    if (1 + total.min()) / (1 + shuffles) <= _CLEAR:
        with ThreadPoolExecutor(library.cores(), "shuffle") as threads:
            total = total + np.sum(list(threads.map(reached, range(1, len(sizes)))), axis=0)
        shuffles = _ALL
    chances: Floats = (1 + total) / (1 + shuffles)
    return chances


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
