"""Whatever ends a container's program leaves its reason in the service's file, and as the last line of the log."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jobmajor import failure
from jobmajor.errors import InputError
from jobmajor.steps import __main__ as steps

if TYPE_CHECKING:
    from pathlib import Path


def raised(error: BaseException) -> BaseException:
    """Return the error as a caller catches it, with a traceback."""
    try:
        raise error  # noqa: TRY301
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("a.csv:\n  found no title"), "a.csv: found no title"),
        (KeyError("title"), "KeyError: 'title' (test_failure.py, line "),
        (MemoryError(), "MemoryError (test_failure.py, line "),
        (ImportError("libgomp.so.1: cannot open"), "ImportError: libgomp.so.1: cannot open (test_failure.py, line "),
        (OSError(errno.ENOSPC, "No space left on device", "/opt/ml/model/a"), "No space left on device: '/opt/ml"),
        (ValueError("two\nlines"), "ValueError: two lines (test_failure.py"),
    ],
)
def test_reason_is_one_line_that_says_what_went_wrong_and_where(
    error: BaseException, expected: str, tmp_path: Path
) -> None:
    found = failure.reason(raised(error), tmp_path)

    assert expected in found
    assert "\n" not in found


@pytest.mark.parametrize(("step", "name"), [("train", "failure"), ("evaluate", "message"), ("", "message")])
def test_reason_is_cut_to_what_the_service_keeps(step: str, name: str, tmp_path: Path) -> None:
    assert failure.leave(tmp_path, step, "ä" * 2000) is None

    written = (tmp_path / "output" / name).read_bytes()
    assert len(written) == 1024
    assert failure.left(tmp_path, step) == "ä" * 512
    assert failure.left(tmp_path / "elsewhere", step) == ""


def hyperparameters(root: Path, text: str) -> None:
    (root / "input" / "config").mkdir(parents=True)
    (root / "input" / "config" / "hyperparameters.json").write_text(text, "utf-8")


def test_fault_that_is_no_error_of_ours_leaves_a_traceback_and_then_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(steps.ROOT_VARIABLE, str(tmp_path))
    hyperparameters(tmp_path, '{"recipe": ')

    assert steps.main(["train"]) == 1

    *above, last = capsys.readouterr().out.splitlines()
    reason = (tmp_path / "output" / "failure").read_text("utf-8")
    assert reason.startswith("JSONDecodeError: Expecting value: line 1 column 12")
    assert last == f"ERROR jobmajor.steps: {reason}"
    assert "Traceback (most recent call last):" in above


def test_last_line_of_the_log_has_the_reason_where_it_can_t_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(steps.ROOT_VARIABLE, str(tmp_path))
    hyperparameters(tmp_path, '{"recipe": "other"}')
    (tmp_path / "output").write_text("a file where a folder belongs", "ascii")

    assert steps.main(["train"]) == 1

    *_, before, last = capsys.readouterr().out.splitlines()
    assert before.startswith("WARNING jobmajor.steps: can't write the reason to ")
    assert last == "ERROR jobmajor.steps: setting 'train.recipe': found 'other', expected one of linear, transformer"


@pytest.mark.parametrize("words", [["deploy"], [], ["evaluate", "--seed", "x"]])
def test_wrong_command_line_is_a_reason_too(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(steps.ROOT_VARIABLE, str(tmp_path))

    with pytest.raises(SystemExit, match="2"):
        steps.main(words)

    assert "wrong command line: " in (tmp_path / "output" / "message").read_text("utf-8")
    assert capsys.readouterr().out.startswith("ERROR jobmajor.steps: wrong command line: ")


def test_help_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(steps.ROOT_VARIABLE, str(tmp_path))

    with pytest.raises(SystemExit, match="0"):
        steps.main(["train", "--help"])

    assert not (tmp_path / "output").exists()
    assert "ERROR" not in capsys.readouterr().out


def test_step_is_refused_before_its_work_where_its_results_can_t_be_written(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    failure.require_writable(tmp_path, "train")
    failure.require_writable(tmp_path, "evaluate")
    closed = tmp_path / "processing" / "output" / "evaluation"
    closed.mkdir(parents=True)
    closed.chmod(0o555)

    if os.geteuid() == 0:  # root can write everywhere
        failure.require_writable(tmp_path, "evaluate")
        return
    with pytest.raises(PermissionError, match="output/evaluation"):
        failure.require_writable(tmp_path, "evaluate")


# Installations that are broken


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a process in which polars and Starlette can't be loaded."""
    for name in ("polars", "starlette"):
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "__init__.py").write_text(
            "raise ImportError('libgomp.so.1: cannot open shared object file')\n", "ascii"
        )
    path = os.pathsep.join([str(tmp_path / "broken"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "SAGELOCAL_ML_ROOT": str(tmp_path), "SAGEMAKER_BIND_TO_PORT": "0"}


@pytest.mark.slow
@pytest.mark.parametrize(("step", "name"), [("train", "failure"), ("evaluate", "message")])
def test_library_that_can_t_be_loaded_is_a_reason(step: str, name: str, tmp_path: Path, broken: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobmajor.steps", step], env=broken, check=False, capture_output=True, text=True
    )

    reason = (tmp_path / "output" / name).read_text("utf-8")
    assert done.returncode == 1
    assert reason.startswith("ImportError: libgomp.so.1: cannot open shared object file")
    assert done.stdout.splitlines()[-1] == f"ERROR jobmajor.steps: {reason}"
    assert done.stderr == ""


@pytest.mark.slow
def test_service_that_can_t_be_loaded_says_so_in_the_last_line_of_its_log(broken: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobmajor.serve"], env=broken, check=False, capture_output=True, text=True
    )

    last = json.loads(done.stderr.splitlines()[-1])
    assert done.returncode == 1
    assert last["level"] == "error"
    assert last["message"].startswith("ImportError: libgomp.so.1: cannot open shared object file")


@pytest.mark.slow
def test_service_whose_model_is_no_model_says_so_in_the_last_line_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").mkdir()  # a folder where a file belongs
    said = {**os.environ, "SAGELOCAL_ML_ROOT": str(tmp_path), "SAGEMAKER_BIND_TO_PORT": "0"}

    done = subprocess.run(
        [sys.executable, "-m", "jobmajor.serve"], env=said, check=False, capture_output=True, text=True
    )

    last = json.loads(done.stderr.splitlines()[-1])
    assert done.returncode in (1, 2)
    assert last["level"] == "error"
    assert "is no model: expected a model's folder" in last["message"]
