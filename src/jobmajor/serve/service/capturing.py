"""Capture of traffic: a random sample of the answered requests is recorded in files, for `jobmajor monitor`.

A request never waits for it. The event loop puts a sampled request into a queue, and a thread writes. What finds the
queue full, or can't be written, is dropped and counted. Titles stand in the files alone, never in the log.
"""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import InputError
from jobmajor.monitor.traffic.recorder import Bounds, Event, prepare
from jobmajor.serve.messages import hashed, media
from jobmajor.serve.messages.rendering import unpacked
from jobmajor.serve.service import metrics
from jobmajor.serve.service.recording import Counts, Recording, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.serve.messages.rendering import Packed
    from jobmajor.serve.service.batcher import Job
    from jobmajor.serve.service.tally import Tally

KEY = "JOBMAJOR_CAPTURE_KEY"  # the environment variable with the secret of hashes
_WAITING_BYTES: Final = 32 * 2**20  # of the queue
_LARGE: Final = 4 * 2**20  # bytes of an answer that is left out of its line: a check needs the request only
_MOST_MB, _MOST_DAYS = 1_000_000, 3650
_COUNTS: Final = Counts(metrics.CAPTURED, *(metrics.UNCAPTURED[reason] for reason in ("queue", "size", "disk")))


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


class Capturer(Recording[Taken]):
    """Records a sample of one process's requests."""

    def __init__(self, plan: CapturePlan, tally: Tally, workers: int = 1) -> None:
        self.plan = plan
        bounds = Bounds(plan.total_mb * 2**20, plan.days, workers)
        fault = "requests are not captured"
        super().__init__(Sample("capture", fault, plan.folder, bounds, plan.share, _WAITING_BYTES, _COUNTS), tally)

    def take(self, taken: Taken) -> None:
        """Put a request into the queue, or drop it if the queue is full."""
        self.put(taken, taken.size_bytes)

    def line(self, item: Taken) -> bytes:
        """Return a line of a capture."""
        return item.event(self.plan).line()
