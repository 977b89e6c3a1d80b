from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.errors import InputError

STABLE = (Path(__file__).parents[1] / "definitions" / "sdk_v3_stable.json").read_bytes()
PIPELINE = {"Version": "2020-12-01", "Steps": [{"Name": "a", "Type": "Lambda"}]}


def test_defaults_stand_where_nothing_else_is_given() -> None:
    parsed = definitions.parse(STABLE)

    values = definitions.bind(parsed.parameters, {"TestScoreThreshold": "0.9", "TrainingInstanceCount": "2"})

    assert values == {
        "ProcessingInstanceType": "ml.c5.xlarge",
        "TrainingInstanceType": "ml.m5.xlarge",
        "TrainingInstanceCount": 2,
        "ModelApprovalStatus": "PendingManualApproval",
        "TestScoreThreshold": 0.9,
        "InputDataUrl": "s3://bkt/job-major-clf/input/",
    }


@pytest.mark.parametrize(
    ("kind", "given_value", "value"),
    [
        ("String", "7", "7"),
        ("Integer", "7", 7),
        ("Float", "7", 7.0),
        ("Float", 7, 7),
        ("Boolean", "True", True),
        ("Boolean", False, False),
    ],
)
def test_a_string_is_read_as_the_declared_type(kind: str, given_value: Any, value: Any) -> None:
    raw = {**PIPELINE, "Parameters": [{"Name": "P", "Type": kind}]}

    bound = definitions.bind(definitions.parse(json.dumps(raw).encode()).parameters, {"P": given_value})["P"]

    assert (bound, type(bound)) == (value, type(value))


@pytest.mark.parametrize(
    ("declared", "overrides", "fault"),
    [
        ({"Type": "Integer"}, {"P": "7.5"}, "parameter 'P': found \"7.5\", expected an integer"),
        ({"Type": "Integer"}, {"P": True}, "parameter 'P': found true, expected an integer"),
        ({"Type": "Float"}, {"P": "nan"}, "parameter 'P': found NaN, expected a finite number"),
        ({"Type": "Boolean"}, {"P": "1"}, "parameter 'P': found \"1\", expected true or false"),
        ({"Type": "String"}, {"P": 7}, "parameter 'P': found 7, expected a string"),
        ({"Type": "String"}, {}, "parameter 'P': has no default: give it a value"),
        ({"Type": "String", "EnumValues": ["a", "b"]}, {"P": "c"}, 'found "c", expected one of "a", "b"'),
        ({"Type": "String", "DefaultValue": ""}, {"p": "x"}, "parameter 'p' is unknown, did you mean 'P'?"),
    ],
)
def test_a_value_that_does_not_fit_its_parameter_is_refused(
    declared: dict[str, Any], overrides: dict[str, Any], fault: str
) -> None:
    raw = {**PIPELINE, "Parameters": [{"Name": "P", **declared}]}
    parsed = definitions.parse(json.dumps(raw).encode())

    with pytest.raises(InputError) as caught:
        definitions.bind(parsed.parameters, overrides)

    assert fault in str(caught.value)
