"""Publish whole or not at all: a reader never meets half a folder, whatever moment the writer was killed.

A folder is written beside its final name, every file and folder is flushed to disk, then one rename makes it
visible. Per-file renames would mix two versions when killed between two of them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGING = ".staging-"  # the prefix of what is not published yet: readers skip it, `sweep` removes it


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is safe on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_tree(folder: Path) -> None:
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            flush(Path(root, name))
        flush(Path(root))


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `target` when the block ends without an error.

    An existing `target` is never touched: the block's work is dropped in favour of it, so publish under a name
    that says the content (a digest) or under a fresh one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=target.parent))
    try:
        yield staging
        staging.chmod(0o755)
        _flush_tree(staging)
        if not target.exists():
            staging.rename(target)
            flush(target.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_file(target: Path, data: bytes) -> None:
    """Replace `target`'s content in one step; a reader sees the old bytes or the new, never a mixture."""
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
    """How many staging leftovers of killed writers were removed directly below `folder`.

    Call it only while holding the workspace's lock: a staging folder of a living writer looks the same.
    """
    leftovers = list(folder.glob(f"{STAGING}*"))
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)
