"""Titles by the billion: a processing job that shares the parts of an S3 folder out over many instances.

Parts go to S3 as they are done, below a folder whose name says what was asked, so a job that was killed costs what it
was doing and no more: the next one gets only the parts that aren't there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AwsError, AwsInputError, NotThere
from jobmajor.aws.names import derived_name
from jobmajor.aws.registry import PackageGroup
from jobmajor.batch.parts import is_part
from jobmajor.pipeline import requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.aws.prices import Table
    from jobmajor.aws.registry import Package

_DAY_S: Final = 24 * 3600
_MOST_S: Final = 5 * _DAY_S  # the service's own limit of a processing job
_OVER: Final = ("Completed", "Failed", "Stopped")
_ATTEMPTS: Final = 50
_ML: Final = "/opt/ml/processing"


class ScoringFailed(AwsError):
    """The job ended without its work being done."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be scored.

    Attributes:
        version: The version's number.
        source: The S3 folder of parts: Parquet, CSV or JSON lines with a column `title`.
        target: The S3 folder below which a folder with the answers goes.
        level: Of the codes.
        instances: Each takes its share of the parts, so more of them than parts stand idle.
        instance_type: With `ml.` in front.

    Raises:
        AwsInputError: An address outside S3, or no instances.
    """

    version: int
    source: str
    target: str
    level: str = "major"
    instances: int = 1
    instance_type: str = "ml.c5.9xlarge"

    def __post_init__(self) -> None:
        for option, value in (("--input", self.source), ("--output", self.target)):
            bucket, _, key = value.removeprefix("s3://").partition("/")
            if not (value.startswith("s3://") and bucket and key.strip("/")):
                raise AwsInputError(f"{option}: found {value}, expected an S3 folder such as s3://bucket/titles")
        if not 1 <= self.instances <= 100:
            raise AwsInputError(f"--instances: found {self.instances}, expected 1 to 100, the service's own limit")


@dataclass(frozen=True, slots=True)
class Scoring:
    """A job under way; `job` is empty where all parts were done before. `left` and `parts` count parts."""

    job: str
    target: str
    parts: int
    left: int


def start(account: Account, names: Names, batch: Batch) -> Scoring:
    """The job for what is left to do, started unless it runs.

    Raises:
        PromotionRefused: The gate didn't pass the version, or nobody approved it.
        AwsInputError: There are no parts. ScoringFailed: It failed too often.
    """
    package = _package(account, names, batch.version)
    content = {"model": package.model_url, "source": batch.source.rstrip("/"), "level": batch.level}
    name = derived_name(f"{names.project}-score", batch.version, content)
    target = f"{batch.target.rstrip('/')}/{name}"
    for attempt in range(1, _ATTEMPTS + 1):
        job = name if attempt == 1 else f"{name}-{attempt}"
        found = account.find("sagemaker", "DescribeProcessingJob", ProcessingJobName=job)
        if found and found["ProcessingJobStatus"] not in _OVER:
            return Scoring(job, target, 0, 0)
        if found is None:
            return _started(account, names, batch, (package, job, target))
    raise ScoringFailed(f"{name} failed {_ATTEMPTS} times: see the last job's reason, mend its input")


def _package(account: Account, names: Names, version: int) -> Package:
    """The version; a dry run's gets stand-ins for what only the registry knows."""
    found = PackageGroup(account, names).deployable(version)
    if not account.dry:
        return found
    image = f"{names.image_repository}@<ImageDigest>"
    return replace(found, image=image, model_url=names.url("runs", "<ExecutionId>", "model.tar.gz"))


def _started(account: Account, names: Names, batch: Batch, what: tuple[Package, str, str]) -> Scoring:
    package, job, target = what
    parts, done = _listed(account, batch.source), _listed(account, target)
    if not (parts or account.dry):
        raise AwsInputError(f"{batch.source} holds no parts: expected .parquet, .csv or .jsonl with a column `title`")
    left = tuple(name for name in parts if name not in done)
    if parts and not left:
        return Scoring("", target, len(parts), 0)
    source = _manifest(account, names, batch, job, left) if len(left) < len(parts) else batch.source
    account.change("sagemaker", "CreateProcessingJob", **request(names, batch, package, job=job, io=(source, target)))
    return Scoring(job, target, len(parts), len(left))


def _listed(account: Account, folder: str) -> tuple[str, ...]:
    """The parts in an S3 folder, relative to it."""
    bucket, _, key = folder.removeprefix("s3://").partition("/")
    prefix = f"{key.rstrip('/')}/"
    try:
        found = [item["Key"] for item in account.pages("s3", "ListObjectsV2", "Contents", Bucket=bucket, Prefix=prefix)]
    except NotThere as error:
        raise AwsInputError(f"there is no bucket {bucket}: name another folder than {folder}") from error
    names = (key.removeprefix(prefix) for key in found)
    return tuple(name for name in names if name and not name.endswith("/") and is_part(name))


def _manifest(account: Account, names: Names, batch: Batch, job: str, left: tuple[str, ...]) -> str:
    """The address of a list of the parts that are left, in the service's own form."""
    body = json.dumps([{"prefix": f"{batch.source.rstrip('/')}/"}, *left]).encode()
    key = names.key("runs", "scored", "_manifests", f"{job}.json")
    account.change("s3", "PutObject", Bucket=names.bucket, Key=key, Body=body, ContentType="application/json")
    return f"s3://{names.bucket}/{key}"


