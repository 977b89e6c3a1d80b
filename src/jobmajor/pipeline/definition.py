"""The definition of the pipeline as plain data, used on this machine and on SageMaker alike.

Equal settings always give equal bytes; this module neither calls AWS nor needs an SDK. What differs between this
machine and an account (bucket, role, image, instance types) is a Parameter. Outputs are below the execution's id, so
that no later run can overwrite what a cached step refers to. The addresses of inputs contain their digest.
Source of the format: AWS, "SageMaker Pipeline Definition JSON Schema", version 2020-12-01.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobmajor.errors import SettingError
from jobmajor.pipeline import requests
from jobmajor.pipeline.requests import get, processing_input, processing_output, produced

if TYPE_CHECKING:
    from jobmajor.pipeline.requests import Tuning
    from jobmajor.settings import Settings

ROLE = "arn:aws:iam::000000000000:role/jobmajor-local"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/jobmajor:local"
NO_CHAMPION = "champion/none"  # the address, below the prefix, that means that there is no champion to compare with
NO_REVIEWS = "review/none"  # the same for reviewed titles
EVALUATION, REPORT, AGREEMENT = "evaluation.json", "report.html", "agreement.json"
STATISTICS, CONSTRAINTS = "statistics.json", "constraints.json"  # of a baseline, as Model Monitor names them

_KEPT = {"Enabled": True, "ExpireAfter": "P30D"}
# What is retried, and how often: calls that fail; jobs that the service interrupts; instances that are not available,
# for up to a night; a quota that another job may hold, for an hour. A job's own failure is not retried. Source: AWS,
# Amazon SageMaker AI Developer Guide, "Retry Policy for Pipeline Steps", which also says that a search does the second
# by itself.
_CALLS = {
    "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
    "IntervalSeconds": 30,
    "BackoffRate": 2.0,
    "MaxAttempts": 5,
}
_BROKEN = {
    "ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"],
    "IntervalSeconds": 60,
    "BackoffRate": 2.0,
    "MaxAttempts": 3,
}
_SCARCE = {
    "ExceptionType": ["SageMaker.CAPACITY_ERROR"],
    "IntervalSeconds": 300,
    "BackoffRate": 1.5,
    "ExpireAfterMin": 480,
}
_LIMITED = {
    "ExceptionType": ["SageMaker.RESOURCE_LIMIT"],
    "IntervalSeconds": 120,
    "BackoffRate": 1.5,
    "ExpireAfterMin": 60,
}
_RETRIES = {
    "Processing": [_CALLS, _BROKEN, _SCARCE, _LIMITED],
    "Training": [_CALLS, _BROKEN, _SCARCE, _LIMITED],
    "Tuning": [_CALLS, _SCARCE, _LIMITED],
    "RegisterModel": [_CALLS],
}
_STATUSES = ["PendingManualApproval", "Approved", "Rejected"]


def build(settings: Settings, tuning: Tuning | None = None) -> dict[str, Any]:
    """Return the definition, ready for JSON; with `tuning` its training is a search, whose best model is evaluated.

    Raises:
        SettingError: A search was asked for, and the recipe is another than the one that the ranges are of.
    """
    if tuning and settings.train.recipe != "linear":
        raise SettingError("train.recipe", settings.train.recipe, "linear: a search is for settings of that recipe")
    model = requests.best_model(settings) if tuning else get("Steps.train.ModelArtifacts.S3ModelArtifacts")
    if tuning:
        train = _step("train", "Tuning", requests.search(settings, tuning))
    else:
        train = _step("train", "Training", requests.training(settings))
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": _parameters(settings),
        "PipelineExperimentConfig": {
            "ExperimentName": get("Execution.PipelineName"),
            "TrialName": get("Execution.PipelineExecutionId"),
        },
        "Steps": [_preprocess(settings), train, _evaluate(settings, model), _check(settings, model)],
    }


def to_bytes(settings: Settings, tuning: Tuning | None = None) -> bytes:
    """Return the definition's bytes, which `sagelocal` runs here and which are sent to SageMaker."""
    return (json.dumps(build(settings, tuning), indent=1) + "\n").encode()


