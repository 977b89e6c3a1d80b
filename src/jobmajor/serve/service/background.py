"""Work that follows an answered request, on a thread of its own, so that no request waits for it.

The queue is bounded: what finds it full is dropped. So is what fails, and what comes in the second after a fault, for a
full disk stays full. Each kind of fault is logged once, without the request, which titles may stand in.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Item = TypeVar("Item")
_MOST: Final = 1000  # items that wait
_TICK_S: Final = 600.0
_PAUSE_S: Final = 1.0  # after a fault
_END_S: Final = 5.0  # for what waits at the end
_LOWEST: Final = 19
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task(Generic[Item]):
    """What is done in the background.

    Attributes:
        name: The name of the thread.
        fault: What the log says of a fault.
        most: The size of all items that wait, in the unit of `Background.put`.
        work: Called with each item.
        lost: Called in place of `work` after a fault, and after a fault of `work`.
        tick: Called at the start, and every ten minutes.
        end: Called at the end.
        is_lowest: Whether the thread has the lowest priority; on Linux only.
    """

    name: str
    fault: str
    most: int
    work: Callable[[Item], None]
    lost: Callable[[], None]
    tick: Callable[[], None]
    end: Callable[[], None]
    is_lowest: bool = False


class Background(Generic[Item]):
    """A bounded queue, and the thread that works it off."""

    def __init__(self, task: Task[Item]) -> None:
        """Start the thread: in the process that answers, for a fork would leave it behind."""
        self._task = task
        self._waiting: deque[tuple[Item, int]] = deque()
        self._size = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._told, self._resumes = "", 0.0
        self._thread = threading.Thread(target=self._run, name=task.name, daemon=True)
        self._thread.start()

    def put(self, item: Item, size: int) -> bool:
        """Put an item into the queue, and return whether it had room."""
        with self._changed:
            is_full = len(self._waiting) >= _MOST or self._size + size > self._task.most
            if not is_full:
                self._waiting.append((item, size))
                self._size += size
                self._changed.notify()
        return not is_full

    def stop(self) -> None:
        """Work off what waits, for some seconds at most, and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(_END_S)

    def _run(self) -> None:
        if self._task.is_lowest:
            with suppress(AttributeError, OSError):  # Linux alone gives a thread a priority of its own
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        ticks_at = time.monotonic()
        while True:
            if time.monotonic() >= ticks_at:
                self._guarded(self._task.tick)
                ticks_at = time.monotonic() + _TICK_S
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped, _TICK_S)
                item, size = self._waiting.popleft() if self._waiting else (None, 0)
                self._size -= size
            if item is not None:
                self._do(item)
            elif self._stopped:
                break
        self._task.end()

    def _do(self, item: Item) -> None:
        if time.monotonic() < self._resumes:
            self._task.lost()
        elif not self._guarded(lambda: self._task.work(item)):
            self._resumes = time.monotonic() + _PAUSE_S
            self._task.lost()

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Do something, and return whether it was done."""
        try:
            work()
        except Exception as error:  # an edge: what runs in the background never ends a service
            why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            if why != self._told:
                self._told = why
                _log.error(self._task.fault, extra={"event": {"why": why}})
            return False
        self._told = ""
        return True
