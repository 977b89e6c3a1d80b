"""`jobmajor evaluate` as a user sees it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def titles(tmp_path: Path) -> Path:
    path = tmp_path / "register.csv"
    path.write_text(
        "job,soc,n\nregistered nurse,29-1141,3\ncook,35-2014|35-2012,2\nbaker,chef,1\nx y,41-0000,1\n", "utf-8"
    )
    return path


def test_tables_say_how_right_the_answers_are_at_every_level(
    titles: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "evaluate",
        "--titles",
        titles,
        "--column",
        "job",
        "--code",
        "soc",
        "--weight",
        "n",
        "--model",
        model_folder,
    )

    status = main.main([*map(str, words)])

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0] == "3 rows of weight 6, 3 distinct titles, 1 rows with an unknown code left out"
    assert lines[1] == "unknown codes: chef"
    assert lines[2].split("  ")[0] == "level"
    for level in ("major", "minor", "broad", "detailed"):
        assert [line.split()[1] for line in lines if line.startswith(f"{level} ")][:2] == ["row", "title"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--code", "nothing"], "expected a column 'nothing'"),
        (["--code", "soc", "--soc", "2000"], "SOC '2000': expected one of 2018, 2010"),
        (["--code", "job"], "no row to judge by (4 with an unknown code)"),
        (["--code", "soc", "--against", "nowhere.tar.gz"], "nowhere.tar.gz is no model: expected a model's folder"),
        (["--code", "soc", "--against", __file__], "test_evaluate.py is no model: expected a model's folder"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    words: list[str], said: str, titles: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main.main(["evaluate", "--titles", str(titles), "--column", "job", *words, "--model", str(model_folder)])

    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_evaluate_needs_no_extra(titles: Path, model_folder: Path) -> None:
    """What only a comparison with another model imports is not imported without one."""
    bare = "import sys; sys.modules.update(dict.fromkeys(('polars', 'scipy', 'mlflow', 'jinja2')))"
    program = f"{bare}; from jobmajor.cli import main; sys.exit(main.main(sys.argv[1:]))"
    words = ["evaluate", "--titles", str(titles), "--column", "job", "--code", "soc", "--model", str(model_folder)]

    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
