"""Candidate and champion on the same titles: figures by hand, intervals of many groups, and what they decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from jobmajor import soc
from jobmajor.evaluation.bootstrap import Interval, bootstrap
from jobmajor.evaluation.checks import HOLD, PROMOTE, REFUSE, Limits
from jobmajor.evaluation.comparison import paired, verdicts
from jobmajor.evaluation.comparison.compare import Side, compare
from jobmajor.evaluation.gate import inspect

CLASSES = ("11-0000", "29-0000", "51-0000")
# title, code, codes, source, family; then the probability of each class
ROWS: list[tuple[str, str, list[str], str, int, list[float]]] = [
    ("Chief Executive Officer (CEO)", "11-1011", ["11-1011"], "alternate", 0, [0.90, 0.05, 0.05]),
    ("Nurse", "29-1141", ["29-1141"], "alternate", 1, [0.10, 0.80, 0.10]),
    ("Supervisor", "11-1021", ["11-1021", "51-1011"], "alternate", 2, [0.20, 0.10, 0.70]),
    ("Supervisor", "51-1011", ["11-1021", "51-1011"], "alternate", 2, [0.20, 0.10, 0.70]),
    ("Senior Press Machine Operator", "51-4031", ["51-4031"], "alternate", 3, [0.10, 0.60, 0.30]),
    ("Welders", "51-4121", ["51-4121"], "alternate", 4, [0.15, 0.25, 0.60]),
    ("CEO", "11-1011", ["11-1011"], "short", 0, [0.80, 0.10, 0.10]),
    ("Chief", "11-1011", ["11-1011"], "short", 0, [0.10, 0.10, 0.80]),
]


def _table(rows: list[Any] = ROWS) -> pl.DataFrame:
    columns = ["title", "code", "codes", "source", "family"]
    frame = pl.DataFrame([row[:5] for row in rows], schema=columns, orient="row")
    text = pl.col("title").str.to_lowercase().str.replace_all(r"[()]", "")
    return frame.with_columns(text.alias("text"))


def _scores(rows: list[Any] = ROWS) -> np.ndarray:
    return np.array([row[5] for row in rows], dtype=np.float32)


def _side() -> Side:
    return Side((_scores(), CLASSES))


def test_classifier_does_not_differ_from_itself() -> None:
    found = compare(_table(), _side(), _side(), seed=1)

    assert (found["comparable"], found["rows"], found["won"], found["lost"]) == (True, 6, 0, 0)
    assert found["difference"] == 0
    assert (found["interval"]["low"], found["interval"]["high"]) == (0, 0)


def test_comparison_counts_what_each_alone_got_right() -> None:
    all_production = np.tile(np.array([0.1, 0.2, 0.7], dtype=np.float32), (len(ROWS), 1))

    found = compare(_table(), _side(), Side((all_production, CLASSES)), seed=1)

    # All "51": F1 of 51 is 2*3/(3+6), weighted by its 3 of 6 rows. The candidate alone has the first two rows
    # right, the champion alone the operator.
    assert found["champion_f1"] == pytest.approx(2 / 3 * 3 / 6)
    assert (found["won"], found["lost"]) == (2, 1)
    assert found["difference"] == pytest.approx(found["candidate_f1"] - found["champion_f1"])
    assert found["interval"]["low"] <= found["difference"] <= found["interval"]["high"]


def test_champion_with_other_classes_is_compared_by_their_codes() -> None:
    other = CLASSES[::-1]

    found = compare(_table(), _side(), Side((_scores()[:, ::-1], other)), seed=1)

    assert found["difference"] == 0


# --- The titles whose answer differs


def test_changed_titles_come_with_the_largest_effect_first() -> None:
    changed = _scores()
    changed[0] = [0.1, 0.8, 0.1]  # the Chief Executive Officer becomes a nurse: 0.8 of the probability moves
    changed[4] = [0.1, 0.2, 0.7]  # the operator is found: 0.4 moves
    changed[2:4] = [0.4, 0.3, 0.3]  # two rows of one title, 0.4 each: together as much as the first

    found = compare(_table(), Side((changed, CLASSES)), _side(), seed=1)["changes"]

    assert (found["rows"], found["titles"], found["lost_titles"]) == (4, 3, 1)
    assert [(each["title"], each["rows"], each["right"]) for each in found["largest"]] == [
        ("Chief Executive Officer (CEO)", 1, "champion"),
        ("Supervisor", 2, "neither"),  # one row each way
        ("Senior Press Machine Operator", 1, "candidate"),
    ]
    assert [each["effect"] for each in found["largest"]] == pytest.approx([0.8, 0.8, 0.4], abs=1e-5)
    supervisor = found["largest"][1]
    assert (supervisor["truth"], supervisor["champion"], supervisor["candidate"]) == (
        ["11-0000", "51-0000"],
        "51-0000",
        "11-0000",
    )


# --- Many groups at once

MAJORS = soc.majors()
SIZES = np.linspace(10, 200, 22).astype(int)  # rows of each group: two of them are too small to judge


def _made(rights: list[float], seed: int) -> tuple[pl.DataFrame, list[Side]]:
    """A test of 22 groups, and models that are right on these shares of each; the rows of both fail independently."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(22), SIZES)
    frame = pl.DataFrame({"title": [f"title {row}" for row in range(len(truth))]}).with_columns(
        pl.Series("code", [MAJORS[place][:3] + "1011" for place in truth]),
        pl.col("title").alias("text"),
        pl.lit("alternate").alias("source"),
        pl.Series("family", np.arange(len(truth))),
    )
    return frame.with_columns(pl.concat_list("code").alias("codes")), [_answers(truth, right, rng) for right in rights]


