from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagelocal.definition import expressions, paths
from sagelocal.definition.language import Outcome, Scope, condition_faults, holds, references, resolve
from sagelocal.errors import InputError, UnresolvedValue

REPORT = {
    "classification_metrics": {"test_f1": 0.81, "test_accuracy": 0.84},
    "gate": {"passed": True},
    "slices": [{"name": "short titles", "x.y": 3}],
    "calibration": {"error": float("nan")},
}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text().filter(lambda key: key != "Get" and not key.startswith("Std:")), inner, max_size=4)
    ),
    max_leaves=20,
)


def scope(**changed: Any) -> Scope:
    fields: dict[str, Any] = {
        "parameters": {"Threshold": 0.75, "Bucket": "bkt", "Count": 2, "Debug": False},
        "execution": {"PipelineExecutionId": "abc123"},
        "properties": {
            "preprocess": {
                "ProcessingOutputConfig": {
                    "Outputs": [
                        {"OutputName": "train", "S3Output": {"S3Uri": "s3://bkt/train"}},
                        {"OutputName": "test", "S3Output": {"S3Uri": "s3://bkt/test"}},
                    ]
                }
            },
            "train": {"ModelArtifacts": {"S3ModelArtifacts": "s3://bkt/model.tar.gz"}},
        },
        "property_file": lambda step, name: {("evaluate", "Report"): REPORT}[step, name],
    }
    return Scope(**{**fields, **changed})


def json_get(path: str) -> dict[str, Any]:
    source = {"Get": "Steps.evaluate.PropertyFiles.Report"}
    return {"Std:JsonGet": {"PropertyFile": source, "Path": path}}


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


@given(PLAIN)
def test_a_value_without_references_resolves_to_itself(value: Any) -> None:
    assert resolve(value, scope()) == value
    assert references(value) == frozenset()
    assert list(expressions.faults(value, "here")) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Parameters.Threshold", 0.75),
        ("Execution.PipelineExecutionId", "abc123"),
        ("Steps.train.ModelArtifacts.S3ModelArtifacts", "s3://bkt/model.tar.gz"),
        ("Steps.preprocess.ProcessingOutputConfig.Outputs['test'].S3Output.S3Uri", "s3://bkt/test"),
        ("Steps.preprocess.ProcessingOutputConfig.Outputs[0].S3Output.S3Uri", "s3://bkt/train"),
    ],
)
def test_a_get_gives_what_it_names_at_any_depth(text: str, value: Any) -> None:
    resolved = resolve({"a": [{"Get": text}, "plain"]}, scope())

    assert resolved == {"a": [value, "plain"]}


def test_a_join_writes_numbers_and_truth_as_json_does() -> None:
    inner = {"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.Bucket"}, "out"]}}
    values = [inner, {"Get": "Parameters.Count"}, {"Get": "Parameters.Debug"}, 0.5]

    assert resolve({"Std:Join": {"On": " ", "Values": values}}, scope()) == "s3://bkt/out 2 false 0.5"


def test_a_join_without_on_puts_nothing_between() -> None:
    assert resolve({"Std:Join": {"Values": ["a", "b"]}}, scope()) == "ab"


def test_a_list_is_not_joined_silently() -> None:
    with pytest.raises(UnresolvedValue, match="is no text, number or truth value"):
        resolve({"Std:Join": {"On": "", "Values": [["a"]]}}, scope())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("classification_metrics.test_f1", 0.81),
        ("$.classification_metrics.test_f1", 0.81),
        ("['classification_metrics'].test_f1", 0.81),
        ("gate.passed", True),
        ("slices[0].name", "short titles"),
        ("slices[0]['x.y']", 3),
        ('slices[0]["x.y"]', 3),
    ],
)
def test_a_json_path_is_followed_through_keys_and_positions(path: str, value: Any) -> None:
    assert resolve(json_get(path), scope()) == value


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "classification_metrics.f1",
            "no 'f1' at 'classification_metrics', which has 'test_accuracy', 'test_f1'",
        ),
        ("slices[1].name", "no 1 at 'slices', which has 1 item"),
        ("gate.passed.now", "no 'now' at 'gate.passed', which has the value True"),
        ("metrics", "no 'metrics' at the top, which has 'calibration'"),
    ],
)
def test_a_missing_path_names_what_was_there(path: str, sentence: str) -> None:
    with pytest.raises(UnresolvedValue) as caught:
        resolve(json_get(path), scope())

    assert sentence in str(caught.value)
    assert f"{path!r} in evaluate.PropertyFiles.Report" in str(caught.value)


