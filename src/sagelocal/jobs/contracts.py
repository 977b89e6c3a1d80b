"""SageMaker's container contract as plain data: what a job gets and what it returns. No files, no processes.

A step doesn't know who runs it, so it must find the same files under `/opt/ml` here and on the service. Source:
AWS, SageMaker AI Developer Guide, "How Amazon SageMaker AI Runs Your Processing Container Image" and "How
Amazon SageMaker AI Provides Training Information".
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition import algorithms
from sagelocal.errors import InputError
from sagelocal.storage.address import join

if TYPE_CHECKING:
    from collections.abc import Mapping

ML: Final = "/opt/ml/"
PROCESSING: Final = "/opt/ml/processing/"
CHANNELS: Final = "/opt/ml/input/data/"
# AWS's training toolkit puts the scripts that this hyperparameter names here, unless some are there already.
CODE: Final = "code"
_SCRIPTS: Final = "sagemaker_submit_directory"
SHARDED: Final = "ShardedByS3Key"
OBJECTIVE: Final = "_tuning_objective_metric"  # the hyperparameter that tells a search's trainings their objective
ARN: Final = "arn:aws:sagemaker:local:000000000000"
_DAY_S: Final = 86400.0
FIRST: Final = "algo-1"
_GROUP: Final = "homogeneousCluster"
# The program of an image, below its environment's bin/, that a job without an entry point runs.
PROGRAMS: Final = {"Training": "train", "Processing": "process"}


@dataclass(frozen=True, slots=True)
class Transfer:
    """An input or output: the address of its objects, and its folder relative to /opt/ml.

    If it is `sharded`, each instance gets a part of the objects, otherwise each gets all.
    """

    name: str
    uri: str
    folder: str
    sharded: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One job as its container sees it; `kind` is Processing, Training, Transform or Tuning.

    `arguments` are the resolved Arguments of the step. `files` are the JSON files of the contract, by path relative to
    /opt/ml. An empty `argv[0]` stands for the image's own program (`PROGRAMS`). The job may write
    the reason of its failure to `reason_file`. If `packed`, the output folders become `model.tar.gz` and
    `output.tar.gz`. `metrics` are pairs of a name and a regular expression for the log. `hosts` are the names of the
    instances. `key_arguments` is what of the arguments a cache looks at, where that isn't all but the usual.
    """

    kind: str
    arguments: Mapping[str, Any]
    name: str
    image: str
    argv: tuple[str, ...]
    variables: Mapping[str, str]
    inputs: tuple[Transfer, ...]
    outputs: tuple[Transfer, ...]
    files: Mapping[str, Any]
    max_runtime_s: float
    reason_file: str
    packed: bool = False
    checkpoints: Transfer | None = None
    metrics: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = (FIRST,)
    key_arguments: Mapping[str, Any] | None = None

    def files_of(self, host: str) -> dict[str, Any]:
        """Return the JSON files of one instance; resourceconfig.json holds its own name."""
        return {
            name: {**body, "current_host": host} if name.endswith("resourceconfig.json") else body
            for name, body in self.files.items()
        }


def hosts(count: int) -> tuple[str, ...]:
    """Return the names of a job's instances, in their order.

    >>> hosts(2)
    ('algo-1', 'algo-2')
    """
    return tuple(f"algo-{number}" for number in range(1, count + 1))


def job_name(execution_id: str, step: str, prefix: str = "") -> str:
    """Return a job name of at most 63 letters, digits and hyphens, unique for each step of each execution."""
    asked = f"{prefix or 'pipelines'}-{execution_id}-{step}"
    name = re.sub(r"[^A-Za-z0-9-]", "-", asked).strip("-")
    if name == asked and len(name) <= 63 and not prefix:
        return name
    mark = hashlib.sha256(step.encode()).hexdigest()[:8]
    return f"{name[:54].rstrip('-')}-{mark}"


def local(path: str, below: str) -> str:
    """Return a container path relative to /opt/ml.

    Raises:
        InputError: It is not inside `below`.
    """
    clean = posixpath.normpath(path)
    if not clean.startswith(below) or ".." in path.split("/"):
        raise InputError(f"found {path!r}, expected a path that begins with {below}")
    return clean.removeprefix(ML)


def job(kind: str, arguments: Mapping[str, Any], execution_id: str, step: str) -> Job:
    """Return the job of a Processing or Training step's resolved Arguments."""
    prefix = str(arguments.get(f"{kind}JobName", ""))
    name = job_name(execution_id, step, prefix)
    return training(arguments, name) if kind == "Training" else processing(arguments, name)


def describe(done: Job, metrics: Mapping[str, float], message: str, times: tuple[str, str]) -> dict[str, Any]:
    """Return what DescribeProcessingJob or DescribeTrainingJob would give for the finished job.

    Args:
        done: The job.
        metrics: The last value of each metric.
        message: The ExitMessage of a Processing job.
        times: Start and end, ISO 8601.
    """
    kind = done.kind
    common = {
        **done.arguments,
        f"{kind}JobName": done.name,
        f"{kind}JobArn": f"{ARN}:{kind.lower()}-job/{done.name}",
        f"{kind}JobStatus": "Completed",
        "CreationTime": times[0],
        f"{kind}StartTime": times[0],
        f"{kind}EndTime": times[1],
    }
    if kind == "Processing":
        return {**common, "ExitMessage": message} if message else common
    uploaded = done.outputs[0].uri
    final = [{"MetricName": name, "Value": value, "Timestamp": times[1]} for name, value in metrics.items()]
    return {
        **common,
        "SecondaryStatus": "Completed",
        "ModelArtifacts": {"S3ModelArtifacts": join(uploaded, "model.tar.gz") if done.packed else uploaded},
        "FinalMetricDataList": final,
    }


