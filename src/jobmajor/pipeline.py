"""THE definition: the one description of the pipeline, as plain data, for this machine and for SageMaker alike.

The same settings always give the same bytes; nothing here calls AWS or needs an SDK. What differs by place (bucket,
role, image, instance types) is a Parameter. Outputs stand below the execution's id, so that no later run can
overwrite what a cached step points to, and inputs carry their digest in the address.
Source of the format: AWS, "SageMaker Pipeline Definition JSON Schema", version 2020-12-01.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.settings import Settings

ROLE = "arn:aws:iam::000000000000:role/jobmajor-local"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/jobmajor:local"
NO_CHAMPION = "champion/none"  # below the prefix: what stands where no champion is to be compared with
EVALUATION, REPORT = "evaluation.json", "report.html"

_ML = "/opt/ml/processing"
_KEPT = {"Enabled": True, "ExpireAfter": "P30D"}
_DISK_GB = 30
_HOUR_S = 3600
_RETRIES = [
    {
        "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
        "IntervalSeconds": 30,
        "BackoffRate": 2.0,
        "MaxAttempts": 5,
    }
]
_STATUSES = ["PendingManualApproval", "Approved", "Rejected"]
_METRICS = ("validation_accuracy", "validation_f1", "validation_f1_macro", "train_seconds")


def build(settings: Settings) -> dict[str, Any]:
    """The definition, ready for JSON."""
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": _parameters(settings),
        "PipelineExperimentConfig": {
            "ExperimentName": _get("Execution.PipelineName"),
            "TrialName": _get("Execution.PipelineExecutionId"),
        },
        "Steps": [_preprocess(settings), _train(settings), _evaluate(settings), _check(settings)],
    }


def to_bytes(settings: Settings) -> bytes:
    """The definition's bytes: what `sagelocal` runs here and what is sent to SageMaker."""
    return (json.dumps(build(settings), indent=1) + "\n").encode()


def local_uri(settings: Settings, *parts: str) -> str:
    """An address below the prefix in the bucket that stands for S3 on this machine."""
    return "/".join((f"s3://{settings.names.bucket}", settings.names.prefix, *parts))


def _get(path: str) -> dict[str, str]:
    return {"Get": path}


def _parameter(name: str, default: Any, kind: str = "String") -> dict[str, Any]:
    return {"Name": name, "Type": kind, "DefaultValue": default}


def _parameters(settings: Settings) -> list[dict[str, Any]]:
    return [
        _parameter("ProcessingInstanceType", "ml.c5.xlarge"),
        _parameter("TrainingInstanceType", "ml.m5.xlarge"),
        _parameter("TrainingInstanceCount", 1, "Integer"),
        {**_parameter("ModelApprovalStatus", "PendingManualApproval"), "EnumValues": _STATUSES},
        _parameter("TestScoreThreshold", settings.thresholds.onet, "Float"),
        _parameter("InputDataUrl", local_uri(settings, "input")),
        _parameter("ChampionModelUrl", local_uri(settings, NO_CHAMPION)),
        _parameter("Bucket", settings.names.bucket),
        _parameter("RoleArn", ROLE),
        _parameter("ImageUri", IMAGE),
    ]


def _run_uri(settings: Settings, *parts: str) -> dict[str, Any]:
    """An address below this execution's own prefix."""
    own = [_get("Parameters.Bucket"), settings.names.prefix, "runs", _get("Execution.PipelineExecutionId")]
    return {"Std:Join": {"On": "/", "Values": ["s3:/", *own, *parts]}}


