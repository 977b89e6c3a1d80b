"""Answers at the deepest level that is sure are those of that level, and a title that is sure at none has no code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jobmajor
from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model.answers import NO_ANSWER
from jobmajor.model.classifier import Classifier
from jobmajor.model.coder import REASONS, SOURCES
from jobmajor.model.rules.knowledge import Knowledge
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORDS = st.sampled_from(["nurse", "Sr.", "engineer", "driver", "truck", "cook", "registered", "asdfgh", "看護師", ""])
TITLES = st.lists(st.lists(WORDS, max_size=3).map(" ".join), min_size=1, max_size=6)
READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    "csv": pl.read_csv,
    "parquet": pl.read_parquet,
    "jsonl": pl.read_ndjson,
}
SOME = ["registered nurse", "truck driver", "cook", "asdfgh", "", "看護師", "software engineer", "nurse"]


@pytest.fixture(scope="module")
def sure(classifier: Classifier) -> Classifier:
    """A model that takes more answers than the small one should, so that titles end at different levels."""
    thresholds: dict[soc.Level, float] = {"major": 0.15, "minor": 0.2, "broad": 0.3, "detailed": 0.5}
    return Classifier(classifier.scorer, classifier.about, Knowledge(thresholds, classifier.knowledge.listed))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(TITLES)
def test_answer_is_that_of_the_deepest_level_that_does_not_abstain(sure: Classifier, titles: list[str]) -> None:
    levels = sure.answer_at(soc.LEVELS, titles, 2)

    for row, found in enumerate(jobmajor.deepest(sure).answer(titles, 2)):
        taken = [(name, each[row]) for name, each in zip(soc.LEVELS, levels, strict=True) if not each[row].abstain]
        if taken:
            name, each = taken[-1]
            assert (found.level, found.answers, found.abstain) == (name, each.answers, False)
        else:
            assert (found.level, found.answers, found.abstain) == ("", (NO_ANSWER,), True)
            assert found.reason == levels[0][row].reason


def test_titles_end_at_different_levels(sure: Classifier) -> None:
    found = {each.level for each in jobmajor.deepest(sure).answer(SOME)}

    assert "" in found
    assert len(found) >= 3


@pytest.mark.parametrize("to", ["soc-2018", "soc-2010", "isco-08"])
def test_arrays_hold_the_same_answers(to: str, sure: Classifier) -> None:
    model = jobmajor.deepest(sure if to == "soc-2018" else sure.to(to))
    coder = model.coder(2)

    codes = coder.code(Packed.of(SOME))

    for row, each in enumerate(model.answer(SOME, 2)):
        labels = [coder.classes[0][label] for label in codes.labels[row, 0].tolist() if label >= 0]
        assert labels == [answer.label for answer in each.answers if answer.label][:2]
        assert (REASONS[codes.reasons[row, 0]], SOURCES[codes.sources[row]]) == (each.reason, each.source)
        assert codes.scores[row, 0, 0] == pytest.approx(each.answers[0].score, abs=1e-4)


def test_level_is_named_as_the_other_classification_names_it(sure: Classifier) -> None:
    found = {each.level for each in jobmajor.deepest(sure.to("isco-08")).answer(SOME)}

    assert found <= {"", "1", "2", "3", "4"}
    assert len(found) > 1


def test_table_has_each_title_s_level(sure: Classifier) -> None:
    titles = pd.Series(SOME, index=[f"row {row}" for row in range(len(SOME))])

    table = jobmajor.deepest(sure).answer_frame(titles)

    found = jobmajor.deepest(sure).answer(SOME)
    assert table.index.tolist() == titles.index.tolist()
    assert table["level"].tolist() == [each.level for each in found]
    assert table["code"].tolist() == [each.answers[0].label for each in found]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_file_gets_one_column_with_each_title_s_level(ending: str, sure: Classifier, tmp_path: Path) -> None:
    pl.DataFrame({"title": SOME}).write_csv(tmp_path / "in.csv")
    options = jobmajor.FileOptions(level="best", top=2)

    summary = jobmajor.code_file(tmp_path / "in.csv", tmp_path / f"out.{ending}", options, model=sure)

    rows = READERS[ending](tmp_path / f"out.{ending}").to_dicts()
    for row, each in zip(rows, jobmajor.deepest(sure).answer(SOME, 2), strict=True):
        assert (row["code"] or "", row["name"] or "") == (each.answers[0].label, each.answers[0].name)
        assert (row["level"] or "", row["abstain"], row["reason"] or "") == (each.level, each.abstain, each.reason)
    assert list(rows[0]) == [
        *("title", "code", "name", "score", "confidence", "level", "abstain", "reason", "source"),
        *("code_2", "name_2", "score_2"),
    ]
    assert list(summary.abstained) == ["best"]


def test_user_s_own_code_stays(sure: Classifier, tmp_path: Path) -> None:
    from jobmajor.model.rules.overrides import Overrides  # noqa: PLC0415 - of this test alone

    (found,) = jobmajor.deepest(sure).answer(["boss"], overrides=Overrides({"boss": {"11-1011": 1.0}}))

    assert (found.level, found.answers[0].label, found.source) == ("detailed", "11-1011", "override")


def test_no_code_at_all_is_refused(sure: Classifier) -> None:
    with pytest.raises(InputError, match="k is 0"):
        jobmajor.deepest(sure).coder(0)
