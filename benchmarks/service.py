"""The service beside what a textbook makes of the same model, and beside sockit's command line, which has no service.

Each request is one title, or many; the client is a process of its own on the same machine, so both servers have less
than the machine. They take turns within a round, so that what else the machine does falls on both.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.load.client import Load, Outcome, ask, request, share
from tools.load.service import Place, started

from benchmarks.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

OURS, TEXTBOOK, SOCKIT = "jobmajor serve", "textbook", "sockit's command line"
ROUNDS, SECONDS = 3, 3.0
_CONNECTIONS = (1, 8, 32)
_MANY = (100, 1000)
_START_S = 120.0
Found = dict[str, dict[str, float]]


def measure(model: Path, titles: Sequence[str], report: Callable[[str], None], rounds: int = ROUNDS) -> Found:
    """The median over rounds of every figure, by what was asked."""
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for turn in range(rounds):
        for name, opened in ((OURS, _ours), (TEXTBOOK, _textbook)):
            report(f"{name}, round {turn + 1}")
            with opened(model) as (port, pid):
                for key, value in _served(port, pid, titles).items():
                    seen[name][key].append(value)
        report(f"{SOCKIT}, round {turn + 1}")
        for key, value in _sockit(titles[: _MANY[-1]]).items():
            seen[SOCKIT][key].append(value)
    return {name: {key: statistics.median(values) for key, values in found.items()} for name, found in seen.items()}


@contextmanager
def _ours(model: Path) -> Iterator[tuple[int, int]]:
    with started(Place(model, drain_s=0.0)) as process:
        yield process.port, process.popen.pid


@contextmanager
def _textbook(model: Path) -> Iterator[tuple[int, int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    words = [sys.executable, "-m", "uvicorn", "benchmarks.textbook:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(words, env={**os.environ, "JOBMAJOR_TEXTBOOK_MODEL": str(model)})
    try:
        end = time.monotonic() + _START_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > end:
                raise ChildProcessError("the textbook's service did not start")
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _served(port: int, pid: int, titles: Sequence[str]) -> dict[str, float]:
    """Requests a second, latencies, and the server's processor time for each, of one title; titles a second of many."""
    single = [request(json.dumps({"instances": [title]}).encode()) for title in titles]
    found: dict[str, float] = {}
    _asked(port, single, SECONDS / 3, 8)
    for connections in _CONNECTIONS:
        before = _cpu_s(pid)
        done = _asked(port, single, SECONDS, connections)
        waits = [1000 * each.wait_s for each in done]
        found |= {
            f"requests/s, {connections} at a time": len(done) / SECONDS,
            f"p50 in ms, {connections} at a time": share(waits, 0.5),
            f"p99 in ms, {connections} at a time": share(waits, 0.99),
            f"server's µs a request, {connections} at a time": 1e6 * (_cpu_s(pid) - before) / max(len(done), 1),
        }
    for count in _MANY:
        bodies = [request(json.dumps({"instances": titles[start : start + count]}).encode()) for start in range(20)]
        found[f"titles/s, {count} a request"] = count * len(_asked(port, bodies, SECONDS, 2)) / SECONDS
    return found


def _asked(port: int, requests: Sequence[bytes], seconds: float, connections: int) -> list[Outcome]:
    """The answered ones; any other outcome is no figure to publish."""
    done = asyncio.run(ask(Load(port, requests, seconds, connections=connections)))
    if wrong := [each for each in done if each.status != 200]:
        raise ConnectionError(f"{len(wrong)} of {len(done)} requests were not answered: the first with {wrong[0]}")
    return done


def _cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _sockit(titles: Sequence[str]) -> dict[str, float]:
    """What its command line does in a second: a process for each title, and one for many; nothing where it is not."""
    program = Path(sys.executable).with_name("sockit")
    if not program.is_file():
        return {}
    with tempfile.TemporaryDirectory() as name:
        one, many = _timed(program, titles[:1], Path(name)), _timed(program, titles, Path(name))
    return {"requests/s, 1 at a time": 1 / one, f"titles/s, {len(titles)} a request": len(titles) / many}


def _timed(program: Path, titles: Sequence[str], folder: Path) -> float:
    source, target = folder / "in.csv", folder / "out.json"
    rows = "\n".join('"' + title.replace('"', "'") + '"' for title in titles)
    source.write_text(f"title\n{rows}\n", "utf-8")
    words = [str(program), "title", "-i", str(source), "-o", str(target), "--title", "title", "--record_id", "title"]
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - began


def tables(found: Mapping[str, Mapping[str, float]]) -> list[Table]:
    """Ratios first, since they carry from machine to machine; then the figures themselves."""
    names = [name for name in (OURS, TEXTBOOK, SOCKIT) if found.get(name)]
    keys = list(found[OURS])
    ratios = tuple((key, *(_ratio(found, peer, key) for peer in names[1:])) for key in keys)
    rows = tuple((key, *(_shown(found[name].get(key)) for name in names)) for key in keys)
    return [
        Table("The service, times its peers", ("figure of ours, divided by that of", *names[1:]), ratios),
        Table("The service; its clients share the processors", ("figure", *names), rows),
    ]


def _ratio(found: Mapping[str, Mapping[str, float]], peer: str, key: str) -> str:
    ours, theirs = found[OURS].get(key), found[peer].get(key)
    return f"{ours / theirs:.2f}" if ours and theirs else "–"


def _shown(value: float | Any) -> str:
    return "–" if value is None else f"{value:,.4g}"
