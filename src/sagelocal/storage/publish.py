"""Publish files and folders atomically: a reader never sees half a folder, whenever the writer is killed.

A folder is written beside its final name and flushed to disk; then one rename makes it visible. A rename for each file
would mix two versions if the writer is killed in between.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
STAGING = ".staging-"  # prefix of unpublished files: readers skip them, `sweep` removes them
_MANY = 64  # a flush of each takes longer than one of the whole disk, even if others write to it
# Windows opens no folders, and flushes only what is open for writing.
_IS_POSIX = hasattr(os, "O_DIRECTORY")


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Let an error of a full disk within the block name `target`, the file or folder that is being made.

    Python names no file when it fails to write, and a temporary one would tell nobody anything.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(target)) from error


def flush(path: Path) -> None:
    """Flush the content of a file, or the entries of a folder, to disk; of a folder on Windows, nothing."""
    if not _IS_POSIX and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if _IS_POSIX else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Flush all files and folders below a folder, and itself: one by one, or many by one call for their disk."""
    found = [(root, names) for root, _, names in os.walk(folder, topdown=False)]
    if sum(len(names) for _, names in found) > _MANY and _flush_disk(folder):
        return
    for root, names in found:
        for name in names:
            flush(Path(root, name))
        flush(Path(root))


def _flush_disk(folder: Path) -> bool:
    """Flush everything on the disk of a folder, and return whether this system can."""
    import ctypes  # noqa: PLC0415 - start-up time, and few need it

    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
    return True


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give a new folder beside `target` to write into; rename it before the block ends, or it is removed."""
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=target.parent))
        try:
            staging.chmod(0o755)
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a folder to write into, which becomes `target` when the block ends without an error.

    An existing `target` is kept and the new folder is dropped, so use a name that depends on the content (a digest)
    or a new name.
    """
    with staged(target) as staging:
        yield staging
        flush_tree(staging)
        if not target.exists():
            staging.rename(target)
            flush(target.parent)


def write_file(target: Path, data: bytes) -> None:
    """Replace the content of `target` atomically: a reader sees the old bytes or the new ones."""
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=STAGING, dir=target.parent)
        staging = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            staging.chmod(0o644)
            staging.replace(target)
            flush(target.parent)
        finally:
            staging.unlink(missing_ok=True)


def sweep(folder: Path) -> int:
    """Remove staging files of killed writers directly below `folder`, and return how many there were.

    Call it only while you hold the workspace's lock: a running writer's staging folder looks the same.
    """
    leftovers = list(folder.glob(f"{STAGING}*"))
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)
