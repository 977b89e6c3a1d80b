"""The edge of both command lines: what becomes one line and which status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer

from sagelocal.errors import ArtifactError, InputError
from sagelocal.show.terminal import edge, pairs

if TYPE_CHECKING:
    from pathlib import Path


def app(error: BaseException | None) -> typer.Typer:
    made = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

    @made.command()
    def work() -> None:
        if error:
            raise error

    return made


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("what you\ngave"), 2, "error: what you gave\n"),
        (ArtifactError("what was kept"), 1, "error: what was kept\n"),
        (KeyboardInterrupt(), 130, "error: interrupted: run again to go on from what is finished\n"),
        (
            PermissionError(13, "Permission denied", "home/mlflow.db"),
            1,
            "error: home/mlflow.db: Permission denied: give access or make room, and run again\n",
        ),
    ],
)
def test_fault_with_a_name_is_one_line_and_a_status(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = edge(app(error), "program", [])

    assert (found, capsys.readouterr().err) == (status, line)


def test_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        edge(app(ZeroDivisionError()), "program", [])


def test_missing_file_is_named_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    made.command()((tmp_path / "gone").read_bytes)

    status = edge(made, "program", [])

    assert status == 1
    assert "gone: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "=1", "name"])
def test_pair_without_a_name_or_a_sign_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected NAME=VALUE"):
        pairs([text], "--parameter")


def test_value_of_a_pair_may_hold_the_sign() -> None:
    assert pairs(["a=b=c", "d="], "-p") == {"a": "b=c", "d": ""}
