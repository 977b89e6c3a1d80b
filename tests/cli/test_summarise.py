"""`jobmajor summarise` as a user sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_table_has_answered_and_estimated_rows_with_an_interval(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "payroll.csv"
    path.write_text("job,n\nregistered nurse,30\ncook,5\nn/a,4\n", "utf-8")

    status = main.main(["summarise", str(path), "--column", "job", "--weight", "n", "--model", str(model_folder)])

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0] == "35 rows, 2 distinct titles, 4 left out (not a title)"
    assert lines[1].split() == ["code", "name", "answered", "estimate", "95", "%", "interval"]
    assert lines[2].startswith("29-0000  Healthcare Practitioners and Technical Occupations")
    assert " to " in lines[2]


def test_unknown_level_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main.main(["summarise", str(tmp_path / "x.csv"), "--level", "all"])

    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err == "error: --level 'all': expected one of major, minor, broad, detailed\n"
