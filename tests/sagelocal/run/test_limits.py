"""What this machine can't run is refused by its place and with a reason, before anything runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.definition.language import Scope
from sagelocal.run import limits

NOTHING = Scope({"Two": 2}, {"PipelineExecutionId": "one"}, {}, lambda _step, _name: None)


def pipeline() -> dict[str, Any]:
    source = {"S3Uri": "s3://bkt/rows", "LocalPath": "/opt/ml/processing/rows", "S3DataType": "S3Prefix"}
    target = {"S3Uri": "s3://bkt/out", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    processing = {
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1}},
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["x"]},
        "ProcessingInputs": [{"InputName": "rows", "S3Input": source}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": target}]},
    }
    channel = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bkt/rows"}}
    training = {
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": channel}],
        "OutputDataConfig": {"S3OutputPath": "s3://bkt/models/"},
        "CheckpointConfig": {"S3Uri": "s3://bkt/checkpoints", "LocalPath": "/opt/ml/checkpoints"},
        "ResourceConfig": {"InstanceCount": 1},
    }
    return {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Two", "Type": "Integer"}],
        "Steps": [
            {"Name": "p", "Type": "Processing", "Arguments": processing},
            {"Name": "t", "Type": "Training", "Arguments": training},
        ],
    }


def faults(body: dict[str, Any]) -> tuple[str, ...]:
    return limits.faults(definitions.parse(json.dumps(body).encode()), NOTHING)


def test_jobs_with_plain_files_run_here_on_one_instance_or_several() -> None:
    body = pipeline()

    body["Steps"][1]["Arguments"]["ResourceConfig"]["InstanceCount"] = {"Get": "Parameters.Two"}

    assert faults(pipeline()) == ()
    assert faults(body) == ()


@pytest.mark.parametrize(
    ("step", "place"),
    [(0, ("ProcessingInputs",)), (0, ("ProcessingOutputConfig", "Outputs")), (1, ("InputDataConfig",))],
)
def test_name_that_stands_twice_is_refused(step: int, place: tuple[str, ...]) -> None:
    body = pipeline()
    items = body["Steps"][step]["Arguments"]
    for name in place:
        items = items[name]

    items.append(items[0])

    (fault,) = faults(body)
    assert "stands more than once" in fault
    assert ".".join(place) in fault


_INPUT = "ProcessingInputs.0.S3Input."
_OUTPUT = "ProcessingOutputConfig.Outputs.0.S3Output."
_SOURCE = "InputDataConfig.0.DataSource.S3DataSource."


@pytest.mark.parametrize(
    ("step", "place", "value"),
    [
        (0, "AppSpecification.ContainerEntrypoint", None),
        (0, "ProcessingInputs.0.AppManaged", True),
        (0, _INPUT + "S3InputMode", "Pipe"),
        (0, _INPUT + "S3DataType", "ManifestFile"),
        (0, _INPUT + "S3CompressionType", "Gzip"),
        (0, _INPUT + "LocalPath", "/opt/ml/input"),
        (0, _INPUT + "LocalPath", None),
        (0, _INPUT + "S3Uri", "s3://bkt/../x"),
        (0, _INPUT + "S3Uri", None),
        (0, _OUTPUT + "LocalPath", "/etc"),
        (0, _OUTPUT + "S3Uri", {"Std:Join": {"On": "/", "Values": ["s3://bkt", ".."]}}),
        (1, "ResourceConfig.InstanceGroups", [{"InstanceCount": 2}]),
        (1, "AlgorithmSpecification.TrainingImage", None),
        (1, "AlgorithmSpecification.TrainingInputMode", "Pipe"),
        (1, "InputDataConfig.0.InputMode", "Pipe"),
        (1, "InputDataConfig.0.CompressionType", "Gzip"),
        (1, "InputDataConfig.0.RecordWrapperType", "RecordIO"),
        (1, _SOURCE + "S3DataType", "AugmentedManifestFile"),
        (1, _SOURCE + "S3Uri", "https://bkt/x"),
        (1, "OutputDataConfig.S3OutputPath", "https://bkt/x"),
        (1, "CheckpointConfig.S3Uri", "s3://bkt/../x"),
        (1, "CheckpointConfig.LocalPath", "/var/checkpoints"),
    ],
)
def test_what_does_not_run_here_is_named_with_its_place(step: int, place: str, value: Any) -> None:
    body = pipeline()
    *way, last = place.split(".")
    target: Any = body["Steps"][step]["Arguments"]
    for part in way:
        target = target[int(part)] if part.isdigit() else target[part]
    target[last] = value
    if value is None:
        del target[last]

    (fault,) = faults(body)

    where = place.replace(".0.", "[0].")
    assert fault.startswith(f"steps[{'pt'[step]}].Arguments.{where}: ")


def test_value_that_a_finished_step_will_give_is_not_judged_yet() -> None:
    body = pipeline()
    output = {"Get": "Steps.p.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}
    body["Steps"][1]["Arguments"]["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = output

    assert faults(body) == ()


def test_serverless_training_is_refused_by_name() -> None:
    body = pipeline()
    arguments = body["Steps"][1]["Arguments"]
    arguments["ServerlessJobConfig"] = {"JobType": "FineTuning"}
    del arguments["ResourceConfig"]

    assert faults(body) == (
        "steps[t].Arguments.ResourceConfig: is missing, and no serverless job runs here: name it in the definition",
    )
