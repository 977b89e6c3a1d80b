"""Run one command as a container would: with its own /opt/ml and a clean environment, and leave no process behind.

Without Docker, a job gets its `/opt/ml` in one of two ways: through a mount namespace, or, if its entry point supports
that, through the variable SAGELOCAL_ML_ROOT. Most scripts name `/opt/ml` literally; rewriting paths would break them,
and as root they would write to the real folder.
"""

from __future__ import annotations

import functools
import marshal
import os
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self, cast

from sagelocal.jobs.stop import StopSignal
from sagelocal.storage import lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

ML_ROOT = "SAGELOCAL_ML_ROOT"
_SUPERVISOR = Path(__file__).with_name("supervise.py")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FROM_HERE = ("LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONHASHSEED")  # never credentials


@dataclass(frozen=True, slots=True)
class Command:
    """What to run and where.

    `folder` belongs to this job: `ml` in it is what the job sees as /opt/ml, `work` is its working folder and HOME.
    If `mounted`, /opt/ml is real; otherwise the job reads its path from SAGELOCAL_ML_ROOT. `lock` is the descriptor of
    a lock, which the supervisor holds until the job's last process has ended. `stop` ends the job from another thread.
    `hosts` are the addresses in the /etc/hosts of a mounted job, by name. With `socket_path`, the job has its own
    network namespace, and connections to that Unix socket reach port 8080 in it; there is no other connection. With
    `listener`, a descriptor of a Unix socket, it has such a namespace, too, and gives back through that socket one that
    listens on port 8080 of it: what the job connects to is answered by the caller.
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
    stop: StopSignal = field(default_factory=StopSignal)
    hosts: Mapping[str, str] = field(default_factory=lambda: {"algo-1": "127.0.0.1"})
    socket_path: Path | None = None
    listener: int | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a job ended: a negative `code` is the signal that killed it, `fault` says why it didn't start."""

    code: int
    timed_out: bool
    fault: str

    @property
    def failed(self) -> bool:
        """Whether the job failed."""
        return self.code != 0 or self.timed_out or bool(self.fault)

    def __str__(self) -> str:
        if self.code >= 0:
            return f"exit code {self.code}"
        meaning = ", a file grew beyond its limit (SIGXFSZ)" if -self.code == signal.SIGXFSZ else ""
        return f"killed by signal {-self.code}{meaning}"


class Running:
    """A running command.

    When this process dies or leaves the block, every process of the job is killed.
    """

    def __init__(self, command: Command) -> None:
        body = marshal.dumps(_order(command))
        order = len(body).to_bytes(4, "big") + body
        self._held = ExitStack()
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt typed at the terminal reaches us, and through us the job
            pass_fds=(command.lock, *([] if command.listener is None else [command.listener])),
        )
        self._to = cast("IO[bytes]", self._supervisor.stdin)
        self._back = cast("IO[bytes]", self._supervisor.stdout)
        with self._held:
            self._held.callback(self._end)
            self._tell(order)
            self._held.enter_context(command.stop.closing(self._to))
            self._held = self._held.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the command ends."""
        return self._back.fileno()

    def ends_within(self, seconds: float) -> bool:
        """Wait at most so long, and return whether the command has ended."""
        return bool(select.select([self], [], [], seconds)[0])

    def wait(self) -> Exit:
        """Wait for the end of the command and return how it ended; call it once."""
        answer = self._back.read()
        self._held.close()
        if not answer:
            return Exit(self._supervisor.returncode or 1, timed_out=False, fault="start: its supervisor was killed")
        return Exit(**marshal.loads(answer))  # noqa: S302 - the supervisor wrote it

    def stop(self) -> None:
        """Send SIGTERM to the command; it is killed after `grace_s` seconds."""
        self._tell(b"x")

    def _tell(self, data: bytes) -> None:
        # It may have ended, or have been told from another thread to end at once.
        with suppress(BrokenPipeError, ValueError):
            self._to.write(data)
            self._to.flush()

    def _end(self) -> None:
        with self._back, suppress(BrokenPipeError):
            self._to.close()  # says that nobody waits for the job; another thread may have said so already
        self._supervisor.wait()


def run(command: Command) -> Exit:
    """Run the command to its end; its output is appended to `command.log`."""
    with Running(command) as running:
        return running.wait()


def _order(command: Command) -> dict[str, object]:
    """Return the message for the supervisor."""
    work, hosts = command.folder / "work", command.folder / "hosts"
    work.mkdir(parents=True, exist_ok=True)
    hosts.write_text(_hosts(command.hosts), encoding="utf-8")
    return {
        "argv": command.argv,
        "environment": _environment(command),
        "folder": str(work),
        "log": str(command.log),
        "mount": str(command.folder / "ml") if command.mounted else None,
        "hosts": str(hosts),
        "socket": str(command.socket_path) if command.socket_path else None,
        "listener": command.listener,
        "lock": command.lock,
        "max_runtime_s": command.max_runtime_s,
        "grace_s": command.grace_s,
    }


def _environment(command: Command) -> dict[str, str]:
    clean = {name: os.environ[name] for name in _FROM_HERE if name in os.environ}
    clean = {"LANG": "C.UTF-8", **clean, **command.variables}
    clean.setdefault("PATH", f"{command.prefix / 'bin'}:{SYSTEM_PATH}")
    clean.setdefault("HOME", str(command.folder / "work"))
    if not command.mounted:
        clean[ML_ROOT] = str(command.folder / "ml")
    return clean


def _hosts(names: Mapping[str, str]) -> str:
    known = Path("/etc/hosts")
    own = "".join(f"{address} {name}\n" for name, address in names.items())
    return f"{own}{known.read_text(encoding='utf-8') if known.exists() else ''}"


@functools.cache
def refusal() -> str | None:
    """Return why this machine can't give a job its own /opt/ml, or None if it can; tried once per process."""
    if sys.platform != "linux":
        return f"mount namespaces are Linux's, this is {sys.platform}"
    with tempfile.TemporaryDirectory(prefix="sagelocal-") as name:
        folder = Path(name)
        (folder / "ml").mkdir()
        (folder / "ml" / "probe").touch()
        with lock.wait_for(folder / "lock") as descriptor:
            result = run(
                Command(
                    argv=("test", "-e", "/opt/ml/probe"),
                    variables={},
                    prefix=Path(sys.prefix),
                    folder=folder,
                    log=folder / "log",
                    mounted=True,
                    lock=descriptor,
                    max_runtime_s=60,
                    grace_s=1,
                )
            )
    return None if result.code == 0 else (result.fault or "the mount had no effect")
