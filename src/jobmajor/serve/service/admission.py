"""Admission control: refuse at once what can't be answered soon, so that admitted requests stay fast.

The limits are the app's and not uvicorn's: a limit in the server would also refuse `/ping`, and an orchestrator would
then kill a container that is only busy.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.serve.messages.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

_RETRY = {"Retry-After": "1"}  # seconds; admitted requests are answered sooner
BUSY = Refusal(503, "the service is busy: try again in a second", headers=_RETRY)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one request, and of all requests together.

    Attributes:
        body_bytes: Bytes of one body; SageMaker's own limit for an invocation.
        titles: Titles of one request. A body of that size has some 250,000 usual ones, or millions of empty ones.
        answers: Titles times levels times top_k of one request. Each takes some 100 bytes.
        requests: Requests in progress: being read, waiting or answered.
        all_bytes: Bytes of all bodies in progress.
        all_answers: Titles times levels times top_k of all requests in progress.
        stall_s: Seconds without a byte of a body, after which it is given up.
        body_s: Seconds for a whole body.
        answer_s: Seconds for scoring. SageMaker gives up after 60, a batch transform after 600.
        send_s: Seconds for a client to take each part of its response.
    """

    body_bytes: int = 6_291_456
    titles: int = 500_000
    answers: int = 1_500_000
    requests: int = 128
    all_bytes: int = 64 * 2**20
    all_answers: int = 2_000_000
    stall_s: float = 10.0
    body_s: float = 60.0
    answer_s: float = 55.0
    send_s: float = 60.0


def _busy() -> Refusal:
    """Return a new refusal for each use: a raised exception keeps its traceback."""
    return Refusal(BUSY.status, BUSY.sentence, headers=BUSY.headers)


class Permit:
    """What one admitted request takes of the limits of all."""

    def __init__(self, admission: Admission) -> None:
        self._admission, self.size_bytes, self.answers = admission, 0, 0

    def take_bytes(self, count: int) -> None:
        """Count bytes of the body; raise Refusal 503 if all bodies together are too large now."""
        if self._admission.size_bytes + count > self._admission.limits.all_bytes:
            raise _busy()
        self.size_bytes += count
        self._admission.size_bytes += count

    def take_answers(self, titles: int, each: int) -> None:
        """Count answers; raise Refusal 413 above the limit of one request, 503 above that of all together."""
        limits, count = self._admission.limits, titles * each
        if titles > limits.titles:
            found = f"the body holds {titles:,} titles: at most {limits.titles:,} are answered at once"
            raise Refusal(413, f"{found}, split it", field="instances")
        if count > limits.answers:
            found = f"{titles:,} titles with {each:,} codes each are asked for: at most {limits.answers:,} codes"
            raise Refusal(413, f"{found} are answered at once, split the body or lower top_k", field="top_k")
        if self._admission.answers + count > limits.all_answers:
            raise _busy()
        self.answers += count
        self._admission.answers += count


class Admission:
    """Count the requests in progress. Only the event loop uses it, so it needs no lock."""

    def __init__(self, limits: Limits, share: int | None = None) -> None:
        """`share` is how many requests of one client may be in progress; None sets no limit below that of all."""
        self.limits, self._share = limits, share or limits.requests
        self.requests, self.size_bytes, self.answers = 0, 0, 0
        self._of: Counter[str] = Counter()

    @property
    def is_full(self) -> bool:
        """Tell whether no further request is admitted now."""
        return self.requests >= self.limits.requests

    @contextmanager
    def entered(self, client: str) -> Iterator[Permit]:
        """Hold a permit for one request of a client, until it is answered.

        Raises:
            Refusal: 503 if no permit is free, 429 if the client holds its share of them.
        """
        if self.is_full:
            raise _busy()
        if self._of[client] >= self._share:
            raise Refusal(429, "this key has too many requests open: wait for their answers", headers=_RETRY)
        permit = Permit(self)
        self.requests += 1
        self._of[client] += 1
        try:
            yield permit
        finally:
            self.requests -= 1
            self.size_bytes -= permit.size_bytes
            self.answers -= permit.answers
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]
