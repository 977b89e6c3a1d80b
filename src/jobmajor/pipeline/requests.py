"""The pipeline's jobs as requests of SageMaker's API: processing, one training, or a search over many.

`definition` combines them. These requests decide which inputs a container finds, and where it writes its outputs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobmajor.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.settings import Settings

CHECKPOINT = "checkpoint"  # the transformer's channel: jobs have no network, so the pretrained network comes as data
CHECKPOINTS = "checkpoints"  # the folder of the transformer's state during training

TAG = "jobmajor:project"  # its value is the project's name

_ML = "/opt/ml"
_DISK_GB = 30
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S  # the limit of a transformer: the tutorial's five epochs take hours without a GPU
_ATTEMPTS = 3  # of a search's training after a fault of the service, for which no step's retry policy counts
_OBJECTIVE = "validation_f1"
_METRICS = ("validation_accuracy", _OBJECTIVE, "validation_f1_macro", "train_seconds")
# The tutorial's, as the transformer's log has them after each epoch.
_EVALUATED = ("eval_loss", "eval_accuracy", "eval_f1", "eval_runtime", "eval_samples_per_second")
_TRANSFORMER_METRICS = (*_METRICS, "epoch", "train_loss", *_EVALUATED)


@dataclass(frozen=True, slots=True)
class Tuning:
    """A search on SageMaker.

    Attributes:
        ranges: What is tried, as `tune.parameter_ranges()` gives it.
        trials: Training jobs in all.
        parallel: Of them at a time: the more, the fewer each can learn from.
        seed: Of what is tried.
    """

    ranges: Mapping[str, Any]
    trials: int = 30
    parallel: int = 2
    seed: int = 0


def get(path: str) -> dict[str, str]:
    """Return a reference to the value at a path, which is known when the pipeline runs."""
    return {"Get": path}


def uri(settings: Settings, *parts: Any) -> dict[str, Any]:
    """Return an address below the prefix in the account's bucket."""
    return {"Std:Join": {"On": "/", "Values": ["s3:/", get("Parameters.Bucket"), settings.names.prefix, *parts]}}


def run_uri(settings: Settings, *parts: Any) -> dict[str, Any]:
    """Return an address below this execution's prefix."""
    return uri(settings, "runs", get("Execution.PipelineExecutionId"), *parts)


def is_transformer(settings: Settings) -> bool:
    """Tell whether the transformer is the chosen recipe."""
    return settings.train.recipe == "transformer"


def produced(step: str, output: str) -> dict[str, str]:
    """Return the address of a processing step's output."""
    return get(f"Steps.{step}.ProcessingOutputConfig.Outputs['{output}'].S3Output.S3Uri")


