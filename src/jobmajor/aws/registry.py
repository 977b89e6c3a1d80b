"""The registered versions in the account: a SageMaker model package group that acts as a registry.

A version is a model package that the pipeline registered. Its decision isn't stored but computed from its
evaluation.json and the threshold that it was registered with. Approval is promotion: the champion is the newest
approved version, as in SageMaker's templates, and rejecting it makes the previous approved version the champion.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.account import utc
from jobmajor.aws.api.errors import AwsInputError
from jobmajor.errors import ArtifactError, PromotionRefused
from jobmajor.evaluation import gate
from jobmajor.registry.versions import STATUSES, passed
from sagelocal.storage.address import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

WAITING, APPROVED, REJECTED = STATUSES
_MAX_EVALUATION_BYTES: Final = 64 * 2**20
_NOTE_CHARACTERS: Final = 1024  # the limit of ApprovalDescription
_MAX_LISTED: Final = 10


@dataclass(frozen=True, slots=True)
class Package:
    """A registered version.

    Attributes:
        number: From 1; a number is never reused.
        arn: The ARN by which a Model refers to it.
        status: One of `jobmajor.registry.versions.STATUSES`.
        created: ISO 8601, in UTC.
        image: The container's URI.
        model_url: The S3 address of model.tar.gz.
        evaluation_url: The S3 address of evaluation.json; None if it was registered without one.
        metadata: The threshold, execution and champion that it was registered with.
        metrics: The finite numbers directly below the evaluation's `classification_metrics`.
        decision: The gate's decision, as plain data; None without an evaluation or a threshold.
    """

    number: int
    arn: str
    status: str
    created: str
    image: str
    model_url: str
    evaluation_url: str | None
    metadata: Mapping[str, str]
    metrics: Mapping[str, float]
    decision: Mapping[str, Any] | None

    def require_passed(self) -> None:
        """Raise PromotionRefused, with the gate's reasons, unless the gate passed this version."""
        if self.decision is None:
            raise PromotionRefused(self.number, ())
        if not passed(self.decision):
            raise PromotionRefused(self.number, tuple(map(str, self.decision["reasons"])))


