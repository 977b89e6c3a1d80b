from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import openpyxl
import polars as pl
import pytest

from jobmajor.errors import DataError, InputError
from jobmajor.tables import formats
from jobmajor.tables.block import Reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = ("id", "job", "code", "n")
ROWS = ((1, 'Cook, "Line"', "35-2014", 3), (2, "Nurse", "", 1))


def _csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([HEAD, *ROWS])


def _lines(path: Path) -> None:
    objects = [dict(zip(HEAD, row, strict=True)) for row in ROWS]
    objects[1].pop("code")
    path.write_text("".join(json.dumps(each) + "\n" for each in reversed(objects)))


def _parquet(path: Path) -> None:
    pl.DataFrame(ROWS, HEAD, orient="row").write_parquet(path)


def _workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in (HEAD, *ROWS):
        page.append(list(row))
    book.save(path)


WRITERS = {".csv": _csv, ".tsv": _csv, ".jsonl": _lines, ".parquet": _parquet, ".xlsx": _workbook}


@pytest.mark.parametrize(("ending", "write"), WRITERS.items())
def test_columns_are_read_as_text_from_every_format(ending: str, write: Callable[[Path], None], tmp_path: Path) -> None:
    write(path := tmp_path / f"in{ending}")

    (block,) = formats.rows(path, ["job", "code", "n"])

    found = {(job, code, float(count)) for job, code, count in block.cells}
    assert found == {('Cook, "Line"', "35-2014", 3.0), ("Nurse", "", 1.0)}
    assert formats.names(path, "job") == HEAD or ending == ".jsonl"


def test_short_row_is_read_and_one_of_over_a_megabyte_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("job,code\nnurse,29-1141\none cell\n" + "x" * 2**21 + "\n")

    (block,) = formats.rows(path, ["job", "code"])

    assert (block.cells, block.bad) == ([("nurse", "29-1141"), ("one cell", "")], 1)


def test_missing_column_or_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("job,code\nnurse,29-1141\n")

    with pytest.raises(InputError, match="expected a column 'soc'"):
        next(formats.rows(path, ["job", "soc"]))
    with pytest.raises(InputError, match=r"other\.csv is not there"):
        next(formats.rows(tmp_path / "other.csv", ["job"]))


@pytest.mark.parametrize(("text", "column"), [("id,JOB_TITLE\n1,nurse\n", "JOB_TITLE"), ("17,nurse\n18,cook\n", "2")])
def test_guessed_column_of_titles_is_one_that_rows_can_be_read_by(text: str, column: str, tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text(text)

    found = formats.title_column(path)

    assert found == column
    assert next(formats.rows(path, [found])).cells[0] == ("nurse",)


@pytest.mark.parametrize("line", ['{"title":"nurse \\ud800"}', "no JSON", "[1]"])
def test_json_lines_without_any_row_that_can_be_read_are_refused_in_one_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(line + "\n", "utf-8")

    for read in (formats.title_column, lambda path: list(formats.rows(path, ["title"]))):
        with pytest.raises(DataError, match=r"in\.jsonl: found no row that can be read"):
            read(path)


@pytest.mark.parametrize(("ending", "write"), [each for each in WRITERS.items() if each[0] != ".xlsx"])
def test_sheet_of_a_file_that_is_no_workbook_is_refused(
    ending: str, write: Callable[[Path], None], tmp_path: Path
) -> None:
    write(path := tmp_path / f"in{ending}")

    with pytest.raises(DataError, match=r"sheet 'Staff' asked for in .*expected a workbook; leave --sheet out"):
        formats.reader(path, Reading(sheet="Staff"), formats.format_of(path))
