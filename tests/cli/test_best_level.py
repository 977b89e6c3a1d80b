"""`jobmajor classify --level best` as a user sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("title,code\nboss,11-1011\n", "utf-8")
    return path


def test_table_says_the_level_of_each_title(mine: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("classify", "boss", "asdfgh", "--level", "best", "--overrides", mine, "--model", model_folder)

    status = main.main([*map(str, words)])

    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert lines[0].split() == ["title", "code", "name", "score", "level", "source", "abstain"]
    assert lines[1].split() == ["boss", "11-1011", "Chief", "Executives", "1.000", "detailed", "override"]
    assert lines[2].split() == ["asdfgh", "model", "not", "a", "title"]


def test_json_says_the_level_of_each_title(mine: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("classify", "boss", "asdfgh", "--level", "best", "--overrides", mine, "--model", model_folder, "--json")

    main.main([*map(str, words)])

    boss, other = json.loads(capsys.readouterr().out)
    assert (boss["level"], boss["answers"][0]["label"], boss["abstain"]) == ("detailed", "11-1011", False)
    assert (other["level"], other["answers"][0]["label"], other["abstain"]) == ("", "", True)


def test_level_stays_that_of_the_other_classification(
    mine: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("classify", "boss", "--level", "best", "--to", "soc-2010", "--overrides", mine, "--model", model_folder)

    main.main([*map(str, words), "--json"])

    (boss,) = json.loads(capsys.readouterr().out)
    assert (boss["level"], boss["answers"][0]["label"], boss["ambiguous"]) == ("detailed", "11-1011", False)
