"""Which answers change from one model to another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jobmajor import soc
from jobmajor.errors import DataError
from jobmajor.model.classifier import Classifier
from jobmajor.monitor import models
from jobmajor.monitor.observe import File

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl


@pytest.fixture
def sure(classifier: Classifier) -> Classifier:
    """Return the classifier with thresholds that all its answers to titles of training reach."""
    knowledge = replace(classifier.knowledge, thresholds=dict.fromkeys(soc.LEVELS, 0.05))
    return Classifier(classifier.scorer, classifier.about, knowledge)


@pytest.fixture
def known(sure: Classifier, splits: Mapping[str, pl.DataFrame]) -> list[str]:
    """Return two titles that it is sure of."""
    titles = splits["train"]["text"].unique(maintain_order=True).to_list()[:50]
    return [title for title, each in zip(titles, sure.answer(titles, "major"), strict=True) if not each.abstain][:2]


def written(folder: Path, titles: list[str]) -> File:
    rows = "".join(f"{title},{number}\n" for number, title in enumerate([*titles, "n/a"], 1))
    (folder / "titles.csv").write_text(f"title,n\n{rows}", "utf-8")
    return File(folder / "titles.csv", weight="n")


def test_model_that_is_never_sure_changes_all_sure_answers_the_most_frequent_first(
    sure: Classifier, known: list[str], tmp_path: Path
) -> None:
    unsure = Classifier(sure.scorer, sure.about)

    found = models.difference(written(tmp_path, known), sure, unsure)

    assert [(each.title, each.rows, each.kind) for each in found.changed] == [
        (known[1], 2, "no longer sure"),
        (known[0], 1, "no longer sure"),
    ]
    assert (found.titles, found.rows, found.sure) == (3, 6, (0.5, 0))


def test_order_of_the_models_decides_what_is_gained(sure: Classifier, known: list[str], tmp_path: Path) -> None:
    unsure = Classifier(sure.scorer, sure.about)

    found = models.difference(written(tmp_path, known), unsure, sure)

    assert {each.kind for each in found.changed} == {"now sure"}
    assert (found.rows_of("now sure"), found.rows_of("no longer sure")) == (3, 0)


def test_same_model_changes_nothing(sure: Classifier, known: list[str], tmp_path: Path) -> None:
    assert models.difference(written(tmp_path, known), sure, sure).changed == []


def test_file_without_rows_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "titles.csv").write_text("title\n", "utf-8")

    with pytest.raises(DataError, match="no row"):
        models.difference(File(tmp_path / "titles.csv", "title"), classifier, classifier)
