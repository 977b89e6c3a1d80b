"""`python -m benchmarks.attacks`: hostile clients against a real service, and what honest ones notice of them.

Each attack runs in a process of its own against a fresh service. Meanwhile, this process asks for one title after
another as an honest client does, and looks at the service's memory. Printed are how much the memory grew at most, and
how long honest requests took. An attack is lost if memory grows by more than 50 MB, if an honest request is refused, or
if one in a hundred of them takes more than 100 ms.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.load.client import share
from tools.load.service import Place, Process, started

from benchmarks.hostile import ATTACKS, HONEST, send_mutations
from jobmajor import settings
from jobmajor.errors import Error
from jobmajor.registry import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_GROWTH_MB, MAX_P99_MS = 50.0, 100.0
MUTATIONS = "mutated requests"
_SEED, _SENDERS = 2140, 4  # of mutated requests
_WARM_S = 2.0


@dataclass(frozen=True, slots=True)
class Amount:
    """The seconds of attacks without an end, and how many mutated requests are sent."""

    seconds: float
    mutations: int


def _ask(port: int) -> tuple[float, bool]:
    """Return the milliseconds of an honest request on a new connection, and whether it was answered."""
    began = time.perf_counter()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request("POST", "/invocations", HONEST, {"Content-Type": "application/json"})
        answer = client.getresponse()
        answer.read()
        is_answered = answer.status == 200
    except OSError:
        is_answered = False
    finally:
        client.close()
    return 1000 * (time.perf_counter() - began), is_answered


def _targets(name: str, port: int, amount: Amount) -> list[tuple[Callable[..., None], tuple[Any, ...]]]:
    """Return what each process of an attack calls, and with what."""
    if name != MUTATIONS:
        return [(ATTACKS[name], (port, amount.seconds))]
    each = amount.mutations // _SENDERS
    return [(send_mutations, (port, each, _SEED + number)) for number in range(_SENDERS)]


def measure(process: Process, name: str, amount: Amount) -> dict[str, Any]:
    """Return what honest requests and the memory of a service show during one attack."""
    warm = time.monotonic() + _WARM_S
    while time.monotonic() < warm:
        _ask(process.port)
    before = peak = process.memory_mb()
    attacks = [
        multiprocessing.get_context("spawn").Process(target=target, args=given)
        for target, given in _targets(name, process.port, amount)
    ]
    for each in attacks:
        each.start()
    asked = []
    while any(each.is_alive() for each in attacks):
        asked.append(_ask(process.port))
        peak = max(peak, process.memory_mb())
        time.sleep(0.01)
    for each in attacks:
        each.join()
    times = [each for each, _ in asked]
    found = {
        "attack": name,
        "growth_mb": round(peak - before, 1),
        "honest": len(asked),
        "refused": sum(not is_answered for _, is_answered in asked),
        "p50_ms": round(share(times, 0.5), 1),
        "p99_ms": round(share(times, 0.99), 1),
    }
    is_held = (
        not any(each.exitcode for each in attacks)
        and found["growth_mb"] <= MAX_GROWTH_MB
        and not found["refused"]
        and found["p99_ms"] <= MAX_P99_MS
    )
    return {**found, "held": is_held}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the attacks; return 1 if one of them was not held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("--model", type=Path, help="a model's folder; without it, the workspace's champion")
    names = [*ATTACKS, MUTATIONS]
    parser.add_argument("--only", action="append", choices=names, help="an attack; may be repeated")
    parser.add_argument("--mutations", type=int, default=5000, help="how many mutated requests are sent")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the attacks that have no end")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args(arguments)
    try:
        model = loading.find(given.model, settings.home())
    except Error as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    found = []
    for name in given.only or names:
        with started(Place(model, drain_s=0.0)) as process:
            found.append(measure(process, name, Amount(given.seconds, given.mutations)))
        if not given.json:
            sys.stdout.write(", ".join(f"{key} {value}" for key, value in found[-1].items()) + "\n")
            sys.stdout.flush()
    if given.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if all(each["held"] for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
