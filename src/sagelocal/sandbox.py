"""One command run as a container would run it: its own /opt/ml, a clean environment, nothing left behind.

Without Docker there are two ways to give a job its `/opt/ml`: a mount namespace, in which the job's
folder really stands there, or, for entry points that know it, the variable SAGELOCAL_ML_ROOT. Scripts of
other people name `/opt/ml` outright; rewriting paths breaks them, and as root they would write to the
real one.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

ML_ROOT = "SAGELOCAL_ML_ROOT"
_SUPERVISOR = Path(__file__).with_name("supervise.py")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FROM_HERE = ("LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONHASHSEED")  # no credentials among them, ever


@dataclass(frozen=True, slots=True)
class Command:
    """What to run and where.

    `folder` is the job's own: `ml` in it is what the job sees as /opt/ml, `work` is its working folder
    and HOME. With `mounted`, /opt/ml is real; without, the job learns the place from SAGELOCAL_ML_ROOT.
    `lock` is an open file that the supervisor holds until the job's last process is gone.
    """

    argv: tuple[str, ...]
    variables: Mapping[str, str]
    prefix: Path
    folder: Path
    log: Path
    mounted: bool
    lock: int
    max_runtime_s: float
    grace_s: float


@dataclass(frozen=True, slots=True)
class Exit:
    """How a job ended: a negative `code` is the signal that killed it, `fault` says why it never began."""

    code: int
    timed_out: bool
    fault: str

    def __str__(self) -> str:
        return f"killed by signal {-self.code}" if self.code < 0 else f"exit code {self.code}"


def run(command: Command) -> Exit:
    """Run the command to its end; its output is appended to `command.log`.

    When this process dies in whatever way, or an exception (an interrupt) passes through here, every
    process of the job is killed.
    """
    work, hosts = command.folder / "work", command.folder / "hosts"
    work.mkdir(parents=True, exist_ok=True)
    hosts.write_text(_hosts(), encoding="utf-8")
    order = {
        "argv": command.argv,
        "environment": _environment(command),
        "folder": str(work),
        "log": str(command.log),
        "mount": str(command.folder / "ml") if command.mounted else None,
        "hosts": str(hosts),
        "lock": command.lock,
        "max_runtime_s": command.max_runtime_s,
        "grace_s": command.grace_s,
    }
    supervisor = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SUPERVISOR)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # an interrupt typed at the terminal reaches us, and through us the job
        pass_fds=(command.lock,),
    )
    return _follow(supervisor, json.dumps(order).encode() + b"\n")


def _follow(supervisor: subprocess.Popen[bytes], order: bytes) -> Exit:
    to, back = cast("IO[bytes]", supervisor.stdin), cast("IO[bytes]", supervisor.stdout)
    answer = b""
    try:
        with back, suppress(BrokenPipeError), to:  # closing `to` says that nobody waits for the job
            to.write(order)
            to.flush()
            answer = back.read()
    finally:
        supervisor.wait()
    if not answer:
        return Exit(supervisor.returncode or 1, timed_out=False, fault="start: its supervisor was killed")
    return Exit(**json.loads(answer))


def _environment(command: Command) -> dict[str, str]:
    clean = {name: os.environ[name] for name in _FROM_HERE if name in os.environ}
    clean = {"LANG": "C.UTF-8", **clean, **command.variables}
    clean.setdefault("PATH", f"{command.prefix / 'bin'}:{_SYSTEM_PATH}")
    clean.setdefault("HOME", str(command.folder / "work"))
    if not command.mounted:
        clean[ML_ROOT] = str(command.folder / "ml")
    return clean


def _hosts() -> str:
    known = Path("/etc/hosts")
    return f"127.0.0.1 algo-1\n{known.read_text(encoding='utf-8') if known.exists() else ''}"


@functools.cache
def refusal() -> str | None:
    """Why this machine can't give a job its own /opt/ml, None where it can; tried once per process."""
    if sys.platform != "linux":
        return f"mount namespaces are Linux's, this is {sys.platform}"
    with tempfile.TemporaryDirectory(prefix="sagelocal-") as name:
        folder = Path(name)
        (folder / "ml").mkdir()
        (folder / "ml" / "probe").touch()
        with (folder / "lock").open("wb") as lock:
            result = run(
                Command(
                    argv=("test", "-e", "/opt/ml/probe"),
                    variables={},
                    prefix=Path(sys.prefix),
                    folder=folder,
                    log=folder / "log",
                    mounted=True,
                    lock=lock.fileno(),
                    max_runtime_s=60,
                    grace_s=1,
                )
            )
    return None if result.code == 0 else (result.fault or "the mount had no effect")
