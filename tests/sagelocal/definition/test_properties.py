from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sagelocal.definition import parse, properties

STABLE = (Path(__file__).parents[1] / "definitions" / "sdk_v3_stable.json").read_bytes()


def found(raw: Any) -> tuple[str, ...]:
    return tuple(properties.faults(parse.parse(json.dumps(raw).encode())))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Steps.train.ModelArtifacts.S3ModelArtifacts", ""),
        ("Steps.train.InputDataConfig['train'].DataSource.S3DataSource.S3Uri", ""),
        ("Steps.train.InputDataConfig[0].DataSource.S3DataSource.S3Uri", ""),
        ("Steps.train.FinalMetricDataList['eval_f1'].MetricName", ""),
        ("Steps.preprocess.ProcessingInputs['code'].S3Input.S3Uri", ""),
        ("Steps.train.HyperParameters['C']", ""),
        ("Steps.train.ModelArtifact.S3ModelArtifacts", "Steps.train has no 'ModelArtifact', did you mean"),
        (
            "Steps.preprocess.ProcessingOutputConfig.Outputs['tran'].S3Output.S3Uri",
            "has no Outputs item 'tran'",
        ),
        ("Steps.train.FinalMetricDataList['f1'].MetricName", "has no FinalMetricDataList item 'f1'"),
        ("Steps.train.DebugRuleConfigurations['a'].LocalPath", "has positions, not names like 'a'"),
        ("Steps.train.RoleArn.Name", "Steps.train.RoleArn is a string, which has no 'Name'"),
        ("Steps.train.HyperParameters[0]", "Steps.train.HyperParameters is a map, which has no 0"),
    ],
)
def test_a_property_is_one_that_its_step_will_have(text: str, fault: str) -> None:
    raw = json.loads(STABLE)
    raw["Steps"][2]["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3Uri"] = {"Get": text}

    problems = found(raw)

    place = "steps[evaluate].Arguments.ProcessingInputs[0].S3Input.S3Uri: "
    assert all(problem.startswith(place) and fault in problem for problem in problems)
    assert len(problems) == (1 if fault else 0)


def test_a_choice_has_an_outcome_and_an_end_has_nothing() -> None:
    raw = json.loads(STABLE)
    (register,) = raw["Steps"][3]["Arguments"]["IfSteps"]
    text = register["Arguments"]["ModelPackageDescription"] = {"Get": "Steps.check-test-score.Outcome"}
    assert found(raw) == ()

    text["Get"] = "Steps.fail.ErrorMessage"
    place = "steps[register].Arguments.ModelPackageDescription: "
    assert found(raw) == (f"{place}step 'fail' is a Fail, which has no property 'ErrorMessage'",)
