"""Titles that no model or no champion learned from: reviewed ones, and those of the test where releases differ."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from jobmajor import soc
from jobmajor.data import examples
from jobmajor.evaluation.comparison import compare
from jobmajor.model.classifier import Classifier
from jobmajor.model.rules import listed
from jobmajor.registry import artifact
from jobmajor.steps import contest
from jobmajor.titles import normalise
from sagelocal.storage import archive

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    pl.DataFrame(rows, schema=["title", "code"], orient="row").write_parquet(path)
    return path


def test_titles_are_right_by_any_code_and_count_at_the_levels_of_their_codes(
    tmp_path: Path, classifier: Classifier
) -> None:
    cook, zorp = classifier.predict(["line cook"], "detailed")[0], classifier.predict(["zorp"])[0]
    rows = [("line cook", cook), ("line cook", zorp), ("zorp", zorp), ("bike wizard", "55-0000")]

    found = contest.reviewed(write(tmp_path / "r.parquet", rows), classifier, tmp_path, 0)

    assert found is not None
    assert found["titles"] == 3
    assert found["levels"]["major"]["titles"] == 3
    assert found["levels"]["major"]["accuracy"] == pytest.approx(2 / 3)  # of a title with two codes, one is enough
    assert found["levels"]["detailed"] == {"titles": 1, "accuracy": 1.0}


def test_champion_is_asked_the_same_titles(tmp_path: Path, classifier: Classifier, model_folder: Path) -> None:
    archive.pack(model_folder, tmp_path / artifact.MODEL)
    titles = [f"clerk of desk {place}" for place in range(25)]
    rows = [(title, f"{code[:2]}-0000") for title, code in zip(titles, classifier.predict(titles), strict=True)]

    found = contest.reviewed(write(tmp_path / "r.parquet", rows), classifier, tmp_path, 0)

    assert found is not None
    assert found["levels"]["major"] == {
        "titles": 25,
        "accuracy": 1.0,
        "candidate": 1.0,
        "champion": 1.0,
        "difference": 0.0,
        "interval": {"low": 0.0, "high": 0.0, "level": 0.95},
        "verdict": "no difference",
    }


@pytest.mark.parametrize(
    ("source", "seed", "why"),
    [
        ({"release": "27.0", "digest": "a"}, 1, "release 27.0, the candidate from 28.1"),
        ({"release": "28.1", "digest": "b"}, 1, "other files of release 28.1"),
        ({"release": "28.1", "digest": "a"}, 2, "another split"),
    ],
)
def test_champion_that_may_know_the_test_is_not_compared_and_it_says_why(
    source: dict[str, str], seed: int, why: str, tmp_path: Path, classifier: Classifier
) -> None:
    """Reviewed titles, which only the champion had, are no difference."""
    new = _with_origin(classifier, {"release": "28.1", "digest": "a"}, 1)
    old = _with_origin(classifier, {**source, "reviewed": {"trained": 3}}, seed)
    (tmp_path / "model").mkdir()
    old.save(tmp_path / "model", code_version="test", source={})
    archive.pack(tmp_path / "model", tmp_path / artifact.MODEL)
    unused = compare.Side((np.zeros((0, 0), np.float32), ()))

    test = pl.DataFrame({"title": ["line cook"], "code": ["35-2014"], "source": [examples.COUNTED]})

    found = contest.compared(tmp_path, test, (new, unused), 0)

    assert found is not None
    assert found["comparable"] is False
    assert found["unseen"]["levels"] == {}
    assert found["reason"] == f"it learned from {why}, and may have seen titles of this test"


def test_titles_that_the_champion_did_not_learn_from_are_compared_with_it(classifier: Classifier) -> None:
    """Half of the titles are in the champion's list."""
    titles = [f"clerk of desk {place}" for place in range(60)]
    codes = [str(code) for code in classifier.predict(titles, "detailed")]
    known = listed.learn([normalise(title) for title in titles[:30]], np.zeros(30, np.int64))
    old = _with_knowledge(classifier, known)
    rows = [*zip(titles, codes, strict=True), (titles[40], "55-3019")]
    table = pl.DataFrame(rows, schema=["title", "code"], orient="row").with_columns(source=pl.lit(examples.COUNTED))
    test = pl.concat([table, table.head(3).with_columns(title=pl.lit("not counted"), source=pl.lit("other"))])

    found = contest.unseen(test, (classifier, old), 0)
    few = contest.unseen(test.filter(~pl.col("title").is_in(titles[45:])), (classifier, old), 0)
    unknown = contest.unseen(test, (classifier, _with_knowledge(classifier, listed.Listed.none())), 0)

    assert found["titles"] == 30
    assert list(found["levels"]) == list(soc.LEVELS)
    assert {(part["candidate"], part["champion"]) for part in found["levels"].values()} == {(1.0, 1.0)}
    assert few == {"titles": 15, "levels": {}}
    assert unknown == {"titles": 0, "levels": {}}


def _with_knowledge(classifier: Classifier, known: listed.Listed) -> Classifier:
    knowledge = replace(classifier.knowledge, listed=known)
    return Classifier(classifier.scorer, classifier.about, knowledge, classifier.context)


def _with_origin(classifier: Classifier, source: dict[str, object], seed: int) -> Classifier:
    about = {**classifier.about, "source": source, "split": {"seed": seed}}
    return Classifier(classifier.scorer, about, classifier.knowledge, classifier.context)


def test_without_the_file_there_is_nothing(tmp_path: Path, classifier: Classifier) -> None:
    assert contest.reviewed(tmp_path / "r.parquet", classifier, tmp_path, 0) is None
