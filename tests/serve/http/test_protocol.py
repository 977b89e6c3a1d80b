"""HTTP's own edge: heads that don't end, what is no HTTP, and the quick no of a full service."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from jobmajor.serve.service.admission import Limits
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import LIMIT_S, Model, Running, running, talk, until, with_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.serve.service.champion import Champion

BODY = b'{"instances": ["nurse"]}'
HEAD = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
ASK = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY


def refusal(raw: bytes) -> tuple[int, dict[str, str]]:
    """Status and body of an answer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), json.loads(body)


@contextmanager
def full(champion: Champion) -> Iterator[Running]:
    """A service whose one place is taken."""
    model = Model()
    with (
        running(with_model(champion, model), ServiceOptions(limits=Limits(requests=1))) as busy,
        ThreadPoolExecutor(1) as pool,
    ):
        holding = pool.submit(busy.post, json={"instances": ["nurse"]})
        until(lambda: busy.service.admission.is_full, "the place to be taken")
        try:
            yield busy
        finally:
            model.go.set()
        assert holding.result().status_code == 200


class Client:
    """A connection that stays, and its answers one by one."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT_S)
        self.file = self.socket.makefile("rb")

    def ask(self, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        self.socket.sendall(raw)
        status = int(self.file.readline().split(b" ")[1])
        lines = iter(self.file.readline, b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.decode().partition(":") for line in lines)}
        return status, headers, self.file.read(int(headers["content-length"]))

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def test_head_that_does_not_end_is_431_before_it_fills_memory(service: Running) -> None:
    status, body = refusal(talk(service.port, b"GET /ping HTTP/1.1\r\nx: " + b"a" * 2**19))

    assert (status, body["field"]) == (431, "headers")
    assert service.get("/ping").status_code == 200


@pytest.mark.parametrize("raw", [b"\0\r\n\r\n", b"GET\r\n\r\n", HEAD + b"content-length: -1\r\n\r\n"])
def test_what_is_no_http_is_told_so_in_the_form_of_every_refusal(service: Running, raw: bytes) -> None:
    status, body = refusal(talk(service.port, raw))

    assert (status, body["field"]) == (400, "head")
    assert "can't be read" in body["detail"]


def test_requests_sent_one_behind_the_other_are_answered_in_their_order(service: Running) -> None:
    last = b"GET /version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    raw = talk(service.port, ASK + b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n" + ASK + last)

    assert raw.count(b"HTTP/1.1 200 OK") == 4
    places = [raw.index(b'"predictions"'), raw.index(b'{"status":"ok"}'), raw.rindex(b'"predictions"')]
    assert places == sorted(places)
    assert raw.index(b'"lineage"') > places[-1]


def test_what_was_asked_before_the_garbage_is_answered(service: Running) -> None:
    raw = talk(service.port, ASK + b"\0\0\r\n\r\n")

    assert raw.startswith(b"HTTP/1.1 200")
    assert raw.count(b"HTTP/1.1") == 1


def test_body_whose_parts_have_no_length_is_400_and_leaves_nothing_behind(service: Running) -> None:
    raw = talk(service.port, HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\nzz\r\n")

    assert refusal(raw)[0] == 400
    until(lambda: service.service.admission.requests == 0, "its end")


def test_answer_comes_in_one_packet(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port), LIMIT_S) as client:
        client.sendall(ASK)
        first = client.recv(65_536)

    assert b'"predictions"' in first


def test_full_service_says_no_on_a_connection_that_stays_and_still_answers_health(champion: Champion) -> None:
    with full(champion) as busy:
        client = Client(busy.port)
        answers = [client.ask(ASK) for _ in range(3)]
        health = client.ask(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n")
        client.socket.sendall(ASK[:-5])  # a body in two parts
        parted = client.ask(ASK[-5:])
        counts = busy.get("/metrics").text
        client.close()

    for status, headers, body in [*answers, parted]:
        assert (status, headers["retry-after"], json.loads(body)["field"]) == (503, "1", "")
    assert health[0] == 200
    assert 'jobmajor_requests_total{route="/invocations",status="503"} 4' in counts


def test_request_after_a_no_is_answered_on_the_same_connection(champion: Champion) -> None:
    with full(champion) as busy:
        client = Client(busy.port)
        refused = client.ask(ASK)

    with running(champion) as free:
        later = Client(free.port)
        free.service.admission.requests = free.service.admission.limits.requests
        assert later.ask(ASK)[0] == 503
        free.service.admission.requests = 0
        assert later.ask(ASK)[0] == 200
        later.close()
    client.close()
    assert refused[0] == 503


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"content-length: 300000000\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n     \r\n0\r\n\r\n",
        HEAD + b"content-length: 5\r\nexpect: 100-continue\r\n\r\n",
        HEAD + b"content-length: 5\r\nconnection: close\r\n\r\n     ",
        b"GET /%70ing2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"POST /invocations HTTP/1.0\r\ncontent-length: 5\r\n\r\n     ",
    ],
)
def test_full_service_says_no_to_every_kind_of_request(champion: Champion, raw: bytes) -> None:
    with full(champion) as busy:
        status, body = refusal(talk(busy.port, raw, is_last=True))

    assert (status, "busy" in body["detail"]) == (503, True)
