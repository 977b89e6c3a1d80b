"""`python -m benchmarks.attacks`: hostile clients against a real service, and what honest ones notice of them.

Each attack runs in a process of its own against a fresh service. Meanwhile, this process asks for one title after
another as an honest client does, and looks at the service's memory. Printed are how much the memory grew at most, and
how long honest requests took. An attack is lost if memory grows by more than 50 MB, if an honest request is refused, or
if one in a hundred of them takes more than 100 ms.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.load.client import share
from tools.load.service import Place, Process, started

from jobmajor import settings
from jobmajor.errors import Error
from jobmajor.registry import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_GROWTH_MB, MAX_P99_MS = 50.0, 100.0
_HONEST = b'{"instances": ["registered nurse"]}'
_HEAD: Final = b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_SENT_BYTES = 300 * 2**20  # by attacks without an end
_MANY = 200  # connections
_WARM_S = 2.0


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
    one = _HEAD + b"Content-Length: %d\r\n\r\n" % len(_HONEST) + _HONEST
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


def _ask(port: int) -> tuple[float, bool]:
    """Return the milliseconds of an honest request on a new connection, and whether it was answered."""
    began = time.perf_counter()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request("POST", "/invocations", _HONEST, {"Content-Type": "application/json"})
        answer = client.getresponse()
        answer.read()
        is_answered = answer.status == 200
    except OSError:
        is_answered = False
    finally:
        client.close()
    return 1000 * (time.perf_counter() - began), is_answered


def measure(process: Process, name: str, seconds: float) -> dict[str, Any]:
    """Return what honest requests and the memory of a service show during one attack."""
    warm = time.monotonic() + _WARM_S
    while time.monotonic() < warm:
        _ask(process.port)
    before = peak = process.memory_mb()
    attack = multiprocessing.get_context("spawn").Process(target=ATTACKS[name], args=(process.port, seconds))
    attack.start()
    asked = []
    while attack.is_alive():
        asked.append(_ask(process.port))
        peak = max(peak, process.memory_mb())
        time.sleep(0.01)
    attack.join()
    times = [each for each, _ in asked]
    found = {
        "attack": name,
        "growth_mb": round(peak - before, 1),
        "honest": len(asked),
        "refused": sum(not is_answered for _, is_answered in asked),
        "p50_ms": round(share(times, 0.5), 1),
        "p99_ms": round(share(times, 0.99), 1),
    }
    is_held = found["growth_mb"] <= MAX_GROWTH_MB and not found["refused"] and found["p99_ms"] <= MAX_P99_MS
    return {**found, "held": is_held}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the attacks; return 1 if one of them was not held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("--model", type=Path, help="a model's folder; without it, the workspace's champion")
    parser.add_argument("--only", action="append", choices=ATTACKS, help="an attack; may be repeated")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the attacks that have no end")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args(arguments)
    try:
        model = loading.find(given.model, settings.home())
    except Error as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    found = []
    for name in given.only or ATTACKS:
        with started(Place(model, drain_s=0.0)) as process:
            found.append(measure(process, name, given.seconds))
        if not given.json:
            sys.stdout.write(", ".join(f"{key} {value}" for key, value in found[-1].items()) + "\n")
            sys.stdout.flush()
    if given.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if all(each["held"] for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
