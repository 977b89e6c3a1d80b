"""Scores titles: requests that wait are answered together, long ones in slices, all in turn.

To score the first title of a call costs much more than each further one, so what piles up while a batch is scored makes
the next one; nothing ever waits for company. A long request is cut, so that a short one behind it waits for a slice and
not for the whole.

A thread scores, so that the event loop stays free for `/ping`. But few titles of a quick model are scored by the loop
itself: they take less time than two threads need to hand a request, and the interpreter, to each other and back.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from jobmajor.serve.messages import rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobmajor.model.answers import Coded
    from jobmajor.serve.messages.parameters import RequestParameters
    from jobmajor.serve.service.champion import Served

SLICE = 256  # titles scored at a time: some 10 ms
_FEW = 24  # titles times levels of a request that the loop scores itself
_CHARACTERS = 2000  # of all of them
_TURN_S = 0.03  # of a turn of the loop that go to them
_TOGETHER = 64  # of those requests at a time: some 3 ms
_Answers = list[list["Coded"]]  # for each level, one to each title


@dataclass(eq=False, slots=True)
class Job:
    """One request's titles, how far they are scored, and their answers so far, in bytes."""

    titles: Sequence[str]
    parameters: RequestParameters
    kind: str
    served: Served
    parts: list[bytes] = field(default_factory=list)
    scored: int = 0
    error: Exception | None = None
    abandoned: bool = False
    tell: Callable[[], None] = lambda: None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to score."""
        return self.abandoned or self.error is not None or self.scored >= len(self.titles)

    @property
    def is_short(self) -> bool:
        """Whether it is scored in the time of a system call or two."""
        count = len(self.titles) * len(self.parameters.levels)
        return self.served.is_quick and count <= _FEW and sum(map(len, self.titles)) <= _CHARACTERS

    def goes_with(self, other: Job) -> bool:
        """Whether both can be scored in one call."""
        return self.served is other.served and self.parameters == other.parameters


class RequestBatcher:
    """Scores jobs in the order of their coming, slice by slice."""

    def __init__(self, observe: Callable[[_Answers], None] = lambda _: None) -> None:
        """`observe` is shown the answers of each batch, in the scorer's own thread."""
        self._observe = observe
        self._jobs: deque[Job] = deque()
        self._short: deque[Job] = deque()  # the loop's own
        self._scoring = threading.Lock()  # a model is never asked by two at once
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="scorer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Score what is there, and end."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    async def score(self, job: Job) -> list[bytes]:
        """The job's answers in bytes, slice by slice; when the caller is cancelled, the rest is not scored."""
        loop, finished = asyncio.get_running_loop(), asyncio.Event()
        if job.is_short:
            job.tell = finished.set
            if not self._short:
                loop.call_soon(self._score_short, loop)
            self._short.append(job)
        else:
            job.tell = lambda: _call(loop, finished.set)
            self._append([job])
        try:
            await finished.wait()
        finally:
            job.abandoned = True
        if job.error is not None:
            raise job.error
        return job.parts

    def _append(self, jobs: Sequence[Job]) -> None:
        with self._changed:
            self._jobs.extend(jobs)
            self._changed.notify()

    def _score_short(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the loop: what came in this turn of it, for a while; the rest comes after what is to be read and sent.

        Were it less than a while, a full service would spend most of each turn on saying no.
        """
        if not self._scoring.acquire(blocking=False):  # a slice of a long one is in work: the thread takes them with it
            for job in self._short:
                job.tell = partial(_call, loop, job.tell)
            self._append(self._short)
            self._short.clear()
            return
        end = time.perf_counter() + _TURN_S
        try:
            while self._short and time.perf_counter() < end:
                self._score(_gathered(self._short, _TOGETHER, whole=True))
        finally:
            self._scoring.release()
        if self._short:
            loop.call_soon(self._score_short, loop)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            with self._scoring:
                self._score(batch)

    def _score(self, batch: Sequence[tuple[Job, int]]) -> None:
        if not batch:  # all that waited was given up meanwhile
            return
        try:
            self._answer(batch)
        except Exception as error:  # whatever it is, the request must learn of it
            self._isolate_fault(batch, error)
        rest = [job for job, _ in batch if not job.is_finished]
        if rest:
            self._append(rest)
        for job, _ in batch:
            if job.is_finished:
                job.tell()

    def _next(self) -> list[tuple[Job, int]] | None:
        """Jobs to score together, each with how many of its titles; None when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._stopped)
            return _gathered(self._jobs, SLICE) if self._jobs else None

    def _answer(self, batch: Sequence[tuple[Job, int]]) -> None:
        titles = [title for job, count in batch for title in job.titles[job.scored : job.scored + count]]
        first = batch[0][0]
        parameters, model = first.parameters, first.served.classifier
        answers = model.answer_at(parameters.levels, titles, parameters.top_k, exact=parameters.exact)
        start = 0
        for job, count in batch:
            part = [each[start : start + count] for each in answers]
            if count:
                job.parts.append(rendering.rows(part, parameters, job.kind, job.served.digest))
            job.scored += count
            start += count
        self._observe(answers)

    def _isolate_fault(self, batch: Sequence[tuple[Job, int]], error: Exception) -> None:
        """After a fault: one job's fault is its own, so of several each is scored alone."""
        if len(batch) == 1:
            batch[0][0].error = error
            return
        for job, count in batch:
            try:
                self._answer([(job, count)])
            except Exception as own:  # as above
                job.error = own


def _gathered(jobs: deque[Job], room: int, *, whole: bool = False) -> list[tuple[Job, int]]:
    """Those at the head of a line that can be scored together, taken out of it, each with how many of its titles.

    With `whole`, none is cut that isn't the only one.
    """
    batch: list[tuple[Job, int]] = []
    while jobs and room and (not batch or jobs[0].goes_with(batch[0][0])):
        if whole and batch and len(jobs[0].titles) > room:
            break
        job = jobs.popleft()
        if not job.abandoned:
            count = min(len(job.titles) - job.scored, room)
            room -= count
            batch.append((job, count))
    return batch


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    """Have a loop call something, unless it is closed: then nobody waits any more."""
    try:
        loop.call_soon_threadsafe(what)
    except RuntimeError:
        return
