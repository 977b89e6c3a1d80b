"""The service behind the app: its model, batcher, limits, keys and metrics, and its options."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobmajor.serve.messages.parameters import RequestParameters
from jobmajor.serve.service.admission import GROUPS, Admission, Limits
from jobmajor.serve.service.batcher import RequestBatcher
from jobmajor.serve.service.capturing import CapturePlan, Capturer
from jobmajor.serve.service.capturing import from_environment as plan_from_environment
from jobmajor.serve.service.keys import Keys
from jobmajor.serve.service.metrics import Metrics
from jobmajor.serve.service.shadow import Shadow, ShadowPlan
from jobmajor.serve.service.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.review.queue import Queue
    from jobmajor.serve.service.champion import Champion

_log = logging.getLogger(__name__)
_EVERY = 100  # refusals of a busy service: one is logged


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """How a service answers requests.

    Attributes:
        defaults: The parameters of a request that names none.
        limits: How much work is admitted.
        keys: The API keys; without any, no request needs one.
        poll_s: Seconds between two checks for a new champion.
        hosts: The names that the service answers to beside those of loopback; None for any name.
        workers: How many processes answer.
        capture: What of the traffic is recorded; None records nothing.
        shadow: The candidate that answers as well, unseen; None for none.
        queue: The titles that reviewers decide on, on the page; None for none.
    """

    defaults: RequestParameters = field(default_factory=RequestParameters)
    limits: Limits = field(default_factory=Limits)
    keys: Keys = field(default_factory=lambda: Keys({}))
    poll_s: float = 2.0
    hosts: frozenset[str] | None = None
    workers: int = 1
    capture: CapturePlan | None = None
    shadow: ShadowPlan | None = None
    queue: Queue | None = None


class Service:
    """The service of one model; `is_draining` is set when it begins to shut down.

    With several `workers`, each process has this object, and `tally` is what they share: a row each, and one for their
    parent. `poll_s` is the process's own time between two checks for a new model.
    """

    def __init__(self, champion: Champion, options: ServiceOptions | None = None) -> None:
        self.champion, self.options = champion, options or ServiceOptions()
        workers, self.poll_s = self.options.workers, self.options.poll_s
        self.tally = Tally(workers + 1 if workers > 1 else 1, GROUPS)
        self.keys, self.metrics = self.options.keys, Metrics(self.tally)
        limits = self.options.limits
        share = max(limits.requests // 2, 1) if len(self.keys) > 1 else None
        self.admission = Admission(limits, share, self.tally)
        self.batcher = RequestBatcher(self.metrics.batch)
        plan = self.options.capture
        self.capture = Capturer(plan, self.tally, workers) if plan else None
        self.shadow = Shadow(self.options.shadow, self.tally) if self.options.shadow else None
        self.is_draining = False
        self._refusals = 0

    def is_hundredth_refusal(self) -> bool:
        """Count a refusal, and return whether to log it: the first one, and every hundredth from there."""
        self._refusals += 1
        return self._refusals % _EVERY == 1

    async def watch(self) -> None:
        """Check for a new champion until cancelled. It is loaded in a thread, so that the event loop stays free."""
        while True:
            await asyncio.sleep(self.poll_s)
            try:
                await asyncio.to_thread(self.champion.refresh)
            except Exception as error:  # the next check may succeed; without this there would be none
                _log.error("fault", extra={"event": {"where": "champion"}}, exc_info=error)


def from_environment(environment: Mapping[str, str] | None = None) -> ServiceOptions:
    """Return the options from JOBMAJOR_LEVEL, JOBMAJOR_TOP_K, JOBMAJOR_EXACT, SAGEMAKER_BATCH and JOBMAJOR_CAPTURE….

    Raises:
        Refusal, InputError: One of them has an invalid value.
    """
    given = os.environ if environment is None else environment
    names = {"JOBMAJOR_LEVEL": "level", "JOBMAJOR_TOP_K": "top_k", "JOBMAJOR_EXACT": "exact"}
    defaults = RequestParameters().updated(
        {names[name]: given[name] for name in names if name in given}, "the environment"
    )
    is_batch = given.get("SAGEMAKER_BATCH", "").lower() == "true"
    limits = Limits(answer_s=590.0) if is_batch else Limits()
    return ServiceOptions(defaults=defaults, limits=limits, capture=plan_from_environment(given))
