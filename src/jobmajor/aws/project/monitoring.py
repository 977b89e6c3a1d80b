"""Check an endpoint's captured traffic on a schedule: EventBridge Scheduler starts a processing job.

The job runs the step `monitor`. The stack holds the schedule, two filters of the jobs' log, the alarms that watch them,
and a rule for failed jobs. All of them write to bootstrap's topic of alerts. Deleting the stack removes everything.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws import quotas
from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.endpoints import traffic
from jobmajor.aws.executions import objects
from jobmajor.aws.project.side_stack import SideStack
from jobmajor.aws.registry import PackageGroup
from jobmajor.pipeline import requests
from jobmajor.settings import Aws, build

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.aws.registry import Package

EXECUTION: Final = "<aws.scheduler.execution-id>"  # the scheduler puts a new one in at each start
_PARAMETER: Final = 4096  # bytes of a stack parameter that CloudFormation takes
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Checks:
    """What is checked, and when.

    Attributes:
        version: The version whose model answers the titles again; the reference is of the same model.
        reference: The reference's bytes.
        at: cron(…) or rate(…), in UTC.
        period: The days that each check reads, as `Period.parse` takes them.
        stage: staging or production.
        instance_type: Of the job.
        disk_gb: Of the job. It holds all captured traffic that the bucket keeps.
        absent_days: After how many days without a check an alarm goes off, 1 to 7.
    """

    version: int
    reference: bytes
    at: str = "cron(0 6 * * ? *)"
    period: str = "yesterday"
    stage: str = "production"
    instance_type: str = "ml.m5.large"
    disk_gb: int = 30
    absent_days: int = 2

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse later."""
        build(Aws, {"schedule": self.at}, "aws.")
        if not self.at:
            raise AwsInputError("--at is empty: expected a schedule such as cron(0 6 * * ? *) or rate(1 day)")
        if not 1 <= self.absent_days <= 7:
            raise AwsInputError(f"--absent-days: found {self.absent_days}, expected 1 to 7")
        if not 1 <= self.disk_gb <= 16_384:
            raise AwsInputError(f"--disk-gb: found {self.disk_gb}, expected 1 to 16384")


def template() -> str:
    """Return the stack's template."""
    return files("jobmajor.aws.project").joinpath("monitor.yaml").read_text("utf-8")


def stack(names: Names) -> SideStack:
    """Return the stack of a project's checks."""
    return SideStack(names, "monitor", template())


def put(account: Account, names: Names, checks: Checks) -> str:
    """Create or update the schedule of checks, and return `created`, `updated` or `unchanged`.

    Model and image are fixed to those of the version, and the reference is uploaded: call this again for another one.

    Raises:
        PromotionRefused: The gate didn't pass the version, or nobody approved it.
        AwsError: CloudFormation failed, and rolled the stack back.
    """
    package = PackageGroup(account, names).deployable(checks.version)
    if account.dry:  # only the registry knows these
        image, model = f"{names.image_repository}@<ImageDigest>", names.url("runs", "<ExecutionId>", "model.tar.gz")
        package = replace(package, image=image, model_url=model)
    quotas.require(account, [quotas.Need(checks.instance_type, quotas.PROCESSING, 1)])
    digest = hashlib.sha256(checks.reference).hexdigest()[:_DIGITS]
    key = names.key("runs", "monitor", "references", digest, "reference.json")
    objects.put(account, names.bucket, key, objects.Content.of(checks.reference))
    job = json.dumps(request(names, checks, package, f"s3://{names.bucket}/{key}"), separators=(",", ":"))
    if len(job.encode()) > _PARAMETER:
        raise AwsInputError(f"the job's request has {len(job.encode())} bytes: shorten names and tags to {_PARAMETER}")
    values = {
        "Project": names.project,
        "Job": job,
        "JobRoleArn": names.roles["job"],
        "At": checks.at,
        "AbsentDays": str(checks.absent_days),
    }
    return stack(names).put(account, values)


def request(names: Names, checks: Checks, package: Package, reference: str) -> dict[str, Any]:
    """Return CreateProcessingJob's parameters, with the isolation, keys and network of the pipeline's jobs.

    Args:
        names: The names of project and role.
        checks: What is checked.
        package: The version whose model answers.
        reference: The reference's address in S3.
    """
    inputs = [
        requests.processing_input("capture", f"{traffic.folder(names, checks.stage)}/"),
        requests.processing_input("model", package.model_url),
        requests.processing_input("reference", reference),
    ]
    place = {
        "S3Uri": names.url("runs", "monitor", EXECUTION),
        "LocalPath": "/opt/ml/processing/output/monitor",
        "S3UploadMode": "EndOfJob",
    }
    words = ["--project", names.project, "--period", checks.period]
    outputs = [{"OutputName": "monitor", "S3Output": place}]
    made = requests.processing(names.settings, "monitor", words, inputs=inputs, outputs=outputs)
    made["ProcessingResources"]["ClusterConfig"] |= {
        "InstanceType": checks.instance_type,
        "VolumeSizeInGB": checks.disk_gb,
    }
    made["AppSpecification"]["ImageUri"] = package.image
    more = {"RoleArn": names.roles["job"], "Tags": names.tags}
    return {"ProcessingJobName": f"{names.project}-check-{EXECUTION}", **made, **more}