def processing_input(name: str, source: Any) -> dict[str, Any]:
    """Return the input that a processing step finds in the folder of that name."""
    location = {
        "S3Uri": source,
        "LocalPath": f"{_ML}/processing/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    return {"InputName": name, "S3Input": location}


def processing_output(settings: Settings, name: str) -> dict[str, Any]:
    """Return the output that a processing step leaves in the folder of that name, with `_` for `-`."""
    folder = name.replace("-", "_")
    target = run_uri(settings, folder)
    location = {"S3Uri": target, "LocalPath": f"{_ML}/processing/output/{folder}", "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": location}


def processing(
    settings: Settings,
    name: str,
    arguments: Sequence[str],
    *,
    inputs: Sequence[dict[str, Any]],
    outputs: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Return the request for a processing job that runs the step `name`."""
    cluster = {
        "InstanceType": get("Parameters.ProcessingInstanceType"),
        "InstanceCount": 1,
        "VolumeSizeInGB": _DISK_GB,
        **_given("VolumeKmsKeyId", settings.jobs.volume_kms_key),
    }
    return {
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {
            "ImageUri": get("Parameters.ImageUri"),
            "ContainerEntrypoint": _entry(name),
            **_given("ContainerArguments", [*arguments]),
        },
        "RoleArn": get("Parameters.RoleArn"),
        "ProcessingInputs": [*inputs],
        "ProcessingOutputConfig": {"Outputs": [*outputs], **_given("KmsKeyId", settings.jobs.kms_key)},
        "NetworkConfig": _network(settings),
        "StoppingCondition": {"MaxRuntimeInSeconds": _HOUR_S},
        "Tags": _tags(settings),
    }


def _given(name: str, value: Any) -> dict[str, Any]:
    """Return a request's member, or nothing where it has no value."""
    return {name: value} if value else {}


def _tags(settings: Settings) -> list[dict[str, str]]:
    """Return the tag by which the bill and the cleanup recognise a job."""
    return [{"Key": TAG, "Value": settings.names.project}]


def _network(settings: Settings) -> dict[str, Any]:
    """Return a job's network: without access to any other, and encrypted between instances.

    Raises:
        SettingError: Subnets without security groups, or the other way round.
    """
    subnets, groups = settings.jobs.subnets, settings.jobs.security_groups
    if bool(subnets) != bool(groups):
        name, other = ("subnets", "security_groups") if groups else ("security_groups", "subnets")
        raise SettingError(f"jobs.{name}", [], f"ids, since jobs.{other} has some: a VPC needs both")
    vpc = {"SecurityGroupIds": [*groups], "Subnets": [*subnets]} if subnets else {}
    return {
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": True,
        **_given("VpcConfig", vpc),
    }


def arguments(section: Mapping[str, Any]) -> list[str]:
    """Return settings as `--name value` arguments."""
    values = [(f"--{name.replace('_', '-')}", str(value)) for name, value in section.items()]
    return [word for pair in values for word in pair]


def _entry(step: str) -> list[str]:
    return ["python3", "-m", "jobmajor.steps", step]


def training(settings: Settings, entry: Sequence[str] | None = tuple(_entry("train"))) -> dict[str, Any]:
    """Return the request for a training job; without an `entry` the image's program `train` starts."""
    metrics = _TRANSFORMER_METRICS if is_transformer(settings) else _METRICS
    return {
        "AlgorithmSpecification": {
            "TrainingImage": get("Parameters.ImageUri"),
            "TrainingInputMode": "File",
            **({"ContainerEntrypoint": [*entry]} if entry else {}),
            "MetricDefinitions": [{"Name": name, "Regex": f"{name}=([0-9.]+)"} for name in metrics],
        },
        "HyperParameters": _hyperparameters(settings),
        "InputDataConfig": [_channel(name, source) for name, source in _channels(settings).items()],
        "OutputDataConfig": {
            "S3OutputPath": run_uri(settings, "output"),
            **_given("KmsKeyId", settings.jobs.kms_key),
        },
        **({"CheckpointConfig": _checkpoints(settings)} if is_transformer(settings) else {}),
        "ResourceConfig": {
            "InstanceType": get("Parameters.TrainingInstanceType"),
            "InstanceCount": get("Parameters.TrainingInstanceCount"),
            "VolumeSizeInGB": _DISK_GB,
            **_given("VolumeKmsKeyId", settings.jobs.volume_kms_key),
        },
        "RoleArn": get("Parameters.RoleArn"),
        **_patience(settings),
        **_network(settings),
        "Tags": _tags(settings),
    }


def _patience(settings: Settings) -> dict[str, Any]:
    """Return how long a training may run, and wait for spot instances.

    A training on an interrupted instance continues from its checkpoint. The linear recipe has none, because it takes
    only a minute, so it starts again.
    """
    limit_s = _DAY_S if is_transformer(settings) else _HOUR_S
    wait_s = 60 * settings.jobs.spot_wait_minutes
    if not wait_s:
        return {"StoppingCondition": {"MaxRuntimeInSeconds": limit_s}}
    stopping = {"MaxRuntimeInSeconds": limit_s, "MaxWaitTimeInSeconds": limit_s + wait_s}
    return {"StoppingCondition": stopping, "EnableManagedSpotTraining": True}


def _hyperparameters(settings: Settings) -> dict[str, str]:
    values = {"recipe": settings.train.recipe, **asdict(settings.recipe)}
    return {name: str(value) for name, value in values.items()}


def _channels(settings: Settings) -> dict[str, Any]:
    """Return the address of each channel."""
    found = {name: produced("preprocess-data", name) for name in ("train", "validation")}
    return {**found, CHECKPOINT: get("Parameters.CheckpointUrl")} if is_transformer(settings) else found


def _channel(name: str, source: Any) -> dict[str, Any]:
    location = {"S3DataType": "S3Prefix", "S3Uri": source, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": location}, "InputMode": "File"}


def _checkpoints(settings: Settings) -> dict[str, Any]:
    """Return where checkpoints are kept: one folder for each choice of settings, so that the next execution resumes."""
    key = hashlib.sha256(json.dumps(_hyperparameters(settings), sort_keys=True).encode()).hexdigest()[:16]
    return {"S3Uri": uri(settings, CHECKPOINTS, key), "LocalPath": f"{_ML}/{CHECKPOINTS}"}


def search(settings: Settings, tuning: Tuning) -> dict[str, Any]:
    """Return the request for a tuning job, whose trainings have no entry point: the image needs a program `train`."""
    job = training(settings, entry=None)
    del job["Tags"]  # a tuning job passes its tags on to its trainings
    tried = {item["Name"] for ranges in tuning.ranges.values() for item in ranges}
    fixed = {name: value for name, value in job.pop("HyperParameters").items() if name not in tried}
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": _OBJECTIVE},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": tuning.trials, "MaxParallelTrainingJobs": tuning.parallel},
        "ParameterRanges": dict(tuning.ranges),
        "TrainingJobEarlyStoppingType": "Off",
        "RandomSeed": tuning.seed,
    }
    definition = {"StaticHyperParameters": fixed, **job, "RetryStrategy": {"MaximumRetryAttempts": _ATTEMPTS}}
    return {"HyperParameterTuningJobConfig": config, "TrainingJobDefinition": definition, "Tags": _tags(settings)}


def best_model(settings: Settings) -> dict[str, Any]:
    """Return the address of the model that the best training of the step `train`, a search, leaves.

    The service names the trainings and keeps each one's model below its name. Source: AWS, Amazon SageMaker AI
    Developer Guide, "SageMaker AI Training Storage Folders"; `DescribeHyperParameterTuningJob` for the name.
    """
    return run_uri(settings, "output", get("Steps.train.BestTrainingJob.TrainingJobName"), "output/model.tar.gz")
