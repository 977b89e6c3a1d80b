"""The folder of a file that is being coded: beside its final name, locked, and removed when it is done."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sagelocal.storage import lock, publish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENDING, _LOCK, _ANSWERS = ".partial", "lock", "answers"


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """Create a folder beside the output, locked against other runs, with a folder for answers in it.

    It is removed at the end. After an error it stays if it has answers, so that the next run continues from them.

    Raises:
        Busy: Another run has locked it.
    """
    whole = output.resolve()  # "." has no name
    folder = whole.with_name(f"{whole.name}{_ENDING}")
    try:
        with lock.take(folder / _LOCK, busy=folder):
            yield from _held(folder)
    finally:
        lock.discard(folder / _LOCK)


def _held(folder: Path) -> Iterator[Path]:
    (folder / _ANSWERS).mkdir(exist_ok=True)
    try:
        publish.sweep(folder / _ANSWERS)
        yield folder
    except BaseException:
        if not any((folder / _ANSWERS).iterdir()):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)


def answers(folder: Path) -> Path:
    """Return the folder for answers in a staging folder."""
    return folder / _ANSWERS


def publish_file(made: Path, target: Path) -> None:
    """Flush a finished file to disk and give it its final name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    publish.flush(made)
    made.replace(target)
    publish.flush(target.parent)
