"""`classify --classes`, as a user sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli import main
from jobmajor.model.rules import classes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "classes.csv"
    path.write_text("code,name\n15-9901,Data Annotators\n", "utf-8")
    return path


def test_titles_of_new_codes_get_them_with_the_file_s_digest(
    mine: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("classify", "data annotator", "--classes", mine, "--level", "detailed", "--model", model_folder, "--json")

    status = main.main([*map(str, words)])

    (found,) = json.loads(capsys.readouterr().out)
    assert status == 0
    assert found["answers"] == [{"label": "15-9901", "code": "15-9901", "name": "Data Annotators", "score": 1.0}]
    assert (found["source"], found["classes"]) == ("class", classes.read(mine).digest)


def test_file_with_a_wrong_code_ends_with_status_2(
    mine: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine.write_text("code,name\n15-99,Data Annotators\n", "utf-8")

    status = main.main(["classify", "nurse", "--classes", str(mine), "--model", str(model_folder)])

    assert status == 2
    assert "line 2: found the code '15-99'" in capsys.readouterr().err
