"""The programs themselves, `jobmajor serve` and the container's `serve`: their start, real signals, end, and log."""

from __future__ import annotations

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from jobmajor.errors import InputError
from jobmajor.serve.server import Address, listen
from jobmajor.serve.service import keys

from ..conftest import LIMIT_S, SERVE, planted, program, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTAINER = ("-m", "jobmajor.serve")
# Waits long for the rest of a body: the tests hold it back, on a busy machine for more than the usual ten seconds.
PATIENT = planted(
    "from jobmajor.serve.service.admission import Limits\nLimits.stall_s = property(lambda _: 600.0, lambda *_: None)"
)


def post(url: str, client: httpx.Client | None = None) -> httpx.Response:
    sent = {"instances": ["secret nurse"]}
    return (client or httpx).post(f"{url}/invocations", json=sent, timeout=LIMIT_S)


@pytest.mark.slow
def test_command_serves_a_folder_on_loopback_and_ends_on_sigterm_with_status_0(model_folder: Path) -> None:
    with program([*SERVE, "--model", model_folder, "--port", "0", "--drain", "0"]) as found:
        answer = post(found.url)
        status = found.end()

    assert found.url.startswith("http://127.0.0.1:")
    assert (answer.status_code, status) == (200, 0)
    assert [line["message"] for line in found.lines] == ["listening", "request", "told to end", "ended"]
    assert found.lines[1]["titles"] == 1
    assert "secret" not in found.text


@pytest.mark.slow
def test_container_serves_its_model_on_all_interfaces_at_the_port_that_is_asked_for(
    model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").symlink_to(model_folder)
    said = {"SAGELOCAL_ML_ROOT": str(tmp_path), "SAGEMAKER_BIND_TO_PORT": "0", "JOBMAJOR_TOP_K": "1"}

    with program(CONTAINER, **said) as found:
        host, _, port = found.url.rpartition(":")
        url = f"http://127.0.0.1:{port}"
        health, answer = httpx.get(f"{url}/ping", timeout=LIMIT_S), post(url)

    assert host == "http://0.0.0.0"
    assert (health.status_code, answer.status_code) == (200, 200)
    assert len(answer.json()["predictions"][0]) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({}, 2, "is no model"),
        ({"SAGEMAKER_BIND_TO_PORT": "http"}, 2, "SAGEMAKER_BIND_TO_PORT"),
        ({"JOBMAJOR_LEVEL": "x"}, 2, "'level' in the environment"),
    ],
)
def test_container_that_can_not_serve_says_why_in_one_line(
    tmp_path: Path, said: dict[str, str], status: int, words: str
) -> None:
    with program(CONTAINER, SAGELOCAL_ML_ROOT=str(tmp_path), **said) as found:
        assert found.process.wait(LIMIT_S) == status

    (line,) = found.lines
    assert words in line["message"]


@pytest.mark.slow
def test_sigterm_under_load_loses_no_request_that_was_taken(model_folder: Path) -> None:
    """Each client asks on; what it may meet is a refused connection, or one that closes before it asked."""
    with program([*SERVE, "--model", model_folder, "--port", "0", "--drain", "1"]) as found:
        begun = threading.Barrier(5)
        with ThreadPoolExecutor(4) as pool:
            clients = [pool.submit(ask_until_the_end, found.url, begun) for _ in range(4)]
            begun.wait(LIMIT_S)
            found.process.send_signal(signal.SIGTERM)
            statuses = [status for client in clients for status in client.result()]
        assert found.process.wait(LIMIT_S) == 0

    assert set(statuses) == {200}
    assert sum(line["message"] == "request" for line in found.lines) == len(statuses)


def ask_until_the_end(url: str, begun: threading.Barrier) -> list[int]:
    statuses: list[int] = []
    with httpx.Client() as client:
        while True:
            try:
                answer = post(url, client)
            except httpx.ConnectError:
                return statuses
            statuses.append(answer.status_code)
            if len(statuses) == 3:
                begun.wait(LIMIT_S)


