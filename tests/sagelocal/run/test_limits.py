"""What this machine can't run is refused by its place and with a reason, before anything runs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sagelocal.definition import algorithms
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


@pytest.mark.parametrize(
    ("step", "items", "member", "reason"),
    [
        (0, "ProcessingInputs", "DatasetDefinition", "Athena and Redshift answer in the account alone"),
        (0, "ProcessingOutputConfig.Outputs", "FeatureStoreOutput", "a feature store is in the account alone"),
        (1, "InputDataConfig", "DataSource.FileSystemDataSource", "EFS and FSx are in the account alone"),
    ],
)
def test_data_that_the_account_alone_has_is_refused_by_name(step: int, items: str, member: str, reason: str) -> None:
    body = pipeline()
    here = body["Steps"][step]["Arguments"]
    for name in items.split("."):
        here = here[name]
    item: dict[str, Any] = {("InputName", "ChannelName")[step]: "own"}
    inner = item
    for name in member.split("."):
        inner[name] = {}
        inner = inner[name]
    here.append(item)

    assert [fault.partition(f"{items}[1].")[2].startswith(f"{member}: {reason}") for fault in faults(body)] == [True]


def test_processing_step_without_an_entry_point_takes_the_program_of_its_image() -> None:
    body = pipeline()
    del body["Steps"][0]["Arguments"]["AppSpecification"]["ContainerEntrypoint"]

    assert faults(body) == ()


XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


@pytest.mark.parametrize(
    ("image", "metric", "is_known"),
    [
        (XGBOOST, "validation:rmse", True),
        (XGBOOST, "train:a-newer-one", True),
        (XGBOOST, "rmse", False),
        ("382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1", "validation:objective_loss", True),
        ("174872318107.dkr.ecr.us-west-2.amazonaws.com/kmeans@sha256:00", "test:msd", True),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1", "validation:rmse", False),
    ],
)
def test_search_knows_the_metrics_of_a_built_in_algorithm(image: str, metric: str, is_known: bool) -> None:
    body = pipeline()
    training = body["Steps"].pop()["Arguments"]
    training["AlgorithmSpecification"]["TrainingImage"] = image
    config = {
        "Strategy": "Random",
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 2},
        "HyperParameterTuningJobObjective": {"MetricName": metric, "Type": "Minimize"},
    }
    arguments = {"HyperParameterTuningJobConfig": config, "TrainingJobDefinition": training}
    body["Steps"].append({"Name": "s", "Type": "Tuning", "Arguments": arguments})

    assert (faults(body) == ()) is is_known


@pytest.mark.parametrize(
    ("image", "line", "name", "value"),
    [
        ("xgboost", "[3]\ttrain-rmse:0.5\tvalidation-rmse:0.25", "validation:rmse", 0.25),
        ("xgboost", "2026-11-30 [3]#011train-rmse:5e-1#011validation-rmse:1.5e-05", "validation:rmse", 1.5e-5),
        ("xgboost", "[3]\ttrain-auc:0.5\ttrain-aucpr:0.75", "train:aucpr", 0.75),
        ("linear-learner", "#quality_metric: host=algo-1, validation mse <loss>=0.125", "validation:mse", 0.125),
        ("kmeans", "#quality_metric: host=algo-1, test msd <loss>=.5", "test:msd", 0.5),
        ("blazingtext", "#validation_accuracy: 0.5, validation accuracy: 0.75", "validation:accuracy", 0.75),
    ],
)
def test_metric_of_a_built_in_algorithm_is_read_from_its_log(image: str, line: str, name: str, value: float) -> None:
    pattern = dict(algorithms.metrics(f"1.dkr.ecr.eu-west-1.amazonaws.com/{image}:1"))[name]

    (found,) = re.findall(pattern, line)

    assert float(found) == value
