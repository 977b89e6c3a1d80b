"""Fixtures for the tests of several packages, each made once: a small release, a small model, a finished workspace."""

from __future__ import annotations

import fcntl
import itertools
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import polars as pl
import pytest

from jobmajor.data import examples, prepare, source
from jobmajor.data import onet as onet_tables
from jobmajor.model import thresholds
from jobmajor.model.classifier import Classifier
from jobmajor.model.linear import centroids
from jobmajor.registry.loading import open_registry
from jobmajor.settings import Linear, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Browser

    from jobmajor.data.onet import Tables

# Each of these takes seconds to make: a test that uses one is `slow`, without a mark of its own.
_SLOW_FIXTURES = frozenset(
    {"first_run", "starter_classifier", "browser", "halves", "blank", "exported", "tiny", "fitted", "broken_off"}
)
# No host but the loopback address resolves, neither for a page nor for Chromium itself.
BROWSER_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
# The shell comes first: without windows, a page costs it a fifth of the processor time.
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
_WAIT_MS = 60_000
_EVERY = 17  # takes every 17th starter title of each major group: 420 in all


def _unsynced(fd: object) -> None:
    """Replace `os.fsync` in the tests' own process: no test cuts the power, and the disk takes its time."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep every test off the network and out of the user's workspace, and free of deadlines on a busy machine."""
    os.environ["JOBMAJOR_OFFLINE"] = "1"
    # The commands set this before they import MLflow. A test may import MLflow first.
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"
    for name in ("JOBMAJOR_HOME", "JOBMAJOR_DATA", "SAGELOCAL_ML_ROOT"):
        os.environ.pop(name, None)
    # httpx reads all of the machine's certificates for each request, unless a folder is named; no test talks TLS.
    os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)
    os.fsync = _unsynced
    # The examples of a property are the same each time, so that no one's change fails by a draw that it didn't make.
    drawn_anew = "JOBMAJOR_NEW_EXAMPLES" in os.environ
    slow = [hypothesis.HealthCheck.too_slow]  # measures the machine
    hypothesis.settings.register_profile(
        "untimed", deadline=None, suppress_health_check=slow, derandomize=not drawn_anew
    )
    hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a slow fixture, and let one worker run all tests that share one.

    Another worker that needs the first run would wait for half a minute until it is made, and would make a module's
    fixture a second time. xdist begins with the largest groups; single tests keep both workers busy until the end.
    """
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        if not _SLOW_FIXTURES.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("xdist_group") is None and (group := _group(item)):
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Function) -> str:
    """Return the name of the tests that share a fixture with this one; empty if it shares none that costs anything."""
    if "first_run" in item.fixturenames:
        return "first run"
    made = (each for name in item.fixturenames for each in item._fixtureinfo.name2fixturedefs.get(name, ()))
    return item.nodeid.partition("::")[0] if any(each.scope == "module" for each in made) else ""


def pytest_runtest_teardown() -> None:
    """Remove the log handlers that a command or a server installed, so that no test writes to another's log."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:  # keeps pytest's handlers
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("jobmajor").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Return a function that finds a path below `../shared`, and skips the test where the path is missing."""

    def find(name: str) -> Path:
        path = Path(__file__).resolve().parents[2] / "shared" / name
        if not path.exists():
            pytest.skip(f"needs ../shared/{name}")
        return path

    return find


@pytest.fixture(scope="session")
def starter() -> Tables:
    """Return all bundled titles."""
    return onet_tables.read(source.STARTER_FOLDER)


@pytest.fixture(scope="session")
def starter_splits(starter: Tables) -> Mapping[str, pl.DataFrame]:
    """Return the bundled titles as train, validation and test."""
    return prepare.split(examples.build(starter), Split())


@pytest.fixture(scope="session")
def starter_classifier(starter_splits: Mapping[str, pl.DataFrame]) -> Classifier:
    """Return a classifier trained on `starter_splits`. This takes some seconds: mark a test that uses it `slow`."""
    return thresholds.fit(starter_splits["train"], starter_splits["validation"], Linear())


@pytest.fixture(scope="session")
def tables(starter: Tables) -> Tables:
    """Return some 400 starter titles over all 23 major groups, with their occupations."""
    group = pl.col("onet_code").str.head(2)
    titles = starter.titles.filter(pl.int_range(pl.len()).over(group) % _EVERY == 0)
    occupations = starter.occupations.join(titles, on="onet_code", how="semi", maintain_order="left")
    return replace(starter, titles=titles, occupations=occupations)


@pytest.fixture(scope="session")
def splits(tables: Tables) -> Mapping[str, pl.DataFrame]:
    """Return `tables` as train, validation and test."""
    return prepare.split(examples.build(tables), Split())


@pytest.fixture(scope="session")
def classifier(splits: Mapping[str, pl.DataFrame]) -> Classifier:
    """Return a classifier trained on `splits`: of the right form, but not accurate."""
    return thresholds.fit(splits["train"], splits["validation"], Linear())


@pytest.fixture(scope="session")
def with_context(classifier: Classifier, splits: Mapping[str, pl.DataFrame]) -> Classifier:
    """`classifier` with what starter occupations' descriptions say; they stand for tasks here, each in two parts."""
    occupations = onet_tables.read(source.STARTER_FOLDER).occupations
    rows = [
        (code[:7], part, examples.TASK)
        for code, text in occupations.select("onet_code", "description").iter_rows()
        for part in (text[: len(text) // 2], text[len(text) // 2 :])
    ]
    texts = pl.DataFrame(rows, schema=examples.DUTY_COLUMNS, orient="row").unique().sort(examples.DUTY_COLUMNS)
    learned = centroids.learn(texts, splits["validation"], classifier.codes, classifier.scorer.shares)
    learned = replace(learned, strength=np.array([40, 12], np.float32))  # halves of one text say nothing of the other
    return Classifier(classifier.scorer, classifier.about, classifier.knowledge, learned)


@pytest.fixture(scope="session")
def model_folder(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that `classifier` is saved in. Copy it before you change it."""
    folder = tmp_path_factory.mktemp("model")
    classifier.save(folder, code_version="test", source={"release": "starter"})
    return folder


def _command(*arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the installed `jobmajor` in the environment of the tests."""
    program = Path(sys.executable).with_name("jobmajor")
    words = [str(program), *map(str, arguments)]
    return subprocess.run(words, check=False, capture_output=True, timeout=600, **more)


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Return a function that runs the installed program to its end. Its keywords are those of `subprocess.run`."""
    return _command


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return a function that finds a port for a program that can't choose one itself.

    It is not one of those that the system gives to whoever asks for any (from 32768 on), so nobody takes it meanwhile.
    """
    every = itertools.count(20_000 + os.getpid() * 101 % 12_000)

    def found() -> int:
        while True:
            port = next(every)
            with suppress(OSError), socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
                return port

    return found


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with an empty registry, to copy: making its tables takes two seconds, a copy nothing."""
    home = tmp_path_factory.mktemp("blank") / "home"
    open_registry(home)
    return home


@dataclass(frozen=True, slots=True)
class FirstRun:
    """A plain `jobmajor run` by a user who has nothing: no network, no data, no workspace.

    `folder` is the working folder, `user` the home folder, `environment` all of the run's variables. `out` and `err`
    are what the run printed. `again` is what `jobmajor run --json` printed next in the same folder.
    """

    folder: Path
    user: Path
    environment: Mapping[str, str]
    out: str
    err: str
    again: Mapping[str, Any]


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """Return a first run on the starter titles. One worker makes it, the others wait for it. Change nothing in it."""
    root = tmp_path_factory.getbasetemp()
    root = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "first-run"
    folder, user = root / "work", root / "user"
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    environment = {**kept, "HOME": str(user), "JOBMAJOR_OFFLINE": "1"}
    root.mkdir(exist_ok=True)
    with (root / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "again.json").is_file():
            folder.mkdir()
            user.mkdir()
            first = _command("run", cwd=folder, env=environment)
            assert first.returncode == 0, first.stderr.decode()
            again = _command("run", "--json", cwd=folder, env=environment)
            assert again.returncode == 0, again.stderr.decode()
            for name, data in (("out", first.stdout), ("err", first.stderr), ("again.json", again.stdout)):
                (root / name).write_bytes(data)
    said = {name: (root / name).read_text("utf-8") for name in ("out", "err", "again.json")}
    return FirstRun(folder, user, environment, said["out"], said["err"], json.loads(said["again.json"]))


@pytest.fixture(scope="session")
def finished(first_run: FirstRun) -> Path:
    """Return the workspace of `first_run`: one version, which is the champion. Change nothing in it."""
    return first_run.folder / ".jobmajor"


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of `finished` in another folder, which a test may change."""
    home = tmp_path / "home"
    shutil.copytree(finished, home)
    return home


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; one to a module, since Playwright keeps this thread's event loop for itself while it runs."""
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip("needs Debian's browser: apt-get install chromium-headless-shell")
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415 - few tests need it

    expect.set_options(timeout=_WAIT_MS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=[*BROWSER_FLAGS])
        yield found
        found.close()