@pytest.mark.slow
def test_request_that_was_begun_before_sigterm_is_answered_after_it_and_ping_says_so_meanwhile(
    model_folder: Path,
) -> None:
    small = b'{"instances": ["nurse"]}'
    body = small + b" " * 70_000  # too large to be read before the request is admitted
    head = (
        b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    with program([*PATIENT, "--model", model_folder, "--port", "0", "--drain", "300"]) as found:
        port = int(found.url.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port), LIMIT_S) as other,
            socket.create_connection(("127.0.0.1", port), LIMIT_S) as connection,
        ):
            other.sendall(head % len(small) + small[:10])
            connection.sendall(head % len(body) + body[:10])
            until(lambda: "in_work 1" in httpx.get(f"{found.url}/metrics", timeout=LIMIT_S).text, "the request in work")
            found.process.send_signal(signal.SIGTERM)
            until(lambda: httpx.get(f"{found.url}/ping", timeout=LIMIT_S).status_code == 503, "the end's first part")
            late = post(found.url)
            found.process.send_signal(signal.SIGTERM)  # once more: now
            until(lambda: is_refused(port), "the end's second part")
            other.sendall(small[10:])
            held = b"".join(iter(lambda: other.recv(65_536), b""))
            connection.sendall(body[10:])
            raw = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert found.process.wait(LIMIT_S) == 0

    assert (late.status_code, late.headers["connection"]) == (200, "close")
    for each in (held, raw):
        assert each.startswith(b"HTTP/1.1 200")
        assert b'"predictions"' in each


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), LIMIT_S).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.slow
def test_log_of_refusals_and_keys_holds_nothing_that_a_client_sent(model_folder: Path, tmp_path: Path) -> None:
    key = keys.add(tmp_path / "keys", "anna")
    words: list[str | Path] = [
        *SERVE,
        "--model",
        model_folder,
        "--port",
        "0",
        "--keys",
        tmp_path / "keys",
        "--drain",
        "0",
    ]
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "user-agent": "secret agent"}
    with program(words) as found:
        for content in ('{"instances": ["secret nurse"', '{"secret nurse": 1}', '{"instances": [{"secret": 1}]}'):
            url = f"{found.url}/invocations?secret=nurse"
            answer = httpx.post(url, content=content, headers=headers, timeout=LIMIT_S)
            assert answer.status_code == 422
        httpx.get(f"{found.url}/secret", headers={"x-api-key": "secret"}, timeout=LIMIT_S)
        httpx.request("SECRET", f"{found.url}/secret", headers=headers, timeout=LIMIT_S)
        found.end()

    assert "secret" not in found.text
    assert key not in found.text
    assert {line.get("client") for line in found.lines if line["message"] == "request"} == {"anna", ""}


# The command line


def test_new_key_is_printed_and_its_hash_kept(say: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    status, out, err = say("serve", "--keys", tmp_path / "keys", "--new-key", "anna")

    assert (status, err) == (0, "")
    assert keys.read(tmp_path / "keys").name({b"x-api-key": out.strip().encode()}) == "anna"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--new-key", "anna"), "--new-key needs --keys FILE"),
        (("--level", "x"), "'level' in the command is 'x'"),
        (("--keys", "nowhere"), "no file of keys"),
        (("--model", "nowhere"), "is no model"),
        (("--home", "nowhere"), "no champion yet"),
    ],
)
def test_command_that_can_not_serve_is_one_line_and_status_2(
    say: Callable[..., tuple[int, str, str]], words: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    status, out, err = say("serve", *(str(tmp_path / word) if word == "nowhere" else word for word in words))

    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_port_that_is_taken_is_one_line() -> None:
    with listen(Address(port=0)) as bound, pytest.raises(InputError, match="name another --host or --port"):
        listen(Address(port=bound.getsockname()[1]))
    with pytest.raises(InputError, match=r"can't listen on 203\.0\.113\.1"):
        listen(Address("203.0.113.1", 8080))


def test_socket_names_its_protocol_since_asyncio_else_delays_each_answer() -> None:
    with listen(Address(port=0)) as bound:
        assert bound.proto == socket.IPPROTO_TCP
