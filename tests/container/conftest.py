"""A container without Docker: the image's programs on read-only files, with SageMaker's folders in their modes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAMS = Path(__file__).resolve().parents[2] / "image"
ROOT, OTHER = 0, 10001
LIMIT_S = 180.0  # a serverless container has three minutes until its first ping
_CONFINE = Path(__file__).with_name("confine.py")
_TRIED = ("unshare", "--mount", "--propagation", "private")


def refusal() -> str | None:
    """Return why this machine can't run a program as another user on read-only files; None if it can."""
    if sys.platform != "linux" or os.geteuid() != ROOT or not shutil.which("unshare"):
        return "needs root and Linux's mount namespaces to run a program as another user"
    tried = subprocess.run([*_TRIED, "true"], check=False, capture_output=True)
    return "needs mount namespaces, which this machine refuses" if tried.returncode else None


@dataclass(frozen=True)
class Container:
    """One container: `ml` is its /opt/ml, `temporary` the only other folder that it can write to."""

    base: Path
    free_port: Callable[[], int]

    @property
    def ml(self) -> Path:
        return self.base / "ml"

    @property
    def temporary(self) -> Path:
        return self.base / "tmp"

    def start(self, user: int, *program: str, port: int = 0) -> subprocess.Popen[str]:
        """Start a program of the image as a user; everything that it prints is one log."""
        variables = {
            "PATH": f"{PROGRAMS}:{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.temporary),
            "TMPDIR": str(self.temporary),
            "SAGELOCAL_ML_ROOT": str(self.ml),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "JOBMAJOR_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        words = [*_TRIED, sys.executable, str(_CONFINE), str(self.base), str(user), *program]
        return subprocess.Popen(words, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, user: int, *program: str) -> tuple[int, list[str]]:
        """Run a program to its end; return its status and the lines of its log."""
        with self.start(user, *program) as process:
            log, _ = process.communicate(timeout=2 * LIMIT_S)
        return process.returncode, log.splitlines()

    def serve(self, user: int) -> Served:
        """Start `serve`, ask it once, and end it."""
        port, begun = self.free_port(), time.monotonic()
        with self.start(user, "serve", port=port) as process:
            try:
                url = f"http://127.0.0.1:{port}"
                wait_for_ping(url, process)
                ping_s = time.monotonic() - begun
                answer = httpx.post(f"{url}/invocations", json={"instances": ["registered nurse"]}, timeout=LIMIT_S)
                answer_s = time.monotonic() - begun
            finally:
                process.send_signal(signal.SIGTERM)
                log, _ = process.communicate(timeout=LIMIT_S)
        return Served(answer.status_code, answer.json(), ping_s, answer_s, process.returncode, log.splitlines())


@dataclass(frozen=True)
class Served:
    """One life of `serve`: its answer, the seconds until it, the exit status after SIGTERM, and the log."""

    code: int
    answer: dict[str, Any]
    ping_s: float
    answer_s: float
    status: int
    log: list[str]


def wait_for_ping(url: str, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/ping", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("it never answered a ping")


def as_sagemaker_makes(folder: Path, *parts: str) -> Path:
    """Make folders that belong to root and that nobody else can write to, as SageMaker's agent does."""
    for part in ("", *parts):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def training_layout(folder: Path) -> Path:
    return as_sagemaker_makes(folder, "input/config", "input/data", "model", "output/data", "checkpoints", "code")


def processing_layout(folder: Path, *outputs: str) -> Path:
    made = as_sagemaker_makes(folder, "config", "output", *(f"processing/output/{name}" for name in outputs))
    (made / "config" / "resourceconfig.json").write_text(
        json.dumps({"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}), "ascii"
    )
    return made


@pytest.fixture
def container(free_port: Callable[[], int]) -> Iterator[Container]:
    """Yield an empty container whose folders every user can reach."""
    with tempfile.TemporaryDirectory(prefix="container-") as name:
        base = Path(name)
        base.chmod(0o755)
        (base / "ml").mkdir()
        (base / "tmp").mkdir()
        (base / "tmp").chmod(0o1777)
        yield Container(base, free_port)
