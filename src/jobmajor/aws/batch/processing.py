"""Score the parts of an S3 folder with a processing job on many instances.

Finished parts are uploaded at once, to a folder whose name follows from the request. So a killed job loses only the
parts in progress: the next job gets the parts that are missing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws import quotas
from jobmajor.aws.api.errors import AwsError, AwsInputError, NotFound
from jobmajor.aws.batch import disk
from jobmajor.aws.names import derived_name
from jobmajor.aws.registry import PackageGroup
from jobmajor.batch.parts import is_part
from jobmajor.pipeline import requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.aws.price_table import Table
    from jobmajor.aws.registry import Package

_DAY_S: Final = 24 * 3600
_LIMIT_S: Final = 5 * _DAY_S  # the service's limit for a processing job
_ENDED: Final = ("Completed", "Failed", "Stopped")
_ATTEMPTS: Final = 50
_ML: Final = "/opt/ml/processing"


class ScoringFailed(AwsError):
    """The job ended before its work was done."""


@dataclass(frozen=True, slots=True)
class ScoringRequest:
    """A request to score a folder.

    Attributes:
        version: The version's number.
        source: The S3 folder of parts: Parquet, CSV or JSON lines with a column `title`.
        target: The S3 folder in which the folder with the answers is created.
        level: The level of the codes.
        instances: The number of instances, which share the parts; more instances than parts are useless.
        instance_type: Such as ml.c5.9xlarge.

    Raises:
        AwsInputError: An address outside S3, or a number of instances out of range.
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
            raise AwsInputError(f"--instances: found {self.instances}, expected 1 to 100 (the service's limit)")


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """A started job, or an empty `job` if all parts are done; `left` and `parts` count parts."""

    job: str
    target: str
    parts: int
    left: int


def start(account: Account, names: Names, batch: ScoringRequest) -> ScoringJob:
    """Start the job for the parts that are left, or join the one that runs.

    Raises:
        PromotionRefused: The gate didn't pass the version, or nobody approved it.
        AwsInputError: There are no parts. ScoringFailed: The job failed too often.
    """
    package = _package(account, names, batch.version)
    content = {"model": package.model_url, "source": batch.source.rstrip("/"), "level": batch.level}
    name = derived_name(f"{names.project}-score", batch.version, content)
    target = f"{batch.target.rstrip('/')}/{name}"
    for attempt in range(1, _ATTEMPTS + 1):
        job = name if attempt == 1 else f"{name}-{attempt}"
        found = account.find("sagemaker", "DescribeProcessingJob", ProcessingJobName=job)
        if found and found["ProcessingJobStatus"] not in _ENDED:
            return ScoringJob(job, target, 0, 0)
        if found is None:
            return _create_job(account, names, batch, (package, job, target))
    raise ScoringFailed(f"{name} failed {_ATTEMPTS} times: see why the last job failed, and fix its input")


def _package(account: Account, names: Names, version: int) -> Package:
    """Return the version; in a dry run, with placeholders for what only the registry knows."""
    found = PackageGroup(account, names).deployable(version)
    if not account.dry:
        return found
    image = f"{names.image_repository}@<ImageDigest>"
    return replace(found, image=image, model_url=names.url("runs", "<ExecutionId>", "model.tar.gz"))


def _create_job(account: Account, names: Names, batch: ScoringRequest, what: tuple[Package, str, str]) -> ScoringJob:
    package, job, target = what
    parts, done = _parts(account, batch.source), _parts(account, target)
    if not (parts or account.dry):
        raise AwsInputError(f"{batch.source} holds no parts: expected .parquet, .csv or .jsonl with a column `title`")
    left = {name: size for name, size in parts.items() if name not in done}
    if parts and not left:
        return ScoringJob("", target, len(parts), 0)
    quotas.require(account, [quotas.Need(batch.instance_type, quotas.PROCESSING, batch.instances)])
    source = _manifest(account, names, batch, job, tuple(left)) if len(left) < len(parts) else batch.source
    wanted = request(names, batch, package, job=job, io=(source, target))
    share = disk.share_gb(tuple(left.values()), batch.instances)
    wanted["ProcessingResources"]["ClusterConfig"]["VolumeSizeInGB"] = share
    account.change("sagemaker", "CreateProcessingJob", **wanted)
    return ScoringJob(job, target, len(parts), len(left))


def _parts(account: Account, folder: str) -> dict[str, int]:
    """Return the parts in an S3 folder: their names, relative to it, and sizes in bytes."""
    bucket, _, key = folder.removeprefix("s3://").partition("/")
    prefix = f"{key.rstrip('/')}/"
    try:
        items = list(account.pages("s3", "ListObjectsV2", "Contents", Bucket=bucket, Prefix=prefix))
    except NotFound as error:
        raise AwsInputError(f"there is no bucket {bucket}: check the address {folder}") from error
    found = {item["Key"].removeprefix(prefix): int(item.get("Size", 0)) for item in items}
    return {name: size for name, size in found.items() if name and not name.endswith("/") and is_part(name)}


def _manifest(account: Account, names: Names, batch: ScoringRequest, job: str, left: tuple[str, ...]) -> str:
    """Upload the service's manifest of the parts that are left, and return its address."""
    body = json.dumps([{"prefix": f"{batch.source.rstrip('/')}/"}, *left]).encode()
    key = names.key("runs", "scored", "_manifests", f"{job}.json")
    account.change("s3", "PutObject", Bucket=names.bucket, Key=key, Body=body, ContentType="application/json")
    return f"s3://{names.bucket}/{key}"