@dataclass(frozen=True, slots=True)
class PackageGroup:
    """The versions of the project's model package group in an account."""

    account: Account
    names: Names

    @property
    def name(self) -> str:
        """Return the group's name."""
        return self.names.group

    def packages(self, newest: int | None = None) -> tuple[Package, ...]:
        """Return all versions, or only the `newest` ones, oldest first.

        Raises:
            AwsInputError: The group doesn't exist.
        """
        numbers = sorted(self._summaries())
        wanted = numbers if newest is None else numbers[max(0, len(numbers) - newest) :]
        return tuple(self.get(number) for number in wanted)

    def get(self, number: int) -> Package:
        """Return a version; an unknown number raises AwsInputError, which lists the known ones."""
        found = self.account.find("sagemaker", "DescribeModelPackage", ModelPackageName=self._arn(number))
        if self.account.dry:
            return self._placeholder(number)
        if found is None:
            known = sorted(self._summaries())[-_MAX_LISTED:]
            raise AwsInputError(
                f"{self.name} has no version {number}: name one of {', '.join(map(str, known)) or 'none yet'}"
            )
        return self._described(found)

    def champion(self) -> Package | None:
        """Return the newest approved version, without checking its decision; None before the first approval."""
        approved = self._numbers(APPROVED)
        return self.get(max(approved)) if approved else None

    def candidate(self) -> Package | None:
        """Return the newest version that waits for approval, if it is newer than the champion, else None."""
        waiting = max(self._numbers(WAITING), default=0)
        champion = max(self._numbers(APPROVED), default=0)
        return self.get(waiting) if waiting > champion else None

    def approve(self, number: int, note: str = "") -> Package:
        """Approve a version and return it; an approved version stays as it is.

        Args:
            number: The version's number.
            note: The approver's reason.

        Raises:
            PromotionRefused: Its decision is missing or not passed. AwsInputError: The version doesn't exist.
        """
        package = self.get(number)
        package.require_passed()
        return self._set_status(package, APPROVED, note)

    def reject(self, number: int, note: str = "") -> Package:
        """Reject a version and return it: it can't be deployed any more; endpoints that serve it keep running."""
        return self._set_status(self.get(number), REJECTED, note)

    def deployable(self, number: int) -> Package:
        """Return a version that may be deployed: approved, and passed by the gate.

        Raises:
            PromotionRefused: It isn't approved or passed. AwsInputError: The version doesn't exist.
        """
        package = self.get(number)
        package.require_passed()
        if package.status != APPROVED and not self.account.dry:
            fault = f"its status is {package.status}: approve it first (jobmajor aws models approve {number})"
            raise PromotionRefused(number, (fault,))
        return package

    def _set_status(self, package: Package, status: str, note: str) -> Package:
        if package.status == status:
            return package
        # The request contains all properties: the service might drop the others, and the threshold must stay.
        record = {**package.metadata, f"{status}By": self.account.caller or "<Arn>"}
        self.account.change(
            "sagemaker",
            "UpdateModelPackage",
            ModelPackageArn=package.arn,
            ModelApprovalStatus=status,
            CustomerMetadataProperties=record,
            **({"ApprovalDescription": note[:_NOTE_CHARACTERS]} if note else {}),
        )
        return package if self.account.dry else self.get(package.number)

    def _arn(self, number: int) -> str:
        where = f"{self.names.partition}:sagemaker:{self.account.region}:{self.account.account_id}"
        # The service returns and accepts the group's name in lower case.
        return f"arn:{where}:model-package/{self.name.lower()}/{number}"

    def _summaries(self, **wanted: str) -> Iterator[int]:
        group = self.account.find("sagemaker", "DescribeModelPackageGroup", ModelPackageGroupName=self.name)
        if group is None and not self.account.dry:
            raise AwsInputError(
                f"there is no model package group {self.name} in {self.account.region}: "
                "run `jobmajor aws bootstrap`, or name another --region"
            )
        items = self.account.pages(
            "sagemaker", "ListModelPackages", "ModelPackageSummaryList", ModelPackageGroupName=self.name, **wanted
        )
        return (int(item["ModelPackageVersion"]) for item in items)

    def _numbers(self, status: str) -> tuple[int, ...]:
        return tuple(self._summaries(ModelApprovalStatus=status))

    def _described(self, found: Mapping[str, Any]) -> Package:
        container = found["InferenceSpecification"]["Containers"][0]
        metadata = found.get("CustomerMetadataProperties") or {}
        url = metadata.get("EvaluationUrl") or _older_url(found)
        evaluation = read_evaluation(self.account, url) if url else None
        return Package(
            number=int(found["ModelPackageVersion"]),
            arn=found["ModelPackageArn"],
            status=found["ModelApprovalStatus"],
            created=utc(found["CreationTime"], "seconds"),
            image=container["Image"],
            model_url=container["ModelDataUrl"],
            evaluation_url=url,
            metadata=metadata,
            metrics=_metrics(evaluation),
            decision=_decision(evaluation, metadata.get("TestScoreThreshold")),
        )

    def _placeholder(self, number: int) -> Package:
        """Return a dry run's placeholder for a version that exists, is approved and passed."""
        return Package(number, self._arn(number), WAITING, "", "", "", None, {}, {}, {"passed": True, "reasons": []})


def _older_url(found: Mapping[str, Any]) -> str | None:
    """Return the address of an evaluation where jobmajor 0.2 put it: its place is now the baseline's."""
    url: str | None = found.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {}).get("S3Uri")
    return url if url and url.endswith("/evaluation.json") else None


def read_evaluation(account: Account, url: str) -> dict[str, Any] | None:
    """Return the content of an evaluation.json in S3; None if the object doesn't exist.

    Raises:
        ArtifactError: It is too large, or isn't a JSON object.
    """
    bucket, parts = split(url)
    found = account.find("s3", "GetObject", Bucket=bucket, Key="/".join(parts))
    if found is None:
        return None
    try:
        return _parsed(found["Body"].read(_MAX_EVALUATION_BYTES + 1))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{url} isn't a valid evaluation ({error}): run the pipeline again") from error


def _parsed(body: bytes) -> dict[str, Any]:
    if len(body) > _MAX_EVALUATION_BYTES:
        raise ValueError(f"more than {_MAX_EVALUATION_BYTES:,} bytes")
    evaluation = json.loads(body)
    if not isinstance(evaluation, dict):
        raise ValueError(f"found {type(evaluation).__name__}, expected an object")  # noqa: TRY004 - as JSON's own faults
    return evaluation


def _metrics(evaluation: Mapping[str, Any] | None) -> dict[str, float]:
    figures = (evaluation or {}).get("classification_metrics")
    items = figures.items() if isinstance(figures, dict) else ()
    numbers = {name: value for name, value in items if isinstance(value, int | float) and not isinstance(value, bool)}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def _decision(evaluation: Mapping[str, Any] | None, threshold: str | None) -> dict[str, Any] | None:
    """Return the gate's decision; None without an evaluation or a threshold from 0 to 1."""
    try:
        asked = float(threshold or "nan")
    except ValueError:
        return None
    if evaluation is None or not 0 <= asked <= 1:
        return None
    return gate.decide(evaluation, asked).to_dict()
