"""Files of many encodings, columns, workbooks and numbers: each row of the input is in the output or in the side file.

Every file here has a column or key `id`, which numbers its rows. The output is read by other programs than ours.
"""

from __future__ import annotations

import csv
import datetime
import decimal
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from jobmajor.batch.files import code_file
from jobmajor.batch.options import FileOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobmajor.batch.options import Summary

    Row = dict[str, Any]


def read(path: Path, codec: str = "utf-8") -> list[Row]:
    """The rows of an output."""
    if path.suffix == ".parquet":
        return list(parquet.read_table(path).to_pylist())
    if path.suffix == ".xlsx":
        head, *rows = openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True)
        return [dict(zip(map(str, head), row, strict=True)) for row in rows]
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = data.decode(codec, "replace").removeprefix("\ufeff")
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.splitlines()]
    lines = io.StringIO(text, newline="")
    first = text.partition("\n")[0]
    sign = next((each for each in ("\t", ";", "|") if each in first), ",")
    return list(csv.DictReader(lines, delimiter=sign, quoting=csv.QUOTE_MINIMAL))


def side(path: Path) -> list[Row]:
    """The rows of the side file of an output."""
    listed = path.with_name(f"{path.name}.bad.csv")
    return list(csv.DictReader(io.StringIO(listed.read_text("utf-8"), newline=""))) if listed.exists() else []


def accounted(summary: Summary, out: list[Row], listed: list[Row], rows: int) -> None:
    """Every row is in the output once, or left out and listed; the summary counts the same."""
    left_out = [each for each in listed if each["in_output"] == "no"]
    assert summary.rows == len(out)
    assert (summary.bad, summary.left_out) == (len(listed), len(left_out))
    assert len(out) + len(left_out) == rows


def options(**more: Any) -> FileOptions:
    """With little memory and one thread, since every file here is small."""
    return FileOptions(memo_bytes=2**16, threads=1, **more)


TEXTS = ["Régisseur général", "nurse", "naïve cook", "Chef de café", "Grüner driver", "señor welder"]
NAMED = ["mac_roman", "cp437", "cp850", "iso8859-15", "cp1254", "utf-32-le", "utf-16-le", "utf-8"]
MARKED = ["utf-8-sig", "utf-16", "utf-32"]
GUESSED = ["utf-8", "cp1252", "utf-16-le", "utf-16-be"]
ENCODED = [
    *((codec, codec, end, ending) for codec in NAMED for end, ending in (("\n", ".csv"), ("\r\n", ".tsv"))),
    *(
        (codec, None, end, ending)
        for codec in (*MARKED, *GUESSED)
        for end, ending in (("\r\n", ".csv"), ("\n", ".txt"))
    ),
    *((codec, None, "\n", ending) for codec in ("utf-8", "cp1252") for ending in (".tsv", ".csv.gz", ".jsonl")),
    *((codec, None, "\r", ".csv") for codec in ("utf-8", "cp1252")),
]


@pytest.mark.parametrize(("codec", "named", "end", "ending"), ENCODED)
def test_rows_of_every_encoding_are_all_in_the_output_with_their_letters(
    codec: str, named: str | None, end: str, ending: str, *, model_folder: Path, tmp_path: Path
) -> None:
    sign = "\t" if ending == ".tsv" else ","
    rows = [(str(number), text, "é") for number, text in enumerate(TEXTS)]
    plain = [sign.join(row) for row in (("id", "title", "note"), *rows)]
    objects = [json.dumps(dict(zip(("id", "title", "note"), row, strict=True)), ensure_ascii=False) for row in rows]
    data = (end.join(objects if ending == ".jsonl" else plain) + end).encode(codec)
    source, target = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    source.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)

    summary = code_file(source, target, options(encoding=named), model=model_folder)

    one_byte = len("é".encode(codec)) == 1 and ending != ".jsonl"
    out = read(target, codec if one_byte else "utf-8")
    accounted(summary, out, side(target), len(rows))
    assert [(row["id"], row["title"], row["note"]) for row in out] == rows


