from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.model import Shape, StringShape

from sagelocal.definition import constraints, parse, paths, service_model
from sagelocal.definition.expressions import expression
from sagelocal.errors import DefinitionError

FOLDER = Path(__file__).parents[1] / "definitions"
STABLE = json.loads((FOLDER / "sdk_v3_stable.json").read_bytes())
STEPS = {"preprocess": (0,), "train": (1,), "evaluate": (2,), "register": (3, "Arguments", "IfSteps", 0)}
Change = Callable[[Any], None]


def arguments(raw: Any, name: str) -> Any:
    here = raw["Steps"]
    for part in (*STEPS[name], "Arguments"):
        here = here[part]
    return here


def found(raw: Any, **parameters: Any) -> tuple[str, ...]:
    parsed = parse.parse(json.dumps(raw).encode())
    values = parse.bind(parsed.parameters, parameters)
    try:
        parse.check(parsed, values)
    except DefinitionError as error:
        return error.problems
    return ()


def changed(step: str, text: str, value: Any) -> tuple[str, ...]:
    """What is found after one member of the step's Arguments was given another value."""
    raw = copy.deepcopy(STABLE)
    here, *rest = arguments(raw, step), *paths.parse(text)
    for part in rest[:-1]:
        here = here[part]
    here[rest[-1]] = value
    return found(raw)


def nodes(value: Any, shape: Shape, path: paths.Parts = ()) -> Iterator[tuple[paths.Parts, Any, Shape]]:
    """(path, value, shape) of everything in a valid block, the block itself first."""
    yield path, value, shape
    if expression(value):
        return
    if shape.type_name == "structure":
        for name, item in value.items():
            yield from nodes(item, shape.members[name], (*path, name))
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from nodes(item, shape.value, (*path, name))
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from nodes(item, shape.member, (*path, index))


WRONG: dict[str, Any] = {
    "structure": "text",
    "map": ["a"],
    "list": {"a": 1},
    "string": 7,
    "boolean": "true",
    "integer": "7",
}


def mutations(value: Any, shape: Shape) -> Iterator[tuple[str, Any, str]]:
    """(what is wrong, the wrong value, where below it the fault must be named)."""
    yield "type", WRONG[shape.type_name], ""
    yield "null", None, ""
    if shape.type_name == "integer":
        yield "truth", True, ""
    if isinstance(value, dict) and not expression(value):
        yield "unknown member", {**value, "Nonsense": 1}, ".Nonsense"
        for name in shape.metadata.get("required", ()):
            if name in value:
                yield "missing", {key: item for key, item in value.items() if key != name}, f".{name}"
    yield from excesses(value, shape)


def excesses(value: Any, shape: Shape) -> Iterator[tuple[str, Any, str]]:
    most = shape.metadata.get("max")
    if shape.type_name == "string" and shape.enum:
        yield "enum", "banana", ""
    elif shape.type_name == "string" and most:
        yield "too long", "s3://" + "x" * (most - 4), ""
    elif shape.type_name == "integer" and most:
        yield "too large", most + 1, ""
    elif shape.type_name == "list" and most and value:
        yield "too many", value[:1] * (most + 1), ""


def mutants() -> list[Any]:
    kinds = {"preprocess": "Processing", "train": "Training", "register": "RegisterModel"}
    cases = []
    for step, kind_of_step in kinds.items():
        shape = service_model.request(kind_of_step)
        assert shape is not None
        for path, value, inner in nodes(arguments(STABLE, step), shape):
            for kind, wrong, below in mutations(value, inner):
                if path:  # the Arguments themselves are the parser's
                    place = f"steps[{step}].Arguments"
                    for part in path:
                        place = paths.join(place, part)
                    cases.append(pytest.param(step, path, wrong, place + below, id=f"{place} {kind}"))
    return cases


@pytest.mark.parametrize(("step", "path", "wrong", "place"), mutants())
def test_one_wrong_member_is_refused_at_its_place(step: str, path: paths.Parts, wrong: Any, place: str) -> None:
    raw = copy.deepcopy(STABLE)
    here = arguments(raw, step)
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = wrong

    problems = found(raw)

    assert any(problem.startswith(f"{place}: ") for problem in problems), problems