def test_a_file_at_an_s3_uri_is_read_where_the_run_can() -> None:
    uri = {"Std:Join": {"On": "/", "Values": ["s3://bkt", {"Get": "Execution.PipelineExecutionId"}]}}
    value = {"Std:JsonGet": {"S3Uri": uri, "Path": "f1"}}
    files = {"s3://bkt/abc123": {"f1": 0.5}}

    assert resolve(value, scope(document=files.__getitem__)) == 0.5
    with pytest.raises(UnresolvedValue, match="property files only"):
        resolve(value, scope())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Parameters.Nope", "'Nope' is not known here"),
        ("Steps.evaluate.ExitMessage", "'evaluate' is not known here"),
        ("Steps.train.ModelArtifacts.Nope", "which has 'S3ModelArtifacts'"),
    ],
)
def test_a_get_of_what_is_not_there_is_refused_by_name(text: str, sentence: str) -> None:
    with pytest.raises(UnresolvedValue) as caught:
        resolve({"Get": text}, scope())

    assert text in str(caught.value)
    assert sentence in str(caught.value)


def test_references_name_every_step_inside_a_value() -> None:
    value = {
        "a": [{"Get": "Steps.train.ModelArtifacts.S3ModelArtifacts"}, json_get("gate.passed")],
        "b": {"Std:Join": {"On": "", "Values": [{"Get": "Steps.preprocess.ExitMessage"}]}},
        "c": {"Get": "Parameters.Threshold"},
    }

    assert references(value) == {"train", "evaluate", "preprocess"}


@pytest.mark.parametrize(
    ("condition", "passed", "text"),
    [
        (compare("Equals", "a", "a"), True, '"a" == "a"'),
        (compare("Equals", json_get("gate.passed"), True), True, "true == true"),
        (compare("Equals", 1, 2), False, "1 == 2"),
        (compare("Equals", None, "a"), False, 'null == "a"'),
        (compare("GreaterThan", 0.75, {"Get": "Parameters.Threshold"}), False, "0.75 > 0.75"),
        (compare("GreaterThan", json_get("classification_metrics.test_f1"), 0.75), True, "0.81 > 0.75"),
        (compare("GreaterThanOrEqualTo", 1, 1.0), True, "1 >= 1.0"),
        (compare("GreaterThanOrEqualTo", 0.9, 1), False, "0.9 >= 1"),
        (compare("LessThan", 1, 1), False, "1 < 1"),
        (compare("LessThan", "a", "b"), True, '"a" < "b"'),
        (compare("LessThanOrEqualTo", 1, 1), True, "1 <= 1"),
        (compare("LessThanOrEqualTo", 2, 1), False, "2 <= 1"),
        ({"Type": "In", "QueryValue": "a", "Values": ["b", "a"]}, True, '"a" in ["b", "a"]'),
        ({"Type": "In", "QueryValue": True, "Values": [1]}, False, "true in [1]"),
        ({"Type": "Not", "Condition": compare("Equals", 1, 1)}, False, "not (1 == 1)"),
        (
            {"Type": "Or", "Conditions": [compare("Equals", 1, 2), compare("Equals", 2, 2)]},
            True,
            "(1 == 2 or 2 == 2)",
        ),
        ({"Type": "Or", "Conditions": [compare("Equals", 1, 2)]}, False, "(1 == 2)"),
    ],
)
def test_a_condition_is_decided_by_its_values_and_tells_them(
    condition: dict[str, Any], passed: bool, text: str
) -> None:
    outcome = holds(condition, scope())

    assert (outcome.passed, outcome.text, outcome.type) == (passed, text, condition["Type"])


