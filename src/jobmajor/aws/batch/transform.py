"""Score a file or a folder of titles in S3 with a batch transform, which needs no endpoint.

The job's name follows from the request, so a repeated request gives one job. A failed job is repeated under the next
name, because the service never frees a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws import quotas
from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.endpoints import model as models
from jobmajor.aws.endpoints.endpoint import DeploymentFailed
from jobmajor.aws.names import derived_name
from jobmajor.aws.registry import PackageGroup

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

LINES, CSV = "application/jsonlines", "text/csv"
CONTENT_TYPES: Final = (LINES, CSV)
_PAYLOAD_MB: Final = 6  # the largest body that our server takes
_TIMEOUT_S, _RETRIES = 600, 3
_ATTEMPTS: Final = 20
_ENDED: Final = ("Completed", "Failed", "Stopped")
_LIMIT_S: Final = 5 * 24 * 3600.0  # the service's limit for a transform job


@dataclass(frozen=True, slots=True)
class TransformRequest:
    """A batch transform.

    Attributes:
        version: The version's number.
        source: The S3 address of a file, or the prefix of several.
        target: The S3 folder for the answers: for each file one with `.out` added to its name.
        content_type: JSON lines with a `title` each, which are split into bodies at line ends; or CSV with a header,
            which can't be split, so each file is one body of at most 6 MB.
        instance_type: Such as ml.m5.large.
        instances: The number of instances, which share the files.
        keeps: Whether requests and answers are captured in the bucket.

    Raises:
        AwsInputError: A content type that the server doesn't read, or an address outside S3.
    """

    version: int
    source: str
    target: str
    content_type: str = LINES
    instance_type: str = "ml.m5.large"
    instances: int = 1
    keeps: bool = True

    def __post_init__(self) -> None:
        if self.content_type not in CONTENT_TYPES:
            raise AwsInputError(f"--content-type: found {self.content_type}, expected {' or '.join(CONTENT_TYPES)}")
        for option, value in (("--input", self.source), ("--output", self.target)):
            if not value.startswith("s3://"):
                raise AwsInputError(f"{option}: found {value}, expected an address that begins with s3://")


def request(names: Names, batch: TransformRequest, model: str, attempt: int = 1) -> dict[str, Any]:
    """Return CreateTransformJob's parameters; the name follows from them and ends in the attempt after the first."""
    is_split = batch.content_type == LINES
    where = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": batch.source}}
    body: dict[str, Any] = {
        "ModelName": model,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": _TIMEOUT_S, "InvocationsMaxRetries": _RETRIES},
        "MaxPayloadInMB": _PAYLOAD_MB,
        "BatchStrategy": "MultiRecord" if is_split else "SingleRecord",
        "TransformInput": {
            "DataSource": where,
            "ContentType": batch.content_type,
            "SplitType": "Line" if is_split else "None",
            "CompressionType": "Gzip" if batch.source.endswith(".gz") else "None",
        },
        "TransformOutput": {
            "S3OutputPath": batch.target,
            "Accept": batch.content_type,
            "AssembleWith": "Line" if is_split else "None",
        },
        "TransformResources": {"InstanceType": batch.instance_type, "InstanceCount": batch.instances},
    }
    _encrypt(names, body)
    if batch.keeps:
        body["DataCaptureConfig"] = {"DestinationS3Uri": names.url("capture", "batch"), "GenerateInferenceId": True}
    name = derived_name(f"{names.project}-batch", batch.version, body)
    again = f"-{attempt}" if attempt > 1 else ""
    return {"TransformJobName": f"{name}{again}", **body, "Tags": names.tags}


def _encrypt(names: Names, body: dict[str, Any]) -> None:
    jobs = names.settings.jobs
    if jobs.kms_key:
        body["TransformOutput"]["KmsKeyId"] = jobs.kms_key
    if jobs.volume_kms_key:
        body["TransformResources"]["VolumeKmsKeyId"] = jobs.volume_kms_key


def target_of(names: Names, version: int, source: str) -> str:
    """Return the default address for the answers: a folder for each source, which the endpoint's role may write."""
    return names.url("batch", derived_name("titles", version, {"source": source}))


def start(account: Account, names: Names, batch: TransformRequest) -> str:
    """Start the job, unless it runs or has finished already, and return its name.

    Raises:
        PromotionRefused: The gate didn't pass the version, or nobody approved it.
        DeploymentFailed: The job failed too often. QuotaTooSmall: The account may not start its instances.
    """
    package = PackageGroup(account, names).deployable(batch.version)
    quotas.require(account, [quotas.Need(batch.instance_type, quotas.TRANSFORM, batch.instances)])
    model = models.ensure(account, names, package, is_isolated=True)
    for attempt in range(1, _ATTEMPTS + 1):
        wanted = request(names, batch, model, attempt)
        name: str = wanted["TransformJobName"]
        found = account.find("sagemaker", "DescribeTransformJob", TransformJobName=name)
        if found is None:
            account.change("sagemaker", "CreateTransformJob", **wanted)
            return name
        if found["TransformJobStatus"] not in ("Failed", "Stopped"):
            return name
    raise DeploymentFailed(f"the batch transform failed {_ATTEMPTS} times: see why the last one did, and fix its input")


def wait(account: Account, name: str) -> str:
    """Wait until the job is over, and return its status, Completed.

    Raises:
        DeploymentFailed: It failed, or somebody stopped it.
    """
    if account.dry:
        return "dry run"
    found = account.wait(
        lambda: account.read("sagemaker", "DescribeTransformJob", TransformJobName=name),
        lambda answer: answer["TransformJobStatus"] in _ENDED,
        describe=lambda answer: f"batch transform {name}: {answer['TransformJobStatus']}",
        limit_s=_LIMIT_S,
    )
    status: str = found["TransformJobStatus"]
    if status != "Completed":
        raise DeploymentFailed(
            f"batch transform {name} is {status}: {found.get('FailureReason', 'no reason was given')}; "
            "see its log, then run it again"
        )
    return status
