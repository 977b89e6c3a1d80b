"""Sizes, silence, load: what is too much is refused at once and in words, and `/ping` is answered through it all."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from jobmajor.serve.service.admission import Limits
from jobmajor.serve.service.keys import add, read
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import LIMIT_S, Model, Running, running, talk, until, with_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobmajor.serve.service.champion import Champion

HEAD = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def strict(champion: Champion) -> Iterator[Running]:
    """A service that gives up soon; a usual client on a busy machine, too."""
    with running(champion, ServiceOptions(limits=Limits(stall_s=0.2, body_s=0.5))) as found:
        yield found


def holds_nothing(site: Running) -> bool:
    return (site.service.admission.requests, site.service.admission.size_bytes) == (0, 0)


def status(raw: bytes) -> int:
    return int(raw.split(b" ", 2)[1])


def detail(raw: bytes) -> str:
    found: str = json.loads(raw.partition(b"\r\n\r\n")[2])["detail"]
    return found


def test_body_of_six_mebibytes_is_read_and_one_byte_more_is_413(service: Running) -> None:
    room = 6_291_456 - len('{"instances":[""]}')
    fits, over = (f'{{"instances":["{"x" * size}"]}}'.encode() for size in (room, room + 1))

    assert service.post(content=fits, headers={"content-type": "application/json"}).status_code == 200
    assert service.post(content=over, headers={"content-type": "application/json"}).status_code == 413


def test_announced_300_megabytes_are_refused_before_they_come(service: Running) -> None:
    raw = talk(service.port, HEAD + b"content-length: 300000000\r\nexpect: 100-continue\r\n\r\n")

    assert status(raw) == 413
    assert b"100 Continue" not in raw
    assert b"connection: close" in raw.lower()


def test_client_that_sends_too_much_all_the_same_still_reads_why(service: Running) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 2**20

    headers = {"content-type": "application/json"}
    announced = httpx.post(
        f"{service.url}/invocations",
        content=pieces(),
        headers={**headers, "content-length": str(40 * 2**20)},
        timeout=LIMIT_S,
    )
    streamed = httpx.post(f"{service.url}/invocations", content=pieces(), headers=headers, timeout=LIMIT_S)

    assert (announced.status_code, announced.json()["field"]) == (413, "Content-Length")
    assert (streamed.status_code, streamed.json()["field"]) == (413, "body")


@pytest.mark.slow
def test_body_that_stops_coming_is_408_and_its_place_is_free_again(strict: Running) -> None:
    raw = talk(strict.port, HEAD + b'content-length: 100\r\n\r\n{"instances"')

    assert status(raw) == 408
    assert "stopped for 0.2 s" in detail(raw)
    until(lambda: holds_nothing(strict), "the place, and that of the bytes")


def test_body_that_comes_in_drops_is_408_in_the_end(strict: Running) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), LIMIT_S) as connection:
        connection.sendall(HEAD + b"content-length: 100000\r\n\r\n")
        stop = threading.Event()
        dripping = threading.Thread(target=_drip, args=(connection, stop))
        dripping.start()
        raw = connection.recv(65_536)
        stop.set()
        dripping.join()

    assert status(raw) == 408


def _drip(connection: socket.socket, stop: threading.Event) -> None:
    """A byte each 50 ms, as an attacker sends them, until told to stop or cut off."""
    try:
        while not stop.wait(0.05):
            connection.sendall(b" ")
    except OSError:
        return


def test_titles_and_codes_of_one_request_are_bounded(champion: Champion) -> None:
    with running(champion, ServiceOptions(limits=Limits(titles=10, answers=40))) as small:
        titles = small.post(json={"instances": ["a"] * 11})
        codes = small.post(json={"instances": ["a"] * 9, "parameters": {"top_k": 5}})
        fits = small.post(json={"instances": ["a"] * 8, "parameters": {"top_k": 5}})

    assert (titles.status_code, titles.json()["field"]) == (413, "instances")
    assert (codes.status_code, codes.json()["field"]) == (413, "top_k")
    assert fits.status_code == 200


def test_full_service_refuses_at_once_and_answers_ping_and_metrics_and_what_it_let_in(
    champion: Champion,
) -> None:
    model = Model()
    with (
        running(with_model(champion, model), ServiceOptions(limits=Limits(requests=3))) as busy,
        ThreadPoolExecutor(3) as pool,
    ):
        let_in = [pool.submit(busy.post, json={"instances": ["nurse"]}) for _ in range(3)]
        until(lambda: busy.service.admission.requests == 3, "three requests in work")

        refused = busy.post(json={"instances": ["nurse"]})
        health, counts = busy.get("/ping"), busy.get("/metrics")
        model.go.set()

        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (health.status_code, counts.status_code) == (200, 200)
        assert "jobmajor_requests_in_work 3" in counts.text
        assert [each.result().status_code for each in let_in] == [200] * 3
        assert busy.post(json={"instances": ["nurse"]}).status_code == 200


def test_one_key_s_requests_leave_room_for_another_s(champion: Champion, tmp_path: Path) -> None:
    model = Model()
    anna, ben = ({"x-api-key": add(tmp_path / "keys", name)} for name in ("anna", "ben"))
    options = ServiceOptions(limits=Limits(requests=2), keys=read(tmp_path / "keys"))

    with running(with_model(champion, model), options) as busy, ThreadPoolExecutor(2) as pool:
        first = pool.submit(busy.post, json={"instances": ["nurse"]}, headers=anna)
        until(lambda: busy.service.admission.requests == 1, "anna's request in work")
        second = busy.post(json={"instances": ["nurse"]}, headers=anna)
        other = pool.submit(busy.post, json={"instances": ["nurse"]}, headers=ben)
        model.go.set()

        assert (second.status_code, second.headers["retry-after"]) == (429, "1")
        assert (first.result().status_code, other.result().status_code) == (200, 200)


def test_titles_that_are_not_scored_in_time_are_503(champion: Champion) -> None:
    model = Model()
    with running(with_model(champion, model), ServiceOptions(limits=Limits(answer_s=0.1))) as slow:
        answer = slow.post(json={"instances": ["nurse"]})
        model.go.set()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "not scored in time" in answer.json()["detail"]


def test_fault_of_ours_is_500_without_details_and_leaves_no_title_in_the_log(
    champion: Champion, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model(fault=RuntimeError("secret nurse"))
    model.go.set()
    with running(with_model(champion, model)) as broken, caplog.at_level(logging.INFO, "jobmajor.serve"):
        answer = broken.post(json={"instances": ["secret nurse"]}, headers={"x-request-id": "mine"})
        assert broken.get("/ping").status_code == 200

    assert answer.status_code == 500
    assert "secret" not in answer.text
    events = [record.__dict__["event"] for record in caplog.records if "event" in record.__dict__]
    assert "secret" not in json.dumps(events)
    assert {"request_id": "mine"} in events


def test_every_path_needs_the_key_but_health_and_the_description(champion: Champion, tmp_path: Path) -> None:
    key = {"authorization": "Bearer " + add(tmp_path / "keys", "anna")}
    with running(champion, ServiceOptions(keys=read(tmp_path / "keys"))) as closed:
        paths = ["/invocations", "/version", "/metrics", "/execution-parameters", "/explain", "/tables", "/nowhere"]
        aliases = [*paths, "/invocations/", "//invocations", "/INVOCATIONS", "/%69nvocations", "/ping/..;/version"]
        aliases += [
            "/ping/../version",
            "/version/",
            "/version?x=/ping",
            "/ping/",
            "//ping",
            "/metrics/",
            "/web/",
            "/web/../version",
        ]
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE"):
            for alias in aliases:
                raw = talk(
                    closed.port, f"{method} {alias} HTTP/1.1\r\nhost: /ping\r\nconnection: close\r\n\r\n".encode()
                )
                assert status(raw) == 401, (method, alias)

        assert closed.get("/version", headers=key).status_code == 200
        assert closed.post(json={"instances": ["nurse"]}, headers=key).status_code == 200
        assert closed.post(json={"instances": ["nurse"]}, headers={"x-api-key": "wrong"}).status_code == 401
        assert [closed.get(path).status_code for path in ("/ping", "/docs", "/openapi.json", "/")] == [200] * 4


def test_bytes_that_are_no_http_close_the_connection_and_nothing_else(service: Running) -> None:
    for raw in (b"\0\r\n\r\n", b"GET\r\n\r\n", b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n"):
        assert b" 400 " in talk(service.port, raw).partition(b"\r\n")[0]
    assert service.get("/ping").status_code == 200


def test_client_that_leaves_amid_its_body_leaves_nothing_behind(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port), LIMIT_S) as connection:
        connection.sendall(HEAD + b"content-length: 100000\r\n\r\n{")
        until(lambda: service.service.admission.requests == 1, "the request")

    until(lambda: holds_nothing(service), "its end")


def test_long_request_of_a_client_that_left_is_not_scored_to_its_end(
    champion: Champion,
) -> None:
    model = Model()
    with running(with_model(champion, model)) as found:
        body = json.dumps({"instances": ["nurse"] * 5000}).encode()
        with socket.create_connection(("127.0.0.1", found.port), LIMIT_S) as connection:
            connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
            until(lambda: found.service.admission.answers > 0, "the titles")
        until(lambda: found.service.admission.requests == 0, "its end")
        model.go.set()
        assert found.post(json={"instances": ["welder"]}).status_code == 200
        (batches,) = re.findall(r"^jobmajor_batches_total (\d+)$", found.get("/metrics").text, re.MULTILINE)

    assert int(batches) <= 2  # of 20 slices at most the one that was begun, and the welder
