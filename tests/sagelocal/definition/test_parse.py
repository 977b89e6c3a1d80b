from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagelocal.definition import parse as definitions
from sagelocal.definition.steps import duration_s
from sagelocal.errors import DefinitionError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parents[1] / "definitions"
STORED = ("sdk_v2.json", "sdk_v3_plain.json", "sdk_v3_stable.json")
STABLE = json.loads((FOLDER / "sdk_v3_stable.json").read_bytes())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6)
            | st.sampled_from(["Version", "Steps", "Parameters", "Name", "Type", "Arguments", "Conditions", "IfSteps"])
            | st.sampled_from(["Get", "Std:Join", "Std:JsonGet", "Path", "PropertyFile", "Values", "On"]),
            inner | st.sampled_from(["Condition", "Processing", "Steps.a.b", "Parameters.x"]),
            max_size=4,
        )
    ),
    max_leaves=30,
)


def encoded(raw: Any) -> bytes:
    return json.dumps(raw).encode()


def problems(raw: Any) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        definitions.parse(encoded(raw))
    return caught.value.problems


def step(name: str, *needed: str) -> dict[str, Any]:
    return {"Name": name, "Type": "Lambda", "Arguments": {}, "DependsOn": list(needed)}


def pipeline(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2020-12-01", "Steps": list(steps)}


@pytest.mark.parametrize("name", STORED)
def test_what_the_sdks_emit_is_read_and_its_bytes_kept(name: str) -> None:
    data = (FOLDER / name).read_bytes()

    parsed = definitions.parse(data)

    assert parsed.data == data
    assert parsed.digest == hashlib.sha256(data).hexdigest()
    definitions.check(parsed, definitions.bind(parsed.parameters, {}))


def test_the_parts_of_a_step_are_read() -> None:
    parsed = definitions.parse(encoded(STABLE))

    preprocess, train, evaluate, choice = parsed.steps
    report = definitions.PropertyFile("ModelEvaluationReport", "evaluation", "evaluation.json")
    assert evaluate.property_files == {"ModelEvaluationReport": report}
    assert preprocess.cache == definitions.CacheConfig(True, 30 * 86400.0)
    assert (train.cache is None, choice.cache) == (False, None)
    assert [item["Type"] for item in choice.conditions] == ["GreaterThan"]
    assert [item.name for item in (*choice.if_steps, *choice.else_steps)] == ["register", "fail"]
    threshold = definitions.Parameter("TestScoreThreshold", "Float", 0.75, True, ())
    assert parsed.parameters["TestScoreThreshold"] == threshold


def test_a_step_waits_for_what_it_refers_to_and_a_branch_for_its_choice() -> None:
    waits = definitions.dependencies(definitions.parse(encoded(STABLE)))

    assert waits == {
        "preprocess": frozenset(),
        "train": {"preprocess"},
        "evaluate": {"train", "preprocess"},
        "check-test-score": {"evaluate"},
        "register": {"train", "check-test-score"},
        "fail": {"check-test-score"},
    }


@given(st.data())
def test_order_puts_every_step_after_those_it_waits_for(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    edges = data.draw(st.sets(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))))
    needed = {j: sorted(f"s{i}" for i, k in edges if k == j and i < j) for j in range(count)}
    positions = data.draw(st.permutations(range(count)))
    raw = pipeline(*(step(f"s{j}", *needed[j]) for j in positions))

    order = definitions.order(definitions.parse(encoded(raw)))

    assert sorted(order) == sorted(f"s{j}" for j in range(count))
    for j in range(count):
        assert all(order.index(name) < order.index(f"s{j}") for name in needed[j])


def test_steps_that_wait_for_nothing_keep_the_order_of_the_definition() -> None:
    raw = pipeline(step("c"), step("z", "b"), step("a"), step("b"))

    assert definitions.order(definitions.parse(encoded(raw))) == ("c", "a", "b", "z")


@pytest.mark.parametrize("length", [1, 2, 5])
def test_steps_that_wait_for_each_other_are_refused(length: int) -> None:
    raw = pipeline(*(step(f"s{i}", f"s{(i + 1) % length}") for i in range(length)))

    found = problems(raw)

    assert len(found) == 1
    assert "waits for itself (s" in found[0]


@settings(deadline=None)
@given(JSON)
def test_any_json_is_a_definition_or_a_definition_error(value: Any) -> None:
    _parsed_or_refused(encoded(value))


