"""Admission control: refuse at once what can't be answered soon, so that admitted requests stay fast.

With several workers, the limits on bytes and answers, which bound memory, hold for all workers together. Those on
requests, which bound what waits for one processor, hold for each worker.

The limits are the app's and not uvicorn's: a limit in the server would also refuse `/ping`, and an orchestrator would
then kill a container that is only busy.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.service.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDRESS = "address "  # before an address; a key's name has no space
_RETRY = {"Retry-After": "1"}  # seconds; admitted requests are answered sooner
GROUPS = 2  # of numbers in the tally:
_BYTES, _ANSWERS = 0, 1
_ALL = ""  # the holder of what all requests hold
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
        upload_bytes_s: Bytes of a body for each second, on average, after the first `stall_s` seconds.
        answer_s: Seconds for scoring. SageMaker gives up after 60, a batch transform after 600.
        send_s: Seconds for a client to take each part of its response.
        download_bytes_s: Bytes of a response taken for each second, on average, after the first `send_s` seconds.
        waiting: Connections of one address that wait for a request. A load balancer keeps some dozens open.
    """

    body_bytes: int = 6_291_456
    titles: int = 500_000
    answers: int = 1_500_000
    requests: int = 128
    all_bytes: int = 64 * 2**20
    all_answers: int = 2_000_000
    stall_s: float = 10.0
    body_s: float = 60.0
    upload_bytes_s: int = 8192
    answer_s: float = 55.0
    send_s: float = 60.0
    download_bytes_s: int = 65_536
    waiting: int = 256

    def upload_s(self, size_bytes: int) -> float:
        """Return the seconds after which this much of a body must have come."""
        return min(self.stall_s + size_bytes / self.upload_bytes_s, self.body_s)

    @property
    def share_bytes(self) -> int:
        """Bytes of all bodies of one key or address: half of all, but at least one body."""
        return min(max(self.all_bytes // 2, self.body_bytes), self.all_bytes)


def _busy() -> Refusal:
    """Return a new refusal for each use: a raised exception keeps its traceback."""
    return Refusal(BUSY.status, BUSY.sentence, headers=BUSY.headers)


def _too_much(holder: str, what: str) -> Refusal:
    kind = "address" if holder.startswith(_ADDRESS) else "key"
    return Refusal(429, f"this {kind} has too many {what} open: wait for their answers", headers=_RETRY)


class Permit:
    """What one admitted request takes of the limits of all, and of those of its key and its address."""

    def __init__(self, admission: Admission, holders: tuple[str, ...], *, is_whole: bool) -> None:
        self._admission, self._holders, self.is_whole = admission, holders, is_whole
        self.size_bytes, self.answers = 0, 0

    def take_bytes(self, count: int) -> None:
        """Count bytes of the body; raise Refusal 503 if all bodies together are too large, 429 if a client's are."""
        limits = self._admission.limits
        if not count:
            return
        self._check(_BYTES, count, limits.all_bytes, limits.share_bytes, "bytes of bodies")
        self.size_bytes += count
        self._admission.size_bytes += count
        self._hold(_BYTES, count)

    def _check(self, group: int, count: int, most: int, share: int, what: str) -> None:
        tally = self._admission.tally
        if tally.held(group, _ALL) + count > most:
            raise _busy()
        for each in self._holders:
            if tally.held(group, each) + count > share:
                raise _too_much(each, what)

    def _hold(self, group: int, count: int) -> None:
        tally = self._admission.tally
        tally.hold(group, _ALL, count)
        for each in self._holders:
            tally.hold(group, each, count)

    def release(self) -> None:
        """Give back the bytes and answers."""
        self._admission.size_bytes -= self.size_bytes
        self._admission.answers -= self.answers
        if self.size_bytes:
            self._hold(_BYTES, -self.size_bytes)
        if self.answers:
            self._hold(_ANSWERS, -self.answers)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one of the places for bodies that still come; a body that was there before admission needs none.

        Raises:
            Refusal: 503 if half of all requests are being read, 429 if a quarter are, by this key or address.
        """
        if self.is_whole:
            yield
            return
        admission, most = self._admission, self._admission.limits.requests
        if admission.bodies >= max(most // 2, 1):
            raise _busy()
        for each in self._holders:
            if admission.held[each].bodies >= max(most // 4, 1):
                raise _too_much(each, "bodies")
        self._count_bodies(1)
        try:
            yield
        finally:
            self._count_bodies(-1)

    def _count_bodies(self, change: int) -> None:
        self._admission.bodies += change
        for each in self._holders:
            self._admission.held[each].bodies += change

    def take_answers(self, titles: int, each: int) -> None:
        """Count answers; raise Refusal 413 above the limit of one request, 503 above that of all together."""
        limits, count = self._admission.limits, titles * each
        if titles > limits.titles:
            found = f"the body holds {titles:,} titles: at most {limits.titles:,} are answered at once"
            raise Refusal(413, f"{found}, split it", field="instances")
        if count > limits.answers:
            found = f"{titles:,} titles with {each:,} codes each are asked for: at most {limits.answers:,} codes"
            raise Refusal(413, f"{found} are answered at once, split the body or lower top_k", field="top_k")
        self._check(_ANSWERS, count, limits.all_answers, limits.answers, "codes")
        self.answers += count
        self._admission.answers += count
        self._hold(_ANSWERS, count)


@dataclass(slots=True)
class _Held:
    """How many requests of one key or address are in progress, and how many of them are being read."""

    requests: int = 0
    bodies: int = 0


class Admission:
    """Count the requests in progress. Only the event loop uses it, so it needs no lock."""

    def __init__(self, limits: Limits, share: int | None = None, tally: Tally | None = None) -> None:
        """`share` is how many requests of one client may be in progress; None sets no limit below that of all.

        `tally` is shared with the other workers; it has `GROUPS` groups.
        """
        self.tally = tally or Tally(groups=GROUPS)
        self.limits, self._share = limits, share or limits.requests
        self.requests, self.bodies, self.size_bytes, self.answers = 0, 0, 0, 0
        self.held: defaultdict[str, _Held] = defaultdict(_Held)

    @property
    def is_full(self) -> bool:
        """Tell whether no further request is admitted now."""
        return self.requests >= self.limits.requests

    @contextmanager
    def entered(self, client: str, address: str = "", *, is_whole: bool = False) -> Iterator[Permit]:
        """Hold a permit for one request, until it is answered.

        Args:
            client: The name of its key, empty without keys.
            address: Where it comes from, empty where that is unknown.
            is_whole: Whether its body has been read already.

        Raises:
            Refusal: 503 if no permit is free, 429 if the client holds its share of them.
        """
        if self.is_full:
            raise _busy()
        if client and self.held[client].requests >= self._share:
            raise _too_much(client, "requests")
        holders = tuple(filter(None, (client, network(address))))
        permit = Permit(self, holders, is_whole=is_whole)
        self._count(holders, 1)
        try:
            yield permit
        finally:
            self._count(holders, -1)
            permit.release()
            for each in holders:
                if not self.held[each].requests:
                    del self.held[each]

    def _count(self, holders: tuple[str, ...], change: int) -> None:
        self.requests += change
        for each in holders:
            self.held[each].requests += change


def network(address: str) -> str:
    """Return the holder for an address: of IPv6 the first 64 bits, since one client has all addresses below them."""
    if ":" not in address:
        return _ADDRESS + address if address else ""
    try:
        return f"{_ADDRESS}{int(ipaddress.IPv6Address(address.partition('%')[0])) >> 64:x}"
    except ValueError:
        return _ADDRESS + address
