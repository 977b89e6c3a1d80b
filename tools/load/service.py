"""A service as a process of its own, as `jobmajor serve` starts it, or with a planted fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVE = "import sys; from jobmajor.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))"
_START_S, _END_S = 120.0, 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """What is served.

    Attributes:
        model: A model's folder.
        drain_s: As `jobmajor serve --drain`.
        poll_s: As its `--poll`.
        workers: As its `--workers`.
        fault: Python that runs before the service starts: a fault that a trial must catch. None in earnest.
    """

    model: Path
    drain_s: float = 1.0
    poll_s: float = 2.0
    workers: int = 1
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """One that listens on `port`."""

    popen: subprocess.Popen[bytes]
    port: int
    log: Path

    def memory_mb(self) -> float:
        """Resident now; of several workers, with pages that they share counted once."""
        return sum(_share_mb(pid) for pid in self.pids()) if len(self.pids()) > 1 else self._memory_mb("VmRSS")

    def pids(self) -> list[int]:
        """The process and its workers."""
        children = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text("ascii")
        return [self.popen.pid, *map(int, children.split())]

    def processor_s(self) -> float:
        """Processor time of all processes so far, of the program and of the kernel for it."""
        fields = [Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split() for pid in self.pids()]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")

    def peak_memory_mb(self) -> float:
        """Resident at most so far."""
        return self._memory_mb("VmHWM")

    def _memory_mb(self, name: str) -> float:
        lines = Path(f"/proc/{self.popen.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.popen.send_signal(signal.SIGTERM)

    def status(self) -> int:
        """The exit status, once it has ended."""
        return self.popen.wait(_END_S)


def _share_mb(pid: int) -> float:
    """A process's part of the memory: what it shares is divided by the number of those that do."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


@contextmanager
def started(place: Place) -> Iterator[Process]:
    """The service from the moment that it listens; killed where it has not ended by itself."""
    words = ["--model", str(place.model), "--port", "0", "--drain", str(place.drain_s)]
    words += ["--poll", str(place.poll_s), "--workers", str(place.workers)]
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "log"
        with log.open("wb") as file:
            code = f"{place.fault}\n{SERVE}"
            popen = subprocess.Popen([sys.executable, "-c", code, *words], stdout=file, stderr=file)
        try:
            yield Process(popen, _port(popen, log), log)
        finally:
            if popen.poll() is None:
                popen.kill()
            popen.wait(_END_S)


def _port(popen: subprocess.Popen[bytes], log: Path) -> int:
    end = time.monotonic() + _START_S
    while popen.poll() is None and time.monotonic() < end:
        for line in log.read_text("utf-8").splitlines():
            if '"url"' in line and line.endswith("}"):
                return int(json.loads(line)["url"].rpartition(":")[2])
        time.sleep(0.02)
    raise ChildProcessError(f"the service did not start: {log.read_text('utf-8')[-2000:]}")
