"""`jobmajor review` as a user sees it: in a terminal, in a pipe, and by spreadsheet."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def payroll(tmp_path: Path) -> Path:
    path = tmp_path / "payroll.csv"
    path.write_text("title\noperator\noperator\nhelper\nasdfgh\n", "utf-8")
    return path


def test_pipe_gets_a_table_and_json_has_the_candidates(
    payroll: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["review", str(payroll), "--overrides", str(tmp_path / "o.csv"), "--model", str(model_folder)]

    assert main.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert lines[0].split() == ["title", "rows", "abstain", "code", "name", "score"]
    assert lines[1].split()[:3] == ["operator", "2", "unsure"]
    assert [each["title"] for each in found] == ["operator", "helper", "asdfgh"]
    assert [*found[0]["candidates"][0]] == ["label", "code", "name", "score"]
    assert all(item["code"] == item["label"] for each in found for item in each["candidates"])
    assert not (tmp_path / "o.csv").exists()


def test_sheet_goes_out_and_comes_back(
    payroll: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, sheet = tmp_path / "o.csv", tmp_path / "sheet.csv"

    status = main.main(
        ["review", str(payroll), "--overrides", str(ours), "--model", str(model_folder), "--export", str(sheet)]
    )
    filled = sheet.read_text("utf-8").replace("operator,2,unsure,", "operator,2,unsure,11-1011")
    sheet.write_text(filled, "utf-8")
    again = main.main(["review", "--import", str(sheet), "--overrides", str(ours)])

    assert (status, again) == (0, 0)
    assert "taken: 1, titles with a choice: 1 (" in capsys.readouterr().out
    assert ours.read_text("utf-8") == "title,code\noperator,11-1011\n"


def _read(terminal: int) -> bytes:
    """Return what the program shows next; fail if that takes too long."""
    assert select.select([terminal], [], [], 60)[0], "the program shows nothing more"
    return os.read(terminal, 4096)


@pytest.mark.slow
def test_keys_of_a_real_terminal_review_a_file(payroll: Path, model_folder: Path, tmp_path: Path) -> None:
    ours, (own, other) = tmp_path / "o.csv", pty.openpty()
    words = ["review", str(payroll), "--overrides", str(ours), "--model", str(model_folder)]
    with subprocess.Popen(
        [sys.executable, "-m", "jobmajor", *words], stdin=other, stdout=other, stderr=other, close_fds=True
    ) as running:
        os.close(other)
        shown = b""
        for waited, key in ((b"1 of 3", b"1"), (b"2 of 3", b"n"), (b"3 of 3", b"q")):
            while waited not in shown:
                shown += _read(own)
            os.write(own, key)
        while b"classify --input" not in shown:
            shown += _read(own)
        assert running.wait(timeout=30) == 0
    os.close(own)

    lines = ours.read_text("utf-8").splitlines()
    assert lines[1].startswith("operator,")
    assert lines[2] == "helper,not a job"
    assert b"titles reviewed: 2, with 3 rows" in shown


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "no file was given"),
        (("a.csv", "--import", "s.csv"), "leave FILE and --export out"),
        (("missing.csv",), "missing.csv"),
        (("missing.csv", "--level", "all"), "--level 'all'"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(
    words: tuple[str, ...], why: str, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ("--model", str(model_folder)) if words else ()

    status = main.main(["review", *words, *model])

    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert why in err