@pytest.mark.parametrize(
    ("step", "member", "value", "fault"),
    [
        ("train", "ResourceConfig.InstanceType", "banana", 'found "banana", expected one of ml.'),
        ("train", "RoleArn", "arn:aws:iam::1:role/x", 'found "arn:aws:iam::1:role/x", expected text that'),
        ("train", "OutputDataConfig.S3OutputPath", "file:///tmp/x", 'found "file:///tmp/x", expected text'),
        ("train", "OutputDataConfig.S3OutputPath", "s3://bkt/a\n", 'found "s3://bkt/a\\n", expected text'),
        ("train", "Enviroment", {}, "is no member of CreateTrainingJobRequest, did you mean 'Environment'?"),
        ("train", "HyperParameters.C", 10, "found 10, expected a string"),
        ("train", "InputDataConfig", [], "found 0 items, expected at least 1"),
        ("preprocess", "ProcessingResources.ClusterConfig.InstanceType", "ml.trn1.2xlarge", "found"),
        ("preprocess", "ProcessingResources.ClusterConfig.InstanceCount", 0, "found 0, expected at least 1"),
        ("preprocess", "ProcessingResources.ClusterConfig.InstanceCount", 101, "found 101, expected at most"),
        ("preprocess", "AppSpecification.ContainerArguments", [], "found 0 items, expected at least 1"),
        ("register", "ModelApprovalStatus", "approved", 'found "approved", expected one of Approved'),
        ("register", "ModelPackageGroupName", "a b", 'found "a b", expected text that matches'),
        ("register", "InferenceSpecification.SupportedTransformInstanceTypes", [], "found 0 items"),
    ],
)
def test_what_botocore_would_send_and_the_service_refuse_is_refused(
    step: str, member: str, value: Any, fault: str
) -> None:
    (problem,) = changed(step, member, value)

    assert problem.startswith(f"steps[{step}].Arguments.{member}: {fault}")


def test_instance_types_are_those_of_the_kind_of_job() -> None:
    # ml.trn1.2xlarge trains; botocore's ProcessingInstanceType has no trn1.
    assert changed("train", "ResourceConfig.InstanceType", "ml.trn1.2xlarge") == ()
    assert changed("preprocess", "ProcessingResources.ClusterConfig.InstanceType", "ml.trn1.2xlarge") != ()


@pytest.mark.parametrize(
    ("step", "member"),
    [
        ("train", "ResourceConfig.InstanceType"),
        ("train", "ResourceConfig.InstanceCount"),
        ("train", "ResourceConfig"),
        ("train", "StoppingCondition"),
        ("train", "AlgorithmSpecification"),
        ("preprocess", "ProcessingResources.ClusterConfig.InstanceType"),
        ("register", "ModelPackageGroupName"),
    ],
)
def test_what_a_job_needs_though_its_description_calls_it_optional_is_asked_for(step: str, member: str) -> None:
    raw = copy.deepcopy(STABLE)
    here, *rest = arguments(raw, step), *member.split(".")
    for part in rest[:-1]:
        here = here[part]
    del here[rest[-1]]

    (problem,) = found(raw)

    assert problem.startswith(f"steps[{step}].Arguments.{member}: is missing, and a ")


def test_a_bound_parameter_is_checked_where_it_is_used() -> None:
    problems = found(STABLE, TrainingInstanceType="ml.c5.huge", InputDataUrl="file:///data")

    places = [problem.split(": ")[0] for problem in problems]
    assert places == [
        "steps[preprocess].Arguments.ProcessingInputs[0].S3Input.S3Uri",
        "steps[train].Arguments.ResourceConfig.InstanceType",
    ]


def join(*values: Any) -> dict[str, Any]:
    return {"Std:Join": {"On": "", "Values": list(values)}}


RUN = {"Get": "Execution.PipelineExecutionId"}
MODEL = {"Get": "Steps.train.ModelArtifacts.S3ModelArtifacts"}
SCORE = {"PropertyFile": {"Get": "Steps.evaluate.PropertyFiles.ModelEvaluationReport"}, "Path": "a"}
OUTPUT = "ProcessingOutputConfig.Outputs[0].S3Output.S3Uri"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        (OUTPUT, join("s3://bkt/", RUN, "/out")),
        (OUTPUT, join({"Get": "Parameters.InputDataUrl"}, "out")),
        ("ProcessingInputs[0].S3Input.S3Uri", {"Get": "Execution.PipelineArn"}),
        ("Environment", {"RUN": RUN, "AT": {"Get": "Execution.CurrentDateTime"}}),
        (
            "ProcessingResources.ClusterConfig.InstanceCount",
            {"Std:JsonGet": {"S3Uri": "s3://b/k", "Path": "a"}},
        ),
        ("ProcessingResources.ClusterConfig.InstanceCount", {"Get": "Parameters.TrainingInstanceCount"}),
    ],
)
def test_a_reference_that_can_fit_its_place_passes(member: str, value: Any) -> None:
    assert changed("preprocess", member, value) == ()


@pytest.mark.parametrize(
    ("member", "value", "fault"),
    [
        (OUTPUT, join("file:///", RUN), 'found "file:///'),
        (
            OUTPUT,
            join({"Get": "Parameters.ModelApprovalStatus"}, "/out"),
            'found "PendingManualApproval/out"',
        ),
        (OUTPUT, {"Get": "Parameters.TestScoreThreshold"}, "found 0.75, expected a string"),
        ("ProcessingResources.ClusterConfig.VolumeSizeInGB", join("3", RUN), 'found "3a1b2c3d4e5f6"'),
        (
            "ProcessingResources.ClusterConfig.VolumeSizeInGB",
            join({"Get": "Execution.PipelineArn"}),
            "will be a string, expected an integer",
        ),
        (
            "ProcessingResources.ClusterConfig.VolumeSizeInGB",
            {"Get": "Execution.StartDateTime"},
            "will be a string, expected an integer",
        ),
        (
            "ProcessingResources.ClusterConfig.VolumeSizeInGB",
            {"Get": "Parameters.InputDataUrl"},
            'found "s3://bkt/job-major-clf/input/", expected an integer',
        ),
    ],
)
def test_a_reference_that_can_never_fit_its_place_is_refused(member: str, value: Any, fault: str) -> None:
    (problem,) = changed("preprocess", member, value)

    assert problem.startswith(f"steps[preprocess].Arguments.{member}: {fault}")


