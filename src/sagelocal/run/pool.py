"""Run steps in parallel: one thread waits for each job, and only the caller's thread decides and writes records.

Threads suffice, because the work is done in the jobs' processes.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from sagelocal.run.records import EXECUTING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from sagelocal.jobs.stop import StopSignal
    from sagelocal.run.attempts import Report
    from sagelocal.run.records import StepRecord


class StepPool:
    """A pool for at most `size` steps; leaving the block stops the steps that still run."""

    def __init__(self, size: int, stop: StopSignal) -> None:
        self._size, self._stop = size, stop
        self._threads: dict[str, threading.Thread] = {}
        self._reports: SimpleQueue[StepRecord | BaseException] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._threads:
            self._stop.request()
        for thread in self._threads.values():
            thread.join()

    @property
    def active(self) -> int:
        """The number of running steps."""
        return len(self._threads)

    @property
    def has_capacity(self) -> bool:
        """Whether another step may start."""
        return len(self._threads) < self._size

    def start(self, name: str, work: Callable[[Report], StepRecord]) -> None:
        """Start the step of that name; `work` gets a function that reports intermediate records."""

        def follow() -> None:
            try:
                self._reports.put(work(self._reports.put))
            except BaseException as error:  # raised again by `next`
                self._reports.put(error)

        thread = threading.Thread(target=follow, name=f"step {name}", daemon=True)  # a second interrupt need not wait
        self._threads[name] = thread
        thread.start()

    def next(self) -> StepRecord:
        """Wait for the next record of any step; one that is not `Executing` is its last.

        An exception in a step's work is raised here.
        """
        found = self._reports.get()
        if isinstance(found, BaseException):
            raise found
        if found.status != EXECUTING:
            self._threads.pop(found.name).join()
        return found
