"""One of several processes that answer on the same listening socket; `supervisor` forks them.

The kernel lets any process that waits accept a connection, often the same one. So a worker with more connections than
another waits for a moment before it accepts: long-lived connections then spread over all workers.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from jobmajor.serve.server import Server
from jobmajor.serve.service import logs, metrics
from jobmajor.serve.service.snapshots import Follower

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from jobmajor.serve.service.service import Service
    from jobmajor.serve.service.tally import Tally

BEATS, CONNECTIONS, ENDS, MODEL, READY = "beats", "connections", "ends", "model", "ready"  # names in the tally
VOLATILE = (metrics.IN_WORK, metrics.BYTES, BEATS, CONNECTIONS, MODEL, READY)
END_NOW = signal.SIGUSR1 if hasattr(signal, "SIGUSR1") else signal.SIGTERM  # SIGINT reaches a terminal's whole group
_AFTER_S = 0.15  # that a worker drains longer than its parent, which lets nobody in from the end of its own drain
_YIELD_S = 0.001  # for which a worker leaves new connections to those that have fewer
_FULL_S = 0.5  # without accepting, where the process can open no further file
_CLOSED = 1e9  # shown as the number of connections by a worker that accepts none
_LOOK_S = 0.2  # between two looks for a new model


@dataclass(frozen=True, slots=True)
class Post:
    """A worker's place: its row of the tally, how many workers there are, and its parent's process."""

    row: int
    workers: int
    parent: int


class Acceptor:
    """Accepts connections from a shared listening socket, one at a time."""

    def __init__(
        self, listener: socket.socket, make: Callable[[], asyncio.Protocol], has_most: Callable[[], bool]
    ) -> None:
        """`make` returns the protocol of a connection; `has_most` tells whether another worker should accept."""
        self._listener, self._make, self._has_most = listener, make, has_most
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[Any]] = set()
        self._later: asyncio.TimerHandle | None = None
        self.is_stopped = False
        self._wait()

    def _wait(self) -> None:
        self._later = None
        self._loop.add_reader(self._listener.fileno(), self._ready)

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._later = self._loop.call_later(seconds, then)

    def _ready(self) -> None:
        if self._has_most():
            self._pause(_YIELD_S, self._accept_left)
        else:
            self._accept()

    def _accept_left(self) -> None:
        """Accept a connection that no other worker took meanwhile."""
        self._wait()
        self._accept()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:  # too many open files: the connection waits in the kernel
            self._pause(_FULL_S, self._wait)
            return
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opening = self._loop.create_task(self._open(connection))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the client has left
            await self._loop.connect_accepted_socket(self._make, connection)

    async def stop(self) -> None:
        """Accept no further connection; those that were accepted are open afterwards."""
        self.is_stopped = True
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listener.fileno())
        if self._opening:
            await asyncio.wait(self._opening)


class WorkerServer(Server):
    """The server of one worker."""

    def __init__(self, service: Service, drain_s: float, post: Post) -> None:
        super().__init__(service, drain_s + _AFTER_S)
        self._post, self._tally = post, service.tally
        self._acceptor: Acceptor | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End as the parent says. A terminal's SIGINT reaches this process as well, but is the parent's to forward."""
        if sig != signal.SIGINT:
            super().handle_exit(signal.SIGINT if sig == END_NOW else sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer."""
        await super().startup([])
        if sockets and self.started:
            signal.signal(END_NOW, self.handle_exit)
            protocol: Any = self.config.http_protocol_class  # uvicorn declares less than it passes
            make = partial(
                protocol,
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            self._acceptor = Acceptor(sockets[0], make, self._has_most)
            self._tally.set(READY, 1)

    def _has_most(self) -> bool:
        mine, post = len(self.server_state.connections), self._post
        self._tally.set(CONNECTIONS, mine)
        others = (self._tally.of(CONNECTIONS, row) for row in range(post.workers) if row != post.row)
        return mine > min(others, default=mine)

    async def on_tick(self, counter: int) -> bool:
        """Show the parent that this process lives, and end without it."""
        tally, service = self._tally, self._service
        tally.add(BEATS)
        source = service.champion.source
        if isinstance(source, Follower):
            tally.set(MODEL, source.taken(service.champion.served.mark))
        tally.set(metrics.IN_WORK, service.admission.requests)
        tally.set(metrics.BYTES, service.admission.size_bytes)
        if os.getppid() != self._post.parent and not service.is_draining:
            self.handle_exit(signal.SIGTERM, None)
        if service.is_draining and not tally.of(ENDS, self._post.workers):  # the others go on to accept
            await self._stop_accepting()
        if self._acceptor and not self._acceptor.is_stopped:
            tally.set(CONNECTIONS, len(self.server_state.connections))
        return await super().on_tick(counter)

    def _close_door(self, listeners: list[socket.socket]) -> None:
        """Leave the socket's door to the parent: other workers may still accept."""

    async def _stop_accepting(self) -> None:
        if self._acceptor and not self._acceptor.is_stopped:
            self._tally.set(CONNECTIONS, _CLOSED)
            await self._acceptor.stop()


def run(service: Service, drain_s: float, bound: socket.socket, post: Post) -> None:
    """Answer until the parent says to end."""
    tally: Tally = service.tally
    tally.enter(post.row, volatile=VOLATILE)
    logs.of_worker(post.row)
    service.poll_s = min(service.poll_s, _LOOK_S)
    WorkerServer(service, drain_s, post).run(sockets=[bound])
