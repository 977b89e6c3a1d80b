"""`python -m benchmarks.capacity`: the highest steady rate of single titles that the service answers in time.

Capacity is the highest rate of requests of one title each, sent at that rate whether or not answers come, at which all
are answered and 99 in 100 of them within 50 ms. Clients that wait for an answer before they ask again would slow down
with the service, and find a rate at which others already wait for half a second.

The clients keep to processors of their own, and the service to the others. Beside each figure stands how much of the
service's processors other programs took meanwhile: on a shared machine, a curve says little without it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from tools.load.client import Load, ask, share
from tools.load.service import Place, Process, started
from tools.load.trials import asked

from benchmarks.tables import Table, to_terminal
from jobmajor import settings
from jobmajor.errors import Error
from jobmajor.registry import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WITHIN_MS = 50.0
_FIRST, _FACTOR, _HALVINGS = 100.0, 1.3, 3
_WARM_S = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """What was measured at one rate.

    Attributes:
        workers: As `jobmajor serve --workers`.
        rate: Requests a second.
        answered: The share that was answered with 200.
        p50_ms: What half of them waited at most, from the time that they were due.
        p99_ms: What 99 in 100 waited at most.
        processor_us: Processor time of the service for each request, of all its processes.
        others: The share of the service's processors that other programs took, 0 to 1.
    """

    workers: int
    rate: float
    answered: float
    p50_ms: float
    p99_ms: float
    processor_us: float
    others: float

    @property
    def is_held(self) -> bool:
        """Whether the service held the rate."""
        return self.answered == 1.0 and self.p99_ms < WITHIN_MS


@dataclass(frozen=True, slots=True)
class Processors:
    """Which processors the service has, and which its clients have; the same where there is only one."""

    service: frozenset[int]
    clients: frozenset[int]

    @classmethod
    def split(cls, clients: int) -> Processors:
        """Give the last `clients` of the allowed processors to the clients, and leave at least one to the service."""
        allowed = sorted(os.sched_getaffinity(0))
        kept = min(clients, len(allowed) - 1)
        if kept < 1:
            return cls(frozenset(allowed), frozenset(allowed))
        return cls(frozenset(allowed[:-kept]), frozenset(allowed[-kept:]))


def climb(measure: Callable[[float], Step], first: float = _FIRST) -> list[Step]:
    """Measure at rising rates until one is not held, then halve the gap; the steps in order of their rates.

    >>> steps = climb(lambda rate: Step(1, rate, 1.0, 1.0, 60.0 if rate > 150 else 20.0, 400.0, 0.0))
    >>> round(capacity(steps)) in range(140, 151)
    True
    """
    steps = [measure(first)]
    while steps[-1].is_held:
        steps.append(measure(steps[-1].rate * _FACTOR))
    low, high = (steps[-2].rate if len(steps) > 1 else 0.0), steps[-1].rate
    for _ in range(_HALVINGS):
        steps.append(measure((low + high) / 2))
        low, high = (steps[-1].rate, high) if steps[-1].is_held else (low, steps[-1].rate)
    return sorted(steps, key=lambda step: step.rate)


def capacity(steps: Sequence[Step]) -> float:
    """Return the highest rate that was held, 0 if none was."""
    return max((step.rate for step in steps if step.is_held), default=0.0)


@contextmanager
def _opened(place: Place, processors: Processors) -> Iterator[Process]:
    """A service on its processors, while this process keeps to the clients'."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors.service)
    try:
        with started(place) as process:
            os.sched_setaffinity(0, processors.clients)
            yield process
    finally:
        os.sched_setaffinity(0, before)


def step(process: Process, workers: int, rate: float, seconds: float, processors: frozenset[int]) -> Step:
    """Measure one rate."""
    requests = asked()
    asyncio.run(ask(Load(process.port, requests, _WARM_S, rate=rate)))
    spent, busy, began = process.processor_s(), _busy_s(processors), time.perf_counter()
    found = asyncio.run(ask(Load(process.port, requests, seconds, rate=rate)))
    took, own = time.perf_counter() - began, process.processor_s() - spent
    others = (_busy_s(processors) - busy - own) / (took * len(processors))
    waits = [1000 * each.wait_s for each in found if each.status == 200]
    answered = len(waits) / max(len(found), 1)
    each_us = 1e6 * own / max(len(found), 1)
    return Step(workers, rate, answered, share(waits, 0.5), share(waits, 0.99), each_us, min(max(others, 0.0), 1.0))


def _busy_s(processors: frozenset[int]) -> float:
    """Seconds that these processors have worked so far, for anything."""
    total = 0
    for line in Path("/proc/stat").read_text("ascii").splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in processors:
            user, nice, system, _, _, interrupts, soft, stolen = map(int, fields[:8])
            total += user + nice + system + interrupts + soft + stolen
    return total / os.sysconf("SC_CLK_TCK")


def table(steps: Sequence[Step]) -> Table:
    """Return the curve."""
    heads = ("workers", "requests/s", "p50 in ms", "p99 in ms", "answered", "µs of processor each", "others' share")
    rows = tuple(
        (
            str(each.workers),
            f"{each.rate:,.0f}",
            f"{each.p50_ms:.1f}",
            f"{each.p99_ms:.1f}",
            f"{each.answered:.1%}",
            f"{each.processor_us:.0f}",
            f"{each.others:.0%}",
        )
        for each in steps
    )
    return Table("Requests of one title at a steady rate", heads, rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--workers", default="1,2", help="some numbers of workers")
    parser.add_argument("--rates", default="", help="measure these rates only, instead of looking for the capacity")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each rate")
    parser.add_argument("--clients", type=int, default=1, help="processors of the clients; the service has the others")
    parser.add_argument("--model", type=Path, help="a model's folder; else the workspace's champion")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def _curve(place: Place, wanted: argparse.Namespace, processors: Processors) -> list[Step]:
    with _opened(place, processors) as process:

        def measured(rate: float) -> Step:
            sys.stderr.write(f"{place.workers} workers, {rate:,.0f} requests/s\n")
            return step(process, place.workers, rate, wanted.seconds, processors.service)

        rates = [float(text) for text in wanted.rates.split(",") if text]
        return [measured(rate) for rate in rates] if rates else climb(measured)


def main() -> int:
    """Measure and print."""
    wanted = _parser().parse_args()
    processors = Processors.split(wanted.clients)
    try:
        model = loading.find(wanted.model, settings.home())
    except Error as error:
        sys.stderr.write(f"{error}\n")
        return 2
    curves = {number: _curve(Place(model, workers=number), wanted, processors) for number in _numbers(wanted.workers)}
    if wanted.json:
        found = {number: [asdict(each) for each in steps] for number, steps in curves.items()}
        sys.stdout.write(json.dumps({"capacity": {n: capacity(s) for n, s in curves.items()}, "steps": found}) + "\n")
        return 0
    console = Console(width=None if sys.stdout.isatty() else 120)
    to_terminal([table([each for steps in curves.values() for each in steps])], console)
    console.print(f"the service's processors: {sorted(processors.service)}, the clients': {sorted(processors.clients)}")
    for number, steps in curves.items():
        console.print(f"capacity with {number} workers: {capacity(steps):,.0f} requests/s, p99 below {WITHIN_MS:g} ms")
    return 0


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
