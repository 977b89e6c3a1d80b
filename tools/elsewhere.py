"""Run Python here with what another system lacks taken away: python tools/elsewhere.py SYSTEM WHICH PROGRAM.

SYSTEM is `windows` or `macos`. Taken away are modules (`fcntl`, `resource`, `termios` …) and functions of Python's own
library. WHICH is `base` or `all`: with `base`, the packages of every extra are taken away, too. For Windows, folders
can't be opened, an open file can be neither replaced nor removed, output is a pipe in cp1252, and `msvcrt` is a
stand-in that locks. This is no substitute for the other system, but it finds what the code takes for granted.
"""

from __future__ import annotations

import builtins
import errno
import importlib
import io
import os
import select
import shutil
import signal
import socket
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNIX_MODULES = ("fcntl", "grp", "posix_ipc", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
_MODULES = {"windows": _UNIX_MODULES, "macos": ("posix_ipc",)}
_LINUX = {
    os: ("memfd_create", "pipe2", "posix_fadvise", "sched_getaffinity", "sched_setaffinity", "setns", "unshare"),
    select: ("epoll",),
    socket: ("AF_NETLINK", "AF_PACKET", "SO_PEERCRED"),
}
_UNIX = {
    os: (
        *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "chown", "fchmod", "fchown", "fork", "forkpty"),
        *("getegid", "geteuid", "getgid", "getloadavg", "getpgid", "getuid", "killpg", "mkfifo", "nice", "pread"),
        *("pwrite", "sendfile", "setsid", "statvfs", "sysconf", "uname", "wait3", "wait4"),
    ),
    select: ("poll",),
    signal: (
        *("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2"),
        "pthread_sigmask",
    ),
    socket: ("AF_UNIX",),
}
_EXTRAS = (
    *("alembic", "boto3", "botocore", "httptools", "jinja2", "jmespath", "mlflow", "optuna", "pandas", "polars"),
    *("psycopg", "pyarrow", "pyspark", "python_calamine", "scipy", "sklearn", "sqlalchemy", "starlette", "torch"),
    *("transformers", "urllib3", "uvicorn", "uvloop", "xlsxwriter"),
)
# Those of the extras that look for this system when they are imported.
_LOADED = ("botocore", "httptools", "jinja2", "polars", "python_calamine", "scipy", "sklearn", "starlette", "uvicorn")


def take_away(system: str, packages: Iterable[str]) -> None:
    """Take away what the system lacks, and some packages; what was imported before keeps what it has."""
    if system == "windows":
        _lock_like_windows()
        _open_like_windows()
    for name in (*_MODULES[system], *packages):
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
    for module, names in [*_LINUX.items(), *(_UNIX.items() if system == "windows" else ())]:
        for name in names:
            if hasattr(module, name):
                delattr(module, name)


def _lock_like_windows() -> None:
    import fcntl  # noqa: PLC0415 - it is taken away afterwards

    def locking(descriptor: int, mode: int, count: int) -> None:
        if mode != windows.LK_NBLCK:
            raise NotImplementedError(f"locking with mode {mode}")
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, count)

    windows: Any = types.ModuleType("msvcrt")
    windows.LK_NBLCK, windows.locking = 2, locking
    sys.modules["msvcrt"] = windows


def _open_like_windows() -> None:
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    real_open = os.open

    def open_file(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real_open(path, flags, *arguments, **options)

    os.open = open_file
    for name in ("remove", "rename", "replace", "unlink"):
        setattr(os, name, _only_closed(getattr(os, name)))


def _only_closed(function: Any) -> Any:
    """Return a function of `os` that refuses a file or folder which this process has open, or mapped into memory."""

    def checked(path: Any, *arguments: Any, **options: Any) -> Any:
        taken = _open_files()
        for each in (path, *(word for word in arguments if isinstance(word, str | Path))):
            whole = str(Path(each).resolve())
            if any(name == whole or name.startswith(f"{whole}/") for name in taken):
                raise PermissionError(errno.EACCES, "another process is using this file", str(each))
        return function(path, *arguments, **options)

    return checked


def _open_files() -> set[str]:
    found = set[str]()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the numbers
        try:
            found.add(str(Path("/proc/self/fd", number).readlink()))
        except OSError:  # that of the listing itself
            continue
    with builtins.open("/proc/self/maps", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - not through os.open
        found.update(line.split(None, 5)[5].strip() for line in file if line.count("/"))
    return found


def _speak_like_windows() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        setattr(sys, name, io.TextIOWrapper(stream.buffer, encoding="cp1252", line_buffering=True))


def main(words: list[str]) -> int:
    """Run the program and return its exit status; what is loaded before keeps what it took from this system."""
    system, which, program = words
    for name in ("asyncio", "ctypes", "multiprocessing.util", "numpy", "subprocess", "tempfile", "typer"):
        importlib.import_module(name)
    for name in _LOADED if which == "all" else ():
        with suppress(ImportError):
            importlib.import_module(name)
    take_away(system, () if which == "all" else _EXTRAS)
    if system == "windows":
        _speak_like_windows()
    exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})  # noqa: S102 - what the caller wrote
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
