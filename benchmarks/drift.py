"""`python -m benchmarks.drift`: how fast a drift check is, how often it is wrong, and what it sees.

Three parts, each measured in this run: seconds and memory of a check of a large file; alarms among days and clients
that don't differ; alarms among days on which one group grows. Titles are O*NET's. Nothing that is made is kept.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from rich.console import Console

from jobmajor import settings
from jobmajor.data import examples, onet, source
from jobmajor.monitor import compare, profile
from jobmajor.monitor.observe import Observer
from jobmajor.monitor.shape import is_group, names, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.monitor.profile import Profile
    from jobmajor.monitor.shape import Flag

    Counts = NDArray[np.int64]

_DISTINCT: Final = (0.04, 0.20, 0.41)  # of the rows of a large file; a payroll has few
_SEED: Final = 2027  # choices were made on the streams of other seeds
_CLIENTS, _DAYS, _OF_POOL = 400, 400, 1_000  # that are drawn from, and for how many checks
_DAY: Final = 1_000  # titles
_REFERENCE_DAYS, _REFERENCE_CLIENTS, _CHECKED_CLIENTS = 30, 200, 20
_GROUPS: Final = (0.01, 0.02, 0.05, 0.10, 0.20)
_GAIN: Final = 0.05
_GROUP: Final = "15-0000"


@dataclass(frozen=True, slots=True)
class Population:
    """Titles with their flags, from which days and clients are drawn.

    Attributes:
        flags: The statements.
        marks: int64, (marks, flags); the different sets of flags.
        shares: float64, (marks,); the share of titles that have exactly this set.
        groups: int64, (marks,); the number of the set's major group; -1 where there is none.
    """

    flags: tuple[Flag, ...]
    marks: Counts
    shares: NDArray[np.float64]
    groups: Counts

    @classmethod
    def of(cls, observer: Observer, titles: Sequence[str]) -> Population:
        """Return the population of titles that a model answers."""
        found, counts = np.unique(observer.mark(list(titles)).marks, return_counts=True)
        flags = observer.flags.all
        marks = table(found, len(flags))
        is_code = np.array([is_group(flag.name) for flag in flags])
        groups = np.where(marks[:, is_code].any(axis=1), marks[:, is_code].argmax(axis=1), -1)
        return cls(flags, marks, counts / counts.sum(), groups)

    def units(self, rng: np.random.Generator, sizes: Counts, spread: float) -> Profile:
        """Return units whose mix of major groups differs from the population's; a larger spread means less."""
        count = int(self.groups.max()) + 1
        base = np.array([self.shares[self.groups == group].sum() for group in range(-1, count)])
        mixes = rng.dirichlet(spread * base + 1e-9, size=len(sizes))
        factors = mixes / np.maximum(base, 1e-9)
        drawn = [self._draw(rng, size, each) for size, each in zip(sizes.tolist(), factors, strict=True)]
        return self._profile(sizes, np.stack(drawn))

    def _draw(self, rng: np.random.Generator, size: int, factors: NDArray[np.float64]) -> Counts:
        weights = self.shares * factors[self.groups + 1]
        found: Counts = rng.multinomial(size, weights / weights.sum()) @ self.marks
        return found

    def rows(self, rng: np.random.Generator, size: int, share: float) -> Profile:
        """Return independent rows, a share of which has the group `_GROUP`."""
        is_in = self.groups == [flag.name for flag in self.flags].index(_GROUP)
        within = np.where(is_in, self.shares, 0)
        others = self.shares - within
        weights = share * within / within.sum() + (1 - share) * others / others.sum()
        units = rng.multinomial(size, weights / weights.sum()).astype(np.int64)
        used = np.flatnonzero(units)
        return self._profile(np.ones(len(used), np.int64), self.marks[used], units[used])

    def day(self, rng: np.random.Generator, size: int, share: float) -> Profile:
        """Return such rows as one unit."""
        rows = self.rows(rng, size, share)
        return self._profile(np.array([size]), np.array([list(rows.flagged().values())]))

    def _profile(self, rows: Counts, counts: Counts, units: Counts | None = None) -> Profile:
        units = np.ones(len(rows), np.int64) if units is None else units
        bins = np.zeros(profile.SCORES, np.int64), np.zeros(profile.LENGTHS, np.int64)
        return profile.Profile(names(self.flags), rows, counts, units, *bins, {}, {"kind": profile.TRAFFIC})


def chosen(pool: Profile, rows: NDArray[np.intp]) -> Profile:
    """Return some units of a pool, a profile with a line for each unit."""
    units, bins = np.ones(len(rows), np.int64), (pool.confidence, pool.lengths)
    return profile.Profile(pool.names, pool.rows[rows], pool.counts[rows], units, *bins, {}, pool.about)


def is_alarm(reference: Profile, found: Profile, flags: Sequence[Flag], seed: int) -> bool:
    """Tell whether a check finds a violation."""
    return any(change.is_alarm() for change in compare.compare(reference, found, flags, seed=seed))


