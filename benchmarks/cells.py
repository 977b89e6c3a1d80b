"""One cell of the benchmark: a system, a protocol, a seed. What was measured is kept, so a killed run goes on.

A result is kept under what decides it: the very rows, the system's settings, code and packages, and the code that
makes the figures. Nothing else invalidates it, so a change to ours leaves the peers' results standing.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import figures, protocols
from jobmajor.evaluation import metrics
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.protocols import Parts, Protocol
    from benchmarks.systems import System
    from jobmajor.data.onet import Tables

DEVELOPMENT_SEEDS = (2140, 1, 2, 3, 4)
FINAL_SEEDS = (101, 102, 103, 104, 105)  # no choice was made on their tests
LOOKS = Path(__file__).parent / "looks.tsv"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure, and whether on the tests."""

    systems: Sequence[System]
    protocols: Sequence[Protocol]
    seeds: Sequence[int]
    final: bool = False

    @property
    def size(self) -> int:
        """How many cells."""
        return len(self.systems) * len(self.protocols) * len(self.seeds)


def measure(plan: Plan, tables: Tables, folder: Path, report: Callable[[str], None]) -> list[dict[str, Any]]:
    """The results of every cell, each with its `system`, `protocol`, `seed`, `fit_s` and what `figures` found.

    Args:
        plan: What to measure.
        tables: The release.
        folder: Where results are kept.
        report: Told the name of each cell when it is begun.
    """
    results, is_logged = [], set()
    for protocol in plan.protocols:
        for seed in plan.seeds:
            parts = protocols.draw(tables, protocol, seed, final=plan.final)
            for system in plan.systems:
                seen = parts if system.reads_descriptions else parts.of_titles
                report(f"{system.name}, {protocol}, seed {seed}")
                path = folder / f"{_key(system, seen, protocol)}.json"
                if not path.is_file():
                    if plan.final and protocol not in is_logged:
                        is_logged.add(protocol)
                        log_look(LOOKS, plan, protocol)
                    folder.mkdir(parents=True, exist_ok=True)
                    found = _measured(system, seen, protocol)
                    publish.write_file(path, (json.dumps(found, indent=1) + "\n").encode())
                results.append({**json.loads(path.read_bytes()), "seed": seed})
    return results


def _measured(system: System, parts: Parts, protocol: Protocol) -> dict[str, Any]:
    began = time.perf_counter()
    coder = system.fit(parts.train, parts.validation)
    fit_s = time.perf_counter() - began
    found = figures.measure(system, coder, parts, is_row_wise=protocol in protocols.ROW_WISE)
    return {"system": system.name, "protocol": protocol, "fit_s": fit_s, "identity": system.identity(), **found}


def _key(system: System, parts: Parts, protocol: Protocol) -> str:
    decides = (Path(figures.__file__), Path(figures.__file__).with_name("rewrites.py"), Path(metrics.__file__))
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in decides]
    text = json.dumps([system.identity(), protocol, parts.digest, code], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def log_look(log: Path, plan: Plan, protocol: Protocol) -> None:
    """Append that the tests of a protocol were looked at: when, at which commit, which seeds and systems."""
    if not log.is_file():
        log.write_text("date\tcommit\tprotocol\tseeds\tsystems\n", "utf-8")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    seeds, systems = ",".join(map(str, plan.seeds)), ",".join(system.name for system in plan.systems)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{now}\t{commit()}\t{protocol}\t{seeds}\t{systems}\n")


def commit() -> str:
    """The checked-out commit, "+" behind it where files differ from it; "unknown" outside a checkout."""
    try:
        words = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(words, capture_output=True, text=True, check=True, cwd=LOOKS.parent).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