def test_a_property_has_the_type_that_the_service_answers_with() -> None:
    member = "ProcessingResources.ClusterConfig.VolumeSizeInGB"
    count = {"Get": "Steps.train.ResourceConfig.VolumeSizeInGB"}

    assert changed("evaluate", member, count) == ()
    assert changed("evaluate", member, MODEL) == (
        f"steps[evaluate].Arguments.{member}: will be a string, expected an integer",
    )


def test_the_placeholders_of_a_run_without_an_account_pass() -> None:
    raw = copy.deepcopy(STABLE)
    role = "arn:aws:iam::000000000000:role/jobmajor-local"
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/jobmajor:local"
    arguments(raw, "train")["RoleArn"] = role
    arguments(raw, "train")["AlgorithmSpecification"]["TrainingImage"] = image
    for name in ("preprocess", "evaluate"):
        arguments(raw, name)["RoleArn"] = role
        arguments(raw, name)["AppSpecification"]["ImageUri"] = image
    arguments(raw, "register")["InferenceSpecification"]["Containers"][0]["Image"] = image

    assert found(raw) == ()


def test_a_model_needs_no_name_in_a_pipeline_and_is_checked_otherwise() -> None:
    raw = copy.deepcopy(STABLE)
    block: dict[str, Any] = {
        "ExecutionRoleArn": "arn:aws:iam::000000000000:role/jobmajor-local",
        "PrimaryContainer": {"Image": "repository:tag", "ModelDataUrl": MODEL},
    }
    raw["Steps"].append({"Name": "create", "Type": "Model", "Arguments": block})
    assert found(raw) == ()

    block["PrimaryContainer"]["ModelDataUrl"] = "/tmp/model"  # noqa: S108 - a value to be refused
    assert found(raw)[0].startswith("steps[create].Arguments.PrimaryContainer.ModelDataUrl: found")


def test_all_faults_of_all_steps_come_in_one_answer() -> None:
    raw = copy.deepcopy(STABLE)
    arguments(raw, "preprocess")["RoleArn"] = "me"
    arguments(raw, "train")["ResourceConfig"]["InstanceCount"] = "one"
    arguments(raw, "register")["SkipModelValidation"] = "Maybe"

    assert [problem.split(".")[0] for problem in found(raw)] == [
        "steps[preprocess]",
        "steps[train]",
        "steps[register]",
    ]


@pytest.mark.parametrize(
    ("tag", "passes"),
    [("team: Größe 3 @ home", True), ("職種", True), ("a!", False), ("a\u2028b", True), ("😀", False)],
)
def test_a_pattern_of_letters_means_those_of_every_language(tag: str, passes: bool) -> None:
    problems = changed("train", "Tags", [{"Key": "k", "Value": tag}])

    assert (problems == ()) is passes


def test_a_count_that_slipped_out_of_its_pattern_is_read_as_meant() -> None:
    assert changed("register", "CustomerMetadataProperties", {"a": "b"}) == ()
    assert changed("register", "CustomerMetadataProperties", {"a": "b!"}) != ()


def test_a_wrong_key_of_a_map_is_refused() -> None:
    assert changed("train", "Environment", {"A-B": "x"})[0].startswith(
        'steps[train].Arguments.Environment: key: found "A-B", expected text that matches'
    )


def test_a_sensitive_value_is_not_shown() -> None:
    shape = StringShape("Secret", {"type": "string", "sensitive": True, "pattern": "a+"})

    assert list(constraints.faults("bbb", shape)) == ["found a value that is not shown, expected text that matches a+"]


@pytest.mark.parametrize("kind", ["Processing", "Training", "RegisterModel", "Model"])
def test_every_type_and_pattern_of_a_request_is_one_that_we_read(kind: str) -> None:
    shape = service_model.request(kind)
    assert shape is not None

    for inner in reached(shape, {}).values():
        assert inner.type_name in constraints.TYPES
        constraints.matches("x", inner.metadata.get("pattern", ""))


def reached(shape: Shape, seen: dict[str, Shape]) -> dict[str, Shape]:
    if shape.name in seen:
        return seen
    seen[shape.name] = shape
    parts: list[Shape] = []
    if shape.type_name == "structure":
        parts = list(shape.members.values())
    elif shape.type_name == "list":
        parts = [shape.member]
    elif shape.type_name == "map":
        parts = [shape.key, shape.value]
    for part in parts:
        reached(part, seen)
    return seen
