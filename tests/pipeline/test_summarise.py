"""What `summarise` reads, keeps and leaves out; `behaviour` tests how near its counts come to the truth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import jobmajor
from jobmajor.errors import DataError
from jobmajor.model.rules import overrides

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def of(found: dict[str, Any], code: str) -> dict[str, Any]:
    return next(each for each in found["counts"] if each["code"] == code)


def test_rows_are_counted_with_their_weight_and_non_titles_apart(tmp_path: Path, classifier: Classifier) -> None:
    path = table(
        tmp_path / "in.csv", "job,n", "registered nurse,30", "Registered  Nurse,10", "cook,5", "n/a,4", "x,many"
    )

    found = jobmajor.summarise(path, jobmajor.Wish("job", "n"), model=classifier)

    assert (found["rows"], found["titles"], found["left_out"]) == (45, 2, {"not a title": 4})
    assert sum(each["answered"] for each in found["counts"]) == pytest.approx(45)
    assert sum(each["estimate"] for each in found["counts"]) == pytest.approx(45)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_answered_counts_are_those_of_the_classifier(tmp_path: Path, classifier: Classifier) -> None:
    titles = ["registered nurse", "line cook", "welder", "payroll clerk"]
    path = table(tmp_path / "in.csv", "title", *titles)

    found = jobmajor.summarise(path, jobmajor.Wish(level="minor"), model=classifier)

    best = [each.answers[0].label for each in classifier.answer(titles, "minor")]
    answered = {each["code"]: each["answered"] for each in found["counts"] if each["answered"]}
    assert answered == {code: best.count(code) for code in set(best)}


def test_coded_file_keeps_the_codes_of_the_user_s_own_list(tmp_path: Path, classifier: Classifier) -> None:
    path = table(tmp_path / "in.csv", "title,n", "zorblax,7", "cook,1")
    mine = overrides.read(table(tmp_path / "mine.csv", "title,code", "zorblax,11-1011"))
    jobmajor.code_file(path, tmp_path / "coded.csv", jobmajor.FileOptions(overrides=mine), model=classifier)

    found = jobmajor.summarise(tmp_path / "coded.csv", jobmajor.Wish(weight="n"), model=classifier)

    chiefs = of(found, "11-0000")
    assert chiefs["low"] >= 7
    assert found["labelled"] == 0


def test_labelled_titles_need_not_be_in_the_file(tmp_path: Path, classifier: Classifier) -> None:
    path = table(tmp_path / "in.csv", "title", "nurse", "cook")
    known = table(tmp_path / "known.csv", "title,code", "night nurse,29-1141", "nurse,31-1131")

    found = jobmajor.summarise(path, jobmajor.Wish(labelled=jobmajor.TitleFile(known)), model=classifier)

    assert (found["rows"], found["labelled"]) == (2, 2)
    assert of(found, "31-0000")["low"] >= 1


def test_file_without_a_title_is_refused(tmp_path: Path, classifier: Classifier) -> None:
    path = table(tmp_path / "in.csv", "title", "n/a", "none")

    with pytest.raises(DataError, match="no title that can be read"):
        jobmajor.summarise(path, model=classifier)
