"""The middleware of every request: API key, admission, faults, metrics and the request log.

Every path needs a key and a permit, except those listed here and in `Paths`. So another spelling of a path (a slash
at its end, HEAD, a route added later) never bypasses them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.messages.rendering import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from uvicorn.protocols.http.flow_control import FlowControl

    from jobmajor.serve.service.champion import LoadedModel
    from jobmajor.serve.service.service import Service

EXEMPT = frozenset({"/ping", "/metrics"})  # need no permit: a monitor must still see a busy service
PERMIT, LOG_FIELDS = "jobmajor.permit", "jobmajor.log_fields"  # keys of a request's scope
IS_WHOLE = "jobmajor.is_whole"  # whether the body was read before the app began
CLIENT = "jobmajor.client"  # key of a request's scope: the name of its API key
FLOW = "jobmajor.flow"  # the connection's flow control, of the protocol
MODEL_HEADER, PRIOR_HEADER, SCHEMA_HEADER = "x-jobmajor-model", "x-jobmajor-prior", "x-jobmajor-schema"
CLASSES_HEADER = "x-jobmajor-classes"
_LINGER_S, _LINGER_BYTES = 2.0, 512 * 2**20
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = [(b"x-content-type-options", b"nosniff")]
_FAULT = json.dumps({"detail": "the service failed: its log has the reason under this request's id", "field": ""})
_log = logging.getLogger(__name__)


def of_model(served: LoadedModel) -> dict[str, str]:
    """Return the headers that say what answered: digests of the model and of the user's files, and the schema."""
    users = {PRIOR_HEADER: served.prior, CLASSES_HEADER: served.classes}
    given = {name: digest for name, digest in users.items() if digest}
    return {MODEL_HEADER: served.digest, SCHEMA_HEADER: str(SCHEMA), **given}


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of an app.

    Attributes:
        paths: All of them. Metrics and the log name no other path, since a path may hold anything.
        public: Those that need no key.
    """

    paths: frozenset[str]
    public: frozenset[str]

    def label(self, path: str) -> str:
        """Return the path for metrics and the log; "other" if it is unknown."""
        return path if path in self.paths else "other"


class Exchange:
    """One request and its response: what was received of the one and sent of the other."""

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self.service, self.scope, self._receive, self._send = service, scope, receive, send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.id = given if _ID.fullmatch(given) else secrets.token_hex(8).encode()
        self.status, self.began, self.size_bytes = 0, time.perf_counter(), 0
        has_body = b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0") != b"0"
        self.is_read = not has_body
        self._sending_since, self._sent_bytes = 0.0, 0
        self._flow: FlowControl | None = scope.get(FLOW)
        self.field: str | None = None  # what a refusal was about; its sentence may quote the client

    async def receive(self) -> Message:
        """Return the next part of the request."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.is_read = True
        self.size_bytes += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the response, with the headers of every response.

        Raises:
            TimeoutError: The client does not take it.
        """
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", []), *_HEADERS, (b"x-request-id", self.id)]
            if self.service.is_draining:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        self._sending_since = self._sending_since or time.perf_counter()
        if self._flow is not None and not self._flow.write_paused:  # the message is written without waiting
            await self._send(message)
        else:
            await self._send_in_time(message)
        self._sent_bytes += len(message.get("body", b""))

    async def _send_in_time(self, message: Message) -> None:
        limits, since = self.service.admission.limits, time.perf_counter() - self._sending_since
        left_s = limits.send_s + self._sent_bytes / limits.download_bytes_s - since
        async with asyncio.timeout(min(limits.send_s, left_s)):
            await self._send(message)

    async def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a whole response in JSON, and discard what is left of the request's body for a while.

        Closing a connection while its client still sends would reset it, and the client would lose the response.
        """
        pairs = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        if not self.is_read and not self.service.is_draining:
            pairs["connection"] = "close"
        found = [(name.lower().encode(), value.encode()) for name, value in pairs.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": found})
        is_whole = self.is_read or b"expect" in self.headers  # a client that waits for "100 Continue" has sent nothing
        await self.send({"type": "http.response.body", "body": body, "more_body": not is_whole})
        if not is_whole:
            await self._discard_body()
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _discard_body(self) -> None:
        try:
            async with asyncio.timeout(_LINGER_S):
                while not self.is_read and self.size_bytes < _LINGER_BYTES:
                    await self.receive()
        except TimeoutError:
            return

    def log(self, route: str) -> None:
        """Count the request and log it. Of a busy service's refusals one in a hundred is logged, to keep them cheap."""
        seconds = time.perf_counter() - self.began
        self.service.metrics.request(route, self.status, seconds)
        if route == "/ping" or (self.status in (429, 503) and not self.service.is_hundredth_refusal()):
            return
        event = {
            "request_id": self.id.decode(),
            "method": self.scope["method"] if self.scope["method"] in _METHODS else "other",
            "route": route,
            "status": self.status,
            "ms": round(1000 * seconds, 3),
            "bytes": self.size_bytes,
            "client": self.scope.get(CLIENT, ""),
            **self.scope.get(LOG_FIELDS, {}),
        }
        if self.field is not None:
            event["field"] = self.field
        _log.info("request", extra={"event": event})


class RequestMiddleware:
    """The outermost middleware of the app's own."""

    def __init__(self, app: ASGIApp, service: Service, paths: Paths) -> None:
        self._app, self._service, self._paths = app, service, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(self._service, scope, receive, send)
        try:
            await self._pass_on(exchange)
        except Refusal as refusal:
            exchange.field = refusal.field
            await exchange.answer(refusal.status, refusal.to_bytes(), refusal.headers)
        except Exception as error:
            _log.error("fault", extra={"event": {"request_id": exchange.id.decode()}}, exc_info=error)
            if exchange.status:  # the response has begun or is not taken: only the connection can still be cut
                raise
            await exchange.answer(500, _FAULT.encode(), {})
        finally:
            exchange.log(self._paths.label(scope["path"]))

    async def _pass_on(self, exchange: Exchange) -> None:
        scope, path = exchange.scope, exchange.scope["path"]
        client = "" if path in self._paths.public else self._service.keys.name(exchange.headers)
        scope[CLIENT] = client
        address, is_whole = (scope.get("client") or ("",))[0], scope.get(IS_WHOLE, False)
        entered = self._service.admission.entered
        admitted: Any = nullcontext() if path in EXEMPT else entered(client, address, is_whole=is_whole)
        with admitted as permit:
            scope[PERMIT] = permit
            await self._app(scope, exchange.receive, exchange.send)


class Direct:
    """Passes a POST of one path to its handler, past the router: a fifth of what a request of one title takes."""

    def __init__(self, app: ASGIApp, path: str, handler: Callable[[Request], Awaitable[Response]]) -> None:
        self._app, self._path, self._handler = app, path, handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        if scope.get("path") != self._path or scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        response = await self._handler(Request(scope, receive))
        await response(scope, receive, send)
