"""Supervise one job in a process of its own: it ends with the job, and the job ends with it.

`sandbox` starts this file as a program. It uses the standard library only and imports nothing from the package, so that
it starts in milliseconds: modules that import many others (json, typing, contextlib) would double the time. `sandbox`
writes an order to its standard input and keeps that pipe open. When the pipe closes, the executor is dead, and every
process of the job is killed at once.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import marshal
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import Any, NoReturn
else:
    import _signal as signal  # `signal` itself imports enum, which takes as long as all the rest of the start

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000  # linux/sched.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, net/if.h
_RELAY = os.path.join(os.path.dirname(__file__), "relay.py")  # noqa: PTH118, PTH120 - no pathlib: start-up time
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000  # linux/mount.h
_LINUX = sys.platform == "linux"


def main() -> None:
    """Run the job that standard input describes, and write how it ended to standard output."""
    order = _read(int.from_bytes(_read(4), "big"))
    if not order:
        return  # the executor died before it said what to do
    spec = marshal.loads(order)  # noqa: S302 - the executor wrote it, with this Python
    fcntl.fcntl(spec["lock"], fcntl.F_SETFD, fcntl.FD_CLOEXEC)  # this process holds it, not the job
    if _LINUX:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if _LINUX else os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        _make_network(spec["socket"], spec["listener"])
    except OSError as error:
        _answer({"code": 1, "timed_out": False}, f"namespace: {error}")
        return
    report, reporter = os.pipe()
    supervisor, pid = os.getpid(), os.fork()
    if pid == 0:
        _become_job(spec, supervisor, reporter)
    os.close(reporter)
    with os.fdopen(report) as pipe:
        fault = pipe.read()  # empty as soon as the job's own program has started
    outcome = _watch(pid, wake, spec["max_runtime_s"], spec["grace_s"])
    _end_rest(pid)
    _answer(outcome, fault)


def _read(size: int) -> bytes:
    """Return so many bytes of standard input, fewer at its end; what follows stays in the pipe."""
    found = b""
    while len(found) < size and (more := os.read(0, size - len(found))):
        found += more
    return found


def _answer(outcome: dict[str, Any], fault: str) -> None:
    sys.stdout.buffer.write(marshal.dumps({**outcome, "fault": fault}))


def _libc(function: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, function):  # macOS has neither namespaces nor prctl
        raise OSError(errno.ENOSYS, f"{function}: {os.strerror(errno.ENOSYS)}")
    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _prctl(option: int, value: int) -> None:
    _libc("prctl", option, *(ctypes.c_ulong(number) for number in (value, 0, 0, 0)))


def _become_job(spec: dict[str, Any], supervisor: int, reporter: int) -> NoReturn:
    """Become the job's program, or write to `reporter` why that failed and exit; never returns."""
    stage = "start"
    try:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDONLY)
        log = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(quiet, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(spec["folder"])
        if spec["mount"]:
            stage = "namespace"
            enter_namespace(spec["mount"], spec["hosts"])
            stage = "start"
        if _LINUX:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a job would inherit that
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606 - no shell is wanted
    except (OSError, ValueError) as error:
        os.write(reporter, f"{stage}: {error}".encode(errors="replace"))
    finally:
        os._exit(127)


def _watch(pid: int, wake: int, max_runtime_s: float, grace_s: float) -> dict[str, Any]:
    """Wait for the job's main process and return how it ended: `code` (negative: the signal), `timed_out`.

    A byte on standard input asks the job to stop, as the end of its time does.
    """
    deadline, asked, timed_out = time.monotonic() + max_runtime_s, False, False
    while True:
        ready, _, _ = select.select([0, wake], [], [], max(0.0, deadline - time.monotonic()))
        if 0 in ready and not os.read(0, 1):
            _end_rest(pid)
            os._exit(1)
        if wake in ready:
            os.read(wake, 512)
            code = _collect(pid)
            if code is not None:
                return {"code": code, "timed_out": timed_out}
        late = not ready and time.monotonic() >= deadline
        if late or 0 in ready:
            timed_out |= late and not asked
            _send(os.killpg, pid, signal.SIGKILL if asked else signal.SIGTERM)
            deadline, asked = time.monotonic() + grace_s, True


def _collect(pid: int) -> int | None:
    """Return the exit code of `pid` if it ended; other processes that ended are collected on the way."""
    while True:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended in {0, pid}:
            return os.waitstatus_to_exitcode(status) if ended else None


def _end_rest(group: int) -> None:
    """Kill and reap every process that the job left, also those in process groups of their own."""
    try:
        while True:
            if _LINUX:  # this process is the parent of orphans: without a child, the long search of /proc finds none
                os.waitpid(-1, os.WNOHANG)
            _send(os.killpg, group, signal.SIGKILL)
            for pid in descendants(os.getpid()):
                _send(os.kill, pid, signal.SIGKILL)
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def _send(kill: Callable[[int, int], None], target: int, number: int) -> None:
    try:
        kill(target, number)
    except (ProcessLookupError, PermissionError):
        return


def descendants(ancestor: int) -> list[int]:
    """Return the process ids below `ancestor` from /proc; empty if there is no /proc."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():  # noqa: PTH112, PTH208 - no pathlib: start-up time
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - as above
                    line = file.read()
            except OSError:  # it has just ended
                continue
            # The program's name in parentheses may hold anything; the parent is second after it.
            parents.setdefault(int(line.rpartition(b")")[2].split()[1]), []).append(int(name))
    found, waiting = [], [ancestor]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def enter_network() -> None:
    """Move to a new network namespace, in which processes reach each other alone; OSError if the machine refuses."""
    import socket  # noqa: PLC0415 - start-up time of the jobs that have none

    _unshare(_CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = b"lo".ljust(16, b"\0")
        flags = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, name + bytes(24))[16:18]
        up = (int.from_bytes(flags, sys.byteorder) | _IFF_UP).to_bytes(2, sys.byteorder)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, name + up + bytes(22))


def _make_network(path: str | None, channel: int | None) -> None:
    """Enter a network for a job that is reached through a Unix socket, or that reaches the executor alone."""
    if path or channel:
        enter_network()
    if path:
        _start_relay(path)
    if channel:
        _hand_out_listener(channel)


def _hand_out_listener(to: int) -> None:
    """Send the executor a socket that listens on port 8080 of this network, so that it answers there."""
    import socket  # noqa: PLC0415 - start-up time of the jobs that have none

    with socket.socket(fileno=to) as channel, socket.create_server(("127.0.0.1", 8080)) as listener:
        socket.send_fds(channel, [b"x"], [listener.fileno()])


def _start_relay(path: str) -> None:
    """Start the program that forwards connections on the Unix socket `path`."""
    supervisor = os.getpid()
    if os.fork() == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(0, 1)
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == supervisor:
                os.execv(sys.executable, [sys.executable, "-I", "-S", _RELAY, path])  # noqa: S606 - no shell is wanted
        finally:
            os._exit(127)


def _unshare(kind: int) -> None:
    uid, gid = os.geteuid(), os.getegid()
    try:
        _libc("unshare", kind)
    except OSError:
        _libc("unshare", kind | _CLONE_NEWUSER)
        # The job keeps its user id, so that files have the same owner inside and outside.
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")


def enter_namespace(job: str, hosts: str) -> None:
    """Move to a new mount namespace, in which the folder `job` is mounted at /opt/ml; OSError if the machine refuses.

    If /opt/ml doesn't exist, /opt becomes a tmpfs with all its former entries bind-mounted.
    """
    _unshare(_CLONE_NEWNS)
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    source = os.open(job, os.O_RDONLY | os.O_DIRECTORY)
    if not os.path.isdir("/opt/ml"):  # noqa: PTH112 - as above
        _rebuild_opt()
    _bind(f"/proc/self/fd/{source}", "/opt/ml")
    os.close(source)
    if os.path.exists("/etc/hosts"):  # noqa: PTH110 - as above
        _bind(hosts, "/etc/hosts")


def _rebuild_opt() -> None:
    old = os.open("/opt", os.O_RDONLY | os.O_DIRECTORY)
    _mount("tmpfs", "/opt", b"mode=755", 0)
    for entry in os.scandir(old):
        here, there = f"/proc/self/fd/{old}/{entry.name}", f"/opt/{entry.name}"
        if entry.is_symlink():
            os.symlink(os.readlink(here), there)  # noqa: PTH115, PTH211 - as above
        elif entry.is_dir():
            os.mkdir(there)  # noqa: PTH102 - as above
            _bind(here, there)
        else:
            os.close(os.open(there, os.O_WRONLY | os.O_CREAT))
            _bind(here, there)
    os.mkdir("/opt/ml")  # noqa: PTH102 - as above
    os.close(old)


def _bind(source: str, target: str) -> None:
    _mount(source, target, None, _MS_BIND | _MS_REC)


def _mount(source: str, target: str, data: bytes | None, flags: int) -> None:
    kind = b"tmpfs" if source == "tmpfs" else None
    try:
        _libc("mount", os.fsencode(source), os.fsencode(target), kind, ctypes.c_ulong(flags), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from error


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123 - as above
        file.write(text)


if __name__ == "__main__":
    main()
