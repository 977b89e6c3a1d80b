"""A column of context beside the titles: the same answers as in Python, for every format and after a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from jobmajor.batch import files, second_text
from jobmajor.batch.files import code_file
from jobmajor.batch.options import FileOptions
from jobmajor.errors import InputError
from jobmajor.model.contextual import joined
from jobmajor.model.deepest import deepest
from jobmajor.model.rules.overrides import Overrides
from jobmajor.tables.block import Block
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

TITLES = ["manager of nothing", "manager of nothing", "nurse", "manager of nothing", "looker, at foods", ""]
DUTIES = ["fly aircraft with crew", "", "x", "fly aircraft with crew", 'inspect "food"\nin kitchens', "trucks"]


def table(path: Path) -> Path:
    frame = pl.DataFrame({"id": range(6), "title": TITLES, "Duties": DUTIES})
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    elif path.suffix == ".xlsx":
        frame.write_excel(path)
    else:
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    return path


def codes(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
    else:
        frame = pl.read_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.read_ndjson(path)
    return [code or "" for code in frame["code"].to_list()]


@pytest.mark.parametrize(
    ("source", "output"),
    [("csv", "csv"), ("tsv", "parquet"), ("jsonl", "jsonl"), ("jsonl", "csv"), ("parquet", "parquet")],
)
def test_every_format_gives_the_answers_of_python(
    with_context: Classifier, tmp_path: Path, source: str, output: str
) -> None:
    target = tmp_path / f"out.{output}"
    options = FileOptions(level="detailed", context="duties")  # a name may differ in case

    found = code_file(table(tmp_path / f"in.{source}"), target, options, model=with_context)

    answered = with_context.answer(TITLES, "detailed", context=DUTIES)
    assert codes(target) == [each.answers[0].label for each in answered]
    assert found.scored == 5  # equal titles with another context are another title


def test_file_without_context_is_answered_as_before(with_context: Classifier, tmp_path: Path) -> None:
    source = table(tmp_path / "in.csv")

    code_file(source, tmp_path / "one.csv", FileOptions(level="all"), model=with_context)
    code_file(source, tmp_path / "empty.csv", FileOptions(level="all", context="id"), model=with_context)

    assert codes_of_all(tmp_path / "one.csv") == codes_of_all(tmp_path / "empty.csv")  # numbers are no words of a task


def codes_of_all(path: Path) -> list[Any]:
    frame = pl.read_csv(path)
    return frame.select("major_code", "minor_code", "broad_code", "detailed_code").rows()


def test_other_classifications_best_level_and_overrides_go_along(with_context: Classifier, tmp_path: Path) -> None:
    mine = Overrides({"nurse": {"11-1011": 1.0}})
    asked = {
        "isco": FileOptions(context="Duties", to="isco-08", level="4"),
        "best": FileOptions(context="Duties", level="best"),
        "mine": FileOptions(context="Duties", level="detailed", overrides=mine),
    }
    source = table(tmp_path / "in.csv")

    for name, options in asked.items():
        code_file(source, tmp_path / f"{name}.csv", options, model=with_context)

    assert codes(tmp_path / "mine.csv")[2] == "11-1011"
    best = deepest(with_context.contextual).answer(joined(TITLES, DUTIES))
    assert codes(tmp_path / "best.csv") == [each.answers[0].label for each in best]
    isco = with_context.contextual.to("isco-08").answer(joined(TITLES, DUTIES), "4")
    assert codes(tmp_path / "isco.csv") == [each.answers[0].label for each in isco]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "xlsx"])
def test_missing_column_of_context_is_refused_before_anything_is_written(
    with_context: Classifier, tmp_path: Path, kind: str
) -> None:
    if kind == "xlsx":
        pytest.importorskip("xlsxwriter", reason="polars writes workbooks with it")

    with pytest.raises(InputError, match="expected a column 'department'; name one that is there"):
        code_file(
            table(tmp_path / f"in.{kind}"), tmp_path / "out.csv", FileOptions(context="department"), model=with_context
        )

    assert {path.name for path in tmp_path.iterdir()} == {f"in.{kind}"}


def test_model_without_context_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the model has learned none"):
        code_file(table(tmp_path / "in.csv"), tmp_path / "out.csv", FileOptions(context="Duties"), model=classifier)


def test_table_without_a_good_row_needs_no_column_of_context(with_context: Classifier, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("no JSON\n")

    found = code_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", FileOptions(context="duties"), model=with_context)

    assert (found.rows, found.bad) == (0, 1)


class Cells:
    """The rows of a table of two columns."""

    def columns(self) -> list[list[Any]]:
        return [["cook", "cook"], [None, 7.5]]


def test_block_without_a_column_stays_the_same_and_cells_of_any_kind_become_text() -> None:
    block = Block(Packed.of(["cook", "cook"]), Cells())

    assert second_text.joined(block, None) is block
    found = second_text.joined(block, 1)
    assert [found.titles.title(row) for row in range(2)] == ["cook\x1f", "cook\x1f7.5"]
    assert found.rows is block.rows


def test_journal_of_a_run_without_context_is_not_used_by_one_with_it(with_context: Classifier) -> None:
    def key(*options: FileOptions) -> Sequence[str]:
        coder = with_context.coder(("major",))
        return [files._context(with_context, "digest", coder, each) for each in options]

    plain, joined = key(FileOptions(), FileOptions(context="duties"))

    assert plain != joined
