"""Slips of the finger, on a small model that has learned some of the starter titles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobmajor.model.linear.features import bags
from jobmajor.model.linear.model import LinearModel
from jobmajor.model.linear.spelling import edits, read
from jobmajor.titles import without_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from jobmajor.model.classifier import Classifier


@pytest.fixture(scope="module")
def read_as(classifier: Classifier) -> Callable[[str, str], bool]:
    """Whether a text is read as another is written."""
    model = classifier.scorer
    assert isinstance(model, LinearModel)
    tables = model.arrays.tables()

    def same(text: str, other: str) -> bool:
        return np.array_equal(read([text], model.arrays.gains, tables)[0].buckets, bags([other]).buckets)

    return same


@pytest.fixture(scope="module")
def learned(splits: Mapping[str, pl.DataFrame]) -> list[str]:
    """Titles of training whose last word has many letters, none of them twice in a row."""
    texts = [without_rank(text) for text in splits["train"]["text"].unique().sort()]
    return [text for text in texts if len(text.split()[-1]) > 8 and text.isascii()][:20]


SLIPS: dict[str, Callable[[str], str]] = {
    "swapped": lambda text: text[:-4] + text[-3] + text[-4] + text[-2:],
    "left out": lambda text: text[:-4] + text[-3:],
    "one too many": lambda text: text[:-4] + "q" + text[-4:],
}


@pytest.mark.parametrize("slip", SLIPS)
def test_one_slip_in_a_word_of_training_is_mended(
    read_as: Callable[[str, str], bool], learned: list[str], slip: str
) -> None:
    slipped = {SLIPS[slip](text): text for text in learned}

    mended = [read_as(wrong, text) for wrong, text in slipped.items() if wrong != text]

    assert np.mean(mended) > 0.8  # a slip may make another word ("manger")


def test_titles_of_training_are_read_as_they_are(read_as: Callable[[str, str], bool], learned: list[str]) -> None:
    assert all(read_as(text, text) for text in learned)


@pytest.mark.parametrize("text", ["", "rn", "xqzvkj", "nur5e", "physicist", "z" * 25, "看護師"])
def test_known_words_and_those_near_none_stay_as_they_are(read_as: Callable[[str, str], bool], text: str) -> None:
    assert read_as(text, text)


def test_no_word_is_read_as_one_of_three_letters(classifier: Classifier) -> None:
    model = classifier.scorer
    assert isinstance(model, LinearModel)
    tables, everything = model.arrays.tables(), np.ones_like(model.arrays.tables().rows)
    known = replace(tables, rows=everything)

    # Every bucket is a known word's but the strange one's own; all candidates weigh the same, so the first is taken.
    everything[bags(["cpzs"]).words] = 0
    _, texts = read(["cpzs", "nurse"], np.ones(2, np.float32), known)

    assert list(texts) == ["pczs", "nurse"]
    everything[bags(["pczs", "czps", "cpsz"]).words] = 0
    assert list(read(["cpzs"], np.ones(2, np.float32), known)[1]) == ["acpzs"]


def test_titles_beside_a_mended_one_keep_their_own_pieces(classifier: Classifier, learned: list[str]) -> None:
    texts = [learned[0], SLIPS["left out"](learned[0]), learned[1]]

    together = classifier.predict_proba(texts)

    alone = np.concatenate([classifier.predict_proba([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-6
    assert np.abs(together[0] - together[1]).max() < 1e-6


def test_edits_of_a_word_are_swaps_then_omissions_then_additions() -> None:
    found = list(edits("ab"))

    assert found[:3] == ["ba", "b", "a"]
    assert found[3:5] == ["aab", "bab"]
    assert len(found) == 1 + 2 + 3 * 26
