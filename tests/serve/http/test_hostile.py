"""What hostile and unusual clients send: endless trailers, slow bodies, offers of other protocols, foreign hosts."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, cast

import pytest

from jobmajor.serve.http import hosts
from jobmajor.serve.service.admission import Limits
from jobmajor.serve.service.keys import add, read
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import LIMIT_S, Model, Running, running, talk, until, with_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobmajor.serve.http.protocol import Protocol
    from jobmajor.serve.service.champion import Champion

BODY = b'{"instances": ["nurse"]}'
HEAD = b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
ASK = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
LAST = b"GET /ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
# As `java.net.http.HttpClient` of Java 17 and `curl --http2` begin a connection.
JAVA = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAU\r\n"
CURL = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
SOCKET = b"connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
TLS = b"upgrade: TLS/1.2, h3\r\nconnection: upgrade\r\n"
LENGTH, CHUNKED = b"content-length: %d\r\n\r\n" % len(BODY) + BODY, b"transfer-encoding: chunked\r\n\r\n"
CHUNKS = CHUNKED + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def local(champion: Champion) -> Iterator[Running]:
    """A service as `jobmajor serve` starts it on loopback, which has few places and waits long for slow clients."""
    limits = Limits(stall_s=LIMIT_S, requests=8)
    with running(champion, ServiceOptions(limits=limits, hosts=hosts.allowed("127.0.0.1", ["titles.test"]))) as found:
        yield found


@pytest.mark.parametrize("body", [LENGTH, CHUNKS])
@pytest.mark.parametrize("offer", [JAVA, CURL, SOCKET, TLS])
def test_offer_of_another_protocol_is_answered_as_plain_http_with_its_body(
    service: Running, offer: bytes, body: bytes
) -> None:
    raw = talk(service.port, (HEAD + offer + body) * 3 + LAST)

    assert raw.count(b"HTTP/1.1 200 OK") == 4
    assert raw.count(b'"label"') >= 3


def is_held(connection: object) -> bool:
    return bool(getattr(connection, "_held", None))


def test_body_behind_an_offer_comes_later(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port), LIMIT_S) as client:
        client.sendall(HEAD + JAVA + LENGTH[: -len(BODY)])
        until(lambda: any(is_held(each) for each in service.server.server_state.connections), "the head")
        client.sendall(BODY)
        first = client.recv(65_536)

    assert first.startswith(b"HTTP/1.1 200")


def test_proxy_requests_are_refused(service: Running) -> None:
    raw = talk(service.port, b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n")

    assert raw.startswith(b"HTTP/1.1 405")


def test_two_thousand_requests_in_one_write_are_answered_in_bounded_memory(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port), LIMIT_S) as client:
        sending = threading.Thread(target=client.sendall, args=(ASK * 2000 + LAST,))
        sending.start()
        found = b"".join(iter(lambda: client.recv(65_536), b""))
        sending.join()

    assert found.count(b"HTTP/1.1 200 OK") == 2001


def test_requests_before_the_client_closes_its_side_are_answered(service: Running) -> None:
    raw = talk(service.port, ASK * 500, is_last=True)

    assert raw.count(b"HTTP/1.1 200 OK") == 500
    assert talk(service.port, ASK, is_last=True).startswith(b"HTTP/1.1 200")
    assert talk(service.port, ASK[:-1], is_last=True) == b""


def test_requests_that_wait_on_one_connection_are_not_parsed_before_their_turn(champion: Champion) -> None:
    model = Model()
    with (
        running(with_model(champion, model)) as found,
        socket.create_connection(("127.0.0.1", found.port), LIMIT_S) as client,
    ):
        client.sendall(ASK * 500 + LAST)
        until(lambda: found.service.admission.requests == 1, "the first request")
        time.sleep(0.1)  # nothing is to happen
        (connection,) = cast("set[Protocol]", found.server.server_state.connections)
        waiting = len(connection.pipeline)
        model.go.set()
        raw = b"".join(iter(lambda: client.recv(65_536), b""))

    assert 0 < waiting <= 2**13 // len(ASK) + 1
    assert raw.count(b"HTTP/1.1 200 OK") == 501


@pytest.mark.parametrize("size", [1, 1000])
def test_trailers_that_do_not_end_are_431_before_they_fill_memory(service: Running, size: int) -> None:
    lines = b"".join(b"x-%d: %s\r\n" % (number, b"a" * size) for number in range(2**18 // size))
    raw = talk(service.port, HEAD + CHUNKED + b'5\r\n["a"]\r\n0\r\n' + lines)

    assert b" 431 " in raw
    assert talk(service.port, HEAD + CHUNKED + b"0\r\nx: " + b"a" * 2**18).startswith(b"HTTP/1.1 431")
    assert talk(service.port, HEAD + CHUNKED + b"1;" + b"a" * 2**18).startswith(b"HTTP/1.1 431")


def test_trailers_are_read_and_change_nothing(service: Running) -> None:
    raw = talk(service.port, HEAD + CHUNKS[:-2] + b"content-type: text/csv\r\nx: y\r\n\r\n" + LAST)

    assert raw.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "head",
    [
        b"GET /ping HTTP/1.1\r\n",
        b"GET /ping HTTP/1.1\r\nhost: a\r\nhost: a\r\n",
        b"GET /ping HTTP/1.0\r\nhost: a\r\nHost: b\r\n",
        b"GET /ping HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade\r\n",
    ],
)
def test_request_without_a_host_or_with_two_is_400(service: Running, head: bytes) -> None:
    raw = talk(service.port, head + b"\r\n")

    assert raw.startswith(b"HTTP/1.1 400")
    assert b'"field": "Host"' in raw
    assert talk(service.port, b"GET /ping HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((name, 200) for name in (b"localhost", b"LOCALHOST:80", b"127.0.0.1:1", b"127.9.9.9", b"[::1]:8080")),
        *((name, 200) for name in (b"jobs.localhost", b"localhost.", b"titles.test", b"Titles.Test:443")),
        *((name, 421) for name in (b"evil.example", b"localhost.evil.example", b"10.0.0.1", b"", b"127.0.0.1.nip.io")),
        *((name, 421) for name in (b"evil.example#localhost", b"[::2]", b"a@localhost", b"localhost:x", b"0.0.0.0")),
    ],
)
def test_service_on_loopback_answers_to_its_names_only(local: Running, host: bytes, status: int) -> None:
    plain = talk(local.port, b"GET /version HTTP/1.1\r\nconnection: close\r\nhost: %s\r\n\r\n" % host)
    absolute = b"GET http://%s/version HTTP/1.1\r\nconnection: close\r\nhost: localhost\r\n\r\n" % host

    assert plain.startswith(b"HTTP/1.1 %d" % status)
    if status == 421 and host == b"evil.example":
        assert talk(local.port, absolute).startswith(b"HTTP/1.1 421")


@pytest.mark.parametrize(
    ("host", "names", "expected"),
    [
        ("127.0.0.1", [], frozenset()),
        ("::1", ["A.test."], frozenset({"a.test"})),
        ("localhost", ["*"], None),
        ("10.1.2.3", [], None),
        ("10.1.2.3", ["a.test"], frozenset({"a.test"})),
    ],
)
def test_any_name_is_answered_beyond_loopback_unless_names_are_given(
    host: str, names: list[str], expected: frozenset[str] | None
) -> None:
    assert hosts.allowed(host, names) == expected


@contextmanager
def slow_clients(site: Running, raw: bytes) -> Iterator[list[socket.socket]]:
    """Forty that begin a request of which no more comes."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_connection(("127.0.0.1", site.port), LIMIT_S)) for _ in range(40)]
        for each in found:
            each.sendall(raw)
        yield found


