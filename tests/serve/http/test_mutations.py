"""Requests that are nearly right, by the thousand: each is answered, or refused in one sentence, soon.

JOBMAJOR_MUTATIONS says how many are tried (3,000), JOBMAJOR_MUTATIONS_SEED which ones. They go straight into the app:
what no HTTP server would hand on is tried on raw sockets elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.serve import app as apps
from jobmajor.serve.messages.media import KINDS
from jobmajor.serve.service.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.applications import Starlette

    from jobmajor.serve.service.champion import Champion

COUNT = int(os.environ.get("JOBMAJOR_MUTATIONS", "3000"))
SEED = int(os.environ.get("JOBMAJOR_MUTATIONS_SEED", "2140"))
SLOW_S = 5.0  # of the process's own time, which other programs don't lengthen
EXPECTED = {200, 400, 404, 405, 406, 413, 415, 422}
BODIES = (
    (KINDS[0], b'{"instances": ["nurse", null, {"title": "welder"}], "parameters": {"top_k": 3, "level": "all"}}'),
    (KINDS[0], '{"instances": ["Köchin 👩‍🍳", "\\u0000", "\\ud83d\\ude00"]}'.encode()),
    (KINDS[1], b'{"title": "nurse", "id": 7}\n"welder"\n'),
    (KINDS[2], b'id,title\r\n007,"nurse, ""rn"""\r\n8,\r\n'),
    (KINDS[2] + "; header=absent", b'nurse\n"weld\ner"\n'),
)
WORDS = (
    *(
        b"\\ud800",
        b"\\udc00\\ud800",
        b"\0",
        b'"',
        b"''",
        b"[",
        b"{",
        b"}",
        b"]",
        b"null",
        b"true",
        b"NaN",
        b"-Infinity",
    ),
    *(
        b"1e999",
        b"-0",
        b"9" * 5000,
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xef\xbb\xbf",
        b"\r",
        b"\r\n",
        b"\xe2\x80\xa8",
    ),
    *(b",", b";", b"\t", b"instances", b"title", b"=1+1", b"<script>", b"../", b"%00", b"[" * 3000, b'{"a":' * 3000),
)
VALUES = (
    *("", " ", "a" * 5000, "\xff", "*/*;q=nan", "*/*;q=-1", "a/b;c", ",,,", "application/json;q=0", "text/*", "utf-16"),
    *("application/json; charset=utf-16", "multipart/form-data", "text/csv; header=present", "gzip, br", "identity"),
    *("level=all,top_k=2", "level=x", "top_k=", "=", "top_k=1,top_k=2", "-1", "1e9", "0x10", "99999999999999999999"),
)
NAMES = (
    *(
        "accept",
        "content-type",
        "content-encoding",
        "content-length",
        "x-amzn-sagemaker-custom-attributes",
        "x-api-key",
    ),
    *("authorization", "x-request-id", "expect", "transfer-encoding", "connection", "cookie", "accept-encoding", "te"),
    "x-api-key",
)
QUERIES = (
    *(b"level=all", b"top_k=3", b"exact=0", b"level=\xff", b"top_k=%ff", b"top_k=1&top_k=2", b"&&&", b"=", b"a" * 9000),
    *(
        b"%00=%00",
        b"level=%ed%a0%80",
        b"top_k=-1",
        b"top_k=1.5",
        b"top_k=%D9%A3",
        b"exact=",
        b"Level=major",
        b"level=major#x",
    ),
)
PATHS = ("/invocations",) * 12 + (
    "/",
    "/ping",
    "/version",
    "/metrics",
    "/docs",
    "/nowhere",
    "//",
    "/\udc80",
    "/invocations/",
)
METHODS = ("POST",) * 12 + ("GET", "PUT", "HEAD", "OPTIONS", "DELETE", "TRACE", "X")


