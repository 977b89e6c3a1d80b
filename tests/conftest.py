"""What several rooms' tests need, made once: a small release, its splits, a small model, and the way to real data."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import polars as pl
import pytest

from jobmajor.data import examples, prepare, source
from jobmajor.data import onet as onet_tables
from jobmajor.model import thresholds
from jobmajor.settings import Linear, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobmajor.data.onet import Tables
    from jobmajor.model.classifier import Classifier

_EVERY = 17  # of each major group's starter titles: 420 in all


def pytest_configure(config: pytest.Config) -> None:
    """No test asks the network or a workspace of the user, nor fails because the machine is busy."""
    os.environ["JOBMAJOR_OFFLINE"] = "1"
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"  # as our commands set it: a test that imports MLflow comes first
    for name in ("JOBMAJOR_HOME", "JOBMAJOR_DATA", "SAGELOCAL_ML_ROOT"):
        os.environ.pop(name, None)
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")


def pytest_runtest_teardown() -> None:
    """No test writes to the log of another's: what a command or a server set up for its process goes with it."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:  # pytest's own are others
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("jobmajor").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """From a path below `../shared` to the real thing; the test is skipped where that isn't at hand."""

    def find(name: str) -> Path:
        path = Path(__file__).resolve().parents[2] / "shared" / name
        if not path.exists():
            pytest.skip(f"needs ../shared/{name}")
        return path

    return find


@pytest.fixture(scope="session")
def starter() -> Tables:
    """All bundled titles."""
    return onet_tables.read(source.STARTER_FOLDER)


@pytest.fixture(scope="session")
def starter_splits(starter: Tables) -> Mapping[str, pl.DataFrame]:
    """Their splits."""
    return prepare.split(examples.build(starter), Split())


@pytest.fixture(scope="session")
def starter_classifier(starter_splits: Mapping[str, pl.DataFrame]) -> Classifier:
    """What is learned of them in some seconds; a test that asks for it is slow."""
    return thresholds.fit(starter_splits["train"], starter_splits["validation"], Linear())


@pytest.fixture(scope="session")
def tables(starter: Tables) -> Tables:
    """Some 400 starter titles over all 23 major groups, and the occupations that they are of."""
    group = pl.col("onet_code").str.head(2)
    titles = starter.titles.filter(pl.int_range(pl.len()).over(group) % _EVERY == 0)
    occupations = starter.occupations.join(titles, on="onet_code", how="semi", maintain_order="left")
    return replace(starter, titles=titles, occupations=occupations)


@pytest.fixture(scope="session")
def splits(tables: Tables) -> Mapping[str, pl.DataFrame]:
    """`tables` as train, validation and test."""
    return prepare.split(examples.build(tables), Split())


@pytest.fixture(scope="session")
def classifier(splits: Mapping[str, pl.DataFrame]) -> Classifier:
    """What is learned of `splits` in a blink: of the right form, and not good."""
    return thresholds.fit(splits["train"], splits["validation"], Linear())


@pytest.fixture(scope="session")
def model_folder(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`classifier` as it is saved; copy it before you change it."""
    folder = tmp_path_factory.mktemp("model")
    classifier.save(folder, code_version="test", source={"release": "starter"})
    return folder


def _command(*arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """The installed `jobmajor`, as a shell would start it; what the tests' environment names counts for it too."""
    program = Path(sys.executable).with_name("jobmajor")
    words = [str(program), *map(str, arguments)]
    return subprocess.run(words, check=False, capture_output=True, timeout=600, **more)


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs the installed program to its end; keyword arguments are those of `subprocess.run`."""
    return _command


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after one run on the starter titles, made once for all workers; `workspace` gives a copy to change.

    Beside it, `finished.json` has what `jobmajor run --json` printed, and `finished.seconds` how long that took.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    home, answer = root / "finished", root / "finished.json"
    with (root / "finished.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer.is_file():
            began = time.monotonic()
            done = _command("run", "--release", "starter", "--home", home, "--json")
            assert done.returncode == 0, done.stderr.decode()
            (root / "finished.seconds").write_text(f"{time.monotonic() - began:.3f}", encoding="ascii")
            answer.write_bytes(done.stdout)
    return home


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished` elsewhere: nothing in a workspace may depend on where it stands."""
    home = tmp_path / "home"
    shutil.copytree(finished, home)
    return home
