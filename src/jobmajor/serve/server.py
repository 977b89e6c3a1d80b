"""Runs the app: a socket, uvicorn, and an end without a lost request.

uvicorn closes its socket and all idle connections the moment that it is told to end: whoever the kernel has let in
meanwhile is reset, and a request that is on its way into a connection is lost. So the end has three parts. For some
seconds `/ping` says 503 and every answer closes its connection, while all that comes is still answered. Then nobody
new is let in, and who is in, is answered. Then what is left idle is closed, and what is in work is finished.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from threadpoolctl import threadpool_limits

from jobmajor.errors import InputError
from jobmajor.serve import app as apps
from jobmajor.serve.http import protocol, shutdown

if TYPE_CHECKING:
    from types import FrameType

    from jobmajor.serve.service.service import Service

_KEEP_ALIVE_S = 75  # longer than the 60 s of the usual load balancers, so that they are the ones to close
_FINISH_S = 20  # for what is in work; SageMaker kills a container 30 s after SIGTERM
_HEAD_S = 30.0  # for the head of a request, and for a closing client to take what is left
_SHAKE_S = 0.25  # for a handshake that has begun: more than a packet needs around the world
_ASK_S = 1.0  # for the first request of who has just come
_LOOK_S = 0.01
_SWITCH_S = (
    0.0001  # how long the scorer may keep the event loop waiting, which takes the interpreter several times a request
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the service listens; port 0 takes a free one. `drain_s` is the first part of its end, in seconds."""

    host: str = "127.0.0.1"
    port: int = 8080
    drain_s: float = 1.0


class Server(uvicorn.Server):
    """uvicorn's, with an end in three parts, and without patience for heads that don't come."""

    def __init__(self, service: Service, drain_s: float) -> None:
        """`drain_s` is as in `Address`."""
        super().__init__(_config(service))
        self._service, self._drain_s = service, drain_s
        self._ends_at: float | None = None
        self._told: list[str] = []  # signals that no line of the log tells of yet
        self._since: dict[Any, tuple[Any, float]] = {}

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """SIGTERM drains, a second one or SIGINT ends at once; what is in work is finished all the same.

        It may interrupt a line of the log half-way, where no other line can be written: `on_tick` writes it.
        """
        self._told.append(signal.Signals(sig).name)
        if sig == signal.SIGINT or self._service.is_draining:
            self.force_exit = self.should_exit
            self.should_exit = True
        self._service.is_draining = True
        self._ends_at = time.monotonic() + self._drain_s

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        while self._told:
            _log.info("told to end", extra={"event": {"signal": self._told.pop(0)}})
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        if counter % 10 == 0:
            self._sweep()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer; from here on signals are ours."""
        await super().startup(sockets)
        if sockets and self.started:
            event = {"url": _shown(sockets[0]), "model": self._service.champion.served.digest, "drain_s": self._drain_s}
            _log.info("listening", extra={"event": event})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody new in, answer who is in, then close."""
        listeners = sockets or []
        for each in listeners:
            shutdown.stop_accepting(each)
        began, calm = time.monotonic(), 0
        least = min(self._drain_s, _SHAKE_S)
        while calm < 2 and not self.force_exit and time.monotonic() - began < _ASK_S:
            await asyncio.sleep(_LOOK_S)  # in which the loop takes and reads what is there
            is_coming = shutdown.has_pending(listeners, [*self.server_state.connections])
            calm = 0 if is_coming or time.monotonic() - began < least else calm + 1
        await super().shutdown(sockets)

    def _sweep(self) -> None:
        """Close connections that owe us something too long: a request's head, or taking what was sent before the end.

        A connection that waits between two requests has uvicorn's own timer; one that has begun a head has none.
        """
        now, since = time.monotonic(), self._since
        self._since = {}
        connections: set[Any] = {*self.server_state.connections}  # of whichever protocol uvicorn has found
        for each in connections:
            cycle, transport = each.cycle, each.transport
            is_idle = cycle is None or cycle.response_complete
            if transport.is_closing() or (is_idle and each.timeout_keep_alive_task is None):
                self._since[each] = since[each] if each in since and since[each][0] is cycle else (cycle, now)
                if now - self._since[each][1] > _HEAD_S:
                    transport.abort()


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
        timeout_graceful_shutdown=_FINISH_S,
    )


def listen(address: Address) -> socket.socket:
    """The bound socket.

    Raises:
        InputError: The address is taken, not allowed, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # Without the protocol's number, asyncio doesn't turn Nagle's algorithm off, and each answer takes 40 ms longer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address.host, address.port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        where, why = f"{address.host} port {address.port}", error.strerror or type(error).__name__
        raise InputError(f"can't listen on {where} ({why}): name another --host or --port") from error
    return bound


def _shown(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(service: Service, address: Address) -> None:
    """Serve until SIGTERM or SIGINT, and return when what was in work is answered.

    Raises:
        InputError: As `listen`.
    """
    bound = listen(address)
    host = bound.getsockname()[0]
    if host not in ("127.0.0.1", "::1") and not len(service.keys):
        _log.warning("everybody who reaches this machine may ask: --keys names a file of keys")
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # the model is there for good: no collection need look at it
    with threadpool_limits(1):  # for a few titles, threads cost more than they save, and spin while they wait
        Server(service, address.drain_s).run(sockets=[bound])
    _log.info("ended")
