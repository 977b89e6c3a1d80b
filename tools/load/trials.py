"""The four trials: below capacity, far above it, while models swap, and while it is told to end.

Each gives figures, by name; what they should be stands in `goals`. All loads come from this process, and the service is
another one, so they share the machine's processors: capacity here is less than the service has alone.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.load import client
from tools.load.client import Load, Outcome, request, share
from tools.load.service import Place, Process, started

from jobmajor.model import classifier
from jobmajor.model.answers import Answer
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Figures = dict[str, float]
_TITLES = (
    "registered nurse",
    "sr. software engineer",
    "welder",
    "truck driver cdl",
    "head of happiness",
    "zzqx",
    "cook",
)
_COUNTS = (1, len(_TITLES))  # of titles, while models swap: the loop scores the one, the thread the others
_K = 3
_LOOK_S = 0.005
_MANY = (
    200  # titles of each request in the trial of overload: fewer are as much work for this process as for the service
)
_RECOVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long each trial lasts; the usual ones are those of the goals."""

    steady_s: float = 600.0
    overload_s: float = 120.0
    swaps: int = 1000
    ends: int = 200
    measure_s: float = 10.0
    warm_s: float = 2.0


def asked(each: int = 1, kinds: int = 97) -> list[bytes]:
    """Requests of so many titles, of some kinds."""
    names = [f"{_TITLES[number % len(_TITLES)]} {number % 13}" for number in range(kinds)]
    bodies = ([names[(number + place) % kinds] for place in range(each)] for number in range(kinds))
    return [request(json.dumps({"instances": body}).encode()) for body in bodies]


def _run(load: Load) -> list[Outcome]:
    return asyncio.run(client.ask(load))


def _answered(outcomes: Sequence[Outcome], until_s: float = float("inf")) -> list[Outcome]:
    return [each for each in outcomes if each.status == 200 and each.at_s <= until_s]


def capacity(process: Process, requests: Sequence[bytes], sizes: Sizes) -> float:
    """Answers a second to clients that each wait for one before they ask again: the most of three numbers of them."""
    found, seconds = [], sizes.measure_s / 3
    for connections in (8, 24, 64):
        _run(Load(process.port, requests, sizes.warm_s / 4, connections=connections))
        done = _run(Load(process.port, requests, seconds, connections=connections))
        found.append(len(_answered(done, seconds)) / seconds)
    return max(found)


def steady(place: Place, sizes: Sizes) -> Figures:
    """At 80 % of capacity: errors, latency, memory."""
    requests = asked()
    with started(place) as process:
        most = capacity(process, requests, sizes)
        _run(Load(process.port, requests, sizes.warm_s, rate=0.8 * most))
        before = process.memory_mb()
        found = _run(Load(process.port, requests, sizes.steady_s, rate=0.8 * most))
        grown = process.memory_mb() - before
    waits = [each.wait_s for each in _answered(found)]
    return {
        "requests": len(found),
        "capacity_per_s": most,
        "errors": len(found) - len(waits),
        "p50_ms": 1000 * share(waits, 0.5),
        "p99_ms": 1000 * share(waits, 0.99),
        "p99_by_p50": share(waits, 0.99) / max(share(waits, 0.5), 1e-9),
        "memory_grown_mb": grown,
    }


def overload(place: Place, sizes: Sizes) -> Figures:
    """At five times capacity: what is still answered, how fast it says no, health, and recovery."""
    requests = asked(_MANY)
    with started(place) as process:
        _run(Load(process.port, requests, sizes.warm_s))
        most = capacity(process, requests, sizes)
        found, health = asyncio.run(_flooded(process, Load(process.port, requests, sizes.overload_s, 5 * most, 512)))
        after = _recovered(process, requests, most)
    refused = [each for each in found if each.status in (429, 503)]
    return {
        "requests": len(found),
        "capacity_per_s": most,
        "goodput_share": len(_answered(found, sizes.overload_s)) / sizes.overload_s / max(most, 1e-9),
        "refused": len(refused),
        "refused_without_retry_after": sum(not each.retry_after for each in refused),
        "refused_p50_ms": 1000 * share([each.sent_s for each in refused], 0.5),
        "refused_p99_ms": 1000 * share([each.sent_s for each in refused], 0.99),
        "other_outcomes": sum(each.status not in (200, 429, 503) for each in found),
        "pings": len(health),
        "pings_failed": sum(each.status != 200 for each in health),
        "recovery_s": after,
    }


async def _flooded(process: Process, load: Load) -> tuple[list[Outcome], list[Outcome]]:
    found, health = await asyncio.gather(client.ask(load), client.health(process.port, load.seconds))
    return found, health


