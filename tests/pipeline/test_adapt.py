"""What `adapt` estimates from a file, when it refuses, and what an adapted classifier answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import jobmajor
from jobmajor.errors import NotAdapted
from jobmajor.model.rules import overrides

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from jobmajor.model.classifier import Classifier


def table(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


@pytest.fixture(scope="module")
def of_health(starter_splits: Mapping[str, pl.DataFrame]) -> list[str]:
    """Titles of the health groups, which no training saw, and some others."""
    rows = [*starter_splits["test"].iter_rows(named=True), *starter_splits["validation"].iter_rows(named=True)]
    health = dict.fromkeys(row["text"] for row in rows if row["code"][:2] in ("29", "31"))
    others = dict.fromkeys(row["text"] for row in rows if row["code"][:2] not in ("29", "31"))
    return [*health, *list(others)[:20]]


@pytest.fixture(scope="module")
def prior(
    of_health: list[str], starter_classifier: Classifier, tmp_path_factory: pytest.TempPathFactory
) -> jobmajor.Prior:
    path = table(tmp_path_factory.mktemp("in") / "register.csv", ["title", *of_health, *of_health[:9]])
    return jobmajor.adapt(path, model=starter_classifier)


@pytest.mark.slow
def test_mix_of_a_file_is_found_and_each_title_counts_once(prior: jobmajor.Prior, of_health: list[str]) -> None:
    assert prior.mix["29-0000"] > 2 * prior.source["29-0000"]
    assert sum(prior.mix.values()) == pytest.approx(1)
    assert (prior.titles, prior.labelled) == (len(of_health), 0)


@pytest.mark.slow
def test_answers_move_toward_the_mix_and_nothing_else_changes(
    prior: jobmajor.Prior, starter_classifier: Classifier, of_health: list[str]
) -> None:
    adapted = starter_classifier.adapted(prior)

    before, after = (
        [each.answers[0].score for each in model.answer(of_health) if each.answers[0].label == "29-0000"]
        for model in (starter_classifier, adapted)
    )

    assert len(after) >= len(before)
    assert np.mean(after) > np.mean(before)
    assert starter_classifier.adapted(None).answer(of_health) == starter_classifier.answer(of_health)
    assert np.array_equal(adapted.predict_proba(of_health), starter_classifier.predict_proba(of_health))


@pytest.mark.slow
def test_every_way_to_ask_gives_the_same_moved_answers(
    prior: jobmajor.Prior, starter_classifier: Classifier, of_health: list[str], tmp_path: Path
) -> None:
    path, options = table(tmp_path / "in.csv", ["title", *of_health]), jobmajor.FileOptions(prior=prior)

    found = jobmajor.code_file(path, tmp_path / "out.csv", options, model=starter_classifier)

    lines = (tmp_path / "out.csv").read_text("utf-8").splitlines()[1:]
    expected = starter_classifier.adapted(prior).answer(of_health)
    assert [line.split(",")[1] for line in lines] == [each.answers[0].label for each in expected]
    assert found.prior == prior.digest


@pytest.mark.slow
def test_the_users_own_answers_and_the_soc_s_own_names_stay(
    prior: jobmajor.Prior, starter_classifier: Classifier
) -> None:
    adapted = starter_classifier.adapted(prior)
    mine = overrides.Overrides({"zorblax": {"11-1011": 1.0}})

    (own,) = adapted.answer(["zorblax"], "detailed", overrides=mine)
    before, after = (model.answer(["carpenters"], "detailed") for model in (starter_classifier, adapted))

    assert (own.answers[0].label, own.answers[0].score) == ("11-1011", 1.0)
    assert before[0].source == "official"
    assert before == after


def test_known_codes_count_in_place_of_answers(classifier: Classifier, tmp_path: Path) -> None:
    rows = [f"job number {chr(97 + number % 26)}{number},45-2092" for number in range(60)]
    path = table(tmp_path / "in.csv", ["job,soc", *rows])

    found = jobmajor.adapt(jobmajor.TitleFile(path, "job", "soc"), model=classifier)

    expected = (60 + 25 * found.source["45-0000"]) / 85
    assert found.mix["45-0000"] == pytest.approx(expected, abs=1e-9)
    assert (found.titles, found.labelled) == (60, 60)


def test_few_titles_are_refused(classifier: Classifier, tmp_path: Path) -> None:
    path = table(tmp_path / "in.csv", ["title", *["nurse", "Nurse", "cook"] * 100])

    with pytest.raises(NotAdapted, match=r"in\.csv: found 2 distinct titles, expected at least 100"):
        jobmajor.adapt(path, model=classifier)


def test_file_with_the_mix_of_training_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    labels = np.array(classifier.codes)[classifier.knowledge.listed.codes]
    path = table(tmp_path / "in.csv", ["title,code", *(f"job {row},{code}" for row, code in enumerate(labels))])

    with pytest.raises(NotAdapted, match="halves"):
        jobmajor.adapt(jobmajor.TitleFile(path), model=classifier)
