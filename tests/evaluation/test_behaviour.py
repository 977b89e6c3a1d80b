from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobmajor.errors import DataError
from jobmajor.evaluation.behaviour import behaviour, nonsense
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLES = ["Registered Nurse", "Welder", "Chief Executive", "Aide Nurse"]


def _by_word(titles: Sequence[str]) -> np.ndarray:
    """Says "nurse" is the second class and all else the third, weakly where it knows no word."""
    known = [[0.1, 0.8, 0.1] if "nurse" in title.split() else [0.1, 0.2, 0.7] for title in titles]
    return np.array(known, dtype=np.float32)


def _with_normaliser(titles: Sequence[str]) -> np.ndarray:
    return _by_word([normalise(title) for title in titles])


def test_classifier_that_normalises_gives_the_same_answer_however_a_title_is_written() -> None:
    found = behaviour(_with_normaliser, TITLES)

    spellings = ("upper_case", "extra_spaces", "full_width", "zero_width", "sr_prefix")
    assert {name: found[name] for name in spellings} == dict.fromkeys(spellings, 1)
    assert found["titles"] == 4
    assert found["changed"] == {name: [] for name in spellings}


def test_classifier_that_reads_titles_as_written_is_found_out() -> None:
    found = behaviour(lambda titles: _by_word([title.replace("N", "n") for title in titles]), TITLES)

    # It knows neither "NURSE" nor "Ｎｕｒｓｅ". The middle of "Aide Nurse" is the space after "Nurse".
    assert (found["upper_case"], found["full_width"]) == (0.5, 0.5)
    assert (found["zero_width"], found["extra_spaces"]) == (0.75, 1)
    assert found["changed"]["upper_case"] == ["Registered Nurse", "Aide Nurse"]


def test_classifier_that_is_sure_of_nonsense_is_found_out() -> None:
    sure = behaviour(_with_normaliser, TITLES)
    unsure = behaviour(lambda titles: np.full((len(titles), 3), 1 / 3, dtype=np.float32), TITLES)

    assert (sure["nonsense_unsure"], unsure["nonsense_unsure"]) == (0, 1)


def test_nonsense_is_the_same_for_the_same_seed_and_holds_no_title_twice() -> None:
    assert nonsense() == nonsense()
    assert nonsense(seed=1) != nonsense()
    assert len(set(nonsense())) == 30
    assert all(normalise(text) == text for text in nonsense())


def test_no_titles_are_refused() -> None:
    with pytest.raises(DataError, match="expected at least one"):
        behaviour(_by_word, [])
