"""HTTP on the wire: uvicorn's protocol, with bounds on heads, refusals in our form, and one packet to an answer.

A busy service has to say no more often than yes, so a request that finds no place is refused here, as soon as its head
is read: that costs a quarter of the way through the app, and leaves the time to those who were let in.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from jobmajor.serve.http.door import EXEMPT, ROUTES
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.service.admission import BUSY

if TYPE_CHECKING:
    from jobmajor.serve.service.service import Service

_HEAD_BYTES = 2**16
_LINGER_S = 2.0
_LARGE_HEAD = Refusal(431, f"the head is larger than {_HEAD_BYTES:,} bytes: send shorter headers", field="headers")
_NO_HTTP = Refusal(400, "the request is no HTTP/1.1: its line, a header or its length can't be read", field="head")


_log = logging.getLogger(__name__)


def _rest(refusal: Refusal, *headers: bytes) -> bytes:
    """An answer without its first line and its date."""
    body = refusal.to_bytes()
    size = b"content-length: %d" % len(body)
    return b"\r\n".join(
        [b"content-type: application/json", b"x-content-type-options: nosniff", size, *headers, b"", body]
    )


_BUSY_REST = _rest(BUSY, b"retry-after: %s" % BUSY.headers["Retry-After"].encode())


class Protocol(HttpToolsProtocol):
    """One connection; `service` is set in a subclass for each service."""

    service: Service
    cycle: Any  # uvicorn's own, or what stands for one

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._is_in_head, self._head_bytes, self._is_over = False, 0, False

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that doesn't end is refused before it fills memory."""
        if self._is_over:
            return
        super().data_received(data)
        if self._is_in_head and not self._is_over:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._end(_LARGE_HEAD)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """A head is read: the request goes to the app, or is refused at once where the app would refuse it."""
        self._is_in_head = False
        if self.service.admission.is_full and self._is_simple():
            self._refuse()
            return
        super().on_headers_complete()
        self.cycle.transport = _Whole(self.transport, self.loop)

    def on_message_complete(self) -> None:
        """A request is read to its end; what was refused waits for the next from here on, as uvicorn does."""
        super().on_message_complete()
        if isinstance(self.cycle, _Refused):
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_simple(self) -> bool:
        """Whether it needs a place, stands alone on its connection, which stays, and has a body of a packet or so."""
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
        route = self._path() if self._path() in ROUTES else "other"
        self.service.metrics.request(route, BUSY.status, 0.0)
        if self.service.is_hundredth_refusal():
            _log.info("request", extra={"event": {"route": route, "status": BUSY.status}})

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """What is no HTTP is told so in our form."""
        self._end(_NO_HTTP)

    def _end(self, refusal: Refusal) -> None:
        """Refuse, and drop what still comes for a while: to close at once would take the answer from its client."""
        self._is_over = True
        self._unset_keepalive_if_required()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
            if not cycle.more_body:  # what was asked before is answered, and is the last
                return
            cycle.disconnected = True  # its body is no body: nothing more is read or written for it
            cycle.message_event.set()
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(STATUS_LINE[refusal.status] + _rest(refusal, b"connection: close"))
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands for the exchange of a request that was refused: uvicorn drops what belongs to one that is answered."""

    message_event: asyncio.Event = field(default_factory=asyncio.Event)
    response_complete: bool = True


_REFUSED = _Refused()


class _Whole:
    """A transport that holds an answer's head back until its body comes, in the same turn of the loop, or alone."""

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


def protocol(service: Service) -> type[Protocol]:
    """The protocol of a service's connections."""
    return type("ServiceProtocol", (Protocol,), {"service": service})
