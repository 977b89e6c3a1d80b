"""Tables in and out: every format into every other, every input cell as it was, and what is refused."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import openpyxl
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from jobmajor.batch import jobs
from jobmajor.batch.added import Added
from jobmajor.batch.files import code_file
from jobmajor.batch.options import FileOptions
from jobmajor.errors import InputError, MissingExtra
from jobmajor.model.rules import overrides
from jobmajor.tables.compression import ByteSource, sink

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

TITLES = ["registered nurse", 'senior "RN", ICU', "two\nlines", "", "asdfgh", "registered nurse", "=cmd|x"]
IDS = ["007", "08", "-3", "é", "5 ", "6", "=1+1"]
TABLE = {"id": IDS, "title": TITLES}
KINDS = ("csv", "tsv", "jsonl", "parquet", "xlsx")
ADDED = ["code", "name", "score", "confidence", "level", "abstain", "reason", "source"]
NUMBERS = ("score", "confidence")


def write(path: Path, table: dict[str, list[Any]] | None = None) -> Path:
    """The table in the format of the path's ending."""
    frame = pl.DataFrame(table or TABLE)
    kind = path.name.split(".")[1]
    if kind == "parquet":
        frame.write_parquet(path)
    elif kind == "xlsx":
        book = openpyxl.Workbook()
        for row in (frame.columns, *frame.rows()):
            book.worksheets[0].append([None if value == "" else value for value in row])
        for cell in [cell for row in book.worksheets[0].rows for cell in row if isinstance(cell.value, str)]:
            cell.data_type = "s"  # not the formula that openpyxl sees in it
        book.save(path)
    else:
        text = frame.write_ndjson() if kind == "jsonl" else frame.write_csv(separator="\t" if kind == "tsv" else ",")
        with sink(path, {"gz": "gzip", "zst": "zstd"}.get(path.suffix[1:], "")) as file:  # type: ignore[arg-type]
            file.write(text.encode())
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """The rows; nothing and an empty text are the same."""
    kind = path.name.split(".")[1]
    if kind == "parquet":
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    elif kind == "xlsx":
        values = list(openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True))
        rows = [dict(zip(map(str, values[0]), row, strict=True)) for row in values[1:]]
    else:
        source = ByteSource(path, {"gz": "gzip", "zst": "zstd"}.get(path.suffix[1:], ""))  # type: ignore[arg-type]
        text = b"".join(iter(lambda: source.line(2**20), b"")).decode()
        source.close()
        if kind == "jsonl":
            rows = [json.loads(line) for line in text.splitlines()]
        else:
            rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if kind == "tsv" else ","))
    return [{name: "" if value is None else value for name, value in row.items()} for row in rows]


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.5f}" if isinstance(value, float) else str(value)


@pytest.fixture(scope="module")
def expected(classifier: Classifier) -> list[dict[str, str]]:
    """What the classifier itself answers, as texts."""
    return [
        {
            "code": each.answers[0].label,
            "name": each.answers[0].name,
            "score": f"{each.answers[0].score:.5f}" if each.answers[0].label else "",
            "confidence": f"{each.confidence:.5f}" if each.answers[0].label else "",
            "level": "major",
            "abstain": as_text(each.abstain),
            "reason": each.reason,
            "source": each.source,
        }
        for each in classifier.answer(TITLES)
    ]


