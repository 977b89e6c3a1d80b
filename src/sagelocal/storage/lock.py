"""Lock files and folders of a workspace; the kernel releases a lock when its process dies.

A lock is an open file with `flock` on it. A child process that inherits the descriptor holds the lock too, until the
last of both has closed it. The kernel releases it however a process ends, so no lock file is ever stale.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sagelocal.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A process that is killed while it starts another leaves a copy of its descriptors, until the new program runs.
_PATIENCE_S = 1.0


@contextmanager
def wait_for(path: Path) -> Iterator[int]:
    """Hold the lock of a file or folder during the block; wait until it is free.

    A missing file is made, and its folder too.

    Yields:
        The descriptor that holds the lock, for a child process to inherit.
    """
    descriptor = _locked(path, fcntl.LOCK_EX)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def take(path: Path, busy: Path) -> Iterator[int]:
    """Hold the lock of a file or folder during the block, as `wait_for` does, but wait for a second at most.

    Raises:
        Busy: Another process holds it; the error names `busy`, the folder that the lock protects.
    """
    descriptor = _taken(path, busy)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(path: Path, busy: Path) -> int:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise Busy(busy) from error
        time.sleep(0.02)


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of an existing file or folder."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that ask don't see each other
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _locked(path: Path, operation: int) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = _open(path)
        except FileNotFoundError:  # the last holder has just removed the folder
            continue
        try:
            fcntl.flock(descriptor, operation)
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last holder removed the file before it let go


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
