"""What another word changes, and what it doesn't: a nurse manager manages, and an actress is an actor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobmajor import soc

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobmajor.model.classifier import Classifier

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("behaviour")]


def test_word_that_makes_another_job_moves_the_title_to_its_group(
    model: Classifier, table: Callable[[str], list[list[str]]]
) -> None:
    rows = table("directions.tsv")
    expected = {title: major for row in rows for title, major in (row[:2], row[2:])}
    answers = dict(zip(expected, model.predict(list(expected)), strict=True))

    wrong = [row for row in rows if answers[row[0]] != row[1] or answers[row[2]] != row[3]]

    assert len(rows) >= 25
    assert set(expected.values()) <= set(soc.majors())
    assert len(wrong) <= 0.05 * len(rows), [(row, answers[row[0]], answers[row[2]]) for row in wrong]


def test_no_form_of_a_word_for_a_man_or_a_woman_decides(
    model: Classifier, table: Callable[[str], list[list[str]]]
) -> None:
    pairs = table("forms.tsv")

    one, other = (model.predict([pair[side] for pair in pairs]) for side in (0, 1))

    assert len(pairs) >= 30
    assert [(*pairs[row], one[row], other[row]) for row in np.flatnonzero(one != other)] == []
