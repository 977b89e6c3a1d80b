"""The service on a loopback port, in this process or as the installed program, and raw HTTP to talk to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from jobmajor.cli.main import main
from jobmajor.model.answers import Answer, Coded
from jobmajor.serve.server import Address, Server, listen
from jobmajor.serve.service import tally
from jobmajor.serve.service.champion import Champion, ModelSource
from jobmajor.serve.service.service import Service, ServiceOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

LIMIT_S = 60.0


def until(is_so: Callable[[], bool], what: str) -> None:
    """Look until it is so; a failure names `what` was waited for."""
    end = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"{what} was waited for in vain")
        time.sleep(0.01)


@dataclass
class Running:
    """A service that listens."""

    service: Service
    server: Server
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, **how: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/invocations", timeout=LIMIT_S, **how)

    def get(self, path: str, **how: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=LIMIT_S, **how)


@contextmanager
def running(
    champion: Champion, options: ServiceOptions | None = None, server_class: type[Server] = Server
) -> Iterator[Running]:
    """The real server in a thread of its own, ended as it ends on SIGTERM."""
    service = Service(champion, options)
    bound = listen(Address(port=0))
    server = server_class(service, drain_s=0.0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), "the server's start")
        yield Running(service, server, bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)
    assert not thread.is_alive()


@pytest.fixture(scope="session", autouse=True)
def seeded() -> Iterator[None]:
    """Hash the clients of services in this process alike in each run: of a thousand pairs one shares its numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "hash", lambda holder: zlib.crc32(holder.encode()), raising=False)
        yield


@pytest.fixture(scope="session")
def champion(model_folder: Path) -> Champion:
    """The small model."""
    return Champion(ModelSource(model_folder, model_folder))


@pytest.fixture(scope="module")
def service(champion: Champion) -> Iterator[Running]:
    """A service with the usual limits."""
    with running(champion) as found:
        yield found


class Model:
    """A slow or failing model: nothing is answered before `go`."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault, self.go = fault, threading.Event()

    def answer_at(self, levels: Sequence[Level], titles: list[str], k: int, **_: object) -> list[list[Coded]]:
        assert self.go.wait(LIMIT_S)
        if self.fault:
            raise self.fault
        return [
            [Coded((Answer("29-0000", level, 1.0),) * k, abstain=False, reason="", source="model") for _ in titles]
            for level in levels
        ]


def with_model(champion: Champion, model: Model) -> Champion:
    """A champion that answers by another model."""
    found = copy(champion)
    found.served = replace(champion.served, classifier=cast("Classifier", model), is_quick=False)
    return found


def saved(classifier: Classifier, folder: Path, name: str) -> Path:
    """The classifier as another model: the same answers with another digest."""
    folder.mkdir(parents=True)
    classifier.save(folder, code_version=name, source={"release": "starter"})
    return folder


@dataclass
class Program:
    """A service as a process of its own; `lines` are its log."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def follow(self) -> None:
        """Collect the log until its end."""
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(json.loads(line))
            self.url = self.url or self.lines[-1].get("url", "")

    @property
    def text(self) -> str:
        return json.dumps(self.lines)

    def end(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """The status after a signal."""
        self.process.send_signal(sent)
        return self.process.wait(LIMIT_S)


@contextmanager
def program(words: Sequence[str | Path], **environment: str) -> Iterator[Program]:
    """A program that serves, from the moment that it listens, or that it has ended."""
    process = subprocess.Popen(
        [sys.executable, *map(str, words)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    found = Program(process)
    thread = threading.Thread(target=found.follow)
    thread.start()
    try:
        until(lambda: bool(found.url) or process.poll() is not None, "the address in the log")
        yield found
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(LIMIT_S)
        thread.join(LIMIT_S)
        for stream in (process.stdout, process.stderr):
            assert stream
            stream.close()


SERVE = ("-c", "import sys; from jobmajor.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))")


def planted(change: str) -> tuple[str, str]:
    """`SERVE` in a process in which something is changed before."""
    return SERVE[0], f"{change}\n{SERVE[1]}"


# A worker with more connections leaves the next one for half a second: a busy machine may not run the other one sooner.
SHARING = planted("from jobmajor.serve import worker; worker._YIELD_S = 0.5")


def talk(port: int, raw: bytes, *, is_last: bool = False) -> bytes:
    """All that comes back on a new connection after these bytes, until the server closes it.

    With `is_last` the client closes its side after them.
    """
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as connection:
        connection.sendall(raw)
        if is_last:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65_536):
            found += part
    return found


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Status, output and errors of a command of `jobmajor`."""

    def call(*words: str | Path) -> tuple[int, str, str]:
        status = main([*map(str, words)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def copied_folder(model_folder: Path, tmp_path: Path) -> Path:
    """The small model, to be changed."""
    return shutil.copytree(model_folder, tmp_path / "copied")
