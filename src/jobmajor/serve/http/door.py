"""What every request passes before a route sees it, whatever route that is: key, admission, faults, counts, the log.

It goes by exceptions: whatever is not named here needs a key and a place. So another name for a route (a slash at
its end, HEAD, a route that somebody adds) is never a way around.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.page import assets

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from jobmajor.serve.service.service import Service

# Need no key: health, and what anyone may read.
OPEN = frozenset({"/ping", "/docs", "/redoc", "/openapi.json", *assets.PATHS})
EXEMPT = frozenset({"/ping", "/metrics"})  # need no place: who watches a busy service must still see it
ROUTES = OPEN | EXEMPT | {"/invocations", "/explain", "/tables", "/version", "/execution-parameters"}
TICKET = "jobmajor.ticket"
MODEL_HEADER = b"x-jobmajor-model"
_LINGER_S, _LINGER_BYTES = 2.0, 512 * 2**20
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = [(b"x-content-type-options", b"nosniff")]
_FAULT = json.dumps({"detail": "the service failed: its log has the reason under this request's id", "field": ""})
_log = logging.getLogger(__name__)


class Exchange:
    """One request and its answer: what was read of the one, and what was sent of the other."""

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self.service, self.scope, self._receive, self._send = service, scope, receive, send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.id = given if _ID.fullmatch(given) else secrets.token_hex(8).encode()
        self.status, self.began, self.size_bytes = 0, time.perf_counter(), 0
        has_body = b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0") != b"0"
        self.is_read = not has_body
        self.field: str | None = None  # what a refusal was about; its sentence may quote the client

    @property
    def route(self) -> str:
        """The route's own name; "other" for all that is none, since a path may hold anything."""
        path: str = self.scope["path"]
        return path if path in ROUTES else "other"

    async def receive(self) -> Message:
        """The next piece of the request."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.is_read = True
        self.size_bytes += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """A piece of the answer, with the headers that each answer has; a client that doesn't take it is left."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", []), *_HEADERS, (b"x-request-id", self.id)]
            if self.service.is_draining:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        async with asyncio.timeout(self.service.admission.limits.send_s):
            await self._send(message)

    async def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """A whole answer of ours in JSON. What is left of the body is thrown away for a while before the end.

        A connection that is closed while a client still sends would be reset, and the client lose the answer.
        """
        pairs = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        if not self.is_read and not self.service.is_draining:
            pairs["connection"] = "close"
        found = [(name.lower().encode(), value.encode()) for name, value in pairs.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": found})
        is_whole = self.is_read or b"expect" in self.headers  # who waits for a "100 Continue" has sent nothing
        await self.send({"type": "http.response.body", "body": body, "more_body": not is_whole})
        if not is_whole:
            await self._linger()
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        try:
            async with asyncio.timeout(_LINGER_S):
                while not self.is_read and self.size_bytes < _LINGER_BYTES:
                    await self.receive()
        except TimeoutError:
            return

    def tell(self) -> None:
        """Count the request, and log it: refusals of a busy service one in a hundred, so that they stay cheap."""
        seconds = time.perf_counter() - self.began
        self.service.metrics.request(self.route, self.status, seconds)
        if self.route == "/ping" or (self.status in (429, 503) and not self.service.is_hundredth_refusal()):
            return
        event = {
            "request_id": self.id.decode(),
            "method": self.scope["method"] if self.scope["method"] in _METHODS else "other",
            "route": self.route,
            "status": self.status,
            "ms": round(1000 * seconds, 3),
            "bytes": self.size_bytes,
            "client": self.scope.get("jobmajor.client", ""),
            **self.scope.get("jobmajor.told", {}),
        }
        if self.field is not None:
            event["field"] = self.field
        _log.info("request", extra={"event": event})


class Door:
    """Middleware, outermost of the app's own."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(self._service, scope, receive, send)
        try:
            await self._pass(exchange)
        except Refusal as refusal:
            exchange.field = refusal.field
            await exchange.answer(refusal.status, refusal.to_bytes(), refusal.headers)
        except Exception as error:
            _log.error("fault", extra={"event": {"request_id": exchange.id.decode()}}, exc_info=error)
            if exchange.status:  # the answer has begun or is not taken: to cut the connection is all that is left
                raise
            await exchange.answer(500, _FAULT.encode(), {})
        finally:
            exchange.tell()

    async def _pass(self, exchange: Exchange) -> None:
        scope, path = exchange.scope, exchange.scope["path"]
        client = "" if path in OPEN else self._service.keys.name(exchange.headers)
        scope["jobmajor.client"] = client
        place: Any = nullcontext() if path in EXEMPT else self._service.admission.entered(client)
        with place as ticket:
            scope[TICKET] = ticket
            await self._app(scope, exchange.receive, exchange.send)
