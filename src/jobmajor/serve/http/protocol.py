"""uvicorn's HTTP/1.1 protocol, with limits on request heads, refusals in our form, and one packet to a short response.

A busy service refuses more requests than it answers. So a request that gets no permit is refused here, as soon as its
head is read. That costs a quarter of what the whole app costs, and leaves the time to the requests that were admitted.

A small body is read here before the app sees its request. So clients that send slowly hold connections, not permits.
Bytes behind requests that wait for their turn are not parsed yet: a parsed request takes a hundred times their memory.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from jobmajor.serve.http import body, hosts
from jobmajor.serve.http.middleware import EXEMPT, FLOW, IS_WHOLE
from jobmajor.serve.http.transport import CoalescingTransport, HeldFlow
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.service.admission import BUSY

if TYPE_CHECKING:
    from jobmajor.serve.http.middleware import Paths
    from jobmajor.serve.service.service import Service

_HEAD_BYTES = 2**16
_SLICE = 2**13  # bytes to parse at a time; the requests in them are in memory at once
_LINGER_S = 2.0
_LARGE_HEAD = Refusal(431, f"the head is larger than {_HEAD_BYTES:,} bytes: send shorter headers", field="headers")
_HEADERS = 128  # browsers and proxies send some 30
_MANY_HEADERS = Refusal(431, f"the head has more than {_HEADERS} headers: send fewer", field="headers")
_NO_HTTP = Refusal(400, "the request is no HTTP/1.1: its line, a header or its length can't be read", field="head")
_CONNECT = Refusal(405, "the service is no proxy: see /docs", field="head", headers={"Allow": "GET, POST"})
_SHORT_BYTES = 2**13  # of a body that is answered though the client has closed its side: some 400 titles
_SMALL_BYTES = 2**16  # of a body that is read before the app sees its request; uvicorn pauses reading above it
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
        self._is_in_head, self._is_in_message, self._is_over = False, False, False
        self._had_body, self._idle_bytes = False, 0
        self._unread, self._is_half_closed = b"", False
        self._fault: Refusal | None = None
        self.waits_since = 0.0  # on the loop's clock: when the connection or its last response was made
        self._held: tuple[Any, Any] | None = None  # a request whose small body still comes, and the app
        self._hold_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection."""
        connected = cast("asyncio.Transport", transport)
        super().connection_made(connected)
        self.flow = HeldFlow(connected)
        self.waits_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection; a request whose body is still held is dropped."""
        self._release()
        self._unread = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take the bytes that came, and parse as many as can be answered next."""
        if not self._is_over:
            self._read_on(self._unread + data if self._unread else data)

    def _read_on(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self.pipeline and not self._is_over:
            rest = self._feed(data[at : at + _SLICE])
            at += _SLICE
            if rest:
                data, at = rest + data[at:], 0
        self._unread = b"" if self._is_over else data[at:]
        cast("HeldFlow", self.flow).hold(is_held=bool(self._unread))

    def _feed(self, part: bytes) -> bytes:
        """Parse a part; return what is to be parsed next. A head or trailers that don't end are refused."""
        self._unset_keepalive_if_required()
        self._had_body = False
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade as upgrade:
            return self._without_upgrade() + part[upgrade.args[0] :]
        except httptools.HttpParserError:
            self._end(self._fault or _NO_HTTP)
            return b""
        self._idle_bytes = 0 if self._had_body else self._idle_bytes + len(part)
        if self._is_in_message and self._idle_bytes > _HEAD_BYTES:
            self._end(_LARGE_HEAD)
        return b""

    def _without_upgrade(self) -> bytes:
        """Return the head of a request without its offer of another protocol, for a new parser.

        The parser skips the body of a request that offers one. A server that declines answers the request as it is.
        Source: RFC 9110, section 7.8.
        """
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token for token in value.split(b",") if token.strip().lower() != b"upgrade"]
                lines.append(b"connection: " + b",".join(tokens))
            elif name != b"upgrade":
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a head."""
        super().on_message_begin()
        self._is_in_head, self._is_in_message, self._idle_bytes = True, True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. Trailers are not kept: nothing reads them."""
        if self._is_in_head:
            if len(self.headers) >= _HEADERS:
                self._stop(_MANY_HEADERS)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Pass the request to the app, or refuse it at once where the app would refuse it."""
        self._is_in_head = False
        if self.parser.get_method() == b"CONNECT":
            self._stop(_CONNECT)
        if self.parser.should_upgrade():
            return
        refusal = hosts.refusal(self.headers, self.url, self.parser.get_http_version(), self.service.options.hosts)
        if refusal:
            self._stop(refusal)
        if self.service.admission.is_full and self._is_simple():
            self._refuse()
            return
        super().on_headers_complete()
        self.cycle.transport = CoalescingTransport(self.transport, self.loop)
        self.cycle.scope[FLOW] = self.flow

    def _stop(self, refusal: Refusal) -> NoReturn:
        """Make the parser stop; `_feed` refuses then."""
        self._fault = refusal
        raise refusal

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Start the app on a request, as soon as its body is there if that is small."""
        size = dict(cycle.scope["headers"]).get(b"content-length", b"0")
        is_small = size.isdigit() and len(size) <= 5 and 0 < int(size) <= _SMALL_BYTES
        if not is_small or cycle.waiting_for_100_continue:
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._held = (cycle, app)
            limits = self.service.options.limits
            self._hold_timer = self.loop.call_later(limits.upload_s(int(size)), self._give_up)
        else:
            cycle.scope[IS_WHOLE] = True
            super()._start_asgi_task(cycle, app)

    def _release(self) -> tuple[Any, Any] | None:
        """Return the held request, and hold it no longer."""
        held, self._held = self._held, None
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
        return held

    def _give_up(self) -> None:
        held = self._release()
        if held and not self.transport.is_closing():
            self.service.metrics.request(self.paths.label(held[0].scope["path"]), 408, 0.0)
            self._end(body.too_slow(self.service.options.limits))

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._had_body = True
        super().on_body(body)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own type
        """Answer what came before the client closed its side; return whether the connection stays open for that.

        A long request is given up: most clients that close their side have left.
        """
        self._is_half_closed = True
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        size = dict(cycle.scope["headers"]).get(b"content-length", b"0")
        is_short = cycle.scope.get(IS_WHOLE, False) and int(size) <= _SHORT_BYTES
        return bool(self.pipeline or self._unread or is_short)

    @property
    def is_waiting(self) -> bool:
        """Whether no request is in progress; one whose head still comes is not in progress yet."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    def on_response_complete(self) -> None:
        """Go on with the requests that came behind the answered one."""
        self.waits_since = self.loop.time()
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._unread:
            self._read_on(self._unread)
        if self._is_half_closed and self.cycle.response_complete:
            self.transport.close()

    def on_message_complete(self) -> None:
        """End a request. After a refusal the connection waits for the next one, as after uvicorn's own responses."""
        if self.parser.should_upgrade():  # `_feed` parses it again
            return
        self._is_in_message = False
        super().on_message_complete()
        held = self._release()
        if held:
            self._start_asgi_task(*held)
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
        self.cycle, self.waits_since = _REFUSED, self.loop.time()
        head = b"".join(b"%s: %s\r\n" % pair for pair in self.server_state.default_headers)
        self.transport.write(STATUS_LINE[BUSY.status] + head + _BUSY_REST)
        route = self.paths.label(self._path())
        self.service.metrics.request(route, BUSY.status, 0.0)
        if self.service.is_hundredth_refusal():
            _log.info("request", extra={"event": {"route": route, "status": BUSY.status}})

    def _end(self, refusal: Refusal) -> None:
        """Refuse, and discard what still comes for a while: closing at once could lose the response."""
        self._is_over, self._unread = True, b""
        self._release()
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


def protocol(service: Service, paths: Paths) -> type[Protocol]:
    """Return the protocol class of a service's connections, for uvicorn."""
    return type("ServiceProtocol", (Protocol,), {"service": service, "paths": paths})