def _s3_input(name: str, uri: Any, folder: str) -> dict[str, Any]:
    place = {"S3Uri": uri, "LocalPath": f"{_ML}/{folder}", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": place}


def _s3_output(settings: Settings, name: str, folder: str) -> dict[str, Any]:
    uri = _run_uri(settings, folder)
    place = {"S3Uri": uri, "LocalPath": f"{_ML}/output/{folder}", "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": place}


def _arguments(*sections: dict[str, Any]) -> list[str]:
    """Settings as `--name value` arguments."""
    values = [(f"--{name.replace('_', '-')}", str(value)) for section in sections for name, value in section.items()]
    return [word for pair in values for word in pair]


def _entry(step: str) -> list[str]:
    return ["python3", "-m", "jobmajor.steps", step]


def _processing(
    name: str, arguments: Sequence[str], inputs: Sequence[dict[str, Any]], outputs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    application = {"ImageUri": _get("Parameters.ImageUri"), "ContainerEntrypoint": _entry(name)}
    cluster = {
        "InstanceType": _get("Parameters.ProcessingInstanceType"),
        "InstanceCount": 1,
        "VolumeSizeInGB": _DISK_GB,
    }
    return {
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {**application, **({"ContainerArguments": [*arguments]} if arguments else {})},
        "RoleArn": _get("Parameters.RoleArn"),
        "ProcessingInputs": [*inputs],
        "ProcessingOutputConfig": {"Outputs": [*outputs]},
        "NetworkConfig": {"EnableNetworkIsolation": True},
        "StoppingCondition": {"MaxRuntimeInSeconds": _HOUR_S},
    }


def _step(name: str, kind: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": kind,
        "Arguments": arguments,
        **more,
        "CacheConfig": _KEPT,
        "RetryPolicies": _RETRIES,
    }


def _preprocess(settings: Settings) -> dict[str, Any]:
    outputs = [_s3_output(settings, name, name) for name in ("train", "validation", "test", "baseline")]
    inputs = [_s3_input("input", _get("Parameters.InputDataUrl"), "input")]
    arguments = _processing("prepare", _arguments(asdict(settings.split)), inputs, outputs)
    return _step("preprocess-data", "Processing", arguments)


def _produced(step: str, output: str) -> dict[str, str]:
    return _get(f"Steps.{step}.ProcessingOutputConfig.Outputs['{output}'].S3Output.S3Uri")


def _channel(name: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": _produced("preprocess-data", name),
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}


def _train(settings: Settings) -> dict[str, Any]:
    arguments = {
        "AlgorithmSpecification": {
            "TrainingImage": _get("Parameters.ImageUri"),
            "TrainingInputMode": "File",
            "ContainerEntrypoint": _entry("train"),
            "MetricDefinitions": [{"Name": name, "Regex": f"{name}=([0-9.]+)"} for name in _METRICS],
        },
        "HyperParameters": {name: str(value) for name, value in asdict(settings.linear).items()},
        "InputDataConfig": [_channel("train"), _channel("validation")],
        "OutputDataConfig": {"S3OutputPath": _run_uri(settings, "output")},
        "ResourceConfig": {
            "InstanceType": _get("Parameters.TrainingInstanceType"),
            "InstanceCount": _get("Parameters.TrainingInstanceCount"),
            "VolumeSizeInGB": _DISK_GB,
        },
        "RoleArn": _get("Parameters.RoleArn"),
        "StoppingCondition": {"MaxRuntimeInSeconds": _HOUR_S},
        "EnableNetworkIsolation": True,
    }
    return _step("train", "Training", arguments)


def _evaluate(settings: Settings) -> dict[str, Any]:
    inputs = [
        _s3_input("model", _get("Steps.train.ModelArtifacts.S3ModelArtifacts"), "model"),
        _s3_input("test", _produced("preprocess-data", "test"), "test"),
        _s3_input("champion", _get("Parameters.ChampionModelUrl"), "champion"),
    ]
    outputs = [
        _s3_output(settings, "evaluation", "evaluation"),
        _s3_output(settings, "prediction-baseline", "prediction_baseline"),
    ]
    arguments = _processing("evaluate", ["--seed", str(settings.split.seed)], inputs, outputs)
    report = {"PropertyFileName": "EvaluationReport", "OutputName": "evaluation", "FilePath": EVALUATION}
    return _step("evaluate-model", "Processing", arguments, PropertyFiles=[report])


def _evaluated(path: str) -> dict[str, Any]:
    report = _get("Steps.evaluate-model.PropertyFiles.EvaluationReport")
    return {"Std:JsonGet": {"PropertyFile": report, "Path": path}}


def _check(settings: Settings) -> dict[str, Any]:
    """The tutorial's condition on weighted F1, and the gate's answer on everything else: both must hold."""
    score = {
        "Type": "GreaterThan",
        "LeftValue": _evaluated("classification_metrics.test_f1"),
        "RightValue": _get("Parameters.TestScoreThreshold"),
    }
    gate = {"Type": "Equals", "LeftValue": _evaluated("gate.passed"), "RightValue": True}
    branches = {"IfSteps": [_register(settings)], "ElseSteps": [_fail()]}
    return {
        "Name": "check-test-score",
        "Type": "Condition",
        "Arguments": {"Conditions": [score, gate], **branches},
    }


def _joined(step: str, output: str, name: str) -> dict[str, Any]:
    return {"ContentType": "application/json", "S3Uri": _concatenated(_produced(step, output), f"/{name}")}


def _concatenated(*values: Any) -> dict[str, Any]:
    return {"Std:Join": {"On": "", "Values": [*values]}}


def _register(settings: Settings) -> dict[str, Any]:
    container = {
        "Image": _get("Parameters.ImageUri"),
        "ModelDataUrl": _get("Steps.train.ModelArtifacts.S3ModelArtifacts"),
    }
    kinds = ["text/csv", "application/json", "application/jsonlines"]
    arguments = {
        "ModelPackageGroupName": settings.names.group,
        "ModelApprovalStatus": _get("Parameters.ModelApprovalStatus"),
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": kinds,
            "SupportedResponseMIMETypes": kinds,
            "SupportedRealtimeInferenceInstanceTypes": ["ml.t2.medium", "ml.m5.xlarge"],
            "SupportedTransformInstanceTypes": ["ml.m5.large"],
        },
        "ModelMetrics": {
            "ModelQuality": {"Statistics": _joined("evaluate-model", "evaluation", EVALUATION)},
            "ModelDataQuality": {"Statistics": _joined("preprocess-data", "baseline", "baseline.json")},
        },
        "CustomerMetadataProperties": {
            "TestScoreThreshold": _concatenated(_get("Parameters.TestScoreThreshold")),
            "ComparedWith": _get("Parameters.ChampionModelUrl"),
            "ExecutionId": _get("Execution.PipelineExecutionId"),
        },
    }
    return {"Name": "register", "Type": "RegisterModel", "Arguments": arguments, "RetryPolicies": _RETRIES}


def _fail() -> dict[str, Any]:
    """The message names both figures, as far as the language can read them."""
    message = _concatenated(
        "Execution failed due to the gate: weighted F1 ",
        _evaluated("classification_metrics.test_f1"),
        " (more than ",
        _get("Parameters.TestScoreThreshold"),
        " is asked), other checks: ",
        _evaluated("gate.summary"),
    )
    return {"Name": "fail", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
