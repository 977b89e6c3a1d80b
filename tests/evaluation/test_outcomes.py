"""Figures of a handful of titles, each worked out by hand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobmajor.data.labelled import Labelled
from jobmajor.evaluation import outcomes
from jobmajor.evaluation.hits import Answered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.soc import Level

COOK, BAKER, NURSE, AIDE = "35-2014", "51-3011", "29-1141", "31-1131"
MAJORS = ("29-0000", "31-0000", "35-0000")


def answered(codes: Sequence[str], accepted: Sequence[bool], scores: Sequence[float] = ()) -> Answered:
    given = scores or [0.9] * len(codes)
    return Answered(codes, np.array(given, np.float32), np.array(accepted, np.bool_), MAJORS)


def given() -> Labelled:
    """Four titles: one has rows with two different codes, and one has two right codes in one cell."""
    return Labelled(
        titles=["cook", "nurse", "care worker", "baker"],
        truths=[
            {(COOK,): 6.0, (BAKER,): 2.0},
            {(NURSE,): 1.0},
            {(NURSE, AIDE): 4.0},
            {(BAKER,): 3.0},
        ],
        rows=9,
        left_out=Counter({"without a code": 1}),
    )


@pytest.fixture
def report() -> dict[str, Any]:
    answers = answered(["35-0000", "31-0000", "31-0000", "35-0000"], [True, False, True, True])
    return outcomes.figures(given(), {"major": answers}, ["exact", "model", "model", "exact"], seed=0)


def test_rows_count_with_their_weight_and_their_own_codes(report: dict[str, Any]) -> None:
    by_row = report["levels"]["major"]["by_row"]

    assert by_row["accuracy"] == pytest.approx((6 + 0 + 4 + 0) / 16)
    assert by_row["accepted"] == pytest.approx((8 + 4 + 3) / 16)
    assert by_row["precision"] == pytest.approx((6 + 4) / 15)


def test_titles_count_once_and_any_code_of_their_rows_is_right(report: dict[str, Any]) -> None:
    by_title = report["levels"]["major"]["by_title"]

    assert by_title["accuracy"] == 2 / 4
    assert by_title["accepted"] == 3 / 4
    assert by_title["precision"] == 2 / 3


def test_ceiling_is_the_best_single_answer_among_those_that_can_be_given(report: dict[str, Any]) -> None:
    """51-0000 can't be answered, so the best for "cook" has 6 of 8, and "baker" can't be right."""
    level = report["levels"]["major"]

    assert level["by_row"]["ceiling"] == pytest.approx((6 + 1 + 4 + 0) / 16)
    assert level["by_title"]["ceiling"] == 3 / 4
    assert level["codes_per_title"] == (2 + 1 + 2 + 1) / 4


def test_groups_count_alike_and_a_row_of_two_groups_is_divided(report: dict[str, Any]) -> None:
    """Rows: 29: 1 wrong, 2 right; 31: 2 right; 35: 6 right; 51: 2 and 3 wrong."""
    mean = report["levels"]["major"]["by_row"]["mean_over_groups"]

    assert mean == pytest.approx((2 / 3 + 1 + 1 + 0) / 4)


def test_answer_that_is_right_for_a_minority_of_rows_is_not_the_commonest_code() -> None:
    answers = answered(["51-0000", "29-0000", "29-0000", "51-0000"], [True] * 4)

    found = outcomes.figures(given(), {"major": answers}, ["model"] * 4, seed=0)["levels"]["major"]["by_title"]

    assert (found["accuracy"], found["commonest"]) == (1.0, 0.75)


def test_sources_are_judged_each_by_its_titles(report: dict[str, Any]) -> None:
    listed, model = report["sources"]["exact"], report["sources"]["model"]

    assert (listed["titles"], model["titles"]) == (2, 2)
    assert listed["levels"]["major"]["accuracy"] == 1 / 2
    assert listed["levels"]["major"]["accuracy_by_row"] == pytest.approx(6 / 11)
    assert model["levels"]["major"]["accepted"] == 1 / 2
    assert model["levels"]["major"]["precision"] == 1.0


def test_commonest_mistakes_come_first_with_their_titles(report: dict[str, Any]) -> None:
    first, second = report["mistakes"]["major"]

    assert first == {
        "truth": "51-0000",
        "answer": "35-0000",
        "weight": 5.0,
        "share": 5 / 16,
        "titles": ["baker", "cook"],
    }
    assert (second["truth"], second["answer"], second["weight"]) == ("29-0000", "31-0000", 1.0)


def test_code_that_is_coarser_than_the_level_is_not_counted() -> None:
    coarse = Labelled(titles=["cook", "nurse"], truths=[{("35-0000",): 1.0}, {(NURSE,): 1.0}], rows=2)
    answers: dict[Level, Answered] = {
        "major": answered(["35-0000", "29-0000"], [True, True]),
        "minor": answered(["", "29-1000"], [True, True]),
    }

    found = outcomes.figures(coarse, answers, ["model", "model"], seed=0)["levels"]

    assert (found["major"]["titles"], found["minor"]["titles"]) == (2, 1)
    assert found["minor"]["by_title"]["accuracy"] == 1.0


def test_file_whose_codes_are_all_coarser_has_no_figures_at_a_finer_level() -> None:
    coarse = Labelled(titles=["cook"], truths=[{("35-0000",): 1.0}], rows=1)

    found = outcomes.figures(coarse, {"minor": answered(["35-2000"], [True])}, ["model"], seed=0)

    assert found["levels"] == {"minor": {"titles": 0}}
    assert found["mistakes"] == {"minor": []}


def test_precision_is_missing_where_nothing_is_accepted() -> None:
    answers = answered(["35-0000"] * 4, [False] * 4)

    found = outcomes.figures(given(), {"major": answers}, ["model"] * 4, seed=0)["levels"]["major"]

    assert found["by_row"]["precision"] is found["by_title"]["precision"] is None
    assert found["by_row"]["intervals"]["precision"] is found["by_title"]["intervals"]["precision"] is None


def test_heavy_title_makes_the_interval_by_row_wide() -> None:
    """One title with most of the rows is right or wrong as a whole, so its rows are no independent cases."""
    even = Labelled([f"cook {n}" for n in range(50)], [{(COOK,): 2.0} for _ in range(50)], rows=50)
    heavy = Labelled(even.titles, [{(COOK,): 51.0}, *even.truths[1:]], rows=50)
    answers: dict[Level, Answered] = {"major": answered(["29-0000", *["35-0000"] * 49], [True] * 50)}

    widths = []
    for each in (even, heavy):
        found = outcomes.figures(each, answers, ["model"] * 50, seed=0)["levels"]["major"]["by_row"]["intervals"]
        widths.append(found["accuracy"]["high"] - found["accuracy"]["low"])

    assert widths[1] > 3 * widths[0]


def test_interval_of_many_titles_is_that_of_each_title_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are resampled in groups of four here, which changes the width by chance only."""
    many = Labelled([f"cook {n}" for n in range(400)], [{(COOK,): 1.0 + n % 5} for n in range(400)], rows=400)
    codes = ["35-0000" if number % 3 else "29-0000" for number in range(400)]
    answers: dict[Level, Answered] = {"major": answered(codes, [True] * 400)}

    widths = []
    for most in (400, 100):
        monkeypatch.setattr(outcomes, "_MOST_RESAMPLED", most)
        found = outcomes.figures(many, answers, ["model"] * 400, seed=0)["levels"]["major"]["by_row"]["intervals"]
        widths.append(found["accuracy"]["high"] - found["accuracy"]["low"])

    assert widths[1] == pytest.approx(widths[0], rel=0.25)


def test_calibration_error_is_told_beside_what_chance_alone_gives() -> None:
    """All scores are 0.9 and half of the titles are right: the error is 0.4."""
    answers: dict[Level, Answered] = {"major": answered(["35-0000", "31-0000", "31-0000", "35-0000"], [True] * 4)}

    found = outcomes.figures(given(), answers, ["model"] * 4, seed=0)["levels"]["major"]["calibration"]

    assert found["ece"] == pytest.approx(0.4)
    assert found["ece_above_chance"] == pytest.approx(0.4 - found["ece_by_chance"])
    assert found["ece_by_chance"] == pytest.approx((2 / np.pi) ** 0.5 * (0.9 * 0.1 / 4) ** 0.5)


def test_wilson_interval_of_no_case_is_missing() -> None:
    assert outcomes.wilson(0, 0) is None
    found = outcomes.wilson(0, 10)
    assert found is not None
    assert found.low == 0
    assert found.high == pytest.approx(1.959964**2 / (10 + 1.959964**2))