STRAY = [(byte, where) for byte in (b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80") for where in (0, 3)]


@pytest.mark.parametrize(("byte", "where"), STRAY)
def test_row_with_stray_bytes_is_in_the_output_and_listed(
    byte: bytes, where: int, model_folder: Path, tmp_path: Path
) -> None:
    rows = [[b"%d" % number, "café cook naïve".encode(), b"note"] for number in range(40)]
    rows[where * 9][1 + where % 2] += byte
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b"\n".join(map(b",".join, [[b"id", b"title", b"note"], *rows])))

    summary = code_file(source, target, options(), model=model_folder)

    out = read(target)
    accounted(summary, out, side(target), len(rows))
    assert [row["id"] for row in out] == [str(number) for number in range(40)]
    assert [row["line"] for row in side(target)] == [str(where * 9 + 2)]


IDS = ["0", "1", "2"]
COLUMNS: list[tuple[str, str, dict[str, Any], int, int]] = [
    *(
        (f"id,{name}\n0,nurse\n1,cook\n2,welder\n", ".csv", {}, 3, 0)
        for name in (
            *("Job Titles", "JobTitle", "JOB_TITLE", "job-title", "Position", "position title", "Occupation"),
            *(" title ", "TITLE", '"Job\nTitle"', "Job"),
        )
    ),
    ("id;title\n0;nurse\n1;cook\n2;welder\n", ".csv", {}, 3, 0),
    ("sep=;\nid;title\n0;nurse\n1;cook, line\n2;welder\n", ".csv", {}, 3, 0),
    ("id\ttitle\n0\tnurse\n1\tcook\n2\twelder\n", ".txt", {}, 3, 0),
    ("id|title\n0|nurse\n1|cook\n2|welder\n", ".txt", {}, 3, 0),
    ("id,title\n0,nurse\n1\n2,welder\n", ".csv", {}, 3, 1),
    ("id,title\n0,nurse\n1,cook,more,still more\n2,welder\n", ".csv", {}, 3, 1),
    ("id,title\n0,nurse\n\n1,cook\n\n2,welder\n\n", ".csv", {}, 3, 0),
    ('id\ttitle\n0\t"nurse\n1\tcook"s\n2\twelder\n', ".tsv", {"has_quotes": False}, 3, 0),
    ('id,title\n0,nurse\n1,"cook\nof ""two"" lines"\n2,welder\n', ".csv", {}, 3, 0),
    ('id,title\r0,nurse\r1,"cook\nline"\r2,welder\r', ".csv", {}, 3, 0),
    ('"id","title"\r\n"0","nurse"\r\n"1","cook"\r\n"2","welder"', ".csv", {}, 3, 0),
    ("id,code,title,score\n0,a,nurse,1\n1,b,cook,2\n2,c,welder,3\n", ".csv", {}, 3, 0),
    ("id,x,y\n0,nurse,a\n1,cook,b\n2,welder,c\n", ".csv", {"column": "x"}, 3, 0),
    ("id,x,y\n0,nurse,a\n1,cook,b\n2,welder,c\n", ".csv", {"column": "2"}, 3, 0),
    ("id,title,title\n0,nurse,a\n1,cook,b\n2,welder,c\n", ".csv", {"column": "2"}, 3, 0),
    ("id,title,\n0,nurse,\n1,cook,\n2,welder,\n", ".csv", {}, 3, 0),
    ("id,title\n0,\n1, \n2,welder\n", ".csv", {}, 3, 0),
    ("id,title\n", ".csv", {}, 0, 0),
    ("id,title\n0,nurse\n1,cook\n2,we\0lder\n", ".csv", {}, 3, 1),
    ('id,title\n0,nurse\n1,cook\n2,"welder\n', ".csv", {}, 3, 1),
]


@pytest.mark.parametrize(("text", "ending", "given", "rows", "listed"), COLUMNS)
def test_rows_of_every_kind_of_columns_are_all_in_the_output(
    text: str, ending: str, given: dict[str, Any], rows: int, listed: int, *, model_folder: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / f"in{ending}", tmp_path / "out.jsonl"
    source.write_text(text, "utf-8", newline="")

    summary = code_file(source, target, options(**given), model=model_folder)

    out = read(target)
    accounted(summary, out, side(target), rows)
    assert [row["id"] for row in out] == IDS[:rows]
    assert len(side(target)) == listed


HEADLESS = [f"{first}{sign}{second}\n" * 3 for first, second in (("nurse", "7"), ("7", "cook")) for sign in ",;\t"]


@pytest.mark.parametrize("text", HEADLESS)
def test_first_line_of_a_file_without_names_is_a_row(text: str, model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text(text, "utf-8")

    summary = code_file(tmp_path / "in.txt", tmp_path / "out.jsonl", options(), model=model_folder)

    accounted(summary, read(tmp_path / "out.jsonl"), side(tmp_path / "out.jsonl"), 3)


DAY, SPAN = (
    datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC).replace(tzinfo=None),
    datetime.timedelta(hours=30, minutes=5),
)
CELLS: list[tuple[Any, str, str]] = [  # a value, its number format, and what a text format shows
    (1234, "00000", "01234"),
    (123456789, "000-00-0000", "123-45-6789"),
    (12, "General", "12"),
    (1.5, "0.00", "1.5"),
    (123456789012345, "General", "123456789012345"),
    (-0.000001, "General", "-1e-06"),
    (True, "General", "true"),
    (None, "General", ""),
    ("007", "@", "007"),
    ("two\nlines", "General", "two\nlines"),
    ("=1+1", "General", ""),  # without a stored value
    ("#N/A", "General", "#N/A"),
    ("#DIV/0!", "General", "#DIV/0!"),
    (DAY, "yyyy-mm-dd", "2024-02-29"),
    (DAY.replace(hour=13), "yyyy-mm-dd hh:mm", "2024-02-29T13:00:00"),
    (DAY.date(), "yyyy-mm-dd", "2024-02-29"),
    (SPAN, "[h]:mm:ss", "30:05:00"),
    (datetime.time(8, 30), "hh:mm:ss", "08:30:00"),
    (" blanks ", "General", " blanks "),
    ("'quoted", "General", "'quoted"),
    ("émigré ✓", "General", "émigré ✓"),
    ("_x0041_", "General", "A"),  # as spreadsheets show it
]


@pytest.mark.parametrize(
    ("value", "shape", "shown", "ending"),
    [(*each, "csv") for each in CELLS]
    + [(*each, ending) for ending in ("xlsx", "jsonl", "parquet") for each in CELLS[::4]],
)
def test_rows_and_cells_of_every_kind_of_workbook_are_all_in_the_output(
    value: object, shape: str, shown: str, ending: str, *, model_folder: Path, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    hidden, sheet = book.worksheets[0], book.create_sheet("Staff")
    hidden.append(("nothing",))
    for number, title in enumerate(("id", "nurse", "cook", None, "welder")):
        sheet.append(("id", "title", "cell") if title == "id" else (f"n{number}", title, value))
        sheet.cell(number + 1, 3).number_format = shape if number else "General"
    book.save(tmp_path / "in.xlsx")
    target = tmp_path / f"out.{ending}"

    summary = code_file(tmp_path / "in.xlsx", target, options(sheet="Staff"), model=model_folder)

    out = read(target)
    accounted(summary, out, side(target), 4)
    assert [row["id"] for row in out] == ["n1", "n2", "n3", "n4"]
    if ending == "csv":
        assert {row["cell"] for row in out} == {shown}


WRITTEN = [
    *("1.10", "1E5", "1e-7", "-0", "-0.0", "0.1", "100", "9007199254740993", "-9007199254740993"),
    *("18446744073709551616", "123456789012345678901234567890", "0.1000000000000000055511151231257827", "1E400"),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1.0",
        "2.50",
        "3e0",
        "[1.10, 1E5]",
        '{"a": 9007199254740993}',
        '[{"b": [2.50]}]',
    ),
]


@pytest.mark.parametrize(
    ("written", "ending"),
    [(each, "csv") for each in WRITTEN]
    + [(each, ending) for ending in ("tsv", "jsonl", "parquet", "xlsx") for each in WRITTEN[::4]],
)
def test_numbers_keep_their_text_where_the_type_of_the_file_changes(
    written: str, ending: str, model_folder: Path, tmp_path: Path
) -> None:
    lines = [
        f'{{"id": "0", "title": "nurse", "n": {written}}}',
        '{"id": "1", "title": "cook", "n": "text"}',
        f'{{"id": "2", "n": {written}}}',
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), "utf-8")
    target = tmp_path / f"out.{ending}"

    summary = code_file(tmp_path / "in.jsonl", target, options(), model=model_folder)

    out = read(target)
    accounted(summary, out, side(target), 3)
    assert [row["id"] for row in out] == ["0", "1", "2"]
    if ending != "jsonl":
        assert [row["n"] for row in out] == [written, "text", written]
    else:
        assert all(line[:-1] in target.read_text("utf-8") for line in lines)


TYPED: list[tuple[pa.DataType, Any, Sequence[str]]] = [
    (pa.int64(), 2**53 + 1, ["9007199254740993"]),
    (pa.uint64(), 2**64 - 1, ["18446744073709551615"]),
    (pa.float64(), 0.1, ["0.1"]),
    (pa.float64(), float("nan"), ["NaN", ""]),
    (pa.float64(), float("-inf"), ["-Infinity"]),
    (pa.float32(), 0.5, ["0.5"]),
    (pa.decimal128(20, 2), decimal.Decimal("1.10"), ["1.10"]),
    (pa.decimal256(40, 0), decimal.Decimal(10**30), [str(10**30)]),
    (pa.bool_(), False, ["false"]),
    (pa.date32(), DAY.date(), ["2024-02-29"]),
    (pa.list_(pa.float64()), [1.5, None], ["[1.5, null]"]),
    (pa.struct({"a": pa.int64()}), {"a": 2**53 + 1}, ['{"a": 9007199254740993}']),
]


@pytest.mark.parametrize(("kind", "value", "shown"), TYPED)
def test_typed_numbers_of_parquet_keep_their_digits_as_text(
    kind: pa.DataType, value: object, shown: Sequence[str], *, model_folder: Path, tmp_path: Path
) -> None:
    table = pa.table({"id": IDS, "title": ["nurse", "cook", None], "n": pa.array([value, None, value], kind)})
    parquet.write_table(table, tmp_path / "in.parquet")
    target = tmp_path / "out.csv"

    summary = code_file(tmp_path / "in.parquet", target, options(), model=model_folder)

    out = read(target)
    accounted(summary, out, side(target), 3)
    assert [row["id"] for row in out] == IDS
    assert out[0]["n"] in shown
    assert [out[1]["n"], out[2]["n"]] == ["", out[0]["n"]]