@pytest.mark.parametrize("target", [*KINDS, "csv.gz", "jsonl.zst"])
@pytest.mark.parametrize("source", [*KINDS, "tsv.gz", "csv.zst"])
def test_every_format_becomes_every_other_with_all_cells_and_the_same_answers(
    source: str, target: str, classifier: Classifier, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    given, made = write(tmp_path / f"in.{source}"), tmp_path / f"out.{target}"

    summary = code_file(given, made, model=classifier)

    found = read(made)
    assert (summary.rows, summary.bad) == (7, 0)
    assert [list(row) for row in found] == [["id", "title", *ADDED]] * 7
    assert [row["id"] for row in found] == IDS
    assert [row["title"] for row in found] == TITLES
    for row, answer in zip(found, expected, strict=True):
        assert (row["score"] == "") == (answer["score"] == "") == (row["reason"] == "not a title")
        assert {name: as_text(row[name]) for name in ADDED if name not in NUMBERS} == {
            name: value for name, value in answer.items() if name not in NUMBERS
        }
        for name in NUMBERS:
            assert float(row[name] or 0) == pytest.approx(float(answer[name] or 0), abs=2e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([given.name, made.name])


def test_rows_of_text_are_kept_byte_for_byte(classifier: Classifier, tmp_path: Path) -> None:
    rows = [b'007,"Nurse, ""RN""",\xc3\xa9 ', b'"8",nurse,"a\r\nb"', b"9,=cmd,'x"]
    data = b"\xef\xbb\xbfid,Title,note\r\n" + b"\r\n".join(rows)
    (tmp_path / "in.csv").write_bytes(data)

    code_file(tmp_path / "in.csv", tmp_path / "out.csv", model=classifier)

    made = (tmp_path / "out.csv").read_bytes()
    assert made.startswith(b"\xef\xbb\xbfid,Title,note,code,name,score,confidence,level,abstain,reason,source\r\n")
    for row in rows:
        assert row + b"," in made
    assert not made.endswith(b"\n")  # as the input


@pytest.mark.parametrize(
    "line", ['{"id": 7.0, "title": "nurse", "more": [1, {"a": null}]}', '  {"title":"\\u00e9" }  ']
)
def test_lines_of_json_are_kept_byte_for_byte(line: str, classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(f"{line}\r\n".encode())

    code_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", model=classifier)

    made = (tmp_path / "out.jsonl").read_bytes().decode()
    assert made.startswith(line.rstrip()[:-1])
    assert json.loads(made).keys() >= {*json.loads(line), *ADDED}


def test_semicolons_stay_and_a_tab_becomes_a_comma(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id;title\n1;nurse\n", "utf-8")
    (tmp_path / "in.tsv").write_text("id\ttitle\n1\tnurse\n", "utf-8")

    code_file(tmp_path / "in.csv", tmp_path / "out.csv", model=classifier)
    code_file(tmp_path / "in.tsv", tmp_path / "tabs.csv", model=classifier)

    assert (tmp_path / "out.csv").read_text("utf-8").startswith("id;title;code;name")
    assert (tmp_path / "tabs.csv").read_text("utf-8").startswith("id,title,code,name")


def test_parquets_types_and_what_its_schema_says_are_kept(classifier: Classifier, tmp_path: Path) -> None:
    table = pa.table(
        {
            "n": pa.array([1, None], pa.int32()),
            "when": pa.array([0, 1], pa.timestamp("ns", tz="UTC")),
            "tags": pa.array([["a"], None], pa.list_(pa.string())),
            "title": pa.array(["nurse", None], pa.dictionary(pa.int8(), pa.string())),
        }
    ).replace_schema_metadata({"owner": "me"})
    parquet.write_table(table, tmp_path / "in.parquet")

    code_file(tmp_path / "in.parquet", tmp_path / "out.parquet", model=classifier)

    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.select(table.column_names).equals(table)
    assert found.schema.metadata[b"owner"] == b"me"
    assert found["reason"].to_pylist()[1] == "not a title"


def test_two_levels_and_ranks_agree_with_the_classifier(classifier: Classifier, tmp_path: Path) -> None:
    write(tmp_path / "in.csv")

    code_file(tmp_path / "in.csv", tmp_path / "out.csv", FileOptions(level="all", top=2), model=classifier)

    rows = read(tmp_path / "out.csv")
    for level in ("major", "detailed"):
        for row, coded in zip(rows, classifier.answer(TITLES, level, 2), strict=True):
            labels = [*(item.label for item in coded.answers), ""][:2]
            assert [row[f"{level}_code"], row[f"{level}_code_2"]] == labels
            assert row[f"{level}_reason"] == coded.reason
    assert list(rows[0])[-1] == "source"


def test_same_answers_as_csv_and_as_parquet(classifier: Classifier, tmp_path: Path) -> None:
    write(tmp_path / "in.csv")
    for name in ("out.csv", "out.parquet"):
        code_file(tmp_path / "in.csv", tmp_path / name, FileOptions(level="all", top=3), model=classifier)

    text, arrow = read(tmp_path / "out.csv"), read(tmp_path / "out.parquet")

    for one, other in zip(text, arrow, strict=True):
        assert list(one) == list(other)
        texts = [name for name in one if "score" not in name and "confidence" not in name]
        assert [one[name] for name in texts] == [as_text(other[name]) for name in texts]


def test_user_s_overrides_and_no_exact_count(classifier: Classifier, tmp_path: Path) -> None:
    write(tmp_path / "in.csv")
    (tmp_path / "own.csv").write_text("title,code\nasdfgh,53-2031\n", "utf-8")
    options = FileOptions(overrides=overrides.read(tmp_path / "own.csv"), exact=False)

    summary = code_file(tmp_path / "in.csv", tmp_path / "out.csv", options, model=classifier)

    row = read(tmp_path / "out.csv")[4]
    assert (row["code"], row["source"], row["score"]) == ("53-0000", "override", "1.000000")
    assert row["confidence"] == "1.000000"
    assert summary.sources["exact"] == 0


def test_folder_and_pattern_keep_the_names_below_them(classifier: Classifier, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    for name in ("a.csv", "deep/b.jsonl", "deep/c.parquet"):
        write(source / name)
    (source / "_SUCCESS").touch()

    whole = code_file(source, tmp_path / "all", model=classifier)
    code_file(source / "*" / "*.jsonl", tmp_path / "some", model=classifier)

    assert [name.removeprefix(f"{tmp_path}/all/") for name in whole.files] == [
        "a.csv",
        "deep/b.jsonl",
        "deep/c.parquet",
    ]
    assert [path.name for path in (tmp_path / "some").rglob("*.*")] == ["b.jsonl"]
    assert whole.rows == 21
    assert whole.scored == 6  # the files have the same titles
    assert read(tmp_path / "all" / "deep" / "c.parquet")[0]["code"] == read(tmp_path / "all" / "a.csv")[0]["code"]


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx", "out.tsv"])
def test_cells_that_a_spreadsheet_would_run_are_made_safe_where_it_is_asked(
    name: str, classifier: Classifier, tmp_path: Path
) -> None:
    cells = ["=1", "+1", "-1", "@x", "a=1", "", '"', "'=1"]
    write(tmp_path / "in.csv", {"title": ["nurse"] * len(cells), "note": cells})
    write(tmp_path / "in.jsonl", {"title": ["nurse"] * len(cells), "note": cells})
    wanted = ["'=1", "'+1", "'-1", "'@x", "a=1", "", '"', "'=1"]

    for source in ("in.csv", "in.jsonl"):
        code_file(tmp_path / source, tmp_path / name, FileOptions(safe_cells=True), model=classifier)
        assert [row["note"] for row in read(tmp_path / name)] == wanted
        code_file(tmp_path / source, tmp_path / name, model=classifier)
        assert [row["note"] for row in read(tmp_path / name)] == cells


def test_quoted_cells_are_made_safe_inside_their_quotes(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'title,a,b\nnurse,"=1,=2","-""x"""\n"+nurse","",""""\n')

    code_file(tmp_path / "in.csv", tmp_path / "out.csv", FileOptions(safe_cells=True), model=classifier)

    lines = (tmp_path / "out.csv").read_bytes().split(b"\n")
    assert lines[1].startswith(b'nurse,"\'=1,=2","\'-""x""",')
    assert lines[2].startswith(b'"\'+nurse","","""",')


def test_added_cells_are_never_formulas(classifier: Classifier) -> None:
    """Whatever the names of columns and codes will be one day."""
    added = Added.of(classifier.coder(("major",)))

    texts = [text for column in added.columns for text in column.texts]

    assert {"29-0000", "model"} <= set(texts)
    assert all(not text.startswith(("=", "+", "-", "@", "\t", "\r")) for text in texts)


def test_packed_output_is_the_same_twice(classifier: Classifier, tmp_path: Path) -> None:
    for ending in ("csv.gz", "csv.zst", "xlsx", "parquet"):
        write(tmp_path / "in.csv")
        code_file(tmp_path / "in.csv", tmp_path / f"out.{ending}", model=classifier)
        first = (tmp_path / f"out.{ending}").read_bytes()
        code_file(tmp_path / "in.csv", tmp_path / f"out.{ending}", model=classifier)
        assert (tmp_path / f"out.{ending}").read_bytes() == first


def bad(tmp_path: Path, name: str, data: bytes, classifier: Classifier) -> tuple[int, list[list[str]]]:
    """Rows with answers, and the side file's rows."""
    ending = name.partition(".")[2]
    (tmp_path / name).write_bytes(data)
    summary = code_file(tmp_path / name, tmp_path / f"out.{ending}", model=classifier)
    side = tmp_path / f"out.{ending}.bad.csv"
    rows = list(csv.reader(io.StringIO(side.read_text("utf-8"), newline="")))
    assert rows[0] == ["line", "reason", "row", "in_output"]
    assert summary.bad == len(rows) - 1
    return summary.rows, rows[1:]


def test_rows_of_csv_with_a_fault_are_listed_with_line_and_reason_and_are_in_the_output(
    classifier: Classifier, tmp_path: Path
) -> None:
    data = b'id,title\n1,nurse,x\n\n2,"two\nlines"\n\xc3\xa9\xff,cook\n3\n4,a\0b\n5,"x" y\n=6,"welder\n'

    rows, found = bad(tmp_path, "in.csv", data, classifier)

    assert rows == 7
    assert found == [
        ["2", "3 cells instead of 2", "1,nurse,x", "yes"],
        ["6", "bytes that are no UTF-8", "é\\xff,cook", "yes"],
        ["7", "1 cell instead of 2", "3", "yes"],
        ["8", "a NUL in it", "4,a\\x00b", "yes"],
        ["9", "something behind a closing quote", '5,"x" y', "yes"],
        ["10", "a quote that is not closed", "'=6,\"welder", "yes"],
    ]
    made = list(csv.reader(io.StringIO((tmp_path / "out.csv").read_text("utf-8", "replace"), newline="")))
    assert [row[:3] for row in made] == [
        ["id", "title", "column 3"],
        ["1", "nurse", "x"],
        ["2", "two\nlines", ""],
        ["é\ufffd", "cook", ""],
        ["3", "", ""],
        ["4", "a\0b", ""],
        ["5", '"x" y', ""],
        ["=6", '"welder', ""],
    ]
    assert {len(row) for row in made} == {3 + len(ADDED)}


def test_bad_lines_of_json_stand_in_the_side_file(classifier: Classifier, tmp_path: Path) -> None:
    lines = [
        b'{"title": "nurse", "note": "\xc3\xa9"}',
        b"{",
        b'{"title": "\\ud800"}',
        b'{"job": "x"}',
        b'{"title": 7}',
        b"[1]",
        b'{"title": "\xff"}',
        b'{"title": "x", "code": 1}',
        b"[" * 100_000,
        b'{"title": "' + b"x" * 2**20 + b'"}',
        b'{"title": null}',
    ]

    rows, found = bad(tmp_path, "in.jsonl", b"\n".join(lines), classifier)

    assert rows == 6
    assert [line for line, *_, is_there in found if is_there == "yes"] == ["5", "7"]
    assert [int(line) for line, *_ in found] == [2, 3, 5, 6, 7, 9, 10]
    assert [reason.partition(" (")[0] for _, reason, *_ in found] == [
        "no JSON",
        "half of a surrogate pair",
        "a title that is no text",
        "no object",
        "bytes that are no UTF-8",
        "a number or a nesting that can't be read",
        f"over {2**20} bytes",
    ]
    assert len(found[-1][2]) == 1000


def test_title_that_is_no_text_is_listed_and_in_the_output(classifier: Classifier, tmp_path: Path) -> None:
    write(tmp_path / "in.xlsx", {"title": [7, 8]})
    data = pa.array([b"nurse", b"\xff"], pa.binary()).view(pa.string())
    parquet.write_table(pa.table({"title": data}), tmp_path / "in.parquet")

    book = code_file(tmp_path / "in.xlsx", tmp_path / "out.csv", model=classifier)
    arrow = code_file(tmp_path / "in.parquet", tmp_path / "out.jsonl", model=classifier)

    assert (book.rows, book.bad, arrow.rows, arrow.bad) == (2, 2, 2, 1)
    assert (tmp_path / "out.jsonl.bad.csv").read_text("utf-8").splitlines()[1] == "2,bytes that are no UTF-8,\\xff,yes"


def test_side_file_of_an_earlier_run_goes_when_no_row_is_bad(classifier: Classifier, tmp_path: Path) -> None:
    bad(tmp_path, "in.csv", b"id,title\n1\n", classifier)
    write(tmp_path / "in.csv")

    code_file(tmp_path / "in.csv", tmp_path / "out.csv", model=classifier)

    assert not (tmp_path / "out.csv.bad.csv").exists()


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet", "in.xlsx"])
def test_table_without_rows_gives_one_without_rows(name: str, classifier: Classifier, tmp_path: Path) -> None:
    if name == "in.jsonl":
        (tmp_path / name).write_bytes(b"\n")
    else:
        write(tmp_path / name, {"title": [""]} if name == "in.xlsx" else {"title": []})
    if name == "in.parquet":
        parquet.write_table(pa.table({"title": pa.array([], pa.string())}), tmp_path / name)

    summary = code_file(tmp_path / name, tmp_path / "out.csv", model=classifier)

    assert summary.rows == 0
    assert (tmp_path / "out.csv").read_text("utf-8").count("\n") == 1


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("in.csv", b"", "found an empty file, expected text"),
        ("in.csv", b"\n\n", "found no line with a word in it"),
        ("in.csv", b"x" * 2**21, "found no line with a word in it"),
        ("in.csv", b"PK\x03\x04", "found a zip archive or workbook"),
        ("in.csv.gz", b"title\n", "found a damaged or cut-off gzip file"),
        (
            "in.csv.gz",
            gzip.compress(b"title\n" + b"nurse\n" * 9999, mtime=0)[:-20],
            "found a damaged or cut-off gzip file",
        ),
        ("in.csv.zst", b"title\n", "found a damaged or cut-off zstd file"),
        ("in.parquet", b"PAR1", "found what can't be read"),
        ("in.xlsx", b"title", "found plain text, expected an .xlsx workbook; save it as CSV"),
        ("in.doc", b"title", "found the ending '.doc', expected .csv, .tsv"),
        ("in.xlsx.gz", b"title", "found the ending '.xlsx.gz'"),
    ],
)
def test_what_is_no_table_of_titles_is_refused_and_leaves_nothing(
    name: str, data: bytes, said: str, classifier: Classifier, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(InputError, match=said.replace(".", r"\.").replace("'", ".")) as error:
        code_file(tmp_path / name, tmp_path / "out.csv", model=classifier)

    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_column_of_numbers_is_refused_as_titles(classifier: Classifier, tmp_path: Path) -> None:
    write(tmp_path / "in.parquet", {"title": [1]})

    with pytest.raises(InputError, match="found a column 'title' of int64, expected one of text"):
        code_file(tmp_path / "in.parquet", tmp_path / "out.csv", model=classifier)


@pytest.mark.parametrize(
    ("source", "output", "said"),
    [
        ("no.csv", "out.csv", "no.csv is not there: expected a file, a folder, or a pattern"),
        ("*.tsv", "out", "has no file of titles"),
        ("in.csv", "in.csv", "would be written over what is read"),
        ("", "out", "is in .*, the input"),
        ("*.csv", "in.csv", "in.csv is a file: name a folder"),
        ("in.csv", "out.doc", "found the ending '.doc'"),
    ],
)
def test_paths_that_do_not_go_together_are_refused(
    source: str, output: str, said: str, classifier: Classifier, tmp_path: Path
) -> None:
    write(tmp_path / "in.csv")

    with pytest.raises(InputError, match=said):
        code_file(tmp_path / source, tmp_path / output, model=classifier)

    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_prefix_makes_room_beside_columns_of_the_same_name(classifier: Classifier, tmp_path: Path) -> None:
    write(tmp_path / "in.csv", {"code": ["x"], "title": ["nurse"]})

    code_file(tmp_path / "in.csv", tmp_path / "out.csv", FileOptions(prefix="soc_"), model=classifier)
    with pytest.raises(InputError, match="found a column 'code', where an answer would go"):
        code_file(tmp_path / "in.csv", tmp_path / "out.csv", FileOptions(prefix=""), model=classifier)

    assert list(read(tmp_path / "out.csv")[0]) == ["code", "title", *(f"soc_{name}" for name in ADDED)]


def test_column_of_one_file_gives_ours_one_prefix_in_all_files(classifier: Classifier, tmp_path: Path) -> None:
    (source := tmp_path / "in").mkdir()
    write(source / "a.csv", {"title": ["nurse"]})
    write(source / "b.csv", {"title": ["nurse"], "level": ["x"]})
    (source / "c.jsonl").write_text('{"title": "nurse"}\n{"title": "cook", "jobmajor_code": {"name": 1}}\n')
    told: list[str] = []

    summary = code_file(source, tmp_path / "out", FileOptions(on_note=told.append), model=classifier)

    ours = [f"jobmajor_jobmajor_{name}" for name in ADDED]
    assert list(read(tmp_path / "out" / "a.csv")[0]) == ["title", *ours]
    assert list(read(tmp_path / "out" / "b.csv")[0]) == ["title", "level", *ours]
    assert list(read(tmp_path / "out" / "c.jsonl")[1]) == ["title", "jobmajor_code", *ours]
    assert (summary.bad, summary.rows) == (0, 4)
    assert list(summary.notes) == told
    assert "ours are called jobmajor_jobmajor_… in all files" in told[0]


def test_what_a_folder_holds_besides_tables_is_passed_over_and_listed(classifier: Classifier, tmp_path: Path) -> None:
    (source := tmp_path / "in" / "deep").mkdir(parents=True)
    write(source / "a.csv", {"title": ["nurse"]})
    for name in ("~$a.xlsx", ".~lock.a.csv#", "README.txt", "notes.pdf", "Thumbs.db", "a.csv.bad.csv", "no_ending"):
        (source / name).write_bytes(b"x")
    told: list[str] = []

    code_file(tmp_path / "in", tmp_path / "out", FileOptions(on_note=told.append), model=classifier)

    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["a.csv"]
    assert told == [
        (
            "passed over deep/.~lock.a.csv#, deep/README.txt, deep/Thumbs.db, deep/a.csv.bad.csv, deep/no_ending, "
            "deep/notes.pdf, deep/~$a.xlsx: no tables"
        )
    ]


def test_pattern_lists_what_it_passes_over_folders_and_broken_links_included(tmp_path: Path) -> None:
    for name in ("a.csv", ".hidden.csv", "notes.pdf", "sub/b.csv", "x[1]/c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"title\nnurse\n")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")

    def found(pattern: str) -> tuple[list[str], tuple[str, ...]]:
        planned, told = jobs.jobs(tmp_path / pattern, tmp_path.with_name("out"))
        return [str(job.source.relative_to(tmp_path)) for job in planned], told

    assert found("*") == (["a.csv"], ("passed over .hidden.csv, gone.csv, notes.pdf, sub/, x[1]/: no tables",))
    assert found("s*/*") == (["sub/b.csv"], ())
    assert found("**/*.csv") == (
        ["a.csv", "sub/b.csv", "x[1]/c.csv"],
        ("passed over .hidden.csv, gone.csv: no tables",),
    )
    assert found("x[1]/*.csv") == (["x[1]/c.csv"], ())


def test_numbers_in_objects_and_lists_keep_their_text_in_every_format(classifier: Classifier, tmp_path: Path) -> None:
    nested = '{"pay": [1.10, 1E5, 9007199254740993, -0, 0.1000000000000000055], "in": {"a": [], "b": {}, "c": 2.50}}'
    deep = "[" * 900 + "1.0" + "]" * 900
    line = f'{{"title": "nurse", "n": {nested}, "deep": {deep}}}'
    (tmp_path / "in.jsonl").write_text(f"{line}\n", "utf-8")

    for ending in ("jsonl", "csv", "parquet", "xlsx"):
        code_file(tmp_path / "in.jsonl", tmp_path / f"out.{ending}", model=classifier)

    assert (tmp_path / "out.jsonl").read_text("utf-8").startswith(line[:-1])
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["n"], row["deep"]) == (nested, deep)
    assert parquet.read_table(tmp_path / "out.parquet")["n"].to_pylist() == [nested]
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    assert [cell.value for cell in sheet[2]][1:3] == [nested, deep]


def test_columns_of_json_lines_are_all_keys_with_the_kind_that_fits_all_values(
    classifier: Classifier, tmp_path: Path
) -> None:
    lines = ['{"title": "nurse", "n": 1, "x": 1}', '{"title": "cook", "n": 2.5, "x": "a", "late": true}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines), "utf-8")

    code_file(tmp_path / "in.jsonl", tmp_path / "out.parquet", model=classifier)

    found = parquet.read_table(tmp_path / "out.parquet").select(["title", "n", "x", "late"])
    assert [str(kind) for kind in found.schema.types] == ["string", "double", "string", "bool"]
    assert found.to_pylist()[1] == {"title": "cook", "n": 2.5, "x": "a", "late": True}
    assert found.to_pylist()[0]["late"] is None


@pytest.mark.parametrize(
    ("target", "package"), [("parquet", "pyarrow"), ("csv.zst", "pyarrow"), ("xlsx", "xlsxwriter")]
)
def test_format_whose_package_is_missing_says_what_to_install(
    target: str, package: str, classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "in.csv")
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingExtra, match=r"needs the extra 'formats': .*pip install .*\[formats\]'$"):
        code_file(tmp_path / "in.csv", tmp_path / f"out.{target}", model=classifier)

    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
    code_file(tmp_path / "in.csv", tmp_path / "out.jsonl.gz", model=classifier)  # needs neither


def test_quotes_in_cells_that_come_from_json_lines_are_read_back_from_csv(model_folder: Path, tmp_path: Path) -> None:
    title = 'Nurse "ICU", night\nshift'
    source, target = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text(json.dumps({"title": title}) + "\n")

    code_file(source, target, FileOptions(column="title"), model=model_folder)

    with target.open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["title", title]


@pytest.mark.parametrize(
    ("given", "titles"),
    [(b"id,title\n1,nurse\n", ["nurse"]), (b'{"title": "nurse"}\n{"other": 1}\n', ["nurse", ""])],
)
def test_table_from_a_pipe_is_read(given: bytes, titles: list[str], model_folder: Path, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    with ThreadPoolExecutor(1) as writer:
        writer.submit(pipe.write_bytes, given)
        code_file(pipe, tmp_path / "out.csv", model=model_folder)

    assert [row["title"] for row in read(tmp_path / "out.csv")] == titles


NUMBERS_IN_JSON = [
    "1.10",
    "1E5",
    "9007199254740993",
    "0.12345678901234567890",
    "NaN",
    "-Infinity",
    "7",
    "9" * 5000,
    "-0",
]


def test_numbers_keep_their_text_from_json_lines_to_csv_and_to_a_workbook(
    classifier: Classifier, tmp_path: Path
) -> None:
    lines = [f'{{"title": "nurse", "n": {number}}}' for number in NUMBERS_IN_JSON]
    (tmp_path / "in.jsonl").write_text("\n".join([*lines, '{"n": true}', '{"n": "x"}']), "utf-8")

    for name in ("out.csv", "out.tsv", "out.xlsx", "out.parquet"):
        summary = code_file(tmp_path / "in.jsonl", tmp_path / name, model=classifier)

        assert (summary.rows, summary.bad) == (11, 0)
        assert [row["n"] for row in read(tmp_path / name)] == [*NUMBERS_IN_JSON, "true", "x"]


def test_integers_and_decimals_of_one_key_stay_as_they_are_written(classifier: Classifier, tmp_path: Path) -> None:
    lines = ['{"title": "a", "n": 1, "big": 9007199254740993}', '{"title": "b", "n": 2.50, "big": 0.5}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines), "utf-8")

    code_file(tmp_path / "in.jsonl", tmp_path / "out.csv", model=classifier)
    code_file(tmp_path / "in.jsonl", tmp_path / "out.parquet", model=classifier)

    assert [(row["n"], row["big"]) for row in read(tmp_path / "out.csv")] == [
        ("1", "9007199254740993"),
        ("2.50", "0.5"),
    ]
    found = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["n"], row["big"]) for row in found] == [(1.0, "9007199254740993"), (2.5, "0.5")]


def test_numbers_of_parquet_keep_their_digits_and_what_json_can_not_hold_is_counted(
    classifier: Classifier, tmp_path: Path
) -> None:
    columns = {
        "title": ["nurse", "cook"],
        "short": pa.array([0.1, float("nan")], pa.float32()),
        "whole": pa.array([2**60 + 1, None], pa.int64()),
        "when": pa.array([1, 2], pa.timestamp("ns")),
        "wide": [float("inf"), 1e300],
    }
    parquet.write_table(pa.table(columns), tmp_path / "in.parquet")

    code_file(tmp_path / "in.parquet", tmp_path / "out.csv", model=classifier)
    summary = code_file(tmp_path / "in.parquet", tmp_path / "out.jsonl", model=classifier)

    rows = read(tmp_path / "out.csv")
    assert [(row["short"], row["whole"], row["wide"]) for row in rows] == [
        ("0.1", str(2**60 + 1), "Infinity"),
        ("NaN", "", "1e+300"),
    ]
    assert rows[0]["when"].endswith("00.000000001")
    assert summary.notes == (f"{tmp_path / 'in.parquet'}: 2 numbers that are not finite became null, as JSON has none",)


def test_what_a_workbook_shows_is_kept_or_reported(classifier: Classifier, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    page.append(["title", "zip", "id", "span", "error", "sum", "long"])
    page.append(["nurse", 1234, 123456789, datetime.timedelta(hours=30), "#N/A", "=1+1", "x"])
    page["B2"].number_format, page["C2"].number_format = "00000", "000-00-0000"
    page["D2"].number_format = "[h]:mm:ss"
    book.create_sheet("Staff").append(["title"])
    book["Staff"].append(["cook"])
    page.sheet_state = "hidden"
    book.active = 1
    book.save(tmp_path / "in.xlsx")

    told = code_file(tmp_path / "in.xlsx", tmp_path / "out.csv", model=classifier)
    code_file(tmp_path / "in.xlsx", tmp_path / "out.xlsx", model=classifier)
    code_file(tmp_path / "in.xlsx", tmp_path / "staff.csv", FileOptions(sheet="Staff"), model=classifier)
    with pytest.raises(InputError, match="name one of them with --sheet"):
        code_file(tmp_path / "in.xlsx", tmp_path / "no.csv", FileOptions(sheet="None"), model=classifier)

    (row,) = read(tmp_path / "out.csv")
    assert [row[name] for name in ("zip", "id", "span", "error", "sum")] == [
        "01234",
        "123-45-6789",
        "30:00:00",
        "#N/A",
        "",
    ]
    (same,) = openpyxl.load_workbook(tmp_path / "out.xlsx").active.iter_rows(min_row=2, max_col=5, values_only=True)
    assert same == ("nurse", "01234", "123-45-6789", datetime.timedelta(hours=30), "#N/A")
    assert [row["title"] for row in read(tmp_path / "staff.csv")] == ["cook"]
    assert [note.partition(": ")[2].partition(":")[0] for note in told.notes] == [
        "read the sheet 'Sheet', which is hidden",
        "1 formulas without a stored value are empty",
    ]
