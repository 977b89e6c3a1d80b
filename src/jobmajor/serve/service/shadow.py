"""Shadow serving: a candidate answers the titles of real requests as well, and nobody but a file sees its answers.

A request never waits for it. Once a request is answered, the event loop puts its titles into a queue; a thread of the
lowest priority answers them with the candidate and writes both answers, in the layout of a capture. What finds the
queue full, or can't be written, is dropped and counted. Titles stand in the files alone, never in the log.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import InputError
from jobmajor.model.deepest import deepest
from jobmajor.monitor.traffic.recorder import Bounds, Event
from jobmajor.serve.messages import media
from jobmajor.serve.service import metrics
from jobmajor.serve.service.recording import Counts, Recording, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobmajor.model.answers import Coded
    from jobmajor.serve.service.batcher import Job
    from jobmajor.serve.service.champion import LoadedModel
    from jobmajor.serve.service.tally import Tally

_WAITING_TITLES: Final = 100_000  # of the queue
_SLICE: Final = 64  # titles answered at a time
_COUNTS: Final = Counts(metrics.SHADOWED, *(metrics.UNSHADOWED[reason] for reason in ("queue", "size", "fault")))


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


class Shadow(Recording[_Answered]):
    """Answers one process's requests with the candidate."""

    def __init__(self, plan: ShadowPlan, tally: Tally) -> None:
        self.plan = plan
        fault = "the candidate's answers are not recorded"
        sample = Sample("shadow", fault, plan.folder, plan.bounds, plan.share, _WAITING_TITLES, _COUNTS, is_lowest=True)
        super().__init__(sample, tally)

    def watch(self, job: Job) -> None:
        """Let a request that is drawn keep the champion's codes; other classifications and texts are left out."""
        if job.parameters.target is None and not job.is_contextual and self.is_drawn():
            job.best = []

    def take(self, job: Job) -> None:
        """Put an answered request into the queue, or drop it if the queue is full."""
        if job.best is not None:
            self.put(_Answered(job), len(job.titles))

    def line(self, item: _Answered) -> bytes:
        """Return a line of a capture: the titles, and as the answer to them the best codes of both models."""
        job, candidate = item.job, self.plan.candidate
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
        return Event(datetime.fromtimestamp(item.at, UTC), media.JSON, body, media.JSON, answer).line()

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
