"""An AWS to test against: moto's server on loopback, an account that sends nothing, one whose answers are scripted."""

from __future__ import annotations

import functools
import os
import random
import threading
import time
import types
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import botocore.endpoint
import botocore.session
import pytest
import urllib3
from botocore import xform_name
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from jobmajor.aws.api import account as calls
from jobmajor.aws.names import Names
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REGION = "us-east-1"
ACCOUNT_ID = "123456789012"  # moto's


@pytest.fixture(autouse=True)
def _nobody(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may see the user's credentials, nor ask a machine's metadata for some."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nowhere = tmp_path_factory.mktemp("aws")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(nowhere / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(nowhere / "credentials"),
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session", autouse=True)
def _one_loader() -> Iterator[None]:
    """botocore reads its descriptions of the services once, not once for each account that a test opens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """moto's server, once for each process; ask for `moto` instead."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_server: str) -> str:
    """The URL of an AWS with nothing in it."""
    assert urllib3.request("POST", f"{moto_server}/moto-api/reset", timeout=30).status == 200
    return moto_server


class FakeClock:
    """Time that passes only where something waits; `slept` says for how long each time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def account(moto: str) -> calls.Account:
    """Connected to `moto`, with a clock of its own."""
    connected = calls.connect(REGION, endpoint_url=moto)
    connected.clock = FakeClock()
    return connected


@pytest.fixture
def rehearsal() -> calls.Account:
    """Takes every request and sends none."""
    return calls.rehearse(REGION, ACCOUNT_ID)


@pytest.fixture
def settings() -> Settings:
    """The defaults."""
    return Settings()


@pytest.fixture
def names(settings: Settings) -> Names:
    """Theirs, in moto's account."""
    return Names.of(settings, REGION, ACCOUNT_ID)


class Stubbed(calls.Account):
    """An account whose services answer what a test says, in its order, to exactly the requests that it says.

    botocore's Stubber checks both against the service's shapes. `finish` says whether all of it was asked for.
    """

    def __init__(self) -> None:
        self.stubs: dict[str, Any] = {}
        self._boto = boto3.Session(region_name=REGION)
        caller = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/tester/test"
        super().__init__(REGION, ACCOUNT_ID, self._stubbed, caller=caller)
        self.clock = FakeClock()

    def _stubbed(self, service: str) -> Any:
        client = self._boto.client(service)
        self.stubs[service] = Stubber(client)
        self.stubs[service].activate()
        return client

    def stub(self, service: str) -> Any:
        """The service's Stubber."""
        self.client(service)
        return self.stubs[service]

    def expect(self, service: str, operation: str, answer: dict[str, Any], **parameters: Any) -> None:
        """The next request, and its answer; without parameters any are taken."""
        self.stub(service).add_response(xform_name(operation), answer, parameters or None)

    def refuse(self, service: str, operation: str, code: str, message: str = "") -> None:
        """The next request, and the error that answers it."""
        self.stub(service).add_client_error(xform_name(operation), code, message)

    def finish(self) -> None:
        """Fails where something expected was never asked for."""
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    """Answers what the test scripts with `expect` and `refuse`; everything scripted must have been asked for."""
    account = Stubbed()
    yield account
    account.finish()


@pytest.fixture
def told(account: calls.Account) -> list[str]:
    """The lines of progress that `account` tells."""
    lines: list[str] = []
    account.tell = lines.append
    return lines


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came to the proxy; `operation` is the JSON APIs' own name, else method and path."""

    operation: str
    body: bytes


class Proxy(ThreadingHTTPServer):
    """A bad line to moto: it asks `fault` about each request, and does what that says.

    ""          passes it on
    "throttle"  refuses it, as a service does that is asked too often
    "lose"      passes it on and drops the connection before the answer

    What moto only pretends it doesn't get to see: `answers` has a JSON API's answers by operation, one after another,
    the last one for ever.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Line)
        self.target = target
        self.seen: list[Seen] = []
        self.fault: Callable[[Seen], str] = lambda _: ""
        self.answers: dict[str, list[bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def one_in_five(self, seed: int) -> None:
        """Refuse or lose a fifth of all requests, at random."""
        rng = random.Random(seed)  # noqa: S311 - it draws faults, no secrets
        self.fault = lambda _: rng.choice(("throttle", "lose")) if rng.random() < 0.2 else ""

    def first(self, fault: str, operation: str) -> None:
        """Do that to the first request whose operation begins so."""
        left = [fault]
        self.fault = lambda seen: left.pop() if left and seen.operation.startswith(operation) else ""


class _Line(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method is passed on alike."""
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        seen = Seen(target.rpartition(".")[2] or f"{self.command} {self.path}", body)
        self.server.seen.append(seen)
        fault = self.server.fault(seen)
        if fault == "throttle":
            self._refuse(is_json=bool(target))
            return
        told = self.server.answers.get(seen.operation)
        if told:
            self._answer(200, told.pop(0) if len(told) > 1 else told[0], {})
            return
        url = f"{self.server.target}{self.path}"
        answer = urllib3.request(
            self.command, url, body=body, headers=dict(self.headers), redirect=False, retries=False, timeout=60
        )
        if fault == "lose":
            self.close_connection = True
            return
        self._answer(answer.status, answer.data, dict(answer.headers))

    def _refuse(self, *, is_json: bool) -> None:
        text = '{"__type": "ThrottlingException", "message": "Rate exceeded"}'
        xml = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        status, body = (400, text) if is_json else (503, xml)
        self._answer(status, b"" if self.command == "HEAD" else body.encode(), {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection") or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: a test that fails shows what was asked for."""


@pytest.fixture
def proxy(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A line to `moto` that can be made a bad one; botocore's pauses between its tries take no time."""
    pauses = types.SimpleNamespace(**{**vars(time), "sleep": lambda _: None})
    monkeypatch.setattr(botocore.endpoint, "time", pauses)
    server = Proxy(moto)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def faulty(proxy: Proxy) -> calls.Account:
    """Connected to moto over `proxy`."""
    return calls.connect(REGION, endpoint_url=proxy.url)
