"""The confidence of a score: a number for each level that rises with the score, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.model.rules import confidence

LEVELS = st.sampled_from(soc.LEVELS)
SHARES = st.floats(0.001, 0.999)


@given(LEVELS, SHARES, SHARES)
def test_larger_score_has_the_larger_confidence(level: soc.Level, one: float, other: float) -> None:
    low, high = sorted((one, other))

    found = confidence.of([low, high], level)

    assert 0 < found[0] <= found[1] < 1


@given(LEVELS, SHARES)
def test_score_of_a_confidence_has_this_confidence(level: soc.Level, wanted: float) -> None:
    assert confidence.of([confidence.score(wanted, level)], level)[0] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("level", soc.LEVELS)
def test_sure_answers_are_less_sure_outside_and_no_code_has_no_confidence(level: soc.Level) -> None:
    nothing, sure = confidence.of([0.0, 0.98], level)

    assert nothing == 0
    assert 0.9 < sure < 0.98
