"""What hostile clients do to a service: each function is one attack on a port of this machine."""

from __future__ import annotations

import json
import random
import re
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

HONEST = b'{"instances": ["registered nurse"]}'
_HEAD: Final = b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_SENT_BYTES = 300 * 2**20  # by attacks without an end
_MANY = 200  # connections


def _connect(port: int, buffer_bytes: int = 0) -> socket.socket:
    made = socket.socket()
    if buffer_bytes:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    made.settimeout(10)
    made.connect(("127.0.0.1", port))
    return made


def _endless(port: int, head: bytes, piece: bytes, _: float) -> None:
    with _connect(port) as client, suppress(OSError):
        client.sendall(head)
        for _ in range(_SENT_BYTES // len(piece)):
            client.sendall(piece)


def _trailers(port: int, seconds: float) -> None:
    lines = b"".join(b"x-%d: %s\r\n" % (number, b"a" * 1000) for number in range(64))
    _endless(port, _HEAD + _CHUNKED + b"0\r\n", lines, seconds)


def _one_trailer(port: int, seconds: float) -> None:
    _endless(port, _HEAD + _CHUNKED + b"0\r\nx: ", b"a" * 2**16, seconds)


def _headers(port: int, seconds: float) -> None:
    _endless(port, _HEAD, b"x: y\r\n" * 1000, seconds)


def _slow(port: int, head: bytes, seconds: float) -> None:
    """Send a byte every 2.5 s on each of many connections, and replace those that are cut."""
    held: list[socket.socket] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while len(held) < _MANY:
            with suppress(OSError):
                held.append(_connect(port))
                held[-1].sendall(_HEAD + head)
        time.sleep(2.5)
        alive = []
        for each in held:
            with suppress(OSError):
                each.sendall(b" ")
                alive.append(each)
        held = alive


def _slow_small(port: int, seconds: float) -> None:
    _slow(port, b"Content-Length: 30\r\n\r\n{", seconds)


def _slow_large(port: int, seconds: float) -> None:
    _slow(port, b"Content-Length: 6000000\r\n\r\n{", seconds)


def _slow_chunks(port: int, seconds: float) -> None:
    _slow(port, _CHUNKED + b"1\r\n{\r\n", seconds)


def _slow_readers(port: int, seconds: float) -> None:
    """Ask for the largest answers, and read nothing of them."""
    body = json.dumps({"instances": ["nurse"] * 14_000, "parameters": {"top_k": 100}}).encode()
    held = [_connect(port, 4096) for _ in range(4)]
    for each in held:
        each.sendall(_HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    time.sleep(seconds)
    for each in held:
        each.close()


def _idle(port: int, seconds: float) -> None:
    held = []
    with suppress(OSError):
        held += [_connect(port) for _ in range(800)]
    time.sleep(seconds)
    for each in held:
        each.close()


def _pipelines(port: int, seconds: float) -> None:
    """Write many requests at once, and read no answer."""
    one = _HEAD + b"Content-Length: %d\r\n\r\n" % len(HONEST) + HONEST
    held = [_connect(port) for _ in range(60)]
    for each in held:
        each.setblocking(False)  # noqa: FBT003 - the standard library's name for it
        with suppress(OSError):
            each.send(one * 8000)
    time.sleep(seconds)
    for each in held:
        each.close()


def _answered_pipeline(port: int, _: float) -> None:
    one = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with _connect(port) as client:
        threading.Thread(target=client.sendall, args=(one * 2000,), daemon=True).start()
        found = 0
        while found < 2000 and (piece := client.recv(2**20)):
            found += piece.count(b"HTTP/1.1 200")


def _deep(port: int, seconds: float) -> None:
    body = b"[" * 6_000_000
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with _connect(port) as client, suppress(OSError):
            client.sendall(_HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            client.recv(2**16)


_SEEDS: Final = (
    _HEAD + b"Content-Length: %d\r\n\r\n" % len(HONEST) + HONEST,
    _HEAD + _CHUNKED + b"%x\r\n" % len(HONEST) + HONEST + b"\r\n0\r\nx: y\r\n\r\n",
    _HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(HONEST) + HONEST,
    b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
)
_WORDS: Final = (
    b"\r\n",
    b"\n",
    b"\0",
    b":",
    b" ",
    b"\xff",
    b"0",
    b"-1",
    b"99999999999999999999",
    b"chunked",
    b"\r\n\r\n",
)


def _mutated(draw: random.Random) -> bytes:
    """Return a request, or two behind each other, with a few bytes or words changed, taken out or put in."""
    data = bytearray(b"".join(draw.choices(_SEEDS, k=draw.choice((1, 1, 2)))))
    for _ in range(draw.randint(1, 6)):
        at, end = sorted(draw.choices(range(len(data) + 1), k=2))
        change = draw.randrange(4)
        if change == 0:
            data[at : at + 1] = draw.randbytes(1)
        elif change == 1:
            data[at : min(end, at + 20)] = b""
        elif change == 2:
            data[at:at] = draw.choice(_WORDS)
        else:
            data[at:at] = data[at : min(end, at + 40)]
    return bytes(data)


def send_mutations(port: int, count: int, seed: int) -> None:
    """Send mutated requests, each on a new connection; end the process with status 3 if a fault of ours is answered."""
    draw = random.Random(seed)  # noqa: S311 - requests that are the same each time
    for _ in range(count):
        data, found = _mutated(draw), b""
        with _connect(port) as client, suppress(OSError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(2**16):
                found += piece
        if re.search(rb"HTTP/1\.1 5(?!03)", found):
            sys.stderr.write(f"a fault was answered to {data!r}\n")
            sys.exit(3)


ATTACKS: dict[str, Callable[[int, float], None]] = {
    "endless trailers": _trailers,
    "one endless trailer": _one_trailer,
    "endless headers": _headers,
    "slow small bodies": _slow_small,
    "slow large bodies": _slow_large,
    "slow chunks": _slow_chunks,
    "readers of nothing": _slow_readers,
    "idle connections": _idle,
    "pipelines without a reader": _pipelines,
    "2,000 requests in one write": _answered_pipeline,
    "deep JSON": _deep,
}
