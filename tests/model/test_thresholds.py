"""What is chosen on validation: the thresholds, for the precision that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from jobmajor.model import thresholds
from jobmajor.model.classifier import Classifier
from jobmajor.model.rules import abstain, confidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor import soc

NURSE, DOCTOR, CHIEF = "29-1141", "29-1215", "11-1011"


class Toy:
    """Scores a title by its first word: how sure it is that it's a nurse."""

    recipe, learned, codes = "toy", None, (CHIEF, NURSE, DOCTOR)

    def scored(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], Sequence[str]]:
        return self.shares(texts), texts

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        sure = np.array([float(text.partition(" ")[0]) for text in texts], np.float32)
        return np.column_stack([1 - sure, sure * np.float32(0.75), sure * np.float32(0.25)])

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def rows(*parts: tuple[str, int, Sequence[str], str]) -> pl.DataFrame:
    """`count` texts that begin with a score, each with a row for each code."""
    found = [
        (f"{score} {n}", code, source) for score, count, codes, source in parts for n in range(count) for code in codes
    ]
    return pl.DataFrame(found, schema=["text", "code", "source"], orient="row")


TRAIN = rows(("0.9", 1, [NURSE], "alternate"))


def chosen(validation: pl.DataFrame) -> Mapping[soc.Level, float]:
    return thresholds.choose(Classifier(Toy(), {}), validation)


def test_each_level_has_the_smallest_score_of_enough_right_answers() -> None:
    # Of the codes, 60 at 0.75 * 0.9 are right and the others are doctors; of the major groups, those at 0.6 as well.
    found = chosen(rows(("0.9", 60, [NURSE], "alternate"), ("0.6", 60, [DOCTOR], "alternate")))

    assert found["detailed"] == pytest.approx(0.9 * 0.75)
    assert found["broad"] == pytest.approx(0.9 * 0.75)  # 29-1140 and 29-1210
    assert found["minor"] == pytest.approx(0.6)
    assert found["major"] == pytest.approx(0.6)


def test_any_listed_code_is_right() -> None:
    found = chosen(rows(("0.9", 60, [CHIEF, NURSE], "alternate")))

    assert found["detailed"] == pytest.approx(0.9 * 0.75)


def test_text_of_many_rows_speaks_once() -> None:
    wrong = pl.concat([rows(("0.9", 1, [CHIEF], "alternate"))] * 100)  # of 121 texts only one is wrong

    found = chosen(pl.concat([rows(("0.8", 120, [NURSE], "alternate")), wrong]))

    assert found["major"] == pytest.approx(0.8)


def test_only_counted_rows_are_judged() -> None:
    found = chosen(rows(("0.8", 60, [NURSE], "alternate"), ("0.85", 60, [CHIEF], "parenthesised")))

    assert found["major"] == pytest.approx(0.8)


def test_where_no_answers_are_precise_enough_none_is_taken() -> None:
    found = chosen(rows(("0.9", 5, [NURSE], "alternate")))

    assert set(found.values()) == {abstain.NEVER}


def test_threshold_is_at_least_the_score_that_is_enough_outside() -> None:
    validation = rows(("0.6", 60, [NURSE], "alternate"), ("0.99", 400, [DOCTOR], "alternate"))

    found = thresholds.classifier(Toy(), TRAIN, validation).knowledge.thresholds

    assert chosen(validation)["major"] == pytest.approx(0.6)
    assert (
        found["major"] == pytest.approx(confidence.score(confidence.ENOUGH, "major")) == pytest.approx(0.926, abs=0.001)
    )
    assert found["detailed"] == abstain.NEVER  # what validation asks for is more


def test_titles_of_training_are_listed_but_for_codes_that_can_not_be_answered() -> None:
    train = pl.concat([TRAIN, rows(("0.7", 1, ["15-1252"], "alternate"))])

    model = thresholds.classifier(Toy(), train, TRAIN, {"recipe": "toy"})

    assert model.knowledge.listed.find(["0.9 0", "0.7 0"])[0].tolist() == [0]
    assert model.about == {"recipe": "toy"}
