"""Ends every job of a run at once, from whatever thread: an interrupt reaches the main thread and no other."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StopSignal:
    """A request to stop, shared by the threads of one run."""

    def __init__(self) -> None:
        self._requested, self._draining, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self._pipes: set[IO[bytes]] = set()

    @property
    def is_requested(self) -> bool:
        """Whether the run is to end; what is being done then no longer counts."""
        return self._requested.is_set()

    def is_draining(self) -> bool:
        """Whether what runs now is the last: it may end, and nothing is tried again."""
        return self._draining.is_set()

    def request(self) -> None:
        """End every job whose supervisor is being waited for, and every one that starts after this."""
        with self._lock:
            self._requested.set()
            self._draining.set()
            for pipe in self._pipes:
                pipe.close()

    def drain(self) -> None:
        """Let what runs end; nobody waits to try again."""
        self._draining.set()

    def wait(self, seconds: float) -> None:
        """Return after that time, or as soon as nothing new may begin."""
        self._draining.wait(seconds)

    @contextmanager
    def closing(self, pipe: IO[bytes]) -> Iterator[None]:
        """Close the pipe when the run is to end, in the block or already; a supervisor takes that as its end."""
        with self._lock:
            if self.is_requested:
                pipe.close()
            self._pipes.add(pipe)
        try:
            yield
        finally:
            with self._lock:
                self._pipes.discard(pipe)
