"""`python -m benchmarks`: everything, or with a command one part of it."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import Progress

from benchmarks import bulk, cells, document, labels, named, outside, retrain, service, speed, tables
from benchmarks.minilm import MINILM
from benchmarks.peers import PEERS
from benchmarks.protocols import PROTOCOLS, draw
from benchmarks.summary import table
from benchmarks.systems import OURS
from benchmarks.tables import Table
from jobmajor import settings
from jobmajor.data import onet as onet_tables
from jobmajor.data import source
from jobmajor.errors import Error, InputError
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.systems import System
    from jobmajor.data.onet import Tables

_QUICK = (OURS, *PEERS)
_ALL = (*_QUICK, MINILM)
_Name = TypeVar("_Name", bound=str)
_SPEED_SEED = 2140
_COMMANDS = {
    "all": "every figure, and docs/benchmarks.md; what runs without a command",
    "accuracy": "how good the answers are: every system, protocol and seed",
    "speed": "titles a second on one core, start, memory, artifact and training",
    "service": "answers over HTTP, beside a textbook's service and sockit's command line",
    "bulk": "a table of 10 million titles, from file to file, with every processor",
    "outside": "how good the answers are on titles that nobody made for O*NET, and docs/outside.md",
    "named": "codes that training never saw, told to the model by name, and docs/new-codes.md",
    "labels": "what 200 labels of a register gain on the rest: chosen by value, or at random",
    "digest": "20 trainings over thread counts and hash seeds: one digest?",
}


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--systems", default="all", help=f"some of {','.join(system.name for system in _ALL)}")
    shared.add_argument("--slow", action="store_true", help="all systems: minilm, too, which trains for long")
    shared.add_argument("--data", type=Path, help="a folder with O*NET's files; without it release 28.1 is taken")
    shared.add_argument("--earlier", type=Path, help="for `outside`: a folder with an earlier release of O*NET")
    shared.add_argument("--external", type=Path, help="for `outside`, `labels`: a folder with the files from outside")
    shared.add_argument("--json", action="store_true", help="print the figures as JSON")
    shared.add_argument("--protocols", default="all", help=f"some of {','.join(PROTOCOLS)}")
    shared.add_argument("--seeds", default="", help="of the splits; else five for development, or five for tests")
    shared.add_argument("--final", action="store_true", help="look at the tests; each look is logged")
    shared.add_argument("--details", action="store_true", help="print every table instead of the headlines")
    shared.add_argument("--runs", type=int, default=20, help="how many trainings `digest` makes")
    shared.add_argument("--rows", type=int, default=bulk.ROWS, help="of the table of `bulk`; a fifth are different")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, parents=[shared])
    parser.add_argument("command", nargs="?", default="all", choices=_COMMANDS, help=_commands())
    return parser


def _commands() -> str:
    return "; ".join(f"{name}: {what}" for name, what in _COMMANDS.items())


@contextmanager
def _telling(task: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
    """To be told what begins: shown on a terminal, silent in a pipe."""
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        bar = progress.add_task(task, total=total)
        yield lambda name: progress.update(bar, description=f"{task}: {name}", advance=1)


def _plan(wanted: argparse.Namespace) -> cells.Plan:
    protocols = _chosen(wanted.protocols, PROTOCOLS, "protocols")
    return cells.Plan(_systems(wanted), protocols, _seeds(wanted), wanted.final)


def _workplace() -> Path:
    return settings.home() / "bench"


def _accuracy(plan: cells.Plan, release: Tables) -> list[dict[str, Any]]:
    with _telling("accuracy", plan.size) as report:
        return cells.measure(plan, release, _workplace() / "cells", report)


def _speed(plan: cells.Plan, release: Tables) -> dict[str, dict[str, float]]:
    parts = draw(release, "family", _SPEED_SEED)
    titles = speed.distinct(parts.train["title"].unique(maintain_order=True).to_list(), speed.TITLES)
    with _telling("speed") as report:
        report("training")
        trained = speed.train(plan.systems, parts.train, parts.validation, _workplace() / "models")
        return speed.measure(trained, titles, report)


def _service(release: Tables) -> service.Found:
    parts = draw(release, "family", _SPEED_SEED)
    titles = parts.train["title"].unique(maintain_order=True).to_list()[:5000]
    with _telling("service") as report:
        report("training")
        (folder,) = speed.train([OURS], parts.train, parts.validation, _workplace() / "models")[OURS.name].folders
        return service.measure(Path(folder), titles, report)


def _bulk(rows: int, release: Tables) -> tuple[dict[str, dict[str, dict[str, float]]], list[Table]]:
    parts = draw(release, "family", _SPEED_SEED)
    titles = speed.distinct(parts.train["title"].unique(maintain_order=True).to_list(), rows // 5)
    size = bulk.Size(rows, len(titles))
    with _telling("bulk") as report:
        report("training")
        trained = speed.train(bulk.SYSTEMS, parts.train, parts.validation, _workplace() / "models")
        found = bulk.measure(trained, titles, size, report)
    return found, bulk.tables(found, size)


def _digest(runs: int, release: Tables) -> tuple[dict[str, Any], Table]:
    with _telling("digest", runs) as report:
        found = retrain.digests(draw(release, "family", _SPEED_SEED), report, runs)
    different = sorted({run.digest for run in found})
    rows = tuple((str(run.threads), str(run.hash_seed), run.digest[:16]) for run in found)
    title = f"{len(found)} trainings, {len(different)} digest{'s' if len(different) > 1 else ''}"
    return {"trainings": len(found), "digests": different}, Table(title, ("threads", "hash seed", "digest"), rows)


def _outside(wanted: argparse.Namespace) -> int:
    given = {"--data": wanted.data, "--earlier": wanted.earlier, "--external": wanted.external}
    if lacking := [name for name, folder in given.items() if folder is None]:
        raise InputError(f"outside lacks {' and '.join(lacking)}: name the folders of two releases and of the files")
    with _telling("outside") as report:
        found = outside.measure(outside.Folders(wanted.earlier, wanted.data, wanted.external), report)
    shown = outside.tables(found)
    publish.write_file(outside.PATH, outside.text(shown).encode())
    _show(found, shown, as_json=wanted.json)
    return 0


def _named(wanted: argparse.Namespace) -> int:
    release, seeds = _release(wanted.data), _seeds(wanted)
    if wanted.final:
        cells.log_look(cells.LOOKS, cells.Plan([OURS], ["occupation"], seeds, final=True), "occupation")
    with _telling("named", len(seeds)) as report:
        found = named.measure(release, seeds, report, final=wanted.final)
    shown = named.tables(found)
    if wanted.final:
        publish.write_file(named.PATH, named.text(found, shown).encode())
    _show(found, shown, as_json=wanted.json)
    return 0


def _labels(wanted: argparse.Namespace) -> int:
    if wanted.external is None:
        raise InputError("labels lacks --external: name the folder of the files from outside")
    seeds = _seeds(wanted)
    with _telling("labels", 1 + 2 * len(labels.ARMS) * len(seeds)) as report:
        found = labels.measure(_release(wanted.data), wanted.external, seeds, report)
    _show(found, labels.tables(found), as_json=wanted.json)
    return 0


_PAGES = {"outside": _outside, "named": _named, "labels": _labels}


def _release(data: Path | None) -> Tables:
    found = source.resolve("auto" if data else "28.1", settings.home(), data=data)
    return onet_tables.read(found.folder)


def _systems(wanted: argparse.Namespace) -> list[System]:
    """Those named that can run here; what can't is said."""
    by_name = {system.name: system for system in _ALL}
    if wanted.systems == "all":
        chosen: list[System] = list(_ALL if wanted.slow else _QUICK)
    else:
        chosen = [by_name[name] for name in _chosen(wanted.systems, tuple(by_name), "systems")]
    for system in chosen:
        if sentence := system.missing():
            sys.stderr.write(f"{sentence}\n")
    return [system for system in chosen if not system.missing()]