def local_uri(settings: Settings, *parts: str) -> str:
    """Return an address below the prefix in the bucket that stands for S3 on this machine."""
    return "/".join((f"s3://{settings.names.bucket}", settings.names.prefix, *parts))


def _parameter(name: str, default: Any, kind: str = "String") -> dict[str, Any]:
    return {"Name": name, "Type": kind, "DefaultValue": default}


def _parameters(settings: Settings) -> list[dict[str, Any]]:
    base = _parameter("CheckpointUrl", local_uri(settings, requests.CHECKPOINT))
    return [
        _parameter("ProcessingInstanceType", "ml.c5.xlarge"),
        _parameter("TrainingInstanceType", "ml.m5.xlarge"),
        _parameter("TrainingInstanceCount", 1, "Integer"),
        {**_parameter("ModelApprovalStatus", "PendingManualApproval"), "EnumValues": _STATUSES},
        _parameter("TestScoreThreshold", settings.threshold, "Float"),
        _parameter("InputDataUrl", local_uri(settings, "input")),
        _parameter("ReviewedDataUrl", local_uri(settings, NO_REVIEWS)),
        _parameter("ChampionModelUrl", local_uri(settings, NO_CHAMPION)),
        *([base] if requests.is_transformer(settings) else []),
        _parameter("Bucket", settings.names.bucket),
        _parameter("RoleArn", ROLE),
        _parameter("ImageUri", IMAGE),
    ]


def _step(name: str, kind: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": kind,
        "Arguments": arguments,
        **more,
        "CacheConfig": _KEPT,
        "RetryPolicies": _RETRIES[kind],
    }


def _preprocess(settings: Settings) -> dict[str, Any]:
    outputs = [processing_output(settings, name) for name in ("train", "validation", "test", "baseline")]
    inputs = [
        processing_input("input", get("Parameters.InputDataUrl")),
        processing_input("reviewed", get("Parameters.ReviewedDataUrl")),
    ]
    words = requests.arguments(asdict(settings.split))
    arguments = requests.processing(settings, "prepare", words, inputs=inputs, outputs=outputs)
    return _step("preprocess-data", "Processing", arguments)


def _evaluate(settings: Settings, model: dict[str, Any]) -> dict[str, Any]:
    inputs = [
        processing_input("model", model),
        processing_input("test", produced("preprocess-data", "test")),
        processing_input("champion", get("Parameters.ChampionModelUrl")),
    ]
    outputs = [processing_output(settings, name) for name in ("evaluation", "prediction-baseline")]
    words = ["--seed", str(settings.split.seed), *(["--refit"] if is_refitted(settings) else [])]
    arguments = requests.processing(settings, "evaluate", words, inputs=inputs, outputs=outputs)
    report = {"PropertyFileName": "EvaluationReport", "OutputName": "evaluation", "FilePath": EVALUATION}
    return _step("evaluate-model", "Processing", arguments, PropertyFiles=[report])


def _evaluated(path: str) -> dict[str, Any]:
    report = get("Steps.evaluate-model.PropertyFiles.EvaluationReport")
    return {"Std:JsonGet": {"PropertyFile": report, "Path": path}}


def _check(settings: Settings, model: dict[str, Any]) -> dict[str, Any]:
    """Return the condition: the tutorial's on weighted F1 and the gate's on everything else, which must both hold."""
    score = {
        "Type": "GreaterThan",
        "LeftValue": _evaluated("classification_metrics.test_f1"),
        "RightValue": get("Parameters.TestScoreThreshold"),
    }
    gate = {"Type": "Equals", "LeftValue": _evaluated("gate.passed"), "RightValue": True}
    accepted = _refitted(settings, model) if is_refitted(settings) else [_register(settings, model, model)]
    branches = {"IfSteps": accepted, "ElseSteps": [_fail()]}
    return {
        "Name": "check-test-score",
        "Type": "Condition",
        "Arguments": {"Conditions": [score, gate], **branches},
    }


def is_refitted(settings: Settings) -> bool:
    """Tell whether an accepted model is trained again on all rows before it is registered."""
    return settings.train.refit and not requests.is_transformer(settings)


