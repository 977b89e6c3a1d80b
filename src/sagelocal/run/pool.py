"""Steps side by side: each job is followed by a thread, and one thread alone decides and writes the record.

Threads are enough, for the work is done by the jobs' own processes.
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
    """At most `size` steps at once; leaving the block ends those that still run, whatever the reason."""

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
        """How many steps run now."""
        return len(self._threads)

    @property
    def has_capacity(self) -> bool:
        """Whether another step may begin."""
        return len(self._threads) < self._size

    def start(self, name: str, work: Callable[[Report], StepRecord]) -> None:
        """Begin the step of that name; `work` gets the function that tells its records on the way."""

        def follow() -> None:
            try:
                self._reports.put(work(self._reports.put))
            except BaseException as error:  # it is raised again in the thread that waits for it
                self._reports.put(error)

        thread = threading.Thread(target=follow, name=f"step {name}", daemon=True)  # a second interrupt need not wait
        self._threads[name] = thread
        thread.start()

    def next(self) -> StepRecord:
        """Return the next record that a step tells; one that is not `Executing` is its last.

        Whatever else its work raised is raised here.
        """
        found = self._reports.get()
        if isinstance(found, BaseException):
            raise found
        if found.status != EXECUTING:
            self._threads.pop(found.name).join()
        return found