def request(names: Names, batch: Batch, package: Package, *, job: str, io: tuple[str, str]) -> dict[str, Any]:
    """CreateProcessingJob's parameters: the same isolation, keys and network as the pipeline's own jobs.

    Args:
        names: Of project and role.
        batch: What is asked.
        package: Whose image and model score.
        job: Its name.
        io: The address of the parts, or of a list of them; and where answers go.
    """
    source, target = io
    kind = "S3Prefix" if source == batch.source else "ManifestFile"
    inputs = [requests.processing_input("parts", source), requests.processing_input("model", package.model_url)]
    inputs[0]["S3Input"] |= {"S3DataType": kind, "S3DataDistributionType": "ShardedByS3Key"}
    # As they are done, not at the end: what was uploaded outlives the job.
    place = {"S3Uri": target, "LocalPath": f"{_ML}/output/scored", "S3UploadMode": "Continuous"}
    words = ["--level", batch.level]
    outputs = [{"OutputName": "scored", "S3Output": place}]
    made = requests.processing(names.settings, "score", words, inputs=inputs, outputs=outputs)
    made["ProcessingResources"]["ClusterConfig"] |= {
        "InstanceType": batch.instance_type,
        "InstanceCount": batch.instances,
    }
    made["AppSpecification"]["ImageUri"] = package.image
    more = {"RoleArn": names.roles["job"], "StoppingCondition": {"MaxRuntimeInSeconds": _MOST_S}, "Tags": names.tags}
    return {"ProcessingJobName": job, **made, **more}


def wait(account: Account, job: str) -> None:
    """Until the job is over.

    Raises:
        ScoringFailed: It failed, or somebody stopped it; what it finished stays.
    """
    if account.dry or not job:
        return
    found = account.wait(
        lambda: account.read("sagemaker", "DescribeProcessingJob", ProcessingJobName=job),
        lambda answer: answer["ProcessingJobStatus"] in _OVER,
        describe=lambda answer: f"scoring {job}: {answer['ProcessingJobStatus']}",
        limit_s=_MOST_S,
    )
    if found["ProcessingJobStatus"] != "Completed":
        why = found.get("ExitMessage") or found.get("FailureReason") or "no reason was given"
        raise ScoringFailed(
            f"scoring {job} is {found['ProcessingJobStatus']}: {why.rstrip('.')}; run the same command again for the "
            "parts that are left"
        )


# What it costs

# What estimates assume unless somebody measured their own; `--rate` takes another. How it is measured: the step
# `score` as the job runs it, held to one core (taskset), over a folder of parts with titles at the major level; titles
# divided by the seconds from its first part's end to its last's. 180,000 titles from parquet on a Xeon of 2023:
# 44,200 a second; the rest is room for slower cores.
TITLES_PER_CORE_S: Final = 40_000.0
# Of AWS's instance types: two virtual processors are one core of c5 and m5.
VIRTUAL_PROCESSORS: Final[Mapping[str, int]] = {
    **{f"ml.c5.{size}": count for size, count in (("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("9xlarge", 36))},
    **{f"ml.m5.{size}": count for size, count in (("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16))},
}
# Said, not measured: a core's second thread adds nothing; minutes to start and to load; bytes of a title in and out.
_START_S: Final = 600.0
_TITLE_BYTES: Final = 30 + 60
_GB: Final = 10**9


@dataclass(frozen=True, slots=True)
class Cost:
    """What scoring so many titles takes.

    Attributes:
        titles_per_core_s: The assumed rate.
        hours: From start to end.
        compute_usd: Of all instances; None where the table doesn't have their price.
        storage_usd_month: Of titles and answers in S3; None likewise.
        as_of: Of the prices.
    """

    titles_per_core_s: float
    hours: float
    compute_usd: float | None
    storage_usd_month: float | None
    as_of: str

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; what is unknown says so."""
        return {name: "unknown" if value is None else value for name, value in asdict(self).items()}


def estimate(titles: float, batch: Batch, table: Table, region: str, rate: float = TITLES_PER_CORE_S) -> Cost:
    """The cost of so many titles in parts of like size, at least one for each core; `rate` is a core's, a second.

    Raises:
        AwsInputError: How many processors the instance type has isn't known here.
    """
    count = VIRTUAL_PROCESSORS.get(batch.instance_type)
    if count is None:
        raise AwsInputError(f"{batch.instance_type} has no estimate: it is known for {', '.join(VIRTUAL_PROCESSORS)}")
    seconds = _START_S + titles / (batch.instances * count / 2 * rate)
    hourly, stored = table.hourly(region, batch.instance_type), table.find(region, "s3/storage")
    hours = seconds / 3600
    return Cost(
        titles_per_core_s=rate,
        hours=hours,
        compute_usd=None if hourly is None else hours * hourly * batch.instances,
        storage_usd_month=None if stored is None else titles * _TITLE_BYTES / _GB * stored.usd,
        as_of=table.as_of,
    )
