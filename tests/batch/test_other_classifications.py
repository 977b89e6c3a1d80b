"""Files coded in another classification: the columns, the codes, and what an interrupted run leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from jobmajor import soc
from jobmajor.batch.files import code_file
from jobmajor.batch.options import FileOptions
from jobmajor.errors import InputError
from jobmajor.model.rules.overrides import Overrides

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

TITLES = ["registered nurse", "boss", "asdf", "", "看護師", "truck driver", "registered nurse"]
OWN = Overrides({"boss": {"11-1011": 1.0}, "registered nurse": {"29-1141": 1.0}})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    pl.DataFrame({"title": TITLES}).write_csv(path)
    return path


@pytest.mark.parametrize(("to", "level"), [("soc-2010", "detailed"), ("isco-08", "4"), ("isco-08", "1")])
def test_file_has_the_answers_of_the_classifier(
    to: str, level: str, source: Path, classifier: Classifier, tmp_path: Path
) -> None:
    options = FileOptions(to=to, level=level, overrides=OWN)

    summary = code_file(source, tmp_path / "out.csv", options, model=classifier)

    rows = pl.read_csv(tmp_path / "out.csv", infer_schema=False).fill_null("").to_dicts()
    for row, each in zip(rows, classifier.to(to).answer(TITLES, level, overrides=OWN), strict=True):
        best = each.answers[0]
        assert (row["code"], row["name"], row["level"]) == (best.label, best.name, level)
        assert (row["abstain"], row["reason"]) == (str(each.abstain).lower(), each.reason)
        assert (row["ambiguous"], row["source"]) == (str(each.ambiguous).lower(), each.source)
        assert float(row["score"] or 0) == pytest.approx(best.score, abs=1e-4)
    assert list(summary.abstained) == [level]


def test_nurse_and_chief_executive_in_isco(source: Path, classifier: Classifier, tmp_path: Path) -> None:
    options = FileOptions(to="isco-08", level="4", overrides=OWN)

    code_file(source, tmp_path / "out.parquet", options, model=classifier)

    nurse, boss = pl.read_parquet(tmp_path / "out.parquet").to_dicts()[:2]
    assert (nurse["code"], nurse["name"], nurse["abstain"], nurse["ambiguous"]) == (
        "2221",
        "Nursing professionals",
        False,
        False,
    )
    assert (boss["code"], boss["abstain"], boss["ambiguous"]) == ("1112", True, True)  # 1112, 1113 or 1120
    assert boss["score"] == pytest.approx(1 / 3)


def test_all_levels_have_columns_with_the_digits(source: Path, classifier: Classifier, tmp_path: Path) -> None:
    options = FileOptions(to="isco-08", level="all", prefix="x_")

    code_file(source, tmp_path / "out.csv", options, model=classifier)

    names = ["code", "name", "score", "confidence", "abstain", "reason", "ambiguous"]
    expected = [f"x_isco_{digits}_{name}" for digits in (1, 2, 3, 4) for name in names]
    assert pl.read_csv(tmp_path / "out.csv").columns == ["title", *expected, "x_source"]


def test_all_levels_of_soc_2010_have_columns_as_those_of_2018(
    source: Path, classifier: Classifier, tmp_path: Path
) -> None:
    code_file(source, tmp_path / "out.csv", FileOptions(to="soc-2010", level="all"), model=classifier)

    columns = pl.read_csv(tmp_path / "out.csv").columns
    assert [name for name in columns if name.endswith("_code")] == [f"{level}_code" for level in soc.LEVELS]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (FileOptions(to="noc"), "to 'noc': expected one of soc-2018, soc-2010, isco-08"),
        (FileOptions(to="isco-08", level="5"), "level '5': expected one of 1, 2, 3, 4"),
        (FileOptions(level="4"), "level '4': expected one of major"),
    ],
)
def test_what_no_classification_has_is_refused_before_anything_is_written(
    options: FileOptions, message: str, source: Path, classifier: Classifier, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        code_file(source, tmp_path / "out.csv", options, model=classifier)

    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
