"""The choices that reviewers make on the page, kept in a file of overrides that all processes of the service read.

A change is made under a lock: the file is read again, changed and replaced at once. So no change of another process is
lost, and a reader sees the old choices or the new ones. Other processes notice by the file's inode, size and time.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from jobmajor.errors import DataError, Error, InputError
from jobmajor.model.rules.overrides import MAX_ROWS
from jobmajor.review.choices import Choices
from sagelocal.storage import lock

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.rules.overrides import Overrides

_log = logging.getLogger(__name__)
_Mark = tuple[int, int, int] | None


class Reviews:
    """Titles with the codes that reviewers gave them; `overrides` are those that count now."""

    def __init__(self, path: Path) -> None:
        """Read the file if there is one.

        Raises:
            InputError: It can't be used, or its folder is missing.
        """
        if not path.parent.is_dir():
            raise InputError(f"--reviews {path}: there is no folder {path.parent}: make it, or name another file")
        self._path, self._lock = path, path.with_name(f".{path.name}.lock")
        self._changing = threading.Lock()
        self._told = ""
        self._mark = _mark(path)
        self._choices = Choices(path)
        self.overrides: Overrides = self._choices.overrides

    def refresh(self) -> bool:
        """Read the file again if it was changed, and return whether it was; log each fault of it once."""
        with self._changing:
            return self._read_again()

    def change(self, title: str, code: str | None) -> str | None:
        """Give a title a code or `NOT_A_JOB`, or take its choice back if `code` is None; return the code that it had.

        Raises:
            InputError: The file can't be used, or is full.
        """
        with self._changing, lock.wait_for(self._lock):
            if _mark(self._path) != self._mark:
                self._choices, self._mark = Choices(self._path), _mark(self._path)
            before = self._choices.code(title)
            if code is None:
                self._choices.remove(title)
            elif before is None and len(self._choices) >= MAX_ROWS:
                raise InputError(f"the file of choices has {MAX_ROWS:,} titles, as many as it may have")
            else:
                self._choices.put(title, code)
            self._mark, self.overrides = _mark(self._path), self._choices.overrides
            return before

    def _read_again(self) -> bool:
        mark = _mark(self._path)
        if mark == self._mark:
            return False
        try:
            self._choices = Choices(self._path)
        except (Error, OSError) as error:
            if str(error) != self._told:
                self._told = str(error)
                where = str(error.where) if isinstance(error, DataError) else type(error).__name__  # never a title
                _log.error("the choices were not read: the earlier ones count", extra={"event": {"where": where}})
            return False
        self._mark, self._told, self.overrides = mark, "", self._choices.overrides
        _log.info("read the choices", extra={"event": {"titles": len(self._choices)}})
        return True


def _mark(path: Path) -> _Mark:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
