"""What is asked of a refitted model: the answers that were right stay, and the behaviour of the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobmajor.evaluation.agreement import agreement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Titles = NDArray[np.str_]

TRUTH = np.array(["11-0000"] * 50 + ["29-0000"] * 50)
GOOD = dict.fromkeys(("upper_case", "extra_spaces", "full_width", "zero_width", "sr_prefix", "nonsense_unsure"), 1.0)


def changed(answers: Titles, rows: int) -> Titles:
    found = answers.copy()
    found[:rows] = "53-0000"
    return found


def test_equal_answers_pass() -> None:
    found = agreement(TRUTH, TRUTH, TRUTH, GOOD)

    assert found["passed"] is True
    assert found["summary"] == "all passed"


def test_corrected_answers_pass() -> None:
    """The judged model was wrong in 20 titles, which the refitted one has learned."""
    assert agreement(changed(TRUTH, 20), TRUTH, TRUTH, GOOD)["passed"] is True


@pytest.mark.parametrize("rows", [4, 50])
def test_right_answers_that_were_lost_fail_with_the_figure(rows: int) -> None:
    found = agreement(TRUTH, changed(TRUTH, rows), TRUTH, GOOD)

    assert found["passed"] is False
    assert f"{1 - rows / 100:.3f} are answered alike, at least 0.97 is asked" in found["summary"]


def test_model_that_differs_in_too_many_titles_fails() -> None:
    found = agreement(changed(TRUTH, 30), TRUTH, TRUTH, GOOD)

    assert "all titles of the test: 0.700" in found["summary"]


@pytest.mark.parametrize("name", GOOD)
def test_each_behaviour_is_asked(name: str) -> None:
    assert agreement(TRUTH, TRUTH, TRUTH, {**GOOD, name: 0.5})["passed"] is False
    assert agreement(TRUTH, TRUTH, TRUTH, {key: value for key, value in GOOD.items() if key != name})["passed"] is False
