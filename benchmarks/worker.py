"""What a fresh process measures of one system, pinned to one core: `python -m benchmarks.worker '{…}'` → JSON.

Everything that counts happens after the clock starts: the system's own imports, its files, its first answer. The
harness itself holds numpy and the SOC table; what that takes is measured too, as the system "nothing".
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.minilm import MINILM
from benchmarks.peers import PEERS
from benchmarks.systems import OURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.systems import Coder

BLOCK = 8192  # titles a call: what one answers is dropped before the next
_LONGEST_S = 6.0  # a slow system is measured on as many titles as it gets through
_SINGLES = 2000
SYSTEMS = {system.name: system for system in (OURS, *PEERS, MINILM)}


def _memory_mb() -> float:
    """The most that this process has held so far; what its parent held is not counted, as getrusage would."""
    status = Path("/proc/self/status")
    if not status.is_file():  # not on Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _rate(coders: Sequence[Coder], titles: Sequence[str], *, every_level: bool) -> float:
    """Titles answered a second, none of them twice; what is loaded for large batches is loaded before."""
    for coder in coders:
        coder.answer(["registered nurse", "welder"], every_level=every_level)
    done, began = 0, time.perf_counter()
    while done < len(titles) and time.perf_counter() - began < _LONGEST_S:
        block = titles[done : done + BLOCK]
        for number, coder in enumerate(coders):
            coder.answer(block, every_level=every_level and number == len(coders) - 1)
        done += len(block)
    return done / (time.perf_counter() - began)


def _single_us(coder: Coder, titles: Sequence[str]) -> float:
    """The median time of one title asked for alone."""
    times = []
    for title in titles[:_SINGLES]:
        began = time.perf_counter()
        coder.answer([title], every_level=False)
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] * 1e6


def measure(
    names: Sequence[str], folders: Sequence[str], titles: Sequence[str], *, every_level: bool
) -> dict[str, Any]:
    """Start, memory, single titles and rate of one system, which may be several models, one for each level."""
    if not names:
        return {"memory_mb": _memory_mb()}
    began = time.perf_counter()
    coders = [SYSTEMS[name].load(Path(folder)) for name, folder in zip(names, folders, strict=True)]
    loaded_s = time.perf_counter() - began
    for number, coder in enumerate(coders):
        coder.answer(["registered nurse"], every_level=every_level and number == len(coders) - 1)
    found: dict[str, Any] = {"load_s": loaded_s, "first_answer_s": time.perf_counter() - began}
    found["memory_mb"] = _memory_mb()
    if not every_level:
        found["single_us"] = _single_us(coders[0], titles[-_SINGLES:])
    _rate(coders, titles[-2 * _SINGLES : -_SINGLES], every_level=every_level)  # what is compiled at first use
    found["titles_per_s"] = _rate(coders, titles[: -2 * _SINGLES], every_level=every_level)
    return found


def main() -> None:
    """Measure as the argument says; the titles come by standard input, a line each, read before the clock starts."""
    wanted = json.loads(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {wanted["core"]})
    titles = sys.stdin.read().splitlines()
    found = measure(wanted["systems"], wanted["folders"], titles, every_level=wanted["every_level"])
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
