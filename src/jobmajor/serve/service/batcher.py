"""Score the titles of requests in batches: waiting requests together, long ones in slices.

The first title of a call costs much more than each further one. So the requests that arrive while a batch is scored
make up the next batch; no request waits for others to arrive. A long request is cut into slices, so that a short one
behind it waits for one slice only.

A thread scores, so that the event loop stays free for `/ping`. But a fast model's few titles are scored in the event
loop: that takes less time than handing the request to another thread and back.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from jobmajor.model.deepest import deepest
from jobmajor.serve.messages import rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobmajor.model.answers import Coded
    from jobmajor.serve.messages.parameters import RequestParameters
    from jobmajor.serve.service.champion import LoadedModel

SLICE = 256  # titles scored at a time: some 10 ms
_FEW = 24  # titles times levels of a request that the event loop scores
_FEW_CHARACTERS = 2000  # of all its titles
_LOOP_S = 0.03  # that scoring may take of one iteration of the event loop
_SHORT_SLICE = 64  # titles scored at a time in the event loop: some 3 ms
_Answers = list[list["Coded"]]  # for each level, an answer to each title


@dataclass(eq=False, slots=True)
class Job:
    """One request's titles, how many are scored, and the rendered answers so far; `notify` is called at the end.

    With `is_contextual`, each title is joined with a second text (`contextual.joined`). A list in `best` is filled with
    the answers at the first level.
    """

    titles: Sequence[str]
    parameters: RequestParameters
    kind: str
    served: LoadedModel
    parts: list[bytes | rendering.Packed] = field(default_factory=list)
    scored: int = 0
    error: Exception | None = None
    abandoned: bool = False
    notify: Callable[[], None] = lambda: None
    is_contextual: bool = False
    best: list[Coded] | None = None

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing is left to score."""
        return self.abandoned or self.error is not None or self.scored >= len(self.titles)

    @property
    def is_short(self) -> bool:
        """Tell whether scoring takes no longer than a system call or two."""
        count = len(self.titles) * len(self.parameters.levels)
        if self.parameters.target or self.is_contextual:  # both need the shares of all detailed codes
            return False
        return self.served.is_quick and count <= _FEW and sum(map(len, self.titles)) <= _FEW_CHARACTERS

    def goes_with(self, other: Job) -> bool:
        """Tell whether both can be scored in one call."""
        is_alike = self.parameters == other.parameters and self.is_contextual == other.is_contextual
        return self.served is other.served and is_alike


class RequestBatcher:
    """Scores jobs in order of arrival, slice by slice."""

    def __init__(self, observe: Callable[[_Answers], None] = lambda _: None) -> None:
        """`observe` is called with the answers of each batch, in the thread that scored it."""
        self._observe = observe
        self._jobs: deque[Job] = deque()
        self._short: deque[Job] = deque()  # scored in the event loop
        self._scoring = threading.Lock()  # a model never scores two batches at once
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Score the jobs that wait, and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    async def score(self, job: Job) -> list[bytes | rendering.Packed]:
        """Return the job's rendered answers, slice by slice. If the caller is cancelled, the rest is not scored."""
        loop, finished = asyncio.get_running_loop(), asyncio.Event()
        if job.is_short:
            job.notify = finished.set
            if not self._short:
                loop.call_soon(self._score_short, loop)
            self._short.append(job)
        else:
            job.notify = lambda: _call(loop, finished.set)
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
        """Score short jobs in the event loop for a limited time; the rest follow after pending reads and writes.

        With a shorter time, a full service would spend most of each loop iteration on refusals.
        """
        if not self._scoring.acquire(blocking=False):  # the thread scores a slice: it takes these jobs next
            for job in self._short:
                job.notify = partial(_call, loop, job.notify)
            self._append(self._short)
            self._short.clear()
            return
        end = time.perf_counter() + _LOOP_S
        try:
            while self._short and time.perf_counter() < end:
                self._score(_take_batch(self._short, _SHORT_SLICE, whole=True))
        finally:
            self._scoring.release()
        if self._short:
            loop.call_soon(self._score_short, loop)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            with self._scoring:
                self._score(batch)

    def _score(self, batch: Sequence[tuple[Job, int]]) -> None:
        if not batch:  # all waiting jobs were abandoned meanwhile
            return
        try:
            self._answer(batch)
        except Exception as error:  # whatever it is, its request must fail with it
            self._isolate_fault(batch, error)
        rest = [job for job, _ in batch if not job.is_finished]
        if rest:
            self._append(rest)
        for job, _ in batch:
            if job.is_finished:
                job.notify()

    def _next(self) -> list[tuple[Job, int]] | None:
        """Wait for the next batch: jobs, each with how many of its titles to score. None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._stopped)
            return _take_batch(self._jobs, SLICE) if self._jobs else None

    def _answer(self, batch: Sequence[tuple[Job, int]]) -> None:
        titles = [title for job, count in batch for title in job.titles[job.scored : job.scored + count]]
        first = batch[0][0]
        parameters, classifier = first.parameters, first.served.classifier
        asked = classifier.contextual if first.is_contextual else classifier
        model = asked.to(parameters.to) if parameters.target else asked
        mine, k, exact = first.served.overrides, parameters.top_k, parameters.exact
        if parameters.is_best:
            answers = [deepest(model).answer(titles, k, overrides=mine, exact=exact)]
        else:
            answers = model.answer_at(parameters.levels, titles, k, overrides=mine, exact=exact)
        start = 0
        for job, count in batch:
            part = [each[start : start + count] for each in answers]
            if count:
                job.parts.append(rendering.packed(rendering.rows(part, parameters, job.kind, job.served.digest)))
            if job.best is not None:
                job.best.extend(part[0])
            job.scored += count
            start += count
        self._observe(answers)

    def _isolate_fault(self, batch: Sequence[tuple[Job, int]], error: Exception) -> None:
        """Score each job of a failed batch alone, so that only the job that causes the fault fails."""
        if len(batch) == 1:
            batch[0][0].error = error
            return
        for job, count in batch:
            try:
                self._answer([(job, count)])
            except Exception as fault:  # as above
                job.error = fault


def _take_batch(jobs: deque[Job], size: int, *, whole: bool = False) -> list[tuple[Job, int]]:
    """Take jobs that can be scored together from the head of a queue, each with how many of its titles to score.

    A batch has at most `size` titles. With `whole`, only a batch's single job may be cut into slices.
    """
    batch: list[tuple[Job, int]] = []
    while jobs and size and (not batch or jobs[0].goes_with(batch[0][0])):
        if whole and batch and len(jobs[0].titles) > size:
            break
        job = jobs.popleft()
        if not job.abandoned:
            count = min(len(job.titles) - job.scored, size)
            size -= count
            batch.append((job, count))
    return batch


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    """Call something in an event loop, unless it is closed: then nobody waits any more."""
    try:
        loop.call_soon_threadsafe(what)
    except RuntimeError:
        return