def _refitted(settings: Settings, model: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that train the judged model again on all rows, compare the two, and register the new one.

    One processing job trains and compares: a training job has no property file that a condition could read.
    """
    inputs = [
        processing_input("model", model),
        *(processing_input(name, produced("preprocess-data", name)) for name in ("train", "validation", "test")),
    ]
    outputs = [processing_output(settings, name) for name in ("refitted-model", "agreement")]
    arguments = requests.processing(settings, "refit", [], inputs=inputs, outputs=outputs)
    report = {"PropertyFileName": "AgreementReport", "OutputName": "agreement", "FilePath": AGREEMENT}
    new = _concatenated(produced("refit", "refitted-model"), "/model.tar.gz")
    passed = {"Type": "Equals", "LeftValue": _agreed("passed"), "RightValue": True}
    message = _concatenated("Execution failed: the model that was refitted on all rows differs, ", _agreed("summary"))
    refused = {"Name": "fail-refit", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
    branches = {"IfSteps": [_register(settings, new, model)], "ElseSteps": [refused]}
    return [
        _step("refit", "Processing", arguments, PropertyFiles=[report]),
        {"Name": "check-refit", "Type": "Condition", "Arguments": {"Conditions": [passed], **branches}},
    ]


def _agreed(path: str) -> dict[str, Any]:
    report = get("Steps.refit.PropertyFiles.AgreementReport")
    return {"Std:JsonGet": {"PropertyFile": report, "Path": path}}


def _joined(step: str, output: str, name: str) -> dict[str, Any]:
    return {"ContentType": "application/json", "S3Uri": _concatenated(produced(step, output), f"/{name}")}


def _concatenated(*values: Any) -> dict[str, Any]:
    return {"Std:Join": {"On": "", "Values": [*values]}}


def _register(settings: Settings, model: dict[str, Any], judged: dict[str, Any]) -> dict[str, Any]:
    """Return the step that registers a model; later gates compare with the one that was judged without the test."""
    container = {"Image": get("Parameters.ImageUri"), "ModelDataUrl": model}
    kinds = ["text/csv", "application/json", "application/jsonlines"]
    arguments = {
        "ModelPackageGroupName": settings.names.group,
        "ModelApprovalStatus": get("Parameters.ModelApprovalStatus"),
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": kinds,
            "SupportedResponseMIMETypes": kinds,
            "SupportedRealtimeInferenceInstanceTypes": ["ml.t2.medium", "ml.m5.large", "ml.m5.xlarge"],
            "SupportedTransformInstanceTypes": ["ml.m5.large"],
        },
        "ModelMetrics": _baselines(),
        "DriftCheckBaselines": _baselines(),
        "CustomerMetadataProperties": {
            "EvaluationUrl": _concatenated(produced("evaluate-model", "evaluation"), f"/{EVALUATION}"),
            "TestScoreThreshold": _concatenated(get("Parameters.TestScoreThreshold")),
            "ComparedWith": get("Parameters.ChampionModelUrl"),
            **({} if judged == model else {"JudgedModelUrl": judged}),
            "ExecutionId": get("Execution.PipelineExecutionId"),
        },
    }
    return {
        "Name": "register",
        "Type": "RegisterModel",
        "Arguments": arguments,
        "RetryPolicies": _RETRIES["RegisterModel"],
    }


def _baselines() -> dict[str, Any]:
    """Return what later titles and answers are compared with: baselines of the data and of the answers."""
    outputs = {
        "ModelQuality": ("evaluate-model", "prediction-baseline"),
        "ModelDataQuality": ("preprocess-data", "baseline"),
    }
    files = {"Statistics": STATISTICS, "Constraints": CONSTRAINTS}
    return {
        name: {member: _joined(*output, file) for member, file in files.items()} for name, output in outputs.items()
    }


def _fail() -> dict[str, Any]:
    """Return the Fail step, whose message names both figures as far as the pipeline language can read them."""
    message = _concatenated(
        "Execution failed due to the gate: weighted F1 ",
        _evaluated("classification_metrics.test_f1"),
        " (more than ",
        get("Parameters.TestScoreThreshold"),
        " is asked), other checks: ",
        _evaluated("gate.summary"),
    )
    return {"Name": "fail", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