def test_an_outcome_keeps_both_values_and_the_parts_of_a_choice() -> None:
    inner = compare("GreaterThan", json_get("classification_metrics.test_f1"), 0.75)

    outcome = holds({"Type": "Not", "Condition": inner}, scope())

    part = Outcome("0.81 > 0.75", True, "GreaterThan", 0.81, 0.75)
    assert outcome == Outcome("not (0.81 > 0.75)", False, "Not", parts=(part,))


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (compare("GreaterThan", "0.8", 0.75), "a string and a number can't be compared"),
        (compare("Equals", True, 1), "a truth value and a number can't be compared"),
        (compare("GreaterThan", True, False), "a truth value has no order"),
        (compare("GreaterThan", None, None), "a null has no order"),
        (compare("LessThan", json_get("calibration.error"), 0.1), "not finite"),
        (
            {"Type": "Not", "Condition": compare("LessThan", json_get("calibration.error"), 0.1)},
            "not finite",
        ),
    ],
)
def test_values_that_cannot_be_compared_pass_no_condition(condition: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnresolvedValue, match=sentence):
        holds(condition, scope())


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"Get": 3}, "Get 3 is no reference"),
        ({"Get": "Parameter.X"}, "Get 'Parameter.X' is no reference"),
        ({"Get": "Parameters.X.Y"}, "Get 'Parameters.X.Y' is no reference"),
        ({"Get": "Steps.train"}, "Get 'Steps.train' is no reference"),
        ({"Get": "Steps.train.Outputs[*]"}, "is no path"),
        ({"Get": "Execution.Id"}, "no Execution.Id, expected one of PipelineName"),
        ({"Get": "Steps.e.PropertyFiles.R"}, "read it with Std:JsonGet"),
        ({"Std:Jion": {}}, "Std:Jion is no expression"),
        ({"Std:Join": ["a"]}, 'with a list of Values, found ["a"]'),
        ({"Std:Join": {"On": 1, "Values": []}}, "On of Std:Join is 1, expected a string"),
        (
            {"Std:Join": {"On": "", "Values": [{"Get": "x"}]}},
            "here.Std:Join.Values[0]: Get 'x' is no reference",
        ),
        ({"Std:Join": {"On": "", "Values": []}, "b": 1}, "stands beside other members"),
        ({"Std:JsonGet": {"Path": "a"}}, "Std:JsonGet is {PropertyFile or S3Uri, Path}"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/k", "Path": {"Get": "Parameters.X"}}}, "not a reference"),
        (
            {"Std:JsonGet": {"PropertyFile": {"Get": "Parameters.X"}, "Path": "a"}},
            "here.Std:JsonGet.PropertyFile",
        ),
        ({"Std:JsonGet": {"S3Uri": "s3://b/k", "Path": "a..b"}}, "here.Std:JsonGet.Path: 'a..b' is no path"),
    ],
)
def test_an_expression_that_can_never_be_computed_is_named(value: Any, fault: str) -> None:
    found = list(expressions.faults(value, "here"))

    assert len(found) == 1
    assert found[0].startswith("here")
    assert fault in found[0]


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        ("text", "here.Type: found null, expected one of Equals"),
        ({"Type": "And"}, 'here.Type: found "And", expected one of Equals'),
        ({"Type": "Equals", "LeftValue": 1}, "here: 'RightValue' is missing of Equals"),
        ({**compare("Equals", 1, 1), "Value": 1}, "here: 'Value' is no member of Equals"),
        ({"Type": "In", "QueryValue": 1, "Values": 1}, "here.Values: found 1, expected a list"),
        ({"Type": "Or", "Conditions": []}, "here.Conditions: found [], expected a list of conditions"),
        ({"Type": "Or", "Conditions": [{"Type": "X"}]}, 'here.Conditions[0].Type: found "X"'),
        ({"Type": "Not", "Condition": {"Type": "X"}}, 'here.Condition.Type: found "X"'),
        ({"Type": "Not", "Expression": {"Type": "X"}}, "here.Expression: the service rejects it"),
    ],
)
def test_a_condition_written_wrongly_is_named(condition: Any, fault: str) -> None:
    found = list(condition_faults(condition, "here"))

    assert len(found) == 1
    assert found[0].startswith(fault)


KEYS = st.text(string.ascii_letters + " ._-[]:é", min_size=1, max_size=6)


@given(st.lists(KEYS | st.integers(0, 99), min_size=1, max_size=5))
def test_a_path_survives_writing_and_reading(parts: list[str | int]) -> None:
    text = ""
    for part in parts:
        text = paths.join(text, part)

    assert paths.parse(text) == tuple(parts)


@pytest.mark.parametrize("text", ["", ".", ".a", "a.", "a..b", "a[", "a[-1]", "a[b]", "a['b]", "a[*]", "a b]"])
def test_text_that_names_no_single_place_is_no_path(text: str) -> None:
    with pytest.raises(InputError, match=r"is no path: write it like a\.b\[0\]"):
        paths.parse(text)
