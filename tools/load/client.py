"""An HTTP client that asks at a given rate, whether or not answers come, and forgets nothing that happened.

A client that waits for one answer before it asks again is slowed down with the service, and measures little of what
others would have suffered. Here each request has its time, and what it waits counts from that time on. It talks on raw
sockets with as many connections as it is given, and costs a tenth of what the usual clients cost: it shares the
machine with the service that it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TICK_S = 0.002
_HEAD = "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n"


def request(body: bytes, path: str = "/invocations") -> bytes:
    """A whole request with a JSON body."""
    return _HEAD.format(path=path, size=len(body)).encode() + body


PING = b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request.

    Attributes:
        status: Of its answer; 0 where there was none: the connection ended or was refused.
        wait_s: From the time that it was due to the end of its answer.
        sent_s: From the time that it was sent.
        at_s: When it ended, from the start of the load.
        retry_after: Whether the answer said when to come again.
        is_right: Whether the answer is what `Load.check` expects.
        why: Where there was no answer: "refused" where nobody listened, else "lost".
    """

    status: int
    wait_s: float = 0.0
    sent_s: float = 0.0
    at_s: float = 0.0
    retry_after: bool = False
    is_right: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, and how.

    Attributes:
        port: On this machine.
        requests: Whole requests, asked in turn.
        seconds: For how long.
        rate: A second; 0: as fast as answers come, one on each connection.
        connections: At most; what is due while all are taken waits.
        check: Whether a 200's body is right.
        stops: Whether to stop before the time is over.
    """

    port: int
    requests: Sequence[bytes]
    seconds: float
    rate: float = 0.0
    connections: int = 64
    check: Callable[[bytes], bool] = lambda _: True
    stops: Callable[[], bool] = lambda: False


class _Connection(asyncio.Protocol):
    """One connection: a request at a time, and its answer, which must have a Content-Length."""

    def __init__(self, done: Callable[[_Connection, bytes, bytes], None]) -> None:
        self._done, self._found, self._end = done, bytearray(), -1
        self.transport: asyncio.Transport | None = None
        self.due = self.sent = 0.0
        self.is_open, self.is_busy = False, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own type is too wide
        self.transport, self.is_open = transport, True

    def ask(self, raw: bytes, due: float) -> None:
        assert self.transport  # noqa: S101 - it was made
        self.due, self.sent, self.is_busy = due, time.perf_counter(), True
        self.transport.write(raw)

    def data_received(self, data: bytes) -> None:
        self._found += data
        if self._end < 0:
            place = self._found.find(b"\r\n\r\n")
            if place < 0:
                return
            size = _header(bytes(self._found[:place]), b"content-length") or b"0"
            self._end = place + 4 + int(size)
        if len(self._found) >= self._end:
            head, _, body = bytes(self._found).partition(b"\r\n\r\n")
            self._found, self._end, self.is_busy = bytearray(), -1, False
            if _header(head, b"connection") == b"close":
                self.is_open = False
            self._done(self, head, body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.is_open = False
        if self.is_busy:
            self.is_busy = False
            self._done(self, b"", b"")


def _header(head: bytes, name: bytes) -> bytes:
    """A header's value in lower case; empty where it is not there."""
    _, _, rest = head.lower().partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip()


@dataclass
class _Run:
    load: Load
    began: float = field(default_factory=time.perf_counter)
    outcomes: list[Outcome] = field(default_factory=list)
    idle: deque[_Connection] = field(default_factory=deque)
    due: deque[float] = field(default_factory=deque)
    connecting: set[asyncio.Task[None]] = field(default_factory=set)
    opened: int = 0
    asked: int = 0
    is_over: bool = False

    def done(self, connection: _Connection, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        status = int(head[9:12]) if head else 0
        is_right = status != 200 or self.load.check(body)
        retry = bool(head) and bool(_header(head, b"retry-after"))
        waits = (now - connection.due, now - connection.sent, now - self.began)
        self.outcomes.append(Outcome(status, *waits, retry, is_right, "" if head else "lost"))
        if connection.is_open:
            self.idle.append(connection)
        else:
            self.opened -= 1
            if connection.transport:
                connection.transport.close()
        self.serve()

    def serve(self) -> None:
        """Send what is due, while there are connections for it."""
        if not self.load.rate and not self.is_over:
            self.due.extend([time.perf_counter()] * (len(self.idle) + self.load.connections - self.opened))
        while self.due:
            while self.idle and not self.idle[0].is_open:
                self.idle.popleft()
                self.opened -= 1
            if self.idle:
                self._ask(self.idle.popleft(), self.due.popleft())
            elif self.opened < self.load.connections:
                self.opened += 1
                task = asyncio.ensure_future(self._connect(self.due.popleft()))
                self.connecting.add(task)
                task.add_done_callback(self.connecting.discard)
            else:
                return

    def _ask(self, connection: _Connection, due: float) -> None:
        connection.ask(self.load.requests[self.asked % len(self.load.requests)], due)
        self.asked += 1

    async def _connect(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.create_connection(lambda: _Connection(self.done), "127.0.0.1", self.load.port)
        except OSError:
            self.opened -= 1
            self.outcomes.append(Outcome(0, at_s=time.perf_counter() - self.began, why="refused"))
            return
        self._ask(made, due)


async def ask(load: Load, patience_s: float = 60.0) -> list[Outcome]:
    """What became of each request; those still open at the end have `patience_s` seconds to be answered."""
    run = _Run(load)
    due, step = 0.0, 1.0 / load.rate if load.rate else 0.0
    while (now := time.perf_counter() - run.began) < load.seconds and not load.stops():
        while step and due <= now:
            run.due.append(run.began + due)
            due += step
        run.serve()
        await asyncio.sleep(_TICK_S)
    run.is_over = True
    end = time.perf_counter() + patience_s
    while len(run.idle) < run.opened and time.perf_counter() < end:
        await asyncio.sleep(_TICK_S)
    run.outcomes += [Outcome(0, why="lost") for _ in range(run.opened - len(run.idle))]
    for each in run.idle:
        if each.transport:
            each.transport.close()
    return run.outcomes


async def health(port: int, seconds: float, pause_s: float = 0.1) -> list[Outcome]:
    """What `/ping` says from now on, asked on a connection of its own."""
    load = Load(port, [PING], seconds, rate=1 / pause_s, connections=8)
    return await ask(load)


def share(values: Sequence[float], part: float) -> float:
    """The value below which that part of them lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else 0.0
