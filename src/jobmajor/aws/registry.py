"""The account's registered versions: a SageMaker model package group with the promises of a `Registry`.

A version is a model package that the pipeline registered. Its decision is worked out anew from the evaluation that
its ModelMetrics point at and the threshold that it was registered under, so nobody's word is taken for it. Approval is
promotion here: the champion is the newest approved version, as SageMaker's own templates have it, and rejecting it
makes the approved one before it the champion again.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.errors import ArtifactError, PromotionRefused
from jobmajor.evaluation import gate
from jobmajor.registry.versions import STATUSES, passed
from sagelocal.storage.store import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

WAITING, APPROVED, REJECTED = STATUSES
_MAX_EVALUATION_BYTES: Final = 64 * 2**20
_NOTE_CHARACTERS: Final = 1024  # of ApprovalDescription
_KNOWN_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Package:
    """A registered version.

    Attributes:
        number: From 1; a number is never given twice.
        arn: What a Model names to run it.
        status: One of `jobmajor.registry.versions.STATUSES`.
        created: ISO 8601, in UTC.
        image: The container's URI.
        model_url: The S3 address of model.tar.gz.
        evaluation_url: The S3 address of evaluation.json, None where it was registered without one.
        metadata: What it was registered with: threshold, execution, what it was compared with.
        metrics: The finite numbers directly below the evaluation's `classification_metrics`.
        decision: The gate's, as plain data; None where there is no evaluation or no threshold to decide by.
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
        """PromotionRefused, with the gate's reasons, unless the gate passed this version."""
        if self.decision is None:
            raise PromotionRefused(self.number, ())
        if not passed(self.decision):
            raise PromotionRefused(self.number, tuple(map(str, self.decision["reasons"])))


@dataclass(frozen=True, slots=True)
class PackageGroup:
    """The versions of the project's model package group, in the account that `account` reaches."""

    account: Account
    names: Names

    @property
    def name(self) -> str:
        """The group's."""
        return self.names.group

    def packages(self, newest: int | None = None) -> tuple[Package, ...]:
        """All versions, or the `newest` so many, oldest first.

        Raises:
            AwsInputError: The group isn't there.
        """
        numbers = sorted(self._summaries())
        wanted = numbers if newest is None else numbers[max(0, len(numbers) - newest) :]
        return tuple(self.get(number) for number in wanted)

    def get(self, number: int) -> Package:
        """One version; AwsInputError names the known numbers."""
        found = self.account.find("sagemaker", "DescribeModelPackage", ModelPackageName=self._arn(number))
        if self.account.dry:
            return self._rehearsed(number)
        if found is None:
            known = sorted(self._summaries())[-_KNOWN_SHOWN:]
            raise AwsInputError(
                f"{self.name} has no version {number}: name one of {', '.join(map(str, known)) or 'none yet'}"
            )
        return self._described(found)

    def champion(self) -> Package | None:
        """The newest approved version, whose decision is not looked at; None before the first approval."""
        approved = self._numbers(APPROVED)
        return self.get(max(approved)) if approved else None

    def candidate(self) -> Package | None:
        """The newest version that waits for an approval and is newer than the champion."""
        waiting = max(self._numbers(WAITING), default=0)
        champion = max(self._numbers(APPROVED), default=0)
        return self.get(waiting) if waiting > champion else None

    def approve(self, number: int, note: str = "") -> Package:
        """The version, approved; where it was already, nothing changes.

        Args:
            number: The version's.
            note: Why, in the approver's words.

        Raises:
            PromotionRefused: Its decision is missing or not passed. AwsInputError: There is no such version.
        """
        package = self.get(number)
        package.require_passed()
        return self._settle(package, APPROVED, note)

    def reject(self, number: int, note: str = "") -> Package:
        """The version, rejected: nothing deploys it any more, and what runs of it goes on running."""
        return self._settle(self.get(number), REJECTED, note)

    def deployable(self, number: int) -> Package:
        """The version, if it may serve: approved, and passed by the gate.

        Raises:
            PromotionRefused: It isn't. AwsInputError: There is no such version.
        """
        package = self.get(number)
        package.require_passed()
        if package.status != APPROVED and not self.account.dry:
            fault = f"its status is {package.status}: approve it first (jobmajor aws models approve {number})"
            raise PromotionRefused(number, (fault,))
        return package

    def _settle(self, package: Package, status: str, note: str) -> Package:
        if package.status == status:
            return package
        # All of them: what is left out might be dropped, and the threshold must stay.
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
        # The service answers with the group's name in small letters, and takes it so.
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
        statistics = found.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
        metadata = found.get("CustomerMetadataProperties") or {}
        evaluation = read_evaluation(self.account, statistics["S3Uri"]) if statistics else None
        return Package(
            number=int(found["ModelPackageVersion"]),
            arn=found["ModelPackageArn"],
            status=found["ModelApprovalStatus"],
            created=found["CreationTime"].isoformat(timespec="seconds"),
            image=container["Image"],
            model_url=container["ModelDataUrl"],
            evaluation_url=statistics.get("S3Uri"),
            metadata=metadata,
            metrics=_metrics(evaluation),
            decision=_decision(evaluation, metadata.get("TestScoreThreshold")),
        )

    def _rehearsed(self, number: int) -> Package:
        """What a dry run takes for the version: as if it were there, approved and passed."""
        return Package(number, self._arn(number), WAITING, "", "", "", None, {}, {}, {"passed": True, "reasons": []})


def read_evaluation(account: Account, url: str) -> dict[str, Any] | None:
    """An evaluation.json's content, None where nothing is at the S3 address.

    Raises:
        ArtifactError: What is there is too large, or is no JSON object.
    """
    bucket, parts = split(url)
    found = account.find("s3", "GetObject", Bucket=bucket, Key="/".join(parts))
    if found is None:
        return None
    try:
        return _parsed(found["Body"].read(_MAX_EVALUATION_BYTES + 1))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{url} is no evaluation ({error}): run the pipeline again") from error


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
    """None where there is nothing to decide by: a threshold that is no share from 0 to 1 is none."""
    try:
        asked = float(threshold or "nan")
    except ValueError:
        return None
    if evaluation is None or not 0 <= asked <= 1:
        return None
    return gate.decide(evaluation, asked).to_dict()
