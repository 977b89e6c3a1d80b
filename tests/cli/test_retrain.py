"""`jobmajor retrain` where nothing is run: its reasons, its status, and one at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli import main
from jobmajor.home import Workspace
from sagelocal.storage import lock

if TYPE_CHECKING:
    from pathlib import Path


def test_second_one_at_once_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with lock.wait_for(Workspace(tmp_path).retrain_lock):
        status = main.main(["retrain", "--release", "starter", "--home", str(tmp_path)])

    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "another run holds" in err


@pytest.mark.slow  # the registry
def test_check_says_why_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["retrain", "--check", "--release", "starter", "--home", str(tmp_path)]

    assert main.main(words) == 0
    said = capsys.readouterr().out
    assert main.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert said == "reason: there is no champion yet\n"
    assert (found["reasons"], found["run"]) == (["there is no champion yet"], None)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("words", [("--new-labels", "0"), ("--days", "-1"), ("--data", "nowhere")])
def test_wrong_use_is_one_line_and_status_2(words: tuple[str, str], tmp_path: Path) -> None:
    assert main.main(["retrain", *words, "--home", str(tmp_path)]) == 2


def test_missing_check_is_refused_before_anything_is_made_in_the_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"

    status = main.main(["retrain", "--drift", str(tmp_path / "missing.json"), "--home", str(home)])

    assert status == 2
    assert "missing.json: found no check's violations" in capsys.readouterr().err
    assert not (home / "mlflow.db").exists()