def processing(arguments: Mapping[str, Any], name: str) -> Job:
    """Return the job of a Processing step's resolved Arguments."""
    application = arguments["AppSpecification"]
    inputs = tuple(
        Transfer(
            item["InputName"],
            item["S3Input"]["S3Uri"],
            local(item["S3Input"]["LocalPath"], PROCESSING),
            sharded=item["S3Input"].get("S3DataDistributionType") == SHARDED,
        )
        for item in arguments.get("ProcessingInputs", ())
    )
    outputs = tuple(
        Transfer(item["OutputName"], item["S3Output"]["S3Uri"], local(item["S3Output"]["LocalPath"], PROCESSING))
        for item in arguments.get("ProcessingOutputConfig", {}).get("Outputs", ())
    )
    about = {"ProcessingJobArn": f"{ARN}:processing-job/{name}", "ProcessingJobName": name}
    names = hosts(arguments.get("ProcessingResources", {}).get("ClusterConfig", {}).get("InstanceCount", 1))
    return Job(
        kind="Processing",
        arguments=arguments,
        name=name,
        image=application["ImageUri"],
        argv=(*application.get("ContainerEntrypoint", ("",)), *application.get("ContainerArguments", ())),
        variables=_texts(arguments.get("Environment", {})),
        inputs=inputs,
        outputs=outputs,
        files={
            "config/processingjobconfig.json": {**about, **arguments},
            "config/resourceconfig.json": {"current_host": FIRST, "hosts": list(names)},
        },
        max_runtime_s=_max_runtime_s(arguments),
        reason_file="output/message",
        hosts=names,
    )


def training(arguments: Mapping[str, Any], name: str) -> Job:
    """Return the job of a Training step's resolved Arguments."""
    algorithm = arguments["AlgorithmSpecification"]
    channels = {item["ChannelName"]: item for item in arguments.get("InputDataConfig", ())}
    uploads = join(arguments["OutputDataConfig"]["S3OutputPath"], f"{name}/output")
    packed = arguments["OutputDataConfig"].get("CompressionType", "GZIP") != "NONE"
    names = hosts(arguments["ResourceConfig"].get("InstanceCount", 1))
    return Job(
        kind="Training",
        arguments=arguments,
        name=name,
        image=algorithm["TrainingImage"],
        argv=(*algorithm.get("ContainerEntrypoint", ("",)), *algorithm.get("ContainerArguments", ())),
        variables={
            **_texts(arguments.get("Environment", {})),
            "TRAINING_JOB_NAME": name,
            "TRAINING_JOB_ARN": f"{ARN}:training-job/{name}",
        },
        inputs=tuple(
            Transfer(
                channel,
                item["DataSource"]["S3DataSource"]["S3Uri"],
                local(f"{CHANNELS}{channel}", CHANNELS),
                sharded=item["DataSource"]["S3DataSource"].get("S3DataDistributionType") == SHARDED,
            )
            for channel, item in channels.items()
        )
        + _scripts(arguments.get("HyperParameters", {})),
        outputs=(Transfer("model", uploads if packed else join(uploads, "model"), "model"),),
        files={
            "input/config/hyperparameters.json": _texts(arguments.get("HyperParameters", {})),
            "input/config/inputdataconfig.json": {
                channel: _channel(item, algorithm) for channel, item in channels.items()
            },
            "input/config/resourceconfig.json": _resources(arguments["ResourceConfig"].get("InstanceType"), names),
        },
        max_runtime_s=_max_runtime_s(arguments),
        reason_file="output/failure",
        packed=packed,
        checkpoints=_checkpoints(arguments),
        metrics=tuple((item["Name"], item["Regex"]) for item in algorithm.get("MetricDefinitions", ()))
        or algorithms.metrics(algorithm["TrainingImage"], str(arguments.get("HyperParameters", {}).get(OBJECTIVE, ""))),
        hosts=names,
    )


def _scripts(hyperparameters: Mapping[str, Any]) -> tuple[Transfer, ...]:
    """Return the archive of scripts that SDKs name among the hyperparameters, for AWS's training toolkit to fetch."""
    text = str(hyperparameters.get(_SCRIPTS, ""))
    uri = text.strip('"')
    return (Transfer(_SCRIPTS, uri, CODE),) if uri.startswith("s3://") else ()


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    # A value that is not a string becomes its JSON text, as on the service.
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def _max_runtime_s(arguments: Mapping[str, Any]) -> float:
    return float(arguments.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY_S))


def _channel(item: Mapping[str, Any], algorithm: Mapping[str, Any]) -> dict[str, str]:
    source = item["DataSource"]["S3DataSource"]
    known = {
        "ContentType": item.get("ContentType"),
        "TrainingInputMode": item.get("InputMode", algorithm["TrainingInputMode"]),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": item.get("RecordWrapperType", "None"),
    }
    return {name: value for name, value in known.items() if value is not None}


def _resources(instance_type: str | None, names: tuple[str, ...]) -> dict[str, Any]:
    group = {"instance_group_name": _GROUP, "instance_type": instance_type, "hosts": list(names)}
    return {
        "current_host": FIRST,
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "hosts": list(names),
        "instance_groups": [group],
        "network_interface_name": "lo",
    }


def _checkpoints(arguments: Mapping[str, Any]) -> Transfer | None:
    config = arguments.get("CheckpointConfig")
    if not config:
        return None
    return Transfer("checkpoints", config["S3Uri"], local(config.get("LocalPath", f"{ML}checkpoints"), ML))