def _answers(truth: np.ndarray, right: Any, rng: np.random.Generator) -> Side:
    shares = np.broadcast_to(right, 22)[truth]
    answer = np.where(rng.random(len(truth)) < shares, truth, rng.integers(22, size=len(truth)))
    scores = np.full((len(truth), 22), 0.01, np.float32)
    scores[np.arange(len(truth)), answer] = 0.79
    return Side((scores, MAJORS[:22]))


def test_group_that_loses_alone_is_named_and_holds_the_candidate() -> None:
    weaker = np.full(22, 0.8)
    weaker[12] = 0.5
    test, (old, _) = _made([0.8, 0.8], 3)
    new = _answers(np.repeat(np.arange(22), SIZES), weaker, np.random.default_rng(3))  # elsewhere as the champion

    found = compare(test, new, old, seed=1)

    worse = [group["code"] for group in found["groups"] if group["verdict"] == "worse"]
    assert worse == [MAJORS[12]]
    (check,) = [each for each in verdicts.against_champion({"champion": found}, Limits()) if "groups" in each.name]
    assert (check.passed, check.holds) == (None, True)
    assert f"{soc.name(MAJORS[12])} ({MAJORS[12]}): F1 0." in check.reason


def test_groups_of_few_rows_have_no_interval_and_decide_nothing() -> None:
    test, (new, old) = _made([0.8, 0.8], 4)

    groups = compare(test, new, old, seed=1)["groups"]

    assert [group["interval"] is None for group in groups] == [size < 20 for size in SIZES.tolist()]


def test_equal_models_hardly_ever_lose_a_group() -> None:
    """Of 40 pairs of equal models, 1 should show a losing group (2.5 %), by chance up to 4 (1 in 100)."""
    losing = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        wins, errors = rng.integers(-1, 2, size=(800, 20)), np.arange(800)  # 20 groups of 40 rows each
        member = np.repeat(np.eye(20), 40, axis=0) * wins.astype(float)

        def figures(times: np.ndarray, member: np.ndarray = member) -> np.ndarray:
            found: np.ndarray = times @ member / 40
            return found

        drawn = bootstrap(figures, errors, seed=seed, resamples=300)
        intervals = paired.simultaneous(figures(np.ones((1, 800)))[0], drawn)
        losing += any(each.high < 0 for each in intervals)

    assert losing <= 4


def test_models_that_never_differ_have_intervals_without_width() -> None:
    found = paired.shares([np.ones(5, bool)], [np.ones(5, bool)], np.arange(5), seed=0)

    assert [each.to_json()["verdict"] for each in found] == ["no difference"]
    assert found[0].difference == 0


# --- What the comparison decides


@pytest.mark.parametrize(
    ("candidate", "low", "high", "outcome"),
    [
        (0.90, -0.01, 0.03, PROMOTE),
        (0.88, -0.04, 0.001, PROMOTE),
        (0.88, -0.03, -0.001, HOLD),
        (0.80, -0.2, -0.05, REFUSE),
    ],
)
def test_titles_of_an_owner_pass_hold_or_refuse(candidate: float, low: float, high: float, outcome: str) -> None:
    found = paired.Paired(candidate, 0.89, Interval(low, high)).to_json() | {"titles": 1000}

    check = verdicts.own_titles("labelled file", found, Limits())

    expected = {PROMOTE: (True, False), HOLD: (None, True), REFUSE: (False, False)}
    assert (check.passed, check.holds) == expected[outcome]
    assert f"0.890 → {candidate:.3f}" in check.reason


def test_drop_that_is_small_but_no_chance_is_left_to_a_person() -> None:
    champion = {"comparable": True, "difference": -0.004, "interval": {"low": -0.007, "high": -0.001}}

    (check,) = verdicts.against_champion({"champion": champion}, Limits())

    assert (check.passed, check.holds) == (None, True)
    assert "0.0040 below the champion's" in check.reason
    assert inspect({"champion": champion})["outcome"] == REFUSE  # all other figures are missing


@pytest.mark.parametrize(("candidate", "outcome"), [(0.9, PROMOTE), (0.875, HOLD), (0.5, HOLD)])
def test_certain_loss_on_titles_new_to_a_champion_of_other_data_is_left_to_a_person(
    candidate: float, outcome: str
) -> None:
    difference = candidate - 0.89
    pair = paired.Paired(candidate, 0.89, Interval(difference - 0.01, difference + 0.01)).to_json()
    champion = {"comparable": False, "reason": "why", "unseen": {"titles": 400, "levels": {"major": pair}}}

    first, second = verdicts.against_champion({"champion": champion}, Limits())

    assert (first.passed, first.holds) == (None, False)
    assert second.name == "titles new to the champion"
    assert (second.passed, second.holds) == {PROMOTE: (True, False), HOLD: (None, True)}[outcome]


@pytest.mark.parametrize(("candidate", "outcome"), [(0.9, (True, False)), (0.875, (None, True)), (0.8, (False, False))])
def test_reviewed_titles_decide_as_a_labelled_file_does(candidate: float, outcome: tuple[bool | None, bool]) -> None:
    difference = candidate - 0.89
    pair = paired.Paired(candidate, 0.89, Interval(difference - 0.01, difference + 0.01)).to_json() | {"titles": 400}
    levels = {"major": pair, "detailed": {"titles": 3, "accuracy": 1.0}}  # the latter are too few to compare

    checks = list(verdicts.against_champion({"reviewed": {"titles": 400, "levels": levels}}, Limits()))

    assert [check.name for check in checks[1:]] == ["reviewed titles, major level"]
    assert (checks[1].passed, checks[1].holds) == outcome