def _chosen(names: str, known: Sequence[_Name], what: str) -> list[_Name]:
    place = {str(name): name for name in known}
    wanted = list(place) if names == "all" else names.split(",")
    for name in wanted:
        if name not in place:
            raise InputError(f"--{what} has {name!r}: expected some of {','.join(place)}")
    return [place[name] for name in wanted]


def _seeds(wanted: argparse.Namespace) -> tuple[int, ...]:
    usual = cells.FINAL_SEEDS if wanted.final else cells.DEVELOPMENT_SEEDS
    try:
        return tuple(int(seed) for seed in wanted.seeds.split(",")) if wanted.seeds else usual
    except ValueError:
        raise InputError(f"--seeds has {wanted.seeds!r}: expected whole numbers with a comma between") from None


def main() -> int:
    """Run what the command line asks for; 1 where retraining gave different digests."""
    wanted = _parser().parse_args()
    if wanted.command in _PAGES:
        return _PAGES[wanted.command](wanted)
    plan, release = _plan(wanted), _release(wanted.data)
    figures: dict[str, Any] = {}
    brief: list[Table] = []
    full: list[Table] = []
    if wanted.command in ("all", "speed"):
        figures["speed"] = _speed(plan, release)
        brief = speed.tables(figures["speed"])
    if wanted.command in ("all", "service"):
        figures["service"] = _service(release)
        brief += service.tables(figures["service"])
    if wanted.command in ("all", "bulk"):
        figures["bulk"], shown = _bulk(wanted.rows, release)
        brief += shown
    if wanted.command in ("all", "accuracy"):
        results = _accuracy(plan, release)
        figures["accuracy"] = table(results)
        brief, full = [tables.headlines(results), *brief], tables.accuracy(results)
    if wanted.command in ("all", "digest"):
        figures["digest"], runs = _digest(wanted.runs, release)
        brief.append(runs)
    if wanted.command == "all":
        publish.write_file(document.PATH, document.text(plan, [*brief, *full], release.release).encode())
    _show(figures, [*brief, *full] if wanted.details else brief, as_json=wanted.json)
    return int(len(figures.get("digest", {}).get("digests", ())) > 1)


def _show(figures: dict[str, Any], shown: Sequence[Table], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    else:
        tables.to_terminal(shown, Console() if sys.stdout.isatty() else Console(width=200))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Error as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2 if isinstance(error, InputError) else 1)
