"""Each check can fail, and says why in words."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from jobmajor.errors import SettingError
from jobmajor.evaluation.checks import Limits
from jobmajor.evaluation.gate import decide, inspect

BEHAVIOUR = ("upper_case", "extra_spaces", "full_width", "zero_width", "sr_prefix", "nonsense_unsure")
HEADLINES = (
    "test_accuracy",
    "test_f1",
    "test_f1_macro",
    "test_top_3",
    "test_top_5",
    "test_any_code_accuracy",
)


@pytest.fixture
def good() -> dict[str, Any]:
    legal = {"code": "23-0000", "name": "Legal Occupations", "recall": 0.7, "support": 27}
    sure = {"threshold": 0.9, "rows": 400, "stated": 0.95, "accuracy": 0.95}
    never = {"threshold": 0.95, "rows": 0, "stated": None, "accuracy": None}
    return {
        "classification_metrics": dict.fromkeys(HEADLINES, 0.8) | {"untied_share": 1.0},
        "calibration": {"ece": 0.03, "ece_by_chance": 0.01, "thresholds": [sure, never]},
        "per_class": [legal],
        "behaviour": dict.fromkeys(BEHAVIOUR, 1.0),
        "champion": {"comparable": True, "difference": 0.01},
    }


def _with(evaluation: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(evaluation)
    *path, last = place.split(".")
    node: Any = changed
    for key in path:
        node = node[int(key)] if isinstance(node, list) else node[key]
    node[last] = value
    return changed


def _failed(evaluation: dict[str, Any], limits: Limits | None = None) -> dict[str, str]:
    gate = inspect(evaluation, limits)
    failed = {check["name"]: check["reason"] for check in gate["checks"] if check["passed"] is False}
    assert gate["passed"] is not bool(failed)
    return failed


def test_good_candidate_passes_every_check(good: dict[str, Any]) -> None:
    gate = inspect(good)

    assert gate["passed"] is True
    assert {check["passed"] for check in gate["checks"]} == {True}
    assert json.loads(json.dumps(gate, allow_nan=False)) == gate


@pytest.mark.parametrize(
    ("place", "value", "name", "why"),
    [
        ("calibration.ece", 0.061, "calibration error", "0.051 beyond chance"),
        ("calibration.thresholds.0.accuracy", 0.90, "overconfidence", "accepting at 0.9 is 0.028 less right"),
        ("behaviour.upper_case", 0.98, "upper case", "0.980, at least 0.99 is asked: case"),
        ("behaviour.extra_spaces", 0.98, "extra spaces", "at least 0.99 is asked: spaces"),
        ("behaviour.full_width", 0.98, "full-width text", "compatibility forms"),
        ("behaviour.zero_width", 0.98, "zero-width character", "an invisible character"),
        ("behaviour.sr_prefix", 0.98, "Sr. prefix", "at least 0.99 is asked: seniority"),
        ("behaviour.nonsense_unsure", 0.89, "unsure of nonsense", "must not get a sure answer"),
        ("classification_metrics.untied_share", 0.0, "untied answers", "must score above every other"),
        ("per_class.0.recall", 0.05, "weakest class", "Legal Occupations (23-0000) has recall 0.050"),
        ("champion.difference", -0.006, "F1 drop against the champion", "-0.0060 on the same rows"),
    ],
)
def test_figure_beyond_its_limit_fails_its_check_alone(
    good: dict[str, Any], place: str, value: float, name: str, why: str
) -> None:
    failed = _failed(_with(good, place, value))

    assert list(failed) == [name]
    assert why in failed[name]


@pytest.mark.parametrize("broken", [None, float("nan"), float("inf"), True, "0.9"])
@pytest.mark.parametrize(
    ("place", "name"),
    [
        *[(f"classification_metrics.{figure}", "headline figures") for figure in HEADLINES],
        *[(f"behaviour.{figure}", None) for figure in BEHAVIOUR],
        ("calibration.ece", "calibration error"),
        ("calibration.ece_by_chance", "calibration error"),
        ("calibration.thresholds.0.stated", "overconfidence"),
        ("per_class.0.recall", "weakest class"),
        ("champion.difference", "F1 drop against the champion"),
    ],
)
def test_figure_that_is_no_number_fails_by_name(
    good: dict[str, Any], place: str, name: str | None, broken: object
) -> None:
    failed = _failed(_with(good, place, broken))

    assert len(failed) == 1
    assert name is None or list(failed) == [name]
    assert "is missing or no number: evaluate again" in next(iter(failed.values()))


@pytest.mark.parametrize("part", ["classification_metrics", "calibration", "per_class", "behaviour"])
def test_part_that_is_missing_fails(good: dict[str, Any], part: str) -> None:
    del good[part]

    assert _failed(good)


def test_empty_evaluation_fails_every_check_but_the_champions() -> None:
    checks = inspect({})["checks"]

    assert [check["name"] for check in checks if check["passed"] is not False] == ["F1 drop against the champion"]


def test_class_of_few_rows_is_not_judged(good: dict[str, Any]) -> None:
    few = _with(_with(good, "per_class.0.recall", 0.0), "per_class.0.support", 19)

    check = next(check for check in inspect(few)["checks"] if check["name"] == "weakest class")

    assert (check["passed"], check["reason"]) == (None, "no class has 20 rows: nothing to judge")


def test_calibration_error_that_chance_explains_passes(good: dict[str, Any]) -> None:
    small = _with(_with(good, "calibration.ece", 0.09), "calibration.ece_by_chance", 0.06)

    assert not _failed(small)


def test_limits_can_be_set(good: dict[str, Any]) -> None:
    assert list(_failed(good, Limits(max_ece=0.01))) == ["calibration error"]


def test_without_a_champion_nothing_is_compared(good: dict[str, Any]) -> None:
    del good["champion"]

    gate = inspect(good)

    assert gate["passed"] is True
    assert gate["checks"][-1]["passed"] is None
    assert "there is no champion yet" in gate["checks"][-1]["reason"]


def test_champion_of_another_split_is_noted_and_decides_nothing(good: dict[str, Any]) -> None:
    good["champion"] = {"comparable": False, "reason": "it was trained on rows of this test"}
    good["gate"] = inspect(good)

    decision = decide(good, 0.75)

    assert decision.passed
    assert decision.reasons == (
        "F1 drop against the champion: not compared with the champion: it was trained on rows of this test",
    )


def test_champion_record_that_says_nothing_fails(good: dict[str, Any]) -> None:
    good["champion"] = {}

    assert list(_failed(good)) == ["F1 drop against the champion"]


@pytest.mark.parametrize(("threshold", "passed"), [(0.79, True), (0.8, False), (0.81, False)])
def test_weighted_f1_must_be_above_the_threshold(good: dict[str, Any], threshold: float, passed: bool) -> None:
    good["gate"] = inspect(good)

    decision = decide(good, threshold)

    assert decision.passed is passed
    assert decision.reasons == (() if passed else (f"weighted F1 is 0.8000, more than {threshold:g} is asked",))


def test_good_f1_does_not_make_up_for_a_failed_gate(good: dict[str, Any]) -> None:
    bad = _with(good, "behaviour.upper_case", 0.5)
    bad["gate"] = inspect(bad)

    decision = decide(bad, 0.5)

    assert not decision.passed
    assert decision.reasons == ("upper case: 0.500, at least 0.99 is asked: case must not change the answer",)


@pytest.mark.parametrize("gate", [None, {}, {"passed": "yes", "checks": []}, {"passed": 1}])
def test_gate_that_does_not_say_true_is_no_pass(good: dict[str, Any], gate: object) -> None:
    decision = decide(good | {"gate": gate}, 0.5)

    assert not decision.passed
    assert decision.reasons == ("gate.passed is not true and no check says why: evaluate again",)


def test_missing_f1_is_no_pass_and_is_named(good: dict[str, Any]) -> None:
    bad = _with(good, "classification_metrics.test_f1", float("nan"))

    decision = decide(bad | {"gate": {"passed": True, "checks": []}}, 0.5)

    assert (decision.passed, decision.test_f1) == (False, None)
    assert decision.reasons == ("classification_metrics.test_f1 is missing or no number: evaluate again",)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_that_is_no_share_is_refused(good: dict[str, Any], threshold: float) -> None:
    with pytest.raises(SettingError, match="TestScoreThreshold"):
        decide(good, threshold)


def test_decision_is_plain_json(good: dict[str, Any]) -> None:
    good["gate"] = inspect(good)

    plain = json.loads(json.dumps(decide(good, 0.75).to_dict(), allow_nan=False))

    assert (plain["passed"], plain["threshold"], plain["test_f1"]) == (True, 0.75, 0.8)
    assert plain["checks"] == good["gate"]["checks"]
