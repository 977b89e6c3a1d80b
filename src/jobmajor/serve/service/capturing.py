"""Capture of traffic: a random sample of the answered requests is recorded in files, for `jobmajor monitor`.

A request never waits for it. The event loop puts a sampled request into a queue, and a thread writes. What finds the
queue full, or can't be written, is dropped and counted. Titles stand in the files alone, never in the log.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import InputError
from jobmajor.monitor.traffic.recorder import Bounds, Event, Recorder, prepare
from jobmajor.serve.messages import hashed, media
from jobmajor.serve.messages.rendering import unpacked
from jobmajor.serve.service import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.serve.messages.rendering import Packed
    from jobmajor.serve.service.batcher import Job
    from jobmajor.serve.service.tally import Tally

KEY = "JOBMAJOR_CAPTURE_KEY"  # the environment variable with the secret of hashes
_WAITING, _WAITING_BYTES = 1000, 32 * 2**20  # of the queue
_LARGE: Final = 4 * 2**20  # bytes of an answer that is left out of its line: a check needs the request only
_PRUNE_S: Final = 600.0
_PAUSE_S: Final = 1.0  # after a line that couldn't be written
_END_S: Final = 5.0  # for the queue to be written at the end
_MOST_MB, _MOST_DAYS = 1_000_000, 3650
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CapturePlan:
    """What is captured, and where to.

    Attributes:
        folder: The folder of the files.
        share: The share of requests, above 0 to 1.
        total_mb: The size of all files in MB, beyond which the oldest are removed.
        days: For which a file is kept.
        is_hashed: Whether hashes are recorded instead of titles.
        key: The secret of the hashes; a random one makes those of two starts of the service differ.
    """

    folder: Path
    share: float = 0.1
    total_mb: int = 1000
    days: int = 30
    is_hashed: bool = False
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not 0 < self.share <= 1:
            raise InputError(f"the share of captured requests is {self.share:g}: expected above 0, and at most 1")
        if not 1 <= self.total_mb <= _MOST_MB:
            raise InputError(f"the size of captures is {self.total_mb} MB: expected 1 to {_MOST_MB}")
        if not 1 <= self.days <= _MOST_DAYS:
            raise InputError(f"captures are kept for {self.days} days: expected 1 to {_MOST_DAYS}")

    @property
    def note(self) -> str:
        """What the log says of the titles."""
        if self.is_hashed:
            return "hashed: a check compares answers only, not texts, and there is no review"
        return "as they were sent"


def key(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the secret of hashes as an argument of `CapturePlan`; none where the environment names none."""
    found = (os.environ if environment is None else environment).get(KEY, "")
    if found and len(found) < 16:
        raise InputError(f"{KEY} has {len(found)} characters: expected 16 or more, chosen at random")
    return {"key": found.encode()[:64]} if found else {}


def from_environment(environment: Mapping[str, str]) -> CapturePlan | None:
    """Return the plan from JOBMAJOR_CAPTURE, _SHARE, _MB, _DAYS, _HASHED and _KEY; None without the first.

    Raises:
        InputError: One of them has an invalid value.
    """
    first = "JOBMAJOR_CAPTURE"
    if not environment.get(first):
        return None
    found: dict[str, Any] = key(environment)
    for name, kind in (("share", float), ("mb", int), ("days", int)):
        if text := environment.get(f"{first}_{name.upper()}"):
            try:
                found["total_mb" if name == "mb" else name] = kind(text)
            except ValueError as error:
                raise InputError(f"{first}_{name.upper()} is {text!r}: expected a number") from error
    is_hashed = environment.get(f"{first}_HASHED", "").lower()
    if is_hashed not in ("", "true", "false"):
        raise InputError(f"{first}_HASHED is {is_hashed!r}: expected true or false")
    return CapturePlan(prepare(Path(environment[first]), first), is_hashed=is_hashed == "true", **found)


@dataclass(frozen=True, slots=True)
class Taken:
    """A sampled request: its body, its headers, what was asked, and the answer's rendered parts."""

    body: bytes
    kind: str
    attributes: str
    job: Job
    whole: Sequence[bytes | Packed]
    at: float = field(default_factory=time.time)

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return len(self.body) + sum(len(part if isinstance(part, bytes) else part.data) for part in self.whole)

    def event(self, plan: CapturePlan) -> Event:
        """Return what is recorded."""
        at, job = datetime.fromtimestamp(self.at, UTC), self.job
        if plan.is_hashed:
            body = hashed.request(job.titles, plan.key)
            answer = hashed.answer(job.parts, job.parameters, job.kind, job.served.digest)
            return Event(at, media.JSON, body, media.JSON, answer, is_hashed=True)
        is_large = sum(map(len, self.whole)) > _LARGE
        answer = None if is_large else b"".join(piece for part in self.whole for piece in unpacked(part))
        return Event(at, self.kind, self.body, job.kind, answer, self.attributes)


class Capturer:
    """Records a sample of one process's requests."""

    def __init__(self, plan: CapturePlan, tally: Tally, workers: int = 1) -> None:
        self.plan, self._tally = plan, tally
        self._bounds = Bounds(plan.total_mb * 2**20, plan.days, workers)
        self._random = random.Random()  # noqa: S311 - a sample, no secret
        self._waiting: deque[Taken] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._told, self._resumes = "", 0.0

    def start(self) -> None:
        """Start the thread, in the process that answers."""
        self._random.seed()  # a fork would copy the parent's state
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, for some seconds at most, and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread:
            self._thread.join(_END_S)

    def is_drawn(self) -> bool:
        """Draw whether a request is in the sample."""
        return self._random.random() < self.plan.share

    def take(self, taken: Taken) -> None:
        """Put a request into the queue, or drop it if the queue is full."""
        size = taken.size_bytes
        with self._changed:
            is_full = len(self._waiting) >= _WAITING or self._bytes + size > _WAITING_BYTES
            if not is_full:
                self._waiting.append(taken)
                self._bytes += size
                self._changed.notify()
        if is_full:
            self._tally.add(metrics.UNCAPTURED["queue"])

    def _run(self) -> None:
        recorder = Recorder(self.plan.folder, self._bounds, self._tally.row)
        looks_at = time.monotonic()
        while True:
            if time.monotonic() >= looks_at:
                self._guarded(lambda: recorder.prune(datetime.now(UTC)))
                looks_at = time.monotonic() + _PRUNE_S
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped, _PRUNE_S)
                taken = self._waiting.popleft() if self._waiting else None
                self._bytes -= taken.size_bytes if taken else 0
            if taken:
                self._record(recorder, taken)
            elif self._stopped:
                break
        recorder.close()

    def _record(self, recorder: Recorder, taken: Taken) -> None:
        if time.monotonic() < self._resumes:
            self._tally.add(metrics.UNCAPTURED["disk"])
            return
        line = b""

        def write() -> None:
            nonlocal line
            event = taken.event(self.plan)
            line = event.line()
            if recorder.fits(line):
                recorder.write(line, event.at)

        if not self._guarded(write):
            self._resumes = time.monotonic() + _PAUSE_S
            self._tally.add(metrics.UNCAPTURED["disk"])
        elif recorder.fits(line):
            self._tally.add(metrics.CAPTURED)
        else:
            self._tally.add(metrics.UNCAPTURED["size"])

    def _guarded(self, work: Any) -> bool:
        """Do something, and return whether it was done; log each kind of fault once, without what it may quote."""
        try:
            work()
        except Exception as error:  # capture never ends a service
            why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            if why != self._told:
                self._told = why
                _log.error("requests are not captured", extra={"event": {"why": why}})
            return False
        self._told = ""
        return True
