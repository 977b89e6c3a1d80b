"""A random sample of answered requests, recorded in the background in files of a capture: for capture and for shadow.

A request never waits for it. What finds the queue full, is too large or can't be written, is dropped and counted.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from jobmajor.monitor.traffic.recorder import Bounds, Recorder
from jobmajor.serve.service.background import Background, Task

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.serve.service.tally import Tally


class Answered(Protocol):
    """A request that was answered."""

    @property
    def at(self) -> float:
        """When, in seconds since 1970."""


Item = TypeVar("Item", bound=Answered)


@dataclass(frozen=True, slots=True)
class Counts:
    """The metrics that count requests: those recorded, and those dropped, by reason."""

    recorded: str
    queue: str
    size: str
    fault: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What is recorded, and where to.

    Attributes:
        name: The name of the thread.
        fault: What the log says of a fault.
        folder: The folder of the files.
        bounds: The size of all files, and the days for which one is kept.
        share: The share of requests, above 0 to 1.
        most: The size of all requests that wait, in the unit of `Recording.put`.
        counts: The metrics.
        is_lowest: Whether the thread has the lowest priority.
    """

    name: str
    fault: str
    folder: Path
    bounds: Bounds
    share: float
    most: int
    counts: Counts
    is_lowest: bool = False


class Recording(ABC, Generic[Item]):
    """Records a sample of one process's requests."""

    def __init__(self, sample: Sample, tally: Tally) -> None:
        self._sample, self._tally = sample, tally
        self._random = random.Random()  # noqa: S311 - a sample, no secret
        self._background: Background[Item] | None = None

    @abstractmethod
    def line(self, item: Item) -> bytes:
        """Return what is recorded of a request; called on the thread."""

    def start(self) -> None:
        """Start the thread, in the process that answers."""
        self._random.seed()  # a fork would copy the parent's state
        sample = self._sample
        recorder = Recorder(sample.folder, sample.bounds, self._tally.row)
        self._background = Background(
            Task(
                name=sample.name,
                fault=sample.fault,
                most=sample.most,
                work=lambda item: self._record(recorder, item),
                lost=lambda: self._tally.add(sample.counts.fault),
                tick=lambda: recorder.prune(datetime.now(UTC)),
                end=recorder.close,
                is_lowest=sample.is_lowest,
            )
        )

    def stop(self) -> None:
        """Work off what waits, for some seconds at most, and end the thread."""
        if self._background:
            self._background.stop()

    def is_drawn(self) -> bool:
        """Draw whether a request is in the sample."""
        return self._random.random() < self._sample.share

    def put(self, item: Item, size: int) -> None:
        """Put a request into the queue, or drop it if the queue is full."""
        if self._background and not self._background.put(item, size):
            self._tally.add(self._sample.counts.queue)

    def _record(self, recorder: Recorder, item: Item) -> None:
        line = self.line(item)
        if not recorder.fits(line):
            self._tally.add(self._sample.counts.size)
            return
        recorder.write(line, datetime.fromtimestamp(item.at, UTC))
        self._tally.add(self._sample.counts.recorded)
