"""Where a file that is in work stands: beside its final name, locked, and gone when it is done."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobmajor.errors import Busy
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENDING, _LOCK, _ANSWERS = ".partial", "lock", "answers"


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A folder beside the output that no other run uses, with a folder for answers in it.

    It is removed at the end; after an error it stays if there are answers in it, for the next run to go on from.

    Raises:
        Busy: Another run holds it.
    """
    whole = output.resolve()  # "." has no name
    folder = whole.with_name(f"{whole.name}{_ENDING}")
    lock = _locked(folder)
    try:
        publish.sweep(folder / _ANSWERS)
        yield folder
    except BaseException:
        if not any((folder / _ANSWERS).iterdir()):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def answers(folder: Path) -> Path:
    """The staging folder's folder for answers."""
    return folder / _ANSWERS


def _locked(folder: Path) -> int:
    """A descriptor that holds the lock of the folder, which is made if it isn't there."""
    while True:
        (folder / _ANSWERS).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise Busy(folder) from error
        if _is_there(folder, descriptor):
            return descriptor
        os.close(descriptor)  # the run that had it has removed the folder meanwhile


def _is_there(folder: Path, descriptor: int) -> bool:
    try:
        there = (folder / _LOCK).stat()
        return os.path.samestat(there, os.fstat(descriptor)) and (folder / _ANSWERS).is_dir()
    except OSError:
        return False


def publish_file(made: Path, target: Path) -> None:
    """Give a whole file its final name, once it is safe on disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    publish.flush(made)
    made.replace(target)
    publish.flush(target.parent)
