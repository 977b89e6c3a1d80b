"""Ends every job of a run at once, from whatever thread: an interrupt reaches the main thread and no other."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Halt:
    """A request to stop, shared by the threads of one run."""

    def __init__(self) -> None:
        self._asked, self._last, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self._pipes: set[IO[bytes]] = set()

    @property
    def asked(self) -> bool:
        """Whether the run is to end; what is being done then no longer counts."""
        return self._asked.is_set()

    def ending(self) -> bool:
        """Whether what runs now is the last: it may end, and nothing is tried again."""
        return self._last.is_set()

    def ask(self) -> None:
        """End every job whose supervisor is being waited for, and every one that starts after this."""
        with self._lock:
            self._asked.set()
            self._last.set()
            for pipe in self._pipes:
                pipe.close()

    def begin_nothing_new(self) -> None:
        """Let what runs end; nobody waits to try again."""
        self._last.set()

    def wait(self, seconds: float) -> None:
        """Return after that time, or as soon as nothing new may begin."""
        self._last.wait(seconds)

    @contextmanager
    def closing(self, pipe: IO[bytes]) -> Iterator[None]:
        """Close the pipe when the run is to end, in the block or already; a supervisor takes that as its end."""
        with self._lock:
            if self.asked:
                pipe.close()
            self._pipes.add(pipe)
        try:
            yield
        finally:
            with self._lock:
                self._pipes.discard(pipe)
