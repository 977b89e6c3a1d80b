"""Counts of titles that training never saw, in mixes of occupations that are not training's."""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

import jobmajor
from jobmajor import soc
from jobmajor.data import labelled
from jobmajor.data.examples import COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from jobmajor.data.labelled import Labelled
    from jobmajor.model.classifier import Classifier

    Row = tuple[str, str, float]


def written(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("title", "code", "n"), *rows])
    return path


def shifted(test: pl.DataFrame, seed: int) -> list[Row]:
    """Held-out titles, of which each major group is there as often as chance decides."""
    rng = np.random.default_rng(seed)
    rows = test.filter(pl.col("source") == COUNTED).unique("text", keep="first", maintain_order=True)
    groups = np.array([soc.ancestor(code, "major") for code in rows["code"]])
    names, members = np.unique(groups, return_inverse=True)
    chance = rng.dirichlet(np.full(len(names), 0.5))[members] / np.bincount(members)[members]
    drawn = np.unique(rng.choice(len(groups), 400, p=chance / chance.sum()))
    return [(rows["title"][row], rows["code"][row], 1.0) for row in drawn.tolist()]


def majors(given: Labelled) -> dict[str, float]:
    """The true rows of each major group; a row with codes in several is divided among them."""
    found = defaultdict[str, float](float)
    for truth in given.truths:
        for codes, weight in truth.items():
            groups = labelled.at_level(codes, "major")
            for group in groups:
                found[group] += weight / len(groups)
    return found


def compared(found: Mapping[str, Any], truth: Mapping[str, float]) -> tuple[float, float, float]:
    """How far answers and estimates are from the truth, as shares of the rows, and how many intervals hold it."""
    total = sum(truth.values())
    distances = [
        sum(abs(each[kind] - truth.get(each["code"], 0)) for each in found["counts"]) / total / 2
        for kind in ("answered", "estimate")
    ]
    held = [each["low"] - 0.5 <= truth.get(each["code"], 0) <= each["high"] + 0.5 for each in found["counts"]]
    return distances[0], distances[1], float(np.mean(held))


@pytest.mark.slow
def test_corrected_counts_are_nearer_to_the_truth_and_their_intervals_hold_it(
    model: Classifier, parts: Mapping[str, pl.DataFrame], tmp_path: Path
) -> None:
    figures = []
    for seed in range(8):
        rows = shifted(parts["test"], seed)
        path = written(tmp_path / "in.csv", rows)
        truth = majors(labelled.read(jobmajor.TitleFile(path)))
        figures.append(compared(jobmajor.summarise(path, model=model), truth))

    answered, estimated, held = np.mean(figures, axis=0)

    assert estimated < answered
    assert held >= 0.9


REGISTERS = {"h2b_2014_2017.csv": 0.9, "h2a_2014.csv": 0.85}  # with how many intervals hold the truth; see experiments


@pytest.mark.long
@pytest.mark.parametrize(("name", "least"), REGISTERS.items())
def test_counts_of_a_register_are_nearer_to_the_officials_codes(
    name: str, least: float, onet_classifier: Classifier, shared: Callable[[str], Path]
) -> None:
    file = jobmajor.TitleFile(shared(f"data/external/{name}"), code="soc_code", weight="rows", revision="2010")
    wish = jobmajor.Wish(weight="rows")

    found = jobmajor.summarise(file.path, wish, model=onet_classifier)

    answered, estimated, held = compared(found, majors(labelled.read(file)))
    assert estimated < answered
    assert held >= least


@pytest.mark.long
def test_a_few_labelled_titles_of_the_register_bring_the_counts_nearer_still(
    onet_classifier: Classifier, shared: Callable[[str], Path], tmp_path: Path
) -> None:
    file = jobmajor.TitleFile(
        shared("data/external/h2b_2014_2017.csv"), code="soc_code", weight="rows", revision="2010"
    )
    given = labelled.read(file)
    weights = np.array([sum(truth.values()) for truth in given.truths])
    drawn = np.unique(np.random.default_rng(0).choice(len(weights), 300, p=weights / weights.sum())).tolist()
    rows = [(given.titles[row], ";".join(codes), each) for row in drawn for codes, each in given.truths[row].items()]
    known = jobmajor.TitleFile(written(tmp_path / "known.csv", rows), weight="n")

    plain = jobmajor.summarise(file.path, jobmajor.Wish(weight="rows"), model=onet_classifier)
    corrected = jobmajor.summarise(file.path, jobmajor.Wish(weight="rows", labelled=known), model=onet_classifier)

    truth = majors(given)
    assert corrected["labelled"] == len(drawn)
    assert compared(corrected, truth)[1] < compared(plain, truth)[1]
    assert compared(corrected, truth)[2] >= 0.8
