"""HTTP on loopback: requests with decoded bodies, answers of bytes or of files, and nothing for those without the key.

Every user of a machine can reach its loopback. So a request has to carry the key of this server: as the access key that
signed it, or as the first part of its path, which is for scripts that bring credentials of their own.
"""

from __future__ import annotations

import hmac
import io
import re
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"
MAX_BODY_BYTES: Final = 64 * 2**20  # of a request that is read as a whole
_CHUNK_BYTES: Final = 2**20
_CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/[^/]+/[^/]+/([^/]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `path` is decoded, `service` is the name that signed it, and `body` may be read once."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    service: str
    body: IO[bytes]

    def header(self, name: str) -> str:
        """Return a header, whatever its case; empty if it is absent."""
        return self.headers.get(name.lower(), "")

    def read(self) -> bytes:
        """Return the whole body.

        Raises:
            ValueError: It is too large to be read as a whole.
        """
        data = self.body.read(MAX_BODY_BYTES + 1)
        if len(data) > MAX_BODY_BYTES:
            raise ValueError(f"over {MAX_BODY_BYTES:,} bytes")
        return data

    def save(self, path: Path) -> None:
        """Write the body to a file."""
        with path.open("wb") as file:
            while chunk := self.body.read(_CHUNK_BYTES):
                file.write(chunk)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: bytes, or `length` bytes of a file from `start` on."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    start: int = 0
    length: int = 0


def new_key() -> str:
    """Return a key that nobody can guess, in the form of an AWS access key."""
    return secrets.token_hex(16).upper()


@contextmanager
def serving(listener: socket.socket, key: str, answer: Callable[[Request], Answer]) -> Iterator[None]:
    """Answer requests on a listening socket during the block.

    Args:
        listener: A listening TCP socket; it is closed at the end.
        key: What a request has to carry.
        answer: Gives the answer; called in a thread for each connection.
    """
    server = _Server(listener, key, answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    block_on_close = False

    def __init__(self, listener: socket.socket, key: str, answer: Callable[[Request], Answer]) -> None:
        super().__init__((LOOPBACK, 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.key, self.answer = listener, key, answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: a client that went away is no fault of ours, and others are answered with status 500."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120
    server: _Server

    def _any(self) -> None:
        target = urlsplit(self.path)
        allowed, path, service = self._admitted(target.path, dict(parse_qsl(target.query)))
        if not allowed:
            self.close_connection = True
            self._send(Answer(403, b"this server answers the programs of one run only"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        request = Request(self.command, unquote(path), query, headers, service, self._body(headers))
        answer = self.server.answer(request)
        while request.body.read(_CHUNK_BYTES):  # what was not read would be taken for the next request
            pass
        self._send(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _any  # noqa: N815 - the names of http.server

    def _admitted(self, path: str, query: Mapping[str, str]) -> tuple[bool, str, str]:
        """Return whether the request carries the key, its path without it, and the service that it was signed for."""
        signed = f"Credential={query['X-Amz-Credential']}" if "X-Amz-Credential" in query else ""
        found = _CREDENTIAL.search(self.headers.get("Authorization", "") or signed)
        service = found[2] if found else ""
        first, _, rest = path.removeprefix("/").partition("/")
        if hmac.compare_digest(first.encode(), self.server.key.encode()):
            return True, f"/{rest}", service
        key = found[1] if found else ""
        return hmac.compare_digest(key.encode(), self.server.key.encode()), path, service

    def _body(self, headers: Mapping[str, str]) -> IO[bytes]:
        whole = cast("IO[bytes]", self.rfile)
        if "chunked" in headers.get("transfer-encoding", ""):
            body = _stream(_chunked(whole))
        else:
            body = _stream(_plain(whole, int(headers.get("content-length") or 0)))
        signed_in_parts = headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
        return _stream(_chunked(body)) if signed_in_parts else body

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        length = answer.length if answer.file else len(answer.body)
        for name, value in {"Content-Length": str(length), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or answer.status == 304:
            return
        if answer.file is None:
            self.wfile.write(answer.body)
            return
        with answer.file.open("rb") as file:
            file.seek(answer.start)
            for chunk in _plain(file, length):
                self.wfile.write(chunk)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in http.server
        """Print nothing."""


def _plain(file: IO[bytes], length: int) -> Iterator[bytes]:
    while length > 0:
        chunk = file.read(min(length, _CHUNK_BYTES))
        if not chunk:
            raise ConnectionError("the rest of a body is missing")
        length -= len(chunk)
        yield chunk


def _chunked(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of chunks, HTTP's or those of AWS, which have a signature behind their length."""
    while size := int(file.readline(1024).partition(b";")[0].strip() or b"0", 16):
        yield from _plain(file, size)
        file.readline(1024)
    while file.readline(8192).strip():  # trailers
        pass


class _Raw(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._chunks, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _stream(chunks: Iterator[bytes]) -> IO[bytes]:
    return io.BufferedReader(_Raw(chunks))
