from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobmajor.data import labelled
from jobmajor.data.labelled import TitleFile
from jobmajor.errors import DataError, InputError

if TYPE_CHECKING:
    from pathlib import Path


def table(path: Path, *rows: str, head: str = "title,code,n") -> Path:
    path.write_text("\n".join([head, *rows, ""]), "utf-8")
    return path


def test_rows_of_one_title_are_added_up_by_their_codes(tmp_path: Path) -> None:
    path = table(tmp_path / "in.csv", "Cook,35-2014,3", " COOK ,35-2014,2", "cook,35-2012,1", "nurse,29-1141,1")

    found = labelled.read(TitleFile(path, weight="n"))

    assert found.titles == ["Cook", "nurse"]
    assert found.truths == [{("35-2014",): 5.0, ("35-2012",): 1.0}, {("29-1141",): 1.0}]
    assert (found.rows, found.weight) == (4, 7.0)


@pytest.mark.parametrize("cell", ["29-1141;31-1131", "31-1131 | 29-1141", "29-1141.00 311131.00", '"291141, 31-1131"'])
def test_cell_may_hold_several_codes_however_they_are_written(cell: str, tmp_path: Path) -> None:
    path = table(tmp_path / "in.csv", f"nurse,{cell},1")

    found = labelled.read(TitleFile(path))

    assert found.truths == [{("29-1141", "31-1131"): 1.0}]


def test_rows_that_can_not_be_used_are_counted_by_reason(tmp_path: Path) -> None:
    rows = (
        "nurse,29-1141,1",
        ",29-1141,1",
        "cook,,1",
        "cook,99-9999,1",
        "cook,35-2014,many",
        "cook,35-2014,-1",
        "cook",
        "x" * 2**21,
    )
    path = table(tmp_path / "in.csv", *rows)

    found = labelled.read(TitleFile(path, weight="n"))

    assert (found.rows, found.titles) == (1, ["nurse"])
    assert found.left_out == {
        labelled.NO_TITLE: 1,
        labelled.NO_CODE: 2,  # "cook" is a row of one cell
        labelled.UNKNOWN_CODE: 1,
        labelled.BAD_WEIGHT: 2,
        labelled.BAD_ROW: 1,
    }
    assert list(found.unknown) == ["99-9999"]


def test_codes_of_2010_are_translated_by_the_crosswalk(tmp_path: Path) -> None:
    path = table(tmp_path / "in.csv", "network administrator,15-1142,1", "analyst,15-1141,1", "programmer,15-1130,1")

    found = labelled.read(TitleFile(path, revision="2010"))

    # 15-1130 is a broad group of 2010, so it says nothing of the detailed level.
    assert found.truths[:2] == [{("15-1244",): 1.0}, {("15-1242", "15-1243"): 1.0}]
    assert [labelled.at_level(codes, "detailed") for codes in found.truths[2]] == [frozenset()]
    assert [labelled.at_level(codes, "minor") for codes in found.truths[2]] == [frozenset({"15-1200"})]


def test_table_without_a_row_to_judge_by_is_refused_with_the_reasons(tmp_path: Path) -> None:
    path = table(tmp_path / "in.csv", "cook,chef,1", "baker,,1")

    with pytest.raises(DataError, match=r"no row to judge by \(1 with an unknown code, 1 without a code\)"):
        labelled.read(TitleFile(path))


def test_unknown_revision_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "in.csv", "nurse,29-1141,1")

    with pytest.raises(InputError, match="SOC '2000': expected one of 2018, 2010"):
        labelled.read(TitleFile(path, revision="2000"))
