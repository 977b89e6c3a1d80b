"""A refitted model knows all rows, and has the settings, calibration and thresholds of the judged one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobmajor.data.examples import COUNTED
from jobmajor.errors import ArtifactError
from jobmajor.model import classifier as classifiers
from jobmajor.model.classifier import Classifier
from jobmajor.model.linear.model import LinearModel
from jobmajor.model.refit import refit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl


@pytest.fixture(scope="module")
def refitted(classifier: Classifier, splits: Mapping[str, pl.DataFrame]) -> Classifier:
    return refit(classifier, list(splits.values()), "0" * 64)


def right(model: Classifier, rows: pl.DataFrame) -> float:
    counted = rows.filter(rows["source"] == COUNTED)
    truth = (counted["code"].str.head(2) + "-0000").to_numpy()
    return float(np.mean(model.predict(counted["title"].to_list()) == truth))


def test_refitted_model_knows_the_titles_of_the_test(
    classifier: Classifier, refitted: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    assert right(refitted, splits["test"]) > right(classifier, splits["test"])
    assert right(refitted, splits["test"]) > 0.95


def test_settings_calibration_and_thresholds_are_those_of_the_judged_model(
    classifier: Classifier, refitted: Classifier
) -> None:
    assert isinstance(refitted.scorer, LinearModel)
    assert isinstance(classifier.scorer, LinearModel)
    assert refitted.scorer.blend == classifier.scorer.blend
    assert refitted.knowledge.thresholds == classifier.knowledge.thresholds
    assert refitted.about == {**classifier.about, "judged": "0" * 64}


def test_titles_of_the_test_are_listed(refitted: Classifier, splits: Mapping[str, pl.DataFrame]) -> None:
    title = splits["test"].filter(splits["test"]["source"] == COUNTED)["title"][0]

    assert refitted.answer([title])[0].source == "exact"


def test_refitted_model_is_saved_and_loaded(refitted: Classifier, tmp_path: Path) -> None:
    refitted.save(tmp_path)

    loaded = classifiers.load(tmp_path)

    assert loaded.about == refitted.about
    assert loaded.predict(["registered nurse"]) == refitted.predict(["registered nurse"])


def test_model_of_another_recipe_is_refused_with_the_setting_that_turns_it_off(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    class Other:
        recipe = "transformer"
        codes = classifier.codes

    other = Classifier(Other(), classifier.about, replace(classifier.knowledge))  # type: ignore[arg-type]

    with pytest.raises(ArtifactError, match=r"transformer can't be refitted: set train.refit = false"):
        refit(other, list(splits.values()), "0" * 64)
