from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import jobmajor
from jobmajor.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier


@pytest.fixture
def titles(tmp_path: Path) -> Path:
    path = tmp_path / "register.csv"
    rows = ("registered nurse,29-1141,30", "Registered Nurse,29-1141,2", "cook,35-2014;35-2012,4", "asdfgh,41-2031,1")
    path.write_text("\n".join(["job,soc,n", *rows, ""]), "utf-8")
    return path


def test_report_agrees_with_the_classifier_s_answers(titles: Path, classifier: Classifier) -> None:
    file = jobmajor.TitleFile(titles, "job", "soc", "n")

    found = jobmajor.evaluate(file, model=classifier)

    nurse, cook, other = classifier.answer(["registered nurse", "cook", "asdfgh"], "minor")
    right = [nurse.answers[0].label == "29-1000", cook.answers[0].label == "35-2000", False]
    assert (found["rows"], found["weight"], found["titles"]) == (4, 37.0, 3)
    by_row, by_title = (found["levels"]["minor"][view] for view in ("by_row", "by_title"))
    assert by_row["accuracy"] == pytest.approx((32 * right[0] + 4 * right[1]) / 37)
    assert by_title["accuracy"] == pytest.approx(sum(right) / 3)
    assert by_title["accepted"] == pytest.approx(sum(not each.abstain for each in (nurse, cook, other)) / 3)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_listed_titles_are_left_to_the_model_where_that_is_asked(titles: Path, classifier: Classifier) -> None:
    file = jobmajor.TitleFile(titles, "job", "soc")

    found = jobmajor.evaluate(file, jobmajor.Judging(exact=False), model=classifier)

    assert list(found["sources"]) == ["model"]


def test_same_file_gives_the_same_report(titles: Path, classifier: Classifier) -> None:
    file = jobmajor.TitleFile(titles, "job", "soc", "n")

    assert jobmajor.evaluate(file, model=classifier) == jobmajor.evaluate(file, model=classifier)


def test_missing_file_is_refused(tmp_path: Path, classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"none\.csv is not there"):
        jobmajor.evaluate(jobmajor.TitleFile(tmp_path / "none.csv"), model=classifier)