@dataclass(frozen=True, slots=True)
class Request:
    """One that goes into the app."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


def mutated(body: bytes, rng: random.Random) -> bytes:
    """The body with some bytes cut, doubled, flipped, exchanged, or words that mean something put in."""
    found = bytearray(body)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        place, end = sorted(rng.randrange(len(found) + 1) for _ in range(2))
        flipped = bytes(each ^ (1 << rng.randrange(8)) for each in found[place : place + 2])
        what = rng.choice(
            (b"", rng.choice(WORDS), bytes(found[place:end]) * 2, rng.randbytes(rng.randint(1, 4)), flipped)
        )
        found[place : min(end, place + 8)] = what
    return bytes(found)


def reshaped(body: bytes, rng: random.Random) -> bytes:
    """A JSON body with another structure: members doubled, nested, of other types, or very many."""
    deep: Any = "nurse"
    for _ in range(rng.choice((1, 50, 400))):
        deep = [deep] if rng.random() < 0.5 else {"title": deep}
    odd = rng.choice(
        (deep, 10 ** rng.randint(1, 400), 1e308, True, {}, [], "", ["a"] * 3000, {"title": None, "x": [1]})
    )
    whole = json.dumps(
        rng.choice((odd, {"instances": odd}, {"instances": [odd, "nurse"]}, {"parameters": odd, "instances": []}))
    )
    return rng.choice((whole.encode(), (whole[:-1] + ',"instances":["a"]}').encode(), body))


def drawn(rng: random.Random) -> Request:
    """Some request."""
    kind, body = rng.choice(BODIES)
    body = reshaped(body, rng) if rng.random() < 0.3 else mutated(body, rng)
    headers = {b"content-type": kind.encode(), b"content-length": str(len(body)).encode()}
    for _ in range(rng.choice((0, 0, 0, 1, 2, 30))):
        headers[rng.choice(NAMES).encode()] = rng.choice((*VALUES, *KINDS)).encode("latin-1", "replace")
    query = b"&".join(rng.choice(QUERIES) for _ in range(rng.choice((0, 0, 0, 1, 2))))
    return Request(rng.choice(METHODS), rng.choice(PATHS), query, [*headers.items()], body)


async def call(app: Starlette, request: Request, rng: random.Random) -> tuple[int, bytes]:
    """Status and body; the request's body comes in one or two parts."""
    cut = rng.choice((len(request.body), rng.randrange(len(request.body) + 1)))
    parts = [{"type": "http.request", "body": request.body[:cut], "more_body": True}]
    parts.append({"type": "http.request", "body": request.body[cut:], "more_body": False})
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop(0) if parts else await asyncio.Event().wait()  # the client waits, too

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
    }
    scope |= {"method": request.method, "path": request.path, "raw_path": b"/", "query_string": request.query}
    scope |= {"headers": request.headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1), "state": {}}
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def fault(request: Request, status: int, body: bytes, seconds: float) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if status not in EXPECTED:
        return f"status {status}"
    if seconds > SLOW_S:
        return f"{seconds:.1f} s"
    if status >= 400 and request.method != "HEAD":
        said = json.loads(body)
        if set(said) != {"detail", "field"} or not 15 < len(said["detail"]) < 400 or "\n" in said["detail"]:
            return f"the refusal {said}"
    return ""


async def tried(app: Starlette, count: int, what: Callable[[random.Random], Request]) -> tuple[Counter[int], list[str]]:
    """How many answers had which status, and what was wrong with which."""
    rng = random.Random(SEED)  # noqa: S311 - which requests are tried is no secret
    seen: Counter[int] = Counter()
    faults: list[str] = []
    async with app.router.lifespan_context(app):
        for number in range(count):
            request = what(rng)
            began = time.process_time()
            status, body = await call(app, request, rng)
            seen[status] += 1
            if wrong := fault(request, status, body, time.process_time() - began):
                faults.append(f"{number}: {wrong}, {request}")
    return seen, faults


def quick(champion: Champion) -> Champion:
    """The same, scored by the event loop itself where a request is short."""
    found = copy(champion)
    found.served = replace(champion.served, is_quick=True)
    return found


@pytest.mark.slow
def test_requests_that_are_nearly_right_are_answered_or_refused_in_one_sentence(champion: Champion) -> None:
    seen, faults = asyncio.run(tried(apps.create(Service(quick(champion))), COUNT, drawn))

    assert faults == []
    assert min(seen[status] for status in (200, 404, 405, 415, 422)) > COUNT // 200


def test_answer_that_is_a_fault_of_ours_slow_or_no_sentence_is_caught() -> None:
    request = Request("POST", "/invocations", b"", [], b"")
    good = b'{"detail": "a sentence that says why", "field": "body"}'

    assert fault(request, 422, good, 0.1) == ""
    assert fault(request, 500, good, 0.1) == "status 500"
    assert fault(request, 200, b"", 6.0) == "6.0 s"
    assert fault(request, 422, b'{"detail": "two\\nlines of some length", "field": ""}', 0.1).startswith("the refusal")
    assert fault(request, 422, b'{"detail": [{"loc": []}]}', 0.1).startswith("the refusal")