def null(population: Population, kind: str, trials: int, limit_s: float) -> tuple[int, int]:
    """Return the alarms, and the checks, of units that are drawn from the same pool: nothing differs.

    There is a new pool for each 1,000 checks, since one unusual unit of a pool gives all alarms of its checks.

    Args:
        population: The titles.
        kind: "days": one of 1,000 titles is compared with 30. "clients": 20, of 20 to 500 titles each, with 200.
        trials: Checks at most.
        limit_s: Seconds at most.
    """
    rng, begun, alarms, done = np.random.default_rng(_SEED), time.monotonic(), 0, 0
    is_days = kind == "days"
    sizes = np.full(_DAYS, _DAY) if is_days else rng.integers(20, 500, _CLIENTS)
    split, total = (_REFERENCE_DAYS, 31) if is_days else (_REFERENCE_CLIENTS, _REFERENCE_CLIENTS + _CHECKED_CLIENTS)
    while done < trials and time.monotonic() - begun < limit_s:
        if done % _OF_POOL == 0:
            pool = population.units(rng, sizes, 300 if is_days else 20)
        drawn = rng.choice(len(sizes), total, replace=False)
        alarms += is_alarm(chosen(pool, drawn[:split]), chosen(pool, drawn[split:]), population.flags, done)
        done += 1
    return alarms, done


def power(population: Population, share: float, trials: int, *, is_unit: bool) -> float:
    """Return the share of days with an alarm, on which a group of this share gains 5 points.

    Args:
        population: The titles.
        share: Of the group.
        trials: Days.
        is_unit: Whether a day is one unit; else its titles are independent rows.
    """
    rng, alarms = np.random.default_rng(_SEED), 0
    for trial in range(trials):
        if is_unit:
            days = [population.day(rng, _DAY, share) for _ in range(_REFERENCE_DAYS)]
            reference = chosen(_joined(days), np.arange(_REFERENCE_DAYS))
            found = population.day(rng, _DAY, share + _GAIN)
        else:
            reference = population.rows(rng, _REFERENCE_DAYS * _DAY, share)
            found = population.rows(rng, _DAY, share + _GAIN)
        alarms += is_alarm(reference, found, population.flags, trial)
    return alarms / trials


def _joined(parts: Sequence[Profile]) -> Profile:
    first = parts[0]
    rows, counts, units = (
        np.concatenate(list(column)) for column in zip(*[_arrays(part) for part in parts], strict=True)
    )
    return profile.Profile(first.names, rows, counts, units, first.confidence, first.lengths, {}, first.about)


def _arrays(part: Profile) -> tuple[Counts, Counts, Counts]:
    return part.rows, part.counts, part.units


def write(path: Path, titles: Sequence[str], rows: int, share: float) -> int:
    """Write a table of titles, of which about this share are different, and return how many are."""
    rng, seen = random.Random(2), set[str]()  # noqa: S311 - no secret
    known = rng.sample(titles, min(len(titles), int(share * rows)))
    longer = share - len(known) / rows
    with path.open("w", encoding="utf-8") as file:
        file.write("title\n")
        for row in range(rows):
            title = rng.choice(known).replace('"', "")
            text = f"{title} - unit {row}" if rng.random() < longer else title
            seen.add(text)
            file.write(f'"{text}"\n')
    return len(seen)


def timed(words: Sequence[str]) -> tuple[float, float, float]:
    """Return the seconds of a command of jobmajor, those of a processor, and the megabytes that it takes at most."""
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "jobmajor", *words], stdout=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    return time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def speed(titles: Sequence[str], home: Path, sizes: Sequence[int]) -> list[tuple[int, int, float, float, float]]:
    """Return rows, different titles, and what `timed` says of checks of files of these sizes."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference, where = folder / "reference.json", ["--home", str(home)]
        write(folder / "first.csv", titles, 100_000, max(_DISTINCT))
        timed(["monitor", "baseline", str(folder / "first.csv"), "--output", str(reference), *where])
        for rows, share in product(sizes, _DISTINCT):
            path = folder / f"{rows}.csv"
            distinct = write(path, titles, rows, share)
            words = ["monitor", "check", str(path), "--against", str(reference), "--output", str(folder / "out")]
            found.append((rows, distinct, *timed([*words, *where])))
            path.unlink()
    return found


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a workspace with a champion; else JOBMAJOR_HOME")
    parser.add_argument("--data", type=Path, help="a folder with O*NET's files; without it release 28.1 is taken")
    parser.add_argument("--trials", type=int, default=10_000, help="of each kind of null check, at most")
    parser.add_argument("--days", type=int, default=1_000, help="for each point of the power curve")
    parser.add_argument("--minutes", type=float, default=10, help="for each kind of null check, at most")
    parser.add_argument("--rows", type=int, nargs="*", default=[250_000, 1_000_000], help="sizes of the large files")
    given, say = parser.parse_args(), Console(soft_wrap=True).print
    home = settings.home(given.home)
    tables = onet.read_source(source.resolve("28.1", home, data=given.data))
    titles = sorted(set(examples.build(tables)["title"].to_list()))
    for rows, distinct, seconds, busy, megabytes in speed(titles, home, given.rows):
        took = f"{seconds:.1f} s, of them {busy:.1f} s of a processor, {megabytes:,.0f} MB"
        say(f"check of {rows:,} rows, {distinct:,} different titles: {took}")
    population = Population.of(Observer.load(home=home), titles)
    for kind in ("days", "clients"):
        begun = time.monotonic()
        alarms, done = null(population, kind, given.trials, 60 * given.minutes)
        each_ms = 1000 * (time.monotonic() - begun) / max(done, 1)
        say(f"null {kind}: {alarms} alarms in {done:,} checks ({each_ms:.0f} ms each)")
    for share in _GROUPS:
        caught = [power(population, share, given.days, is_unit=is_unit) for is_unit in (False, True)]
        text = f"{100 * caught[0]:.1f} % of days as rows, {100 * caught[1]:.1f} % of days as units"
        say(f"a group of {100 * share:g} % that gains 5 points: {text}")


if __name__ == "__main__":
    main()
