"""Whole models and our own tables of what they must know; each test meets both models where O*NET is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmajor.data import direct_match, examples, prepare
from jobmajor.data import onet as onet_tables
from jobmajor.model import refit, thresholds
from jobmajor.settings import Linear, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from jobmajor.model.classifier import Classifier


@pytest.fixture(scope="session")
def table() -> Callable[[str], list[list[str]]]:
    """From the name of a table beside this file to its rows, without the header."""

    def rows(name: str) -> list[list[str]]:
        lines = (Path(__file__).parent / name).read_text("utf-8").splitlines()
        return [line.split("\t") for line in lines[1:]]

    return rows


@pytest.fixture(scope="session")
def onet_splits(shared: Callable[[str], Path]) -> Mapping[str, pl.DataFrame]:
    """O*NET 28.1, where that is at hand, with titles of the last ten years in training."""
    parts = prepare.split(examples.build(onet_tables.read(shared("data/onet/28.1"))), Split())
    return prepare.with_current(parts, direct_match.current())


@pytest.fixture(scope="session")
def onet_classifier(onet_splits: Mapping[str, pl.DataFrame]) -> Classifier:
    """What is learned of it."""
    return thresholds.fit(onet_splits["train"], onet_splits["validation"], Linear())


# A model of a whole release takes half a minute to train.
@pytest.fixture(scope="session", params=["starter", pytest.param("onet", marks=pytest.mark.long)])
def release(request: pytest.FixtureRequest) -> str:
    """Which titles the model was learned from."""
    name: str = request.param
    return name


@pytest.fixture
def model(request: pytest.FixtureRequest, release: str) -> Classifier:
    found: Classifier = request.getfixturevalue(f"{release}_classifier")
    return found


@pytest.fixture
def parts(request: pytest.FixtureRequest, release: str) -> Mapping[str, pl.DataFrame]:
    """The splits that `model` was learned from."""
    found: Mapping[str, pl.DataFrame] = request.getfixturevalue(f"{release}_splits")
    return found


@pytest.fixture
def champion(request: pytest.FixtureRequest, release: str) -> Classifier:
    """The model, trained again on all rows, as it is registered."""
    found: Classifier = request.getfixturevalue(f"{release}_champion")
    return found


@pytest.fixture(scope="session")
def starter_champion(starter_classifier: Classifier, starter_splits: Mapping[str, pl.DataFrame]) -> Classifier:
    return _refitted(starter_classifier, prepare.with_current(starter_splits, direct_match.current()))


@pytest.fixture(scope="session")
def onet_champion(onet_classifier: Classifier, onet_splits: Mapping[str, pl.DataFrame]) -> Classifier:
    return _refitted(onet_classifier, onet_splits)


def _refitted(judged: Classifier, splits: Mapping[str, pl.DataFrame]) -> Classifier:
    return refit.refit(judged, [*splits.values()], "0" * 64)
