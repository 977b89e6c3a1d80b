"""Stop all jobs of a run from any thread; an interrupt reaches only the main thread."""

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
        """Whether the run was told to stop; results of running jobs no longer count."""
        return self._requested.is_set()

    def is_draining(self) -> bool:
        """Return whether running jobs may end but nothing new starts and nothing is retried."""
        return self._draining.is_set()

    def request(self) -> None:
        """End every running job, and every job that starts later."""
        with self._lock:
            self._requested.set()
            self._draining.set()
            for pipe in self._pipes:
                pipe.close()

    def drain(self) -> None:
        """Let running jobs end, start nothing new and retry nothing."""
        self._draining.set()

    def wait(self, seconds: float) -> None:
        """Wait for that time, or until nothing new may start."""
        self._draining.wait(seconds)

    @contextmanager
    def closing(self, pipe: IO[bytes]) -> Iterator[None]:
        """Close the pipe when a stop is requested during the block or was before; its supervisor then ends the job."""
        with self._lock:
            if self.is_requested:
                pipe.close()
            self._pipes.add(pipe)
        try:
            yield
        finally:
            with self._lock:
                self._pipes.discard(pipe)
