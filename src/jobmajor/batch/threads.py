"""Two threads beside the one that scores: one reads ahead and one writes behind, by a bounded number of blocks.

Reading, scoring and writing run in compiled code that releases the interpreter's lock. So three threads overlap, and
memory holds only a few blocks.
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Item = TypeVar("_Item")
DEPTH = 1  # items in the queue
_END: Any = object()


class ReadAhead(Generic[_Item]):
    """Iterates over items that another thread makes in advance; its error is raised after the items before it."""

    def __init__(self, items: Iterator[_Item], depth: int = DEPTH) -> None:
        self._items = items
        self._waiting: queue.Queue[Any] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="read-ahead", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                self._waiting.put((item, None))
                if self._stopped.is_set():
                    return
        except BaseException as caught:  # it is raised again where the items are used
            error = caught
        self._waiting.put((_END, error))

    def __iter__(self) -> Iterator[_Item]:
        while True:
            item, error = self._waiting.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item

    def close(self) -> None:
        """End the thread, even if items are left."""
        self._stopped.set()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._waiting.get(timeout=0.05)
        self._thread.join()


class WriteBehind(Generic[_Item]):
    """Calls a function with items in another thread, in order; its error is raised by the next `put` or `finish`."""

    def __init__(self, function: Callable[[_Item], None], depth: int = DEPTH) -> None:
        self._function = function
        self._waiting: queue.Queue[Any] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="write-behind", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (item := self._waiting.get()) is not _END:
            if self._error is None:
                try:
                    self._function(item)
                except BaseException as error:  # as above
                    self._error = error

    def put(self, item: _Item) -> None:
        """Queue an item; block while the queue is full."""
        self._check()
        self._waiting.put(item)

    def finish(self) -> None:
        """Wait until all items are done."""
        self.stop()
        self._check()

    def stop(self) -> None:
        """End the thread after the queued items; raise no error of theirs."""
        if self._thread.is_alive():
            self._waiting.put(_END)
            self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