def test_slow_small_bodies_hold_no_permit(local: Running) -> None:
    with slow_clients(local, HEAD + b"content-length: 30\r\n\r\n{"):
        connections = local.server.server_state.connections
        until(lambda: sum(map(is_held, {*connections})) == 40, "forty bodies that are held")

        assert local.service.admission.requests == 0
        assert local.post(json={"instances": ["nurse"]}).status_code == 200


def test_slow_small_bodies_end_as_408(champion: Champion) -> None:
    with (
        running(champion, ServiceOptions(limits=Limits(stall_s=0.3, upload_bytes_s=2**20))) as hasty,
        slow_clients(hasty, HEAD + b"content-length: 30\r\n\r\n{") as slow,
    ):
        for each in slow:
            assert each.recv(65_536).startswith(b"HTTP/1.1 408")

        assert 'status="408"' in hasty.get("/metrics").text


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 900000\r\n\r\n{",
        CHUNKED + b"1\r\n{\r\n",
        b"content-length: 30\r\nexpect: 100-continue\r\n\r\n",
    ],
)
def test_slow_bodies_of_one_address_leave_three_quarters_of_the_permits(local: Running, head: bytes) -> None:
    with slow_clients(local, HEAD + head):
        until(lambda: local.service.admission.bodies == 2, "a quarter of the permits")
        statuses = [local.post(json={"instances": ["nurse"]}).status_code for _ in range(20)]
    until(lambda: local.service.admission.requests == 0, "the end of all")

    assert statuses == [200] * 20


