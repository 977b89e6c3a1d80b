"""How fast, how large and how soon ready: each system in fresh processes, on one core, in turn with the others.

What counts are ratios within one run: the machine may be busy or slow, and all systems then have it equally so. No
title is asked for twice in a process, so nothing remembered can look like speed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.summary import family_of
from benchmarks.tables import Table
from jobmajor import soc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from benchmarks.systems import System

TITLES = 200_000
ROUNDS = 3
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "POLARS_MAX", "RAYON")
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Trained:
    """The models of one system, by what they are called, and what they took."""

    names: tuple[str, ...]
    folders: tuple[str, ...]
    levels: frozenset[str]
    fit_s: tuple[float, ...]
    size_bytes: tuple[int, ...]


def distinct(titles: Sequence[str], count: int) -> list[str]:
    """So many different titles: real ones, each with the first word of another before it.

    >>> distinct(["Store Manager", "Nurse"], 2)
    ['Store Nurse', 'Nurse Store Manager']
    """
    words = [title.split()[0] for title in titles if title.split()]
    found: dict[str, None] = {}
    for step in range(1, len(titles)):
        for place in range(len(titles)):
            found[f"{words[(place * 7 + step * 11) % len(words)]} {titles[place]}"] = None
            if len(found) == count:
                return list(found)
    return list(found)


def train(
    systems: Sequence[System], training: pl.DataFrame, validation: pl.DataFrame, root: Path
) -> dict[str, Trained]:
    """Every system trained once and saved below `root`, by the name that stands in the tables.

    A model that stands there already, of the same settings and code, is taken as it is.
    """
    found: dict[str, Trained] = {}
    for system in systems:
        folder, fit_s = _saved(system, training, validation, root)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        name = family_of(system.name)
        before = found.get(name, Trained((), (), frozenset(), (), ()))
        found[name] = Trained(
            (*before.names, system.name),
            (*before.folders, str(folder)),
            before.levels.union(system.levels),
            (*before.fit_s, fit_s),
            (*before.size_bytes, size),
        )
    return found


def _saved(system: System, training: pl.DataFrame, validation: pl.DataFrame, root: Path) -> tuple[Path, float]:
    """The folder with a trained system, and the seconds that training took."""
    identity = json.dumps([system.identity(), len(training), len(validation)], sort_keys=True)
    place = root / hashlib.sha256(identity.encode()).hexdigest()[:32]
    folder, record = place / "model", place / "seconds"
    if not record.is_file():
        shutil.rmtree(place, ignore_errors=True)
        folder.mkdir(parents=True)
        began = time.perf_counter()
        coder = system.fit(training, validation)
        fit_s = time.perf_counter() - began
        coder.save(folder)
        record.write_text(f"{fit_s:.3f}", "ascii")
    return folder, float(record.read_text("ascii"))


def measure(
    trained: Mapping[str, Trained], titles: Sequence[str], report: Callable[[str], None], rounds: int = ROUNDS
) -> dict[str, dict[str, float]]:
    """The median over rounds of every figure, by system; within a round, the systems take turns."""
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for turn in range(rounds):
        for name, every_level in _turns(trained):
            report(f"{name}, {'all levels' if every_level else 'major groups'}, round {turn + 1}")
            for key, value in _worker(trained.get(name), titles, every_level=every_level).items():
                seen[name][f"every_level_{key}" if every_level else key].append(value)
    medians = {name: {key: statistics.median(values) for key, values in found.items()} for name, found in seen.items()}
    for name, models in trained.items():
        medians[name] |= {"fit_s": models.fit_s[0], "size_mb": models.size_bytes[0] / 1e6}
        if models.levels.issuperset(soc.LEVELS):
            medians[name] |= {
                "every_level_fit_s": sum(models.fit_s),
                "every_level_size_mb": sum(models.size_bytes) / 1e6,
            }
    return medians


def _turns(trained: Mapping[str, Trained]) -> Iterator[tuple[str, bool]]:
    yield NOTHING, False
    for every_level in (False, True):
        for name, models in trained.items():
            if not every_level or models.levels.issuperset(soc.LEVELS):
                yield name, every_level


def _worker(models: Trained | None, titles: Sequence[str], *, every_level: bool) -> dict[str, float]:
    """What a fresh process on one core finds; for major groups a system of several models is its first."""
    names, folders = (models.names, models.folders) if models else ((), ())
    kept = len(names) if every_level else 1
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    wanted = {"systems": names[:kept], "folders": folders[:kept], "every_level": every_level, "core": core}
    environment = os.environ | {f"{name}_{'' if 'MAX' in name else 'NUM_'}THREADS": "1" for name in _THREADS}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        file.write("\n".join(titles))
        file.seek(0)
        words = [sys.executable, "-m", "benchmarks.worker", json.dumps(wanted)]
        done = subprocess.run(words, stdin=file, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def tables(found: Mapping[str, Mapping[str, float]]) -> list[Table]:
    """Ratios first, since they carry from machine to machine; then the figures themselves."""
    systems = [name for name in found if name != NOTHING]
    ratios = [
        _row(f"{what}, times {peer}", [_ratio(found, system, peer, key) for system in systems])
        for peer in ("sockit", "svm")
        if peer in found
        for what, key in (("major groups", "titles_per_s"), ("all levels", "every_level_titles_per_s"))
    ]
    rows = [
        _row(head, [_shown(found[system].get(key), form) for system in systems]) for head, (key, form) in _ROWS.items()
    ]
    harness = found.get(NOTHING, {}).get("memory_mb", 0.0)
    return [
        Table("Speed on one core, as ratios (titles a second)", ("ratio", *systems), tuple(ratios)),
        Table(
            f"Speed and size (the benchmark program alone takes {harness:.0f} MB)", ("figure", *systems), tuple(rows)
        ),
    ]


_ROWS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "titles/s, major groups": ("titles_per_s", lambda value: f"{value:,.0f}"),
    "titles/s, all four levels": ("every_level_titles_per_s", lambda value: f"{value:,.0f}"),
    "single title, median": ("single_us", lambda value: f"{value:,.0f} µs"),
    "import and load": ("load_s", lambda value: f"{value:.2f} s"),
    "… and first answer": ("first_answer_s", lambda value: f"{value:.2f} s"),
    "memory when ready, major groups": ("memory_mb", lambda value: f"{value:,.0f} MB"),
    "memory when ready, all levels": ("every_level_memory_mb", lambda value: f"{value:,.0f} MB"),
    "artifact, major groups": ("size_mb", lambda value: f"{value:,.1f} MB"),
    "artifact, all levels": ("every_level_size_mb", lambda value: f"{value:,.1f} MB"),
    "training, major groups": ("fit_s", lambda value: f"{value:,.1f} s"),
    "training, all levels": ("every_level_fit_s", lambda value: f"{value:,.1f} s"),
}


def _row(head: str, cells: Sequence[str]) -> tuple[str, ...]:
    return (head, *cells)


def _ratio(found: Mapping[str, Mapping[str, float]], system: str, peer: str, key: str) -> str:
    rate, base = found[system].get(key), found[peer].get(key)
    return f"{rate / base:.1f}" if rate and base else "–"


def _shown(value: float | None, form: Callable[[float], str]) -> str:
    return "–" if value is None else form(value)
