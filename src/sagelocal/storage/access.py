"""A readers-writer lock for a folder of objects, among the threads of this process and among processes."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from sagelocal.storage import lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ReadWriteLock:
    """A readers-writer lock: between the two renames of a replacement, objects that stay would seem to be gone.

    A waiting writer goes before new readers of its process, so that a stream of readers can't keep it out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free, self._readers, self._waiting = threading.Condition(), 0, 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock with other readers; a folder that isn't there, or is read-only, is read without a lock."""
        with self._free:
            self._free.wait_for(lambda: not self._waiting)
            self._readers += 1
        try:
            with ExitStack() as stack:
                if os.access(self._path.parent, os.W_OK):
                    stack.enter_context(lock.share(self._path))
                yield
        finally:
            with self._free:
                self._readers -= 1
                self._free.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock alone."""
        with self._free:
            self._waiting += 1
            try:
                self._free.wait_for(lambda: not self._readers)
                with lock.wait_for(self._path):
                    yield
            finally:
                self._waiting -= 1
                self._free.notify_all()