def _recovered(process: Process, requests: Sequence[bytes], most: float) -> float:
    """Seconds until half a second of half the capacity goes by without a refusal."""
    began = time.monotonic()
    while time.monotonic() - began < 4 * _RECOVERY_S:
        found = _run(Load(process.port, requests, 0.5, rate=most / 2))
        if len(_answered(found)) == len(found):
            return time.monotonic() - began - 0.5
    return float("inf")


def swaps(place: Place, others: Sequence[Path], sizes: Sizes) -> Figures:
    """While models swap under load: failures, and answers that are not those of the model that they name.

    `place.model` is a link to one of the `others`, and what the service looks at; each has its own answers.
    """
    bodies = [json.dumps({"instances": [*_TITLES[:count]], "parameters": {"top_k": _K}}).encode() for count in _COUNTS]
    expected = {manifest.read(other).digest: _answers(other) for other in others}
    with started(place) as process:
        requests = [request(body) for body in bodies]
        load = Load(process.port, requests, 30 + 5 * sizes.swaps, rate=50, check=lambda found: _fits(found, expected))
        done, models = asyncio.run(_swapped(place, others, load, sizes.swaps))
    return {
        "requests": len(done),
        "swaps": len(models),
        "failed": sum(each.status != 200 for each in done),
        "mixed": sum(not each.is_right for each in done),
        "models": len({*models} & {*expected}),
    }


Expected = dict[str, list[list[Answer]]]


def _answers(folder: Path) -> list[list[Answer]]:
    """What a model answers to each title, asked here and not through the service."""
    return [[*each.answers] for each in classifier.load(folder).answer(_TITLES, k=_K)]


def _fits(answer: bytes, expected: Expected) -> bool:
    """Whether the codes are those of the named model, and the scores as near as batches of other sizes allow."""
    found = json.loads(answer)
    given = found["predictions"]
    known = expected.get(found["model"], [])[: len(given)]
    ours = [item for each in known for item in each]
    theirs = [item for each in given for item in each]
    if len(given) not in _COUNTS or len(known) != len(given) or len(ours) != len(theirs):
        return False
    return all(a.label == b["label"] and abs(a.score - b["score"]) < 1e-4 for a, b in zip(ours, theirs, strict=True))


def _point(link: Path, target: Path) -> None:
    step = link.with_name(link.name + ".next")
    step.symlink_to(target)
    step.replace(link)


async def _swapped(place: Place, others: Sequence[Path], load: Load, wanted: int) -> tuple[list[Outcome], list[str]]:
    """The outcomes of a load that lasts for so many swaps, and which model was seen after each swap.

    Answers of the model before may still come after the first of the next one.
    """
    over = asyncio.Event()
    seen: set[str] = set()
    models: list[str] = []

    def look(body: bytes) -> bool:
        seen.add(json.loads(body)["model"])
        return load.check(body)

    async def turn() -> None:
        async with asyncio.timeout(load.seconds):
            while not seen:
                await asyncio.sleep(_LOOK_S)
            for number in range(1, wanted + 1):
                expected = manifest.read(others[number % len(others)]).digest
                seen.clear()
                _point(place.model, others[number % len(others)])
                while expected not in seen:
                    await asyncio.sleep(_LOOK_S)
                models.append(expected)
        over.set()

    shown = Load(load.port, load.requests, load.seconds, load.rate, check=look, stops=over.is_set)
    found, _ = await asyncio.gather(client.ask(shown), turn())
    return found, models


def ends(place: Place, sizes: Sizes, tell: Callable[[int], None] = lambda _: None) -> Figures:
    """While it is told to end, again and again: requests that it had taken and did not answer."""
    rng = random.Random(2140)  # noqa: S311 - moments
    total: Figures = {"ends": 0, "requests": 0, "lost": 0, "refused_status": 0, "unclean_exits": 0}
    for number in range(sizes.ends):
        with started(place) as process:
            rate = 200.0 if number % 2 else 0.0  # with connections that wait between two requests, and without
            found = asyncio.run(_ended(process, rate, rng.uniform(0.1, 0.6)))
            total["unclean_exits"] += process.status() != 0
        total["ends"] += 1
        total["requests"] += len(_answered(found))
        total["lost"] += sum(each.why == "lost" for each in found)
        total["refused_status"] += sum(each.status not in (0, 200) for each in found)
        tell(number + 1)
    return total


async def _ended(process: Process, rate: float, after_s: float) -> list[Outcome]:
    """Clients that ask on through SIGTERM, until nobody listens any more."""

    async def end() -> None:
        await asyncio.sleep(after_s)
        process.terminate()

    load = Load(process.port, asked(), 60, rate, connections=8, stops=lambda: process.popen.poll() is not None)
    found, _ = await asyncio.gather(client.ask(load), end())
    return found
