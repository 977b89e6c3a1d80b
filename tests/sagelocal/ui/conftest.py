"""A workspace with records of runs, and its page on a loopback port."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import threading
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sagelocal.run import records
from sagelocal.run.records import Execution, StepRecord
from sagelocal.storage.manifest import FileRecord
from sagelocal.ui import hosting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT_S = 60.0


def png(width: int = 3, height: int = 2) -> bytes:
    """A grey picture. Source of the format: W3C, "Portable Network Graphics"."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * 3) * 2))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def definition() -> dict[str, Any]:
    """Three failures, one after the other: enough for a graph, and it needs no job."""
    names = ("prepare", "train", "register")
    steps = [
        {"Name": name, "Type": "Fail", "DependsOn": [*names[:at][-1:]], "Arguments": {"ErrorMessage": "no"}}
        for at, name in enumerate(names)
    ]
    return {"Version": "2020-12-01", "Steps": steps}


def ended(home: Path, execution_id: str, **changes: Any) -> Execution:
    """A run that succeeded, unless `changes` say otherwise, as it is stored."""
    steps = (
        StepRecord("prepare", "Processing", "Succeeded", cached=True, started="2026-11-30T12:00:00+00:00"),
        StepRecord("train", "Training", "Succeeded", seconds=2.5, metrics={"f1": 0.75}, notes=["left out: a link"]),
    )
    made = Execution(
        id=execution_id,
        status="Succeeded",
        folder=home / "runs" / execution_id,
        definition_digest="d" * 64,
        pipeline_name="titles",
        parameters={"Rate": "0.5", "Epochs": 5},
        started="2026-11-30T12:00:00.000+00:00",
        seconds=3.0,
        steps=steps,
    )
    made = replace(made, **changes)
    records.write(made)
    (made.folder / records.DEFINITION).write_text(json.dumps(definition()))
    return made


def logged(run: Execution, step: str, text: bytes | str, name: str = "log.txt") -> Path:
    path = run.folder / "steps" / step / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def published(home: Path, run: Execution, step: str, files: dict[str, bytes]) -> None:
    """Objects below s3://bkt/ID/out, and the run's record of them."""
    found = {}
    for name, data in files.items():
        path = home / "s3" / "bkt" / run.id / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found[name] = FileRecord(hashlib.sha256(data).hexdigest(), len(data))
    records.keep_outputs(run.folder, step, {f"s3://bkt/{run.id}/out": found})


@dataclass
class Site:
    """The page of a workspace."""

    home: Path
    url: str

    def get(self, path: str, status: int = 200, **how: Any) -> str:
        answer = self.ask("GET", path, **how)
        assert answer.status_code == status, answer.text
        return answer.text

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, timeout=LIMIT_S, **how)


@contextmanager
def serving(home: Path) -> Iterator[Site]:
    bound = hosting.listen(0)
    server = hosting.server(home)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    end = time.monotonic() + LIMIT_S
    while not server.started and thread.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    try:
        yield Site(home, f"http://127.0.0.1:{bound.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page of one folder, for all tests of a module: to start a server takes longer than a test."""
    home = tmp_path_factory.mktemp("ui") / "home"
    home.mkdir()
    with serving(home) as found:
        yield found


@pytest.fixture
def site(server: Site) -> Site:
    """The page of an empty workspace, which a test fills."""
    shutil.rmtree(server.home)
    server.home.mkdir()
    return server


@pytest.fixture
def home(site: Site) -> Path:
    """The workspace of the page."""
    return site.home
