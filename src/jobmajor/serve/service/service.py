"""What the app holds while it runs: the model, the scorer, the limits, the keys, the counts."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobmajor.serve.messages.parameters import RequestParameters
from jobmajor.serve.service.admission import Admission, Limits
from jobmajor.serve.service.batcher import RequestBatcher
from jobmajor.serve.service.keys import Keys
from jobmajor.serve.service.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.serve.service.champion import Champion

_log = logging.getLogger(__name__)
_EVERY = 100  # refusals of a busy service: one is logged


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """How a service answers.

    Attributes:
        defaults: What a client gets that asks for nothing else.
        limits: What is let in.
        keys: Who may ask; none: everybody.
        poll_s: Seconds between two looks for another champion.
    """

    defaults: RequestParameters = field(default_factory=RequestParameters)
    limits: Limits = field(default_factory=Limits)
    keys: Keys = field(default_factory=lambda: Keys({}))
    poll_s: float = 2.0


class Service:
    """One model's service; `is_draining` is set when it is told to end."""

    def __init__(self, champion: Champion, options: ServiceOptions | None = None) -> None:
        self.champion, self.options = champion, options or ServiceOptions()
        self.keys, self.metrics = self.options.keys, Metrics()
        limits = self.options.limits
        self.admission = Admission(limits, max(limits.requests // 2, 1) if len(self.keys) > 1 else None)
        self.batcher = RequestBatcher(self.metrics.batch)
        self.is_draining = False
        self._refusals = 0

    def is_hundredth_refusal(self) -> bool:
        """Whether this refusal is one to log: the first, and each hundredth from there."""
        self._refusals += 1
        return self._refusals % _EVERY == 1

    async def watch(self) -> None:
        """Look for another champion until cancelled; it is loaded beside the event loop."""
        while True:
            await asyncio.sleep(self.options.poll_s)
            try:
                await asyncio.to_thread(self.champion.refresh)
            except Exception as error:  # the next look may go well, and without this there would be none
                _log.error("fault", extra={"event": {"where": "champion"}}, exc_info=error)


def from_environment(environment: Mapping[str, str] | None = None) -> ServiceOptions:
    """What an image's environment says: JOBMAJOR_LEVEL, JOBMAJOR_TOP_K, JOBMAJOR_EXACT, and SAGEMAKER_BATCH.

    Raises:
        Refusal: One of them is no such value.
    """
    given = os.environ if environment is None else environment
    names = {"JOBMAJOR_LEVEL": "level", "JOBMAJOR_TOP_K": "top_k", "JOBMAJOR_EXACT": "exact"}
    defaults = RequestParameters().updated(
        {names[name]: given[name] for name in names if name in given}, "the environment"
    )
    is_batch = given.get("SAGEMAKER_BATCH", "").lower() == "true"
    return ServiceOptions(defaults=defaults, limits=Limits(answer_s=590.0) if is_batch else Limits())
