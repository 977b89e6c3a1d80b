"""Everything that SDK v2 (2.257.7) and v3 (3.27.0) write: each condition, function, variable, property and step type.

tests/conformance/emit_types.py made the definitions' parts.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from sagelocal.definition import foreign, language, parse
from sagelocal.definition.language import Scope
from sagelocal.definition.steps import EXECUTED, NAMED
from sagelocal.errors import DefinitionError
from sagelocal.run import executor

FOLDER = Path(__file__).parents[1] / "definitions"
WIDE = json.loads((FOLDER / "sdk_v2_wide.json").read_bytes())
TYPES = {version: json.loads((FOLDER / f"sdk_{version}_types.json").read_bytes()) for version in ("v2", "v3")}
JOB_NAMES = {"TrainingJobName": "train", "ProcessingJobName": "prepare"}
HANDLERS = ("look-up", "ask", "types")


def step(raw: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in raw["Steps"] if item["Name"] == name)
    return found


def pipeline(version: str) -> dict[str, Any]:
    """A pipeline with every kind of step that runs here, to which the parts are added."""
    raw: dict[str, Any] = copy.deepcopy(WIDE)
    parts = TYPES[version]
    raw["Parameters"] = parts["Parameters"]
    for name in ("prepare", "train", "tune"):
        step(raw, name)["RetryPolicies"] = parts["RetryPolicies"]
        step(raw, name)["CacheConfig"] = parts["CacheConfig"][name == "train"]["CacheConfig"]
    own = {name: value for name, value in parts["Arguments"].items() if value.get("Get", "")[10:] not in JOB_NAMES}
    arn = "arn:aws:lambda:us-east-1:123456789012:function:types"
    raw["Steps"].append({"Name": "types", "Type": "Lambda", "FunctionArn": arn, "Arguments": own})
    choice = {"Conditions": parts["Conditions"], "IfSteps": [], "ElseSteps": []}
    raw["Steps"].append({"Name": "choose", "Type": "Condition", "Arguments": choice})
    for member, name in JOB_NAMES.items():
        step(raw, name)["Arguments"]["Environment"] = {"NAME": {"Get": f"Execution.{member}"}}
    return raw


def problems(raw: Any) -> tuple[str, ...]:
    try:
        executor.validate(parse.parse(json.dumps(raw).encode()), {}, HANDLERS)
    except DefinitionError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("version", TYPES)
def test_every_type_that_an_sdk_writes_is_taken(version: str) -> None:
    assert problems(pipeline(version)) == ()


@pytest.mark.parametrize("version", TYPES)
def test_every_step_type_of_an_sdk_runs_or_is_refused_by_name(version: str) -> None:
    kinds = TYPES[version]["StepTypes"]

    assert set(kinds) <= {*EXECUTED, *NAMED}
    for kind in sorted(set(kinds) - set(EXECUTED)):
        raw = copy.deepcopy(WIDE)
        raw["Steps"].append({"Name": "own", "Type": kind, "Arguments": {"Any": {"Get": "CurrentItem.x"}}})
        if kind not in foreign.OPAQUE:
            raw["Steps"][-1]["Arguments"] = {}
        (fault,) = problems(raw)
        assert fault.startswith(f"steps[own].Type: {kind} steps don't run here, {foreign.REASONS[kind]}")


SCOPE = Scope(
    parameters={"Threshold": 0.5, "InputDataUrl": "s3://bkt/wide/input/", "Count": 2, "Asked": True},
    execution={
        **dict.fromkeys(("PipelineArn", "PipelineExecutionArn", "StartDateTime", "CurrentDateTime"), "text"),
        **dict.fromkeys(JOB_NAMES, "job"),
        "PipelineName": "pipeline",
        "PipelineExecutionId": "one",
    },
    properties={
        "train": {
            "TrainingJobName": "job-1",
            "BillableTimeInSeconds": 60,
            "ModelArtifacts": {"S3ModelArtifacts": "s3://bkt/m"},
            "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://bkt/t"}}}],
            "FinalMetricDataList": [{"MetricName": "score", "Value": 0.75}],
            "HyperParameters": {"epochs": "2"},
        },
        "prepare": {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "train", "S3Output": {"S3Uri": "s3://p"}}]}},
        "tune": {
            "BestTrainingJob": {"TrainingJobName": "best"},
            "TrainingJobSummaries": [{"TrainingJobName": "best"}, {"TrainingJobName": "second"}],
        },
        "own-CreateModel": {"ModelName": "own"},
        "score": {"TransformOutput": {"S3OutputPath": "s3://bkt/scores"}},
    },
    property_file=lambda _step, _file: {"metrics": {"f1 score": {"value": 0.75}}},
    document=lambda uri: {"Result": [{"value": uri}]},
    experiment={"ExperimentName": {"Get": "Execution.PipelineName"}, "TrialName": "trial"},
)
VALUES = {
    "parameter": 0.5,
    "whole": 2,
    "truth": True,
    "parameter-as-text": "2",
    "join": "s3://bkt/one/0.5/1/true",
    "join-of-joins": "a-s3://bkt/wide/input/job-1",
    "json": 0.75,
    "json-of-address": "s3://bkt/one/r.json",
    "experiment": "pipeline",
    "trial": "trial",
    "text": "s3://bkt/m",
    "number": 60,
    "number-as-text": "60",
    "list-by-name": "s3://p",
    "list-by-position": "s3://p",
    "channel": "s3://bkt/t",
    "metric": 0.75,
    "map": "2",
    "best": "best",
    "ranked": "second",
    "model": "own",
    "transform": "s3://bkt/scores",
}


@pytest.mark.parametrize("version", TYPES)
def test_every_function_and_property_of_an_sdk_has_its_value(version: str) -> None:
    found = language.resolve(TYPES[version]["Arguments"], SCOPE)

    variables = {name: value for name, value in found.items() if name.startswith("variable-")}
    assert {name: value for name, value in found.items() if name not in variables} == VALUES
    assert set(variables.values()) == {"text", "job", "pipeline", "one"}
    assert len(variables) == len(SCOPE.execution)


@pytest.mark.parametrize("version", TYPES)
def test_every_condition_of_an_sdk_is_decided(version: str) -> None:
    decided = [language.holds(condition, SCOPE) for condition in TYPES[version]["Conditions"]]

    assert [(outcome.text, outcome.passed) for outcome in decided] == [
        ("0.75 == 0.5", False),
        ("0.75 > 0.5", True),
        ("0.75 >= 0.5", True),
        ("0.75 < 0.5", False),
        ("0.75 <= 0.5", False),
        ('"s3://bkt/wide/input/" in ["a", "s3://bkt/wide/input/", "pipeline"]', True),
        ("not (0.75 == 0.5)", True),
        ("not (not (0.75 == 0.5))", False),
        ("(0.75 == 0.5 or not (0.75 > 0.5))", False),
        ("true == true", True),
        ('"pipeline" == "pipeline"', True),
        ("0.75 > 0", True),
    ]


def changed(name: str, member: str, value: Any) -> tuple[str, ...]:
    raw = copy.deepcopy(WIDE)
    step(raw, name)[member] = value
    return problems(raw)


@pytest.mark.parametrize("text", ["30d", "5y", "T16m", "30dT5h", "P30d", "p30d", "T12H", "PT1H", "t1h", "2W"])
def test_cache_may_expire_as_aws_writes_it(text: str) -> None:
    assert changed("train", "CacheConfig", {"Enabled": True, "ExpireAfter": text}) == ()


def test_expression_of_not_is_refused_with_the_reason() -> None:
    inner = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}

    for condition in (
        {"Type": "Not", "Expression": inner},
        {"Type": "Or", "Conditions": [{"Type": "Not", "Expression": inner}]},
    ):
        (fault,) = changed("check", "Arguments", {"Conditions": [condition], "IfSteps": [], "ElseSteps": []})
        assert "Expression: the service rejects it, SDKs before 2024 wrote it: write Condition" in fault


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize(("member", "name"), JOB_NAMES.items())
def test_name_of_a_job_is_known_in_steps_of_its_type_alone(version: str, member: str, name: str) -> None:
    raw = pipeline(version)
    other = next(item for item in JOB_NAMES.values() if item != name)
    step(raw, other)["Arguments"]["Environment"] = {"NAME": {"Get": f"Execution.{member}"}}

    (fault,) = problems(raw)

    assert fault.startswith(f"steps[{other}].Arguments.Environment.NAME: Execution.{member} has a value in ")


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (None, "the definition has no PipelineExperimentConfig.ExperimentName: give it one"),
        ({"TrialName": "a"}, "the definition has no PipelineExperimentConfig.ExperimentName: give it one"),
        (
            {"ExperimentName": {"Get": "PipelineExperimentConfig.ExperimentName"}},
            "refers to PipelineExperimentConfig.ExperimentName, but is needed before any step runs",
        ),
        ({"ExperimentName": {"Get": "Execution.TrainingJobName"}}, "refers to Execution.TrainingJobName, but"),
        ({"ExperimentName": {"Get": "PipelineExperimentConfig.Name"}}, "has ExperimentName and TrialName"),
    ],
)
def test_reference_to_an_experiment_that_has_no_name_is_refused(config: Any, fault: str) -> None:
    raw = copy.deepcopy(WIDE)
    raw["PipelineExperimentConfig"] = config
    step(raw, "train")["Arguments"]["Environment"] = {"X": {"Get": "PipelineExperimentConfig.ExperimentName"}}

    assert [found for found in problems(raw) if fault in found]


def test_step_that_runs_after_a_failure_is_refused_by_name() -> None:
    wait = {"Step": "train", "Trigger": "Completed"}

    assert changed("evaluate", "DependsOn", [wait]) == ()
    (fault,) = changed("evaluate", "DependsOn", [{**wait, "Trigger": "Failed"}])
    assert fault.startswith("steps[evaluate].DependsOn: item 0 runs if 'train' ends as \"Failed\"; steps run after")


def test_quotas_of_the_service_are_warnings() -> None:
    raw = copy.deepcopy(WIDE)
    raw["Metadata"] = {"Text": "x" * 2**20}
    raw["Parameters"] += [{"Name": f"p{n}", "Type": "Integer", "DefaultValue": n} for n in range(200)]
    raw["Steps"] += [{"Name": f"s{n}", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}} for n in range(50)]
    definition = parse.parse(json.dumps(raw).encode())

    values = executor.validate(definition, {}, HANDLERS)

    told = executor.warnings(definition, values)
    assert [text.split(":")[0] for text in told] == [
        "found 61 steps, and the service's quota is 50",
        "found 202 parameters, and the service's quota is 200",
        f"found {len(definition.data):,} characters, and the service's quota is 1,048,576",
    ]