def test_body_that_comes_below_the_least_rate_is_408(champion: Champion) -> None:
    limits = Limits(stall_s=0.3, body_s=30.0, upload_bytes_s=2**20)
    with (
        running(champion, ServiceOptions(limits=limits)) as found,
        socket.create_connection(("127.0.0.1", found.port), LIMIT_S) as client,
    ):
        client.sendall(HEAD + b"content-length: 900000\r\n\r\n")
        client.settimeout(0.05)
        raw = b""
        while not raw:
            client.send(b" " * 100)
            try:
                raw = client.recv(65_536)
            except TimeoutError:
                continue

    assert raw.startswith(b"HTTP/1.1 408")
    assert b"1,048,576 bytes a second" in raw


def test_one_key_holds_a_quarter_of_the_bodies_and_half_of_the_bytes(champion: Champion, tmp_path: Path) -> None:
    anna, ben = (add(tmp_path / "keys", name).encode() for name in ("anna", "ben"))
    limits = Limits(requests=8, body_bytes=1000_000, all_bytes=2_000_000, stall_s=LIMIT_S)
    large = HEAD + b"content-length: 900000\r\nx-api-key: %s\r\n\r\n"

    with running(champion, ServiceOptions(limits=limits, keys=read(tmp_path / "keys"))) as found:
        with socket.create_connection(("127.0.0.1", found.port), LIMIT_S) as first:
            first.sendall(large % anna)
            until(lambda: found.service.admission.size_bytes == 900_000, "the first body")
            second = talk(found.port, large % anna)
            small = found.post(json={"instances": ["nurse"]}, headers={"x-api-key": ben.decode()})
        until(lambda: not found.service.admission.held, "nothing held")

    assert second.startswith(b"HTTP/1.1 429")
    assert small.status_code == 200


@pytest.mark.parametrize(("count", "status"), [(128, b"200"), (129, b"431"), (5000, b"431")])
def test_head_may_have_128_headers(service: Running, count: int, status: bytes) -> None:
    more = b"".join(b"x%d: 1\r\n" % number for number in range(count - 2))  # beside host and connection

    raw = talk(service.port, b"GET /ping HTTP/1.1\r\nhost: localhost\r\n" + more + b"connection: close\r\n\r\n")

    assert raw.startswith(b"HTTP/1.1 " + status)
    assert (b"more than 128 headers" in raw) == (status == b"431")


@pytest.mark.parametrize("path", [b"/docs", b"/redoc", b"/", b"/ping", b"/version", b"/openapi.json"])
def test_query_that_is_no_text_is_no_fault_of_ours(service: Running, path: bytes) -> None:
    raw = talk(service.port, b"GET %s?\xff=\xfe HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % path)

    assert raw.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))