@settings(deadline=None)
@given(st.data())
def test_a_valid_definition_with_any_json_in_any_place_is_read_or_refused(data: st.DataObject) -> None:
    raw = copy.deepcopy(STABLE)
    places = list(_places(raw))
    where, key = data.draw(st.sampled_from(places))
    where[key] = data.draw(JSON)

    _parsed_or_refused(encoded(raw))


@given(st.binary(max_size=40))
def test_any_bytes_are_a_definition_or_a_definition_error(data: bytes) -> None:
    _parsed_or_refused(data)


def _places(value: Any) -> list[tuple[Any, Any]]:
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def _parsed_or_refused(data: bytes) -> None:
    try:
        parsed = definitions.parse(data)
        definitions.check(parsed, definitions.bind(parsed.parameters, {}))
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either end is fine, a traceback is not


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "definition: Expecting value"),
        (b"[1]", "definition: found [1], expected an object"),
        (b"\xff", "definition: 'utf-8' codec can't decode"),
        (b'{"Version": NaN}', "definition: holds NaN"),
        (b'{"Version": 1e999}', "definition: holds a number too large"),
        (b'{"Steps": [], "Steps": []}', "definition: names 'Steps' twice"),
        (b'{"a": "\\ud800"}', "definition: holds half a character"),
        (b"[" * 101 + b"]" * 101, "definition: nests deeper than 100 levels"),
        (b"[" * 90_000 + b"]" * 90_000, "definition: nests deeper than 100 levels"),
        (b'"' + b"a" * 2**24 + b'"', "definition: has over 16,777,216 bytes"),
    ],
)
def test_bytes_that_no_reader_takes_alike_are_refused(data: bytes, fault: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        definitions.parse(data)

    assert caught.value.problems[0].startswith(fault)


def _set(*path: Any, to: Any) -> Callable[[Any], None]:
    def change(raw: Any) -> None:
        for part in path[:-1]:
            raw = raw[part]
        raw[path[-1]] = to

    return change


ARGUMENTS = ("Steps", 3, "Arguments")
CONDITION = (*ARGUMENTS, "Conditions", 0)
GATE = "steps[check-test-score].Arguments"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_set("Version", to="2021"), "definition.Version: found \"2021\", expected '2020-12-01'"),
        (_set("steps", to=[]), "definition.steps: is no member here, did you mean 'Steps'?"),
        (_set("Steps", to=[]), "steps: found none"),
        (_set("Steps", to={}), "definition.Steps: found {}, expected a list"),
        (_set("Steps", 0, "Type", to="Procesing"), 'steps[preprocess].Type: found "Procesing"'),
        (_set("Steps", 0, "Name", to="a b"), 'steps[0].Name: found "a b"'),
        (_set("Steps", 0, "Depends", to=[]), "steps[preprocess].Depends: is no member here, did you mean"),
        (_set("Steps", 0, "DependsOn", to=["tran"]), "steps[preprocess].DependsOn: no step 'tran', did you"),
        (_set("Steps", 0, "DependsOn", to="train"), 'steps[preprocess].DependsOn: found "train", expected a'),
        (
            _set("Steps", 0, "CacheConfig", "ExpireAfter", to="30 days"),
            "steps[preprocess].CacheConfig.ExpireAfter",
        ),
        (_set("Steps", 0, "CacheConfig", "Enabled", to="yes"), "steps[preprocess].CacheConfig.Enabled"),
        (
            _set("Steps", 3, "CacheConfig", to={"Enabled": True}),
            "steps[check-test-score].CacheConfig: a Cond",
        ),
        (_set("Steps", 3, "RetryPolicies", to=[{}]), "steps[check-test-score].RetryPolicies: a Condition"),
        (_set("Steps", 0, "RetryPolicies", to=[{}]), "steps[preprocess].RetryPolicies[0].ExceptionType"),
        (
            _set("Steps", 2, "PropertyFiles", 0, "OutputName", to="evaluations"),
            "steps[evaluate].PropertyFiles[0].OutputName: the step has no output 'evaluations', did you mean",
        ),
        (
            _set("Steps", 2, "PropertyFiles", 0, "FilePath", to="../x"),
            "steps[evaluate].PropertyFiles[0].FileP",
        ),
        (_set(*ARGUMENTS, "Conditions", to=[]), f"{GATE}.Conditions: found none"),
        (_set(*ARGUMENTS, "ThenSteps", to=[]), f"{GATE}.ThenSteps: is no member here"),
        (_set(*CONDITION, "Type", to="Greater"), f'{GATE}.Conditions[0].Type: found "Greater"'),
        (
            _set(*CONDITION, "RightValue", to={"Get": "Parameters.TestScore"}),
            f"{GATE}.Conditions[0].RightValue: no parameter 'TestScore', did you mean 'TestScoreThreshold'?",
        ),
        (
            _set(
                *CONDITION,
                "LeftValue",
                "Std:JsonGet",
                "PropertyFile",
                to={"Get": "Steps.evaluate.PropertyFiles.R"},
            ),
            f"{GATE}.Conditions[0].LeftValue.Std:JsonGet.PropertyFile: step 'evaluate' has no property file",
        ),
        (
            _set(*CONDITION, "LeftValue", "Std:JsonGet", "Path", to="a..b"),
            f"{GATE}.Conditions[0].LeftValue.Std:JsonGet.Path: 'a..b' is no path",
        ),
        (_set(*ARGUMENTS, "IfSteps", 0, "Name", to="train"), "steps[train].Name: another step has this name"),
        (
            _set(*ARGUMENTS, "ElseSteps", 0, "Arguments", to={}),
            "steps[fail].Arguments.ErrorMessage: found null",
        ),
        (
            _set("Steps", 1, "Arguments", "RoleArn", to={"Get": "Steps.preproces.RoleArn"}),
            "steps[train].Arguments.RoleArn: no step 'preproces', did you mean 'preprocess'?",
        ),
        (
            _set("PipelineExperimentConfig", "TrialName", to={"Get": "Steps.train.TrainingJobName"}),
            "PipelineExperimentConfig.TrialName: refers to Steps.train, but is needed",
        ),
        (_set("Parameters", 0, "Type", to="Text"), 'parameters[ProcessingInstanceType].Type: found "Text"'),
        (
            _set("Parameters", 2, "DefaultValue", to=True),
            "parameters[TrainingInstanceCount].DefaultValue: found",
        ),
        (
            _set("Parameters", 0, "EnumValues", to=["a"]),
            "parameters[ProcessingInstanceType].DefaultValue: found",
        ),
        (
            _set("Parameters", 0, "Default", to="a"),
            "parameters[ProcessingInstanceType].Default: is no member",
        ),
    ],
)
def test_a_fault_is_refused_with_its_place(change: Callable[[Any], None], fault: str) -> None:
    raw = copy.deepcopy(STABLE)
    change(raw)

    assert any(problem.startswith(fault) for problem in problems(raw)), problems(raw)


