"""Run the app with uvicorn, and shut down without losing a request.

When uvicorn is told to exit, it closes its socket and all idle connections at once. Connections that the kernel has
accepted meanwhile are reset, and a request that is on its way on an open connection is lost. So shutdown has three
phases:

1. Drain: for some seconds `/ping` answers 503 and every response closes its connection. Requests are still answered.
2. Stop accepting: the kernel accepts no new connection. Those that it has accepted are answered.
3. Close: idle connections are closed, and requests in progress are finished.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import uvicorn

from jobmajor.errors import InputError
from jobmajor.serve import app as apps
from jobmajor.serve.http import idle, protocol, shutdown

if TYPE_CHECKING:
    from types import FrameType

    from jobmajor.serve.service.service import Service

_KEEP_ALIVE_S = 75  # longer than the 60 s of the usual load balancers, so that the balancer closes first
FINISH_S = 20  # for requests in progress; SageMaker kills a container 30 s after SIGTERM
_HEAD_S = 30.0  # for the head of a request, and for a closing connection to be drained by its client
_HANDSHAKE_S = 0.25  # for a TCP handshake that has begun: more than a packet needs around the world
_FIRST_REQUEST_S = 1.0  # for the first request on a new connection
_LOOK_S = 0.01
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the service listens; port 0 takes a free one. `drain_s` is how long its shutdown drains, in seconds."""

    host: str = "127.0.0.1"
    port: int = 8080
    drain_s: float = 1.0


class Server(uvicorn.Server):
    """uvicorn's server, with a shutdown in three phases and a time limit on request heads."""

    def __init__(self, service: Service, drain_s: float) -> None:
        """Create the server; `drain_s` is as in `Address`."""
        super().__init__(_config(service))
        self._service, self._drain_s = service, drain_s
        self._ends_at: float | None = None
        self._signals: list[str] = []  # received, and not logged yet
        self._since: dict[Any, tuple[Any, float]] = {}

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Drain on SIGTERM; end at once on a second one or on SIGINT. Requests in progress are finished either way.

        A signal may interrupt a log call, where no other line can be written. So `on_tick` logs it.
        """
        self._signals.append(signal.Signals(sig).name)
        if sig == signal.SIGINT or self._service.is_draining:
            self.force_exit = self.should_exit
            self.should_exit = True
        self._service.is_draining = True
        self._ends_at = time.monotonic() + self._drain_s

    async def on_tick(self, counter: int) -> bool:
        """Log signals, end the drain and close overdue connections; uvicorn calls this ten times a second."""
        while self._signals:
            _log.info("told to end", extra={"event": {"signal": self._signals.pop(0)}})
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        if counter % 10 == 0:
            self._sweep()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, and log the address."""
        await super().startup(sockets)
        if sockets and self.started:
            event = {"url": shown(sockets[0]), "model": self._service.champion.served.digest, "drain_s": self._drain_s}
            _log.info("listening", extra={"event": event})
            invite(sockets[0], sys.stdout)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, answer the accepted ones, then close."""
        listeners = sockets or []
        self._close_door(listeners)
        began, calm = time.monotonic(), 0
        least = min(self._drain_s, _HANDSHAKE_S)
        while calm < 2 and not self.force_exit and time.monotonic() - began < _FIRST_REQUEST_S:
            await asyncio.sleep(_LOOK_S)  # meanwhile the loop accepts and reads what is there
            is_coming = shutdown.has_pending(listeners, [*self.server_state.connections])
            calm = 0 if is_coming or time.monotonic() - began < least else calm + 1
        await self._stop_accepting()
        await super().shutdown(sockets)

    def _close_door(self, listeners: list[socket.socket]) -> None:
        """Let no new handshake begin."""
        for each in listeners:
            shutdown.stop_accepting(each)

    async def _stop_accepting(self) -> None:
        """Do nothing: uvicorn closes the listeners that it accepts from."""

    def _sweep(self) -> None:
        """Close connections that take too long to send a head or to read a response, and those beyond an address's.

        uvicorn has a timer for connections that wait between two requests, but none for a head that has begun.
        """
        now, since = time.monotonic(), self._since
        self._since = {}
        connections: set[Any] = {*self.server_state.connections}  # uvicorn doesn't say of which protocol class
        for each in connections:
            cycle, transport = each.cycle, each.transport
            is_idle = cycle is None or cycle.response_complete
            if transport.is_closing() or (is_idle and each.timeout_keep_alive_task is None):
                self._since[each] = since[each] if each in since and since[each][0] is cycle else (cycle, now)
                if now - self._since[each][1] > _HEAD_S:
                    transport.abort()
        most = self._service.admission.limits.waiting
        for each in idle.surplus(connections, most, asyncio.get_running_loop().time()):
            each.transport.close()


def _config(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        apps.create(service),
        http=protocol.protocol(service, apps.PATHS),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=FINISH_S,
    )


def listen(address: Address) -> socket.socket:
    """Return a bound and listening socket.

    Raises:
        InputError: The address is in use, not allowed, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # Without the protocol's number, asyncio doesn't turn Nagle's algorithm off, and each response takes 40 ms longer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # on Windows, the option would let two services share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address.host, address.port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        where, why = f"{address.host} port {address.port}", error.strerror or type(error).__name__
        raise InputError(f"can't listen on {where} ({why}): name another --host or --port") from error
    return bound


def shown(bound: socket.socket) -> str:
    """Return the address of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def invite(bound: socket.socket, stream: TextIO) -> None:
    """Write the address to open in a browser to a terminal; write nothing to a file or a pipe."""
    if stream.isatty():
        host, port = bound.getsockname()[:2]
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
        stream.write(f"open http://{name}:{port}\n")
        stream.flush()
