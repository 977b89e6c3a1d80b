"""The whole way on O*NET 28.1 itself, where `../shared` has it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.registry.loading import open_registry

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., subprocess.CompletedProcess[bytes]]

# `long`: training on all of O*NET 28.1 takes a minute. The journey on the starter titles is in `make test`.
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.xdist_group("28.1")]

JUDGED = ["preprocess-data", "train", "evaluate-model"]
JOBS = [*JUDGED, "refit"]
FIGURE = re.compile(
    r"^test weighted F1: (\S+) \(95 % interval (\S+) to (\S+); more than 0\.75 is asked\)$", re.MULTILINE
)


@pytest.fixture(scope="module")
def data(shared: Callable[[str], Path]) -> Path:
    return shared("data/onet/28.1")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("release") / "home"


@pytest.fixture(scope="module")
def first(data: Path, home: Path, command: Command) -> subprocess.CompletedProcess[bytes]:
    return command("run", "--data", data, "--home", home)


def again(data: Path, home: Path, command: Command, *words: str) -> tuple[int, dict[str, Any]]:
    done = command("run", "--data", data, "--home", home, "--json", *words)
    return done.returncode, json.loads(done.stdout)


def cached(answer: dict[str, Any]) -> list[str]:
    return [step["name"] for step in answer["steps"] if step["cached"]]


def test_weighted_f1_is_above_the_tutorial_s_gate_and_its_interval_is_printed(
    first: subprocess.CompletedProcess[bytes],
) -> None:
    assert (first.returncode, first.stderr) == (0, b"")
    out = first.stdout.decode()
    assert "data: O*NET 28.1 (folder)" in out
    (figures,) = FIGURE.findall(out)
    value, low, high = map(float, figures)
    assert 0.75 < value < 1
    assert low < value < high


def test_champion_is_registered_with_the_release_it_learned_from(
    first: subprocess.CompletedProcess[bytes], home: Path, command: Command
) -> None:
    champion = open_registry(home).champion()

    assert champion
    assert champion.number == 1
    assert champion.lineage["source"] == {"release": "28.1", "how": "folder"}
    assert champion.metrics["test_f1"] > 0.75
    assert b"29-0000" in command("classify", "licensed practical nurse", "--home", home).stdout


def test_second_run_is_served_from_the_cache_and_adds_no_version(
    first: subprocess.CompletedProcess[bytes], data: Path, home: Path, command: Command
) -> None:
    status, answer = again(data, home, command)

    assert status == 0
    assert cached(answer) == JOBS
    assert len(open_registry(home).versions()) == 1


def test_threshold_out_of_reach_ends_in_the_fail_step_and_evaluates_nothing_again(
    first: subprocess.CompletedProcess[bytes], data: Path, home: Path, command: Command
) -> None:
    status, answer = again(data, home, command, "--threshold", "0.99")

    assert status == 1
    assert cached(answer) == JUDGED
    assert answer["steps"][-1] == {**answer["steps"][-1], "name": "fail", "status": "Failed"}
    assert "Execution failed due to the gate: weighted F1 0." in answer["failure"]
    assert (answer["version"], answer["champion"]) == (None, 1)
