from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import polars as pl
import pytest

from jobmajor.data import onet
from jobmajor.errors import ArtifactError, DataError, InputError
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
TITLES_HEADER = "O*NET-SOC Code\tAlternate Title\tShort Title\tSource(s)"
OCCUPATIONS = "O*NET-SOC Code\tTitle\tDescription\n29-1141.00\tRegistered Nurses\tCare for people.\n"
NURSE = "29-1141.00\tWard Nurse\tn/a\t01"
WORKBOOK_HEADER = ["O*NET-SOC Code", "Title", "Alternate Title", "Short Title", "Source(s)"]


def text_folder(folder: Path, *rows: str, header: str = TITLES_HEADER, end: str = "\n") -> Path:
    lines = (header, *rows, "")
    (folder / "Alternate Titles.txt").write_bytes(end.join(lines).encode())
    (folder / "Occupation Data.txt").write_text(OCCUPATIONS, encoding="utf-8")
    return folder


def sheet_file(path: Path, *rows: Sequence[object], sheet: str | None = None) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = sheet or path.stem
    for row in rows:
        page.append(list(row))
    book.save(path)


def workbook_folder(folder: Path, *rows: Sequence[object], sheet: str | None = None) -> Path:
    sheet_file(folder / "Alternate Titles.xlsx", *rows, sheet=sheet)
    occupations = [line.split("\t") for line in OCCUPATIONS.splitlines()]
    sheet_file(folder / "Occupation Data.xlsx", *occupations)
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        onet.read(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_text_edition_is_read_in_the_order_of_its_rows(tmp_path: Path) -> None:
    text_folder(tmp_path, "29-1141.00\tWard Nurse\tn/a\t01", "11-1011.00\tCEO (Chief)\tCEO\t02,08")

    read = onet.read(tmp_path)

    assert read.titles.rows() == [
        ("29-1141.00", "Ward Nurse", None, "01"),
        ("11-1011.00", "CEO (Chief)", "CEO", "02,08"),
    ]
    assert read.occupations.rows() == [("29-1141.00", "Registered Nurses", "Care for people.")]
    assert read.titles.columns == ["onet_code", "title", "short_title", "sources"]
    assert read.occupations.columns == ["onet_code", "title", "description"]
    assert (read.release, read.edition) == ("unknown", "text")


def test_text_with_mark_windows_lines_blank_lines_and_quotes_reads_the_same(tmp_path: Path) -> None:
    text_folder(tmp_path, '29-1141.00\t"Head" Nurse, "A\tn/a\t01', "", header="\ufeff" + TITLES_HEADER, end="\r\n")

    assert onet.read(tmp_path).titles.rows() == [("29-1141.00", '"Head" Nurse, "A', None, "01")]


def test_workbook_takes_the_alternate_title_and_not_the_occupations_title(tmp_path: Path) -> None:
    workbook_folder(
        tmp_path,
        WORKBOOK_HEADER,
        ["29-1141.00", "Registered Nurses", "Ward Nurse", None, "01"],
        ["29-1141.00", "Registered Nurses", "Registered Nurse (RN)", "RN", "01"],
    )

    read = onet.read(tmp_path)

    assert read.edition == "workbook"
    assert read.titles.rows() == [
        ("29-1141.00", "Ward Nurse", None, "01"),
        ("29-1141.00", "Registered Nurse (RN)", "RN", "01"),
    ]


def test_both_editions_of_one_table_give_the_same_frames(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "workbook").mkdir()
    text = text_folder(tmp_path / "text", NURSE, "29-1141.00\tRegistered Nurse\tRN\t01")
    workbook = workbook_folder(
        tmp_path / "workbook",
        WORKBOOK_HEADER,
        ["29-1141.00", "x", "Ward Nurse", "", "01"],
        ["29-1141.00", "x", "Registered Nurse", "RN", "01"],
    )

    one, other = onet.read(text), onet.read(workbook)

    assert one.titles.equals(other.titles)
    assert one.occupations.equals(other.occupations)


def test_layout_since_30_3_is_read(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE, header=TITLES_HEADER.replace("Alternate Title", "Job Title"))
    (tmp_path / "Alternate Titles.txt").rename(tmp_path / "Job Titles.txt")

    assert onet.read(tmp_path).titles["title"].to_list() == ["Ward Nurse"]


def test_reported_titles_are_read_where_there_are_some(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE)
    without = onet.read(tmp_path).reported
    (tmp_path / "Sample of Reported Titles.txt").write_text(
        "O*NET-SOC Code\tReported Job Title\tShown in My Next Move\n29-1141.00\tStaff Nurse\tY\n"
    )

    reported = onet.read(tmp_path).reported

    assert without.schema == reported.schema == {"onet_code": pl.String, "title": pl.String}
    assert without.height == 0
    assert reported.rows() == [("29-1141.00", "Staff Nurse")]


def test_release_comes_from_the_read_me(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE)
    (tmp_path / "Read Me.txt").write_text("O*NET 27.0 Database\nAugust 2022 Release\n")

    assert onet.read(tmp_path).release == "27.0"


def test_release_comes_from_the_manifest_before_the_read_me(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE)
    (tmp_path / "Read Me.txt").write_text("O*NET 27.0 Database\n")
    manifest.write(tmp_path, source={"release": "27.3"})

    assert onet.read(tmp_path).release == "27.3"


def test_folder_that_differs_from_its_manifest_is_refused(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE)
    manifest.write(tmp_path, source={"release": "27.3"})
    text_folder(tmp_path, NURSE.replace("Ward", "Head"))

    with pytest.raises(ArtifactError, match=r"Alternate Titles\.txt has sha256"):
        onet.read(tmp_path)


def test_release_of_the_2010_taxonomy_is_refused_by_its_read_me(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE)
    (tmp_path / "Read Me.txt").write_text("O*NET 25.0 Database\n")

    assert "O*NET 25.0, of the O*NET-SOC 2010 taxonomy" in refusal(tmp_path)


def test_many_codes_outside_soc_2018_are_named_as_the_2010_taxonomy(tmp_path: Path) -> None:
    # Detailed codes of SOC 2010 that SOC 2018 has not.
    old = ("15-1131", "15-1132", "15-1133", "15-1134", "15-1141")
    text_folder(tmp_path, NURSE, *(f"{code}.00\tProgrammer\tn/a\t01" for code in old))

    assert "5 codes of the O*NET-SOC 2010 taxonomy" in refusal(tmp_path)


def test_single_code_outside_soc_2018_is_refused_by_row_and_value(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE, "15-1132.00\tProgrammer\tn/a\t01")

    assert "'15-1132.00' in row 3, no code of SOC 2018" in refusal(tmp_path)


@pytest.mark.parametrize("code", ["29-1141", "291141.00", "29-1141.0", "２９-1141.00", " 29-1141.00"])
def test_value_that_is_no_code_is_refused_by_row(tmp_path: Path, code: str) -> None:
    text_folder(tmp_path, NURSE, f"{code}\tNurse\tn/a\t01")

    assert f"{code!r} as 'O*NET-SOC Code' in row 3" in refusal(tmp_path)


@pytest.mark.parametrize("empty", ["", "  ", "n/a"])
def test_row_without_a_title_is_refused_by_number(tmp_path: Path, empty: str) -> None:
    text_folder(tmp_path, NURSE, f"29-1141.00\t{empty}\tn/a\t01")

    assert "no 'Alternate Title' in row 3" in refusal(tmp_path)


@pytest.mark.parametrize(("cell", "words"), [(42, "a number (42"), (date(2020, 1, 2), "a date (2020-01-02")])
def test_cell_of_another_type_as_title_is_refused(tmp_path: Path, cell: object, words: str) -> None:
    workbook_folder(
        tmp_path,
        WORKBOOK_HEADER,
        ["29-1141.00", "x", "Nurse", "", ""],
        ["29-1141.00", "x", cell, "", ""],
    )

    said = refusal(tmp_path)

    assert words in said
    assert "as 'Alternate Title' in row 3" in said


def test_missing_column_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    text_folder(tmp_path, "29-1141.00\tNurse", header="O*NET-SOC Code\tTitle")

    said = refusal(tmp_path)

    assert "found the columns 'O*NET-SOC Code', 'Title'" in said
    assert "expected a column 'Alternate Title'" in said


def test_missing_short_title_is_a_missing_column_before_30_3(tmp_path: Path) -> None:
    text_folder(tmp_path, "29-1141.00\tNurse", header="O*NET-SOC Code\tAlternate Title")

    assert "expected a column 'Short Title'" in refusal(tmp_path)


def test_column_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    text_folder(tmp_path, f"{NURSE}\tx", header=f"{TITLES_HEADER}\tAlternate Title")

    assert "the column 'Alternate Title' twice" in refusal(tmp_path)


def test_line_with_a_field_too_few_is_refused_by_number(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE, "29-1141.00\tNurse")

    assert "2 fields in line 3, expected 4" in refusal(tmp_path)


def test_table_without_rows_is_refused(tmp_path: Path) -> None:
    text_folder(tmp_path)

    assert "no rows below a header" in refusal(tmp_path)


def test_missing_sheet_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    workbook_folder(tmp_path, WORKBOOK_HEADER, sheet="Sheet1")

    assert "found the sheets 'Sheet1', expected a sheet 'Alternate Titles'" in refusal(tmp_path)


def test_no_such_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        onet.read(tmp_path / "nowhere")


def test_folder_without_a_known_file_is_refused_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_bytes(b"\x89PNG")

    said = refusal(tmp_path)

    assert "found holiday.png, expected Alternate Titles or Job Titles" in said


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "found an empty folder" in refusal(tmp_path)


def test_titles_without_occupations_are_refused(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE)
    (tmp_path / "Occupation Data.txt").unlink()

    assert "expected Occupation Data.txt beside it" in refusal(tmp_path)


def test_titles_in_two_editions_are_refused(tmp_path: Path) -> None:
    text_folder(tmp_path, NURSE)
    workbook_folder(tmp_path, WORKBOOK_HEADER)

    assert "Alternate Titles.xlsx and Alternate Titles.txt" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file (0 bytes)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an encrypted workbook"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "a PNG picture"),
        (b"O*NET-SOC Code,Title\n29-1141.00,Nurse\n", "plain text"),
        (b"\r\n<!DOCTYPE html><html>Please sign in</html>", "an HTML page"),
        (b"PK\x03\x04" + bytes(600), "a truncated or damaged zip archive"),
        (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
    ],
)
def test_file_that_is_no_workbook_is_named_for_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    workbook_folder(tmp_path, WORKBOOK_HEADER)
    (tmp_path / "Alternate Titles.xlsx").write_bytes(content)

    said = refusal(tmp_path)

    assert f"Alternate Titles.xlsx: found {words}" in said


