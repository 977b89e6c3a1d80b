"""Shadow serving: a candidate answers the titles of real requests as well, and nobody but a file sees its answers.

A request never waits for it. Once a request is answered, the event loop puts its titles into a queue; a thread of the
lowest priority answers them with the candidate and writes both answers, in the layout of a capture. What finds the
queue full, or can't be written, is dropped and counted. Titles stand in the files alone, never in the log.
"""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import InputError
from jobmajor.model.deepest import deepest
from jobmajor.monitor.traffic.recorder import Bounds, Event, Recorder
from jobmajor.serve.messages import media
from jobmajor.serve.service import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobmajor.model.answers import Coded
    from jobmajor.serve.service.batcher import Job
    from jobmajor.serve.service.champion import LoadedModel
    from jobmajor.serve.service.tally import Tally

_WAITING, _WAITING_TITLES = 1000, 100_000  # of the queue
_SLICE: Final = 64  # titles answered at a time
_PAUSE_S: Final = 1.0  # after a fault
_END_S: Final = 5.0  # for the queue to be answered at the end
_LOWEST: Final = 19
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShadowPlan:
    """What answers in the shadow, and where to its answers are written.

    Attributes:
        folder: The folder of the files.
        version: The candidate's number in the registry.
        candidate: The candidate; no other thread may use it.
        share: The share of requests, above 0 to 1.
        bounds: The size of all files, beyond which the oldest are removed, and the days for which one is kept.
    """

    folder: Path
    version: int
    candidate: LoadedModel
    share: float = 1.0
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not 0 < self.share <= 1:
            raise InputError(f"the share of requests in the shadow is {self.share:g}: expected above 0, and at most 1")


@dataclass(frozen=True, slots=True)
class _Answered:
    """A request that was answered: what was asked, and the champion's best codes at its first level."""

    job: Job
    at: float = field(default_factory=time.time)


class Shadow:
    """Answers one process's requests with the candidate."""

    def __init__(self, plan: ShadowPlan, tally: Tally) -> None:
        self.plan, self._tally = plan, tally
        self._random = random.Random()  # noqa: S311 - a sample, no secret
        self._waiting: deque[_Answered] = deque()
        self._titles = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._told, self._resumes = "", 0.0

    def start(self) -> None:
        """Start the thread, in the process that answers."""
        self._random.seed()  # a fork would copy the parent's state
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, for some seconds at most, and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread:
            self._thread.join(_END_S)

    def watch(self, job: Job) -> None:
        """Let a request that is drawn keep the champion's codes; other classifications and texts are left out."""
        if job.parameters.target is None and not job.is_contextual and self._random.random() < self.plan.share:
            job.best = []

    def take(self, job: Job) -> None:
        """Put an answered request into the queue, or drop it if the queue is full."""
        if job.best is None:
            return
        with self._changed:
            is_full = len(self._waiting) >= _WAITING or self._titles + len(job.titles) > _WAITING_TITLES
            if not is_full:
                self._waiting.append(_Answered(job))
                self._titles += len(job.titles)
                self._changed.notify()
        if is_full:
            self._tally.add(metrics.UNSHADOWED["queue"])

    def _run(self) -> None:
        with suppress(AttributeError, OSError):  # Linux alone gives a thread a priority of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        recorder = Recorder(self.plan.folder, self.plan.bounds, self._tally.row)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                answered = self._waiting.popleft() if self._waiting else None
                self._titles -= len(answered.job.titles) if answered else 0
            if answered is None:
                break
            self._guarded(recorder, answered)
        recorder.close()

    def _guarded(self, recorder: Recorder, answered: _Answered) -> None:
        """Answer and write a request; log each kind of fault once, without what it may quote."""
        if time.monotonic() < self._resumes:
            self._tally.add(metrics.UNSHADOWED["fault"])
            return
        try:
            at, line = datetime.fromtimestamp(answered.at, UTC), self._line(answered)
            if not recorder.fits(line):
                self._tally.add(metrics.UNSHADOWED["size"])
                return
            recorder.write(line, at)
        except Exception as error:  # the shadow never ends a service
            why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            if why != self._told:
                self._told = why
                _log.error("the candidate's answers are not recorded", extra={"event": {"why": why}})
            self._resumes = time.monotonic() + _PAUSE_S
            self._tally.add(metrics.UNSHADOWED["fault"])
            return
        self._told = ""
        self._tally.add(metrics.SHADOWED)

    def _line(self, answered: _Answered) -> bytes:
        """Return a line of a capture: the titles, and as the answer to them the best codes of both models."""
        job, candidate = answered.job, self.plan.candidate
        titles = list(job.titles)
        body = json.dumps({"instances": titles}, ensure_ascii=False).encode()
        found = {
            "version": self.plan.version,
            "model": candidate.digest,
            "champion": job.served.digest,
            "level": "best" if job.parameters.is_best else job.parameters.levels[0],
            "before": [_plain(each) for each in job.best or ()],
            "after": [_plain(each) for each in self._answers(titles, job)],
        }
        answer = json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
        return Event(datetime.fromtimestamp(answered.at, UTC), media.JSON, body, media.JSON, answer).line()

    def _answers(self, titles: Sequence[str], job: Job) -> list[Coded]:
        model, parameters, mine = self.plan.candidate.classifier, job.parameters, job.served.overrides
        found: list[Coded] = []
        for start in range(0, len(titles), _SLICE):
            some = titles[start : start + _SLICE]
            if parameters.is_best:
                found += deepest(model).answer(some, 1, overrides=mine, exact=parameters.exact)
            else:
                found += model.answer(some, parameters.levels[0], overrides=mine, exact=parameters.exact)
        return found


def _plain(coded: Coded) -> list[Any]:
    """Return the best code, its confidence, and whether a person should look at it."""
    return [coded.answers[0].label if coded.answers else "", round(float(coded.confidence), 4), bool(coded.abstain)]
