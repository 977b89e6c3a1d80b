"""Lock files and folders of a workspace; the kernel releases a lock when its process dies.

A lock is an open file with `flock` on it. A child process that inherits the descriptor holds the lock too, until the
last of both has closed it. The kernel releases it however a process ends, so no lock file is ever stale.

Windows has no `flock`: there, the first byte of the file is locked, folders can't be locked, and a child process
inherits nothing. That is enough to code files.
"""

from __future__ import annotations

import importlib
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from sagelocal.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HAS_FLOCK = False
with suppress(ImportError):  # Windows
    import fcntl

    _HAS_FLOCK = True

_PAUSE_S = 0.02
# A process that is killed while it starts another leaves a copy of its descriptors, until the new program runs.
_PATIENCE_S = 1.0
_Found = TypeVar("_Found")


@contextmanager
def wait_for(path: Path) -> Iterator[int]:
    """Hold the lock of a file or folder during the block; wait until it is free.

    A missing file is made, and its folder too.

    Yields:
        The descriptor that holds the lock, for a child process to inherit.
    """
    descriptor = _locked(path, waits=True)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def share(path: Path) -> Iterator[int]:
    """Hold the lock together with others that share it during the block; wait while somebody holds it alone."""
    descriptor = _locked(path, waits=True, is_shared=True)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def take(path: Path, busy: Path, *, is_shared: bool = False) -> Iterator[int]:
    """Hold the lock of a file or folder during the block, as `wait_for` or `share` does, but wait a second at most.

    Raises:
        Busy: Another process holds it; the error names `busy`, the folder that the lock protects.
    """
    descriptor = _taken(path, busy, is_shared=is_shared)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Give a lock file's descriptor that holds no lock yet, for `lock_now` and `share_open`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _open(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def lock_now(descriptor: int, patience_s: float = 0.0) -> bool:
    """Take the lock of an open file alone and return true, or return false if another process holds it that long."""
    try:
        _again(lambda: _lock(descriptor, waits=False), patience_s)
    except BlockingIOError:
        return False
    return True


def share_open(descriptor: int) -> None:
    """Share the lock of an open file, also one that this process holds alone; wait while another one does."""
    _lock(descriptor, waits=True, is_shared=True)


def _taken(path: Path, busy: Path, *, is_shared: bool) -> int:
    try:
        return _again(lambda: _locked(path, waits=False, is_shared=is_shared), _PATIENCE_S)
    except BlockingIOError as error:
        raise Busy(busy) from error


def _again(attempt: Callable[[], _Found], patience_s: float) -> _Found:
    """Return what an attempt gives; one that meets another's lock is repeated for so long.

    Raises:
        BlockingIOError: The last attempt met it, too.
    """
    end = time.monotonic() + patience_s
    while True:
        try:
            return attempt()
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
        time.sleep(_PAUSE_S)


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of an existing file or folder."""
    descriptor = _open(path)
    try:
        _lock(descriptor, waits=False, is_shared=True)  # two that ask don't see each other
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Remove a lock file that this process has let go of, and its folder if it is empty then.

    Only where a file that is open can't be removed, as on Windows: elsewhere, the holder of a lock removes its folder.
    """
    if not _HAS_FLOCK:
        with suppress(OSError):  # another process has it open now
            path.unlink()
            path.parent.rmdir()


def _locked(path: Path, *, waits: bool, is_shared: bool = False) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = _open(path)
        except FileNotFoundError:  # the last holder has just removed the folder
            continue
        try:
            _lock(descriptor, waits=waits, is_shared=is_shared)
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last holder removed the file before it let go


def _lock(descriptor: int, *, waits: bool, is_shared: bool = False) -> None:
    """Lock an open file.

    Raises:
        BlockingIOError: Another process holds the lock, and `waits` is false.
    """
    if _HAS_FLOCK:
        kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind if waits else kind | fcntl.LOCK_NB)
        return
    windows = importlib.import_module("msvcrt")
    while True:
        try:
            windows.locking(descriptor, windows.LK_NBLCK, 1)  # its own way to wait gives up after ten seconds
        except OSError as error:
            if not waits:
                raise BlockingIOError(error.errno, error.strerror) from error
        else:
            return
        time.sleep(_PAUSE_S)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
