"""uvicorn's HTTP/1.1 protocol, with limits on request heads, refusals in our form, and one packet to a short response.

A busy service refuses more requests than it answers. So a request that gets no permit is refused here, as soon as its
head is read. That costs a quarter of what the whole app costs, and leaves the time to the requests that were admitted.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from jobmajor.serve.http.middleware import EXEMPT
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.service.admission import BUSY

if TYPE_CHECKING:
    from jobmajor.serve.http.middleware import Paths
    from jobmajor.serve.service.service import Service

_HEAD_BYTES = 2**16
_LINGER_S = 2.0
_LARGE_HEAD = Refusal(431, f"the head is larger than {_HEAD_BYTES:,} bytes: send shorter headers", field="headers")
_NO_HTTP = Refusal(400, "the request is no HTTP/1.1: its line, a header or its length can't be read", field="head")
_log = logging.getLogger(__name__)


def _rest(refusal: Refusal, *headers: bytes) -> bytes:
    """Return a response without its status line and its date."""
    body = refusal.to_bytes()
    size = b"content-length: %d" % len(body)
    return b"\r\n".join(
        [b"content-type: application/json", b"x-content-type-options: nosniff", size, *headers, b"", body]
    )


_BUSY_REST = _rest(BUSY, b"retry-after: %s" % BUSY.headers["Retry-After"].encode())


class Protocol(HttpToolsProtocol):
    """One connection. `protocol` makes a subclass for each service, with `service` and `paths` set."""

    service: Service
    paths: Paths
    cycle: Any  # uvicorn's RequestResponseCycle, or a `_RefusedCycle`

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._is_in_head, self._head_bytes, self._is_over = False, 0, False

    def data_received(self, data: bytes) -> None:
        """Take the bytes that came. A head that doesn't end is refused before it fills memory."""
        if self._is_over:
            return
        super().data_received(data)
        if self._is_in_head and not self._is_over:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._end(_LARGE_HEAD)

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a head."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Pass the request to the app, or refuse it at once where the app would refuse it."""
        self._is_in_head = False
        if self.service.admission.is_full and self._is_simple():
            self._refuse()
            return
        super().on_headers_complete()
        self.cycle.transport = _CoalescingTransport(self.transport, self.loop)

    def on_message_complete(self) -> None:
        """End a request. After a refusal the connection waits for the next one, as after uvicorn's own responses."""
        super().on_message_complete()
        if isinstance(self.cycle, _RefusedCycle):
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_simple(self) -> bool:
        """Return whether the request needs a permit, is alone on a connection that stays open, and has a small body."""
        is_alone = self.cycle is None or self.cycle.response_complete
        if not is_alone or self.expect_100_continue or self.service.is_draining or not self.parser.should_keep_alive():
            return False
        headers = dict(self.headers)
        size = headers.get(b"content-length", b"0")
        is_small = b"transfer-encoding" not in headers and size.isdigit() and len(size) <= 5
        return is_small and b"%" not in self.url and self._path().startswith("/") and self._path() not in EXEMPT

    def _path(self) -> str:
        return self.url.partition(b"?")[0].decode("ascii", "replace")

    def _refuse(self) -> None:
        self.cycle = _REFUSED
        head = b"".join(b"%s: %s\r\n" % pair for pair in self.server_state.default_headers)
        self.transport.write(STATUS_LINE[BUSY.status] + head + _BUSY_REST)
        route = self.paths.label(self._path())
        self.service.metrics.request(route, BUSY.status, 0.0)
        if self.service.is_hundredth_refusal():
            _log.info("request", extra={"event": {"route": route, "status": BUSY.status}})

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse what is no HTTP, in our form."""
        self._end(_NO_HTTP)

    def _end(self, refusal: Refusal) -> None:
        """Refuse, and discard what still comes for a while: closing at once could lose the response."""
        self._is_over = True
        self._unset_keepalive_if_required()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
            if not cycle.more_body:  # the request before this one is still answered, as the last
                return
            cycle.disconnected = True  # its body can't be read: nothing more is read or written for it
            cycle.message_event.set()
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(STATUS_LINE[refusal.status] + _rest(refusal, b"connection: close"))
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)


@dataclass(frozen=True, slots=True)
class _RefusedCycle:
    """Stands for the cycle of a refused request: uvicorn discards the body of a request that is answered."""

    message_event: asyncio.Event = field(default_factory=asyncio.Event)
    response_complete: bool = True


_REFUSED = _RefusedCycle()


class _CoalescingTransport:
    """A transport that sends a response's head together with its body, if the body comes in the same loop iteration."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head: bytes | None = b""
        self._later: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        if self._later is None and self._head is not None:
            self._head, self._later = data, self._loop.call_soon(self._flush)
            return
        self._flush(data)

    def _flush(self, more: bytes = b"") -> None:
        if self._later is not None:
            self._later.cancel()
        head, self._head, self._later = self._head or b"", None, None
        self._transport.write(head + more)

    def close(self) -> None:
        if self._later is not None:
            self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


def protocol(service: Service, paths: Paths) -> type[Protocol]:
    """Return the protocol class of a service's connections, for uvicorn."""
    return type("ServiceProtocol", (Protocol,), {"service": service, "paths": paths})