def test_truncated_workbook_is_refused(tmp_path: Path) -> None:
    workbook_folder(tmp_path, WORKBOOK_HEADER, ["29-1141.00", "x", "Nurse", "", ""])
    path = tmp_path / "Alternate Titles.xlsx"
    path.write_bytes(path.read_bytes()[:-200])

    assert "a truncated or damaged zip archive" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file (0 bytes)"),
        (b"PK\x03\x04" + bytes(600), "a zip archive or workbook"),
        (TITLES_HEADER.encode("utf-16"), "text in UTF-16"),
        (b"<html><body>Sign in</body></html>", "an HTML page"),
        (
            TITLES_HEADER.encode() + b"\n29-1141.00\tCaf\xe9 Nurse\tn/a\t01\n",
            "byte 0xe9, no UTF-8, in line 2",
        ),
    ],
)
def test_text_of_another_kind_is_named_for_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    text_folder(tmp_path, NURSE)
    (tmp_path / "Alternate Titles.txt").write_bytes(content)

    assert f"Alternate Titles.txt: found {words}" in refusal(tmp_path)


@pytest.mark.long  # reads a whole release
def test_whole_28_1_is_read_as_its_notes_describe_it() -> None:
    folder = SHARED / "data" / "onet" / "28.1"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data: O*NET 28.1")

    read = onet.read(folder)

    # Source of the numbers: shared/data/README.md and shared/reference/onet.md.
    assert (read.release, read.edition) == ("28.1", "workbook")
    assert (read.titles.height, read.occupations.height, read.reported.height) == (55_094, 1_016, 0)
    assert read.titles["short_title"].drop_nulls().len() == 3_010
    assert read.titles["title"].str.to_lowercase().n_unique() == 44_962


@pytest.mark.slow
def test_whole_27_0_text_is_read_and_known_with_or_without_its_read_me(tmp_path: Path) -> None:
    folder = SHARED / "data" / "onet" / "27.0"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data: O*NET 27.0")
    for name in ("Alternate Titles.txt", "Occupation Data.txt"):
        shutil.copyfile(folder / name, tmp_path / name)

    read, without = onet.read(folder), onet.read(tmp_path)

    assert (read.release, without.release, read.edition) == ("27.0", "27.0", "text")
    assert (read.titles.height, read.occupations.height, read.reported.height) == (52_754, 1_016, 7_541)