def request(names: Names, batch: ScoringRequest, package: Package, *, job: str, io: tuple[str, str]) -> dict[str, Any]:
    """Return CreateProcessingJob's parameters, with the isolation, keys and network of the pipeline's jobs.

    Args:
        names: The names of project and role.
        batch: The request.
        package: The version that scores.
        job: The job's name.
        io: The address of the parts or of their manifest, and the address for the answers.
    """
    source, target = io
    kind = "S3Prefix" if source == batch.source else "ManifestFile"
    inputs = [requests.processing_input("parts", source), requests.processing_input("model", package.model_url)]
    inputs[0]["S3Input"] |= {"S3DataType": kind, "S3DataDistributionType": "ShardedByS3Key"}
    # Each part is uploaded when it is done, so that it outlives a killed job.
    place = {"S3Uri": target, "LocalPath": f"{_ML}/output/scored", "S3UploadMode": "Continuous"}
    words = ["--level", batch.level]
    outputs = [{"OutputName": "scored", "S3Output": place}]
    made = requests.processing(names.settings, "score", words, inputs=inputs, outputs=outputs)
    made["ProcessingResources"]["ClusterConfig"] |= {
        "InstanceType": batch.instance_type,
        "InstanceCount": batch.instances,
    }
    made["AppSpecification"]["ImageUri"] = package.image
    more = {"RoleArn": names.roles["job"], "StoppingCondition": {"MaxRuntimeInSeconds": _LIMIT_S}, "Tags": names.tags}
    return {"ProcessingJobName": job, **made, **more}


def wait(account: Account, job: str) -> None:
    """Wait until the job is over.

    Raises:
        ScoringFailed: It failed, or somebody stopped it; finished parts stay.
    """
    if account.dry or not job:
        return
    found = account.wait(
        lambda: account.read("sagemaker", "DescribeProcessingJob", ProcessingJobName=job),
        lambda answer: answer["ProcessingJobStatus"] in _ENDED,
        describe=lambda answer: f"scoring {job}: {answer['ProcessingJobStatus']}",
        limit_s=_LIMIT_S,
    )
    if found["ProcessingJobStatus"] != "Completed":
        why = found.get("ExitMessage") or found.get("FailureReason") or "no reason was given"
        raise ScoringFailed(
            f"scoring {job} is {found['ProcessingJobStatus']}: {why.rstrip('.')}; run the same command again for the "
            "parts that are left"
        )


# The cost of a batch

# The rate that estimates assume; `--rate` takes another. How it is measured: run the step `score` as the job does, on
# one core (taskset), over a folder of parts at the major level; divide the titles by the seconds from the end of the
# first part to the end of the last. Measured: 44,200 a second, for 180,000 titles from parquet on a Xeon of 2023. The
# constant is lower, to allow for slower cores.
TITLES_PER_CORE_S: Final = 40_000.0
# The virtual processors of AWS's instance types; a core of c5 and m5 has two.
VIRTUAL_PROCESSORS: Final[Mapping[str, int]] = {
    **{f"ml.c5.{size}": count for size, count in (("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("9xlarge", 36))},
    **{f"ml.m5.{size}": count for size, count in (("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16))},
}
# Assumed, not measured: a core's second thread adds nothing; the time to start and load.
_START_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class ScoringCost:
    """The time and cost of scoring a number of titles.

    Attributes:
        titles_per_core_s: The assumed rate, in titles per core and second.
        hours: The duration.
        compute_usd: The cost of all instances; None if the price is unknown.
        storage_usd_month: The monthly cost of titles and answers in S3; None if the price is unknown.
        disk_gb: The disk of each instance.
        as_of: The date of the prices.
    """

    titles_per_core_s: float
    hours: float
    compute_usd: float | None
    storage_usd_month: float | None
    disk_gb: int
    as_of: str

    def to_dict(self) -> dict[str, Any]:
        """Return the cost as plain data for JSON; unknown prices are "unknown"."""
        return {name: "unknown" if value is None else value for name, value in asdict(self).items()}


def estimate(
    titles: float, batch: ScoringRequest, table: Table, region: str, rate: float = TITLES_PER_CORE_S
) -> ScoringCost:
    """Estimate the cost of `titles` in parts of similar size, at least one part for each core.

    Args:
        titles: How many.
        batch: The request.
        table: The price table.
        region: The region of the job.
        rate: Titles per core and second.

    Raises:
        AwsInputError: The number of processors of the instance type is unknown.
    """
    count = VIRTUAL_PROCESSORS.get(batch.instance_type)
    if count is None:
        raise AwsInputError(
            f"--instance-type: found {batch.instance_type}, whose number of processors is unknown: expected "
            f"{', '.join(VIRTUAL_PROCESSORS)}"
        )
    seconds = _START_S + titles / (batch.instances * count / 2 * rate)
    hourly, stored = table.hourly(region, batch.instance_type), table.find(region, "s3/storage")
    hours, title_bytes = seconds / 3600, disk.TITLE_BYTES + disk.ANSWER_BYTES
    return ScoringCost(
        titles_per_core_s=rate,
        hours=hours,
        compute_usd=None if hourly is None else hours * hourly * batch.instances,
        storage_usd_month=None if stored is None else titles * title_bytes / disk.GB * stored.usd,
        disk_gb=disk.needed_gb(titles * disk.TITLE_BYTES / batch.instances),
        as_of=table.as_of,
    )
