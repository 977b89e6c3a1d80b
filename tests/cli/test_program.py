from __future__ import annotations

import os
import subprocess
import sys

import pytest

import jobmajor
from jobmajor.cli import main


def program(package: str, *words: str, **variables: str) -> str:
    """What `python -m package` prints; it ends with status 0 and says nothing on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", package, *words],
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


def test_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"jobmajor {jobmajor.__version__}\n"


@pytest.mark.parametrize("package", ["jobmajor", "sagelocal"])
def test_package_runs_as_a_program(package: str) -> None:
    assert program(package, "--help").startswith(f"Usage: {package} ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_the_shell(shell: str) -> None:
    script = program("jobmajor", _JOBMAJOR_COMPLETE=f"source_{shell}")

    assert f"_JOBMAJOR_COMPLETE=complete_{shell}" in script


@pytest.mark.parametrize(
    ("typed", "word", "completed"),
    [
        ("jobmajor mod", "1", ["models"]),
        ("jobmajor models pro", "2", ["promote"]),
        ("jobmajor run --thr", "2", ["--threshold"]),
    ],
)
def test_shell_is_told_what_completes_a_word(typed: str, word: str, completed: list[str]) -> None:
    found = program("jobmajor", COMP_WORDS=typed, COMP_CWORD=word, _JOBMAJOR_COMPLETE="complete_bash")

    assert found.split() == completed