def test_a_parameter_declared_twice_is_refused() -> None:
    raw = copy.deepcopy(STABLE)
    raw["Parameters"].append(raw["Parameters"][0])

    assert problems(raw) == ("parameters[ProcessingInstanceType].Name: is declared twice",)


def test_all_faults_come_in_one_answer() -> None:
    raw = copy.deepcopy(STABLE)
    raw["Steps"][0]["DependsOn"] = ["nope"]
    raw["Steps"][1]["CacheConfig"]["ExpireAfter"] = "soon"
    raw["Parameters"][0]["Type"] = "Text"

    assert len(problems(raw)) == 3


def test_members_that_newer_sdks_add_at_the_top_are_kept() -> None:
    raw = {**STABLE, "MlflowConfig": None, "SomethingNew": {"a": 1}}

    assert definitions.parse(encoded(raw)).raw["SomethingNew"] == {"a": 1}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P30D", 30 * 86400),
        ("PT1H", 3600),
        ("P1W", 7 * 86400),
        ("P1DT1H1M1S", 86400 + 3600 + 60 + 1),
        ("P1Y2M", (365 + 60) * 86400),
        ("PT0S", 0),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("T30M", 1800),
        ("30d", 30 * 86400),
        ("5y", 5 * 365 * 86400),
        ("T16m", 960),
        ("30dT5h", 30 * 86400 + 5 * 3600),
        ("p30d", 30 * 86400),
        ("30", None),
        ("1h", None),
        ("", None),
        ("P٣D", None),
        ("P-1D", None),
        ("P1D ", None),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float | None) -> None:
    assert duration_s(text) == seconds


def test_a_check_without_bound_parameters_is_refused() -> None:
    parsed = definitions.parse(encoded(STABLE))

    with pytest.raises(InputError, match="no value for parameter InputDataUrl, "):
        definitions.check(parsed, {})
