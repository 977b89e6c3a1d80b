"""Registered versions, tested with moto's model package groups, versions and approvals."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.registry import PackageGroup
from jobmajor.errors import ArtifactError, InputError, PromotionRefused

if TYPE_CHECKING:
    from tests.aws.conftest import Versions

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

LOW: dict[str, Any] = {"classification_metrics": {"test_f1": 0.75}, "gate": {"passed": True}}
REFUSED: dict[str, Any] = {
    "classification_metrics": {"test_f1": 0.8},
    "gate": {"passed": False, "checks": [{"name": "weakest class", "passed": False, "reason": "recall 0.050"}]},
}


@pytest.fixture
def group(versions: Versions) -> PackageGroup:
    """Return an empty group, with a bucket for evaluations."""
    return PackageGroup(versions.account, versions.names)


def approvals(account: Account) -> list[str]:
    return [call.parameters["ModelApprovalStatus"] for call in account.sent if call.operation == "UpdateModelPackage"]


def test_version_carries_what_the_pipeline_registered(versions: Versions, group: PackageGroup) -> None:
    versions.register()

    found = group.get(1)

    assert (found.number, found.status) == (1, "PendingManualApproval")
    assert found.image.startswith("123456789012.dkr.ecr.us-east-1.amazonaws.com/test-job-major-clf@sha256:")
    assert found.model_url.endswith("/runs/e1/model.tar.gz")
    assert found.metadata == {"TestScoreThreshold": "0.75", "ExecutionId": "e1"}
    assert found.metrics["test_f1"] == 0.8
    assert "note" not in found.metrics
    assert found.decision is not None
    assert found.decision["passed"] is True
    assert found.created.endswith("+00:00")


def test_time_of_a_version_is_utc_whatever_the_machine_s_zone(versions: Versions, group: PackageGroup) -> None:
    versions.register()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/Los_Angeles")
        time.tzset()
        west = group.get(1)
    time.tzset()

    assert west.created == group.get(1).created
    assert west.created.endswith("+00:00")


def test_versions_come_oldest_first_and_the_newest_can_be_asked_for(versions: Versions, group: PackageGroup) -> None:
    for _ in range(3):
        versions.register()

    assert [package.number for package in group.packages()] == [1, 2, 3]
    assert [package.number for package in group.packages(2)] == [2, 3]
    assert [package.number for package in group.packages(9)] == [1, 2, 3]


def test_approved_version_is_the_champion(versions: Versions, group: PackageGroup) -> None:
    versions.register()
    versions.register()

    approved = group.approve(2, "looked at it")

    assert approved.status == "Approved"
    champion = group.champion()
    assert champion is not None
    assert champion.number == 2
    stored = group.account.read("sagemaker", "DescribeModelPackage", ModelPackageName=approved.arn)
    assert stored["ApprovalDescription"] == "looked at it"
    assert approved.metadata == {
        "TestScoreThreshold": "0.75",
        "ExecutionId": "e1",
        "ApprovedBy": "arn:aws:sts::123456789012:user/moto",
    }


def test_approving_twice_changes_once(versions: Versions, group: PackageGroup) -> None:
    versions.register()

    group.approve(1)
    group.approve(1)

    assert approvals(group.account) == ["Approved"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LOW, r"weighted F1 is 0\.7500, more than 0\.75 is asked"),
        (REFUSED, "weakest class: recall 0.050"),
        ({}, "missing or no number"),
        ({"gate": {"passed": 1}, "classification_metrics": {"test_f1": 0.9}}, r"gate\.passed is not true"),
    ],
)
def test_version_that_the_gate_refused_is_not_approved(
    versions: Versions, group: PackageGroup, content: dict[str, Any], reason: str
) -> None:
    versions.register(content)

    with pytest.raises(PromotionRefused, match=reason) as caught:
        group.approve(1)

    assert not isinstance(caught.value, InputError)  # status 1: the answer is no
    assert group.get(1).status == "PendingManualApproval"


@pytest.mark.parametrize(
    "changes",
    [
        {"CustomerMetadataProperties": {"ExecutionId": "e1"}},
        {"CustomerMetadataProperties": {"TestScoreThreshold": "much"}},
        {"CustomerMetadataProperties": {"TestScoreThreshold": "nan"}},
        {"CustomerMetadataProperties": {"TestScoreThreshold": "-1"}},
        {"ModelMetrics": {"ModelDataQuality": {}}},
    ],
)
def test_version_without_a_stored_decision_is_not_approved(
    versions: Versions, group: PackageGroup, changes: dict[str, Any]
) -> None:
    versions.register(**changes)

    with pytest.raises(PromotionRefused, match="no recorded decision"):
        group.approve(1)


def test_evaluation_is_read_where_its_address_says_and_a_baseline_is_not_taken_for_one(
    versions: Versions, group: PackageGroup
) -> None:
    versions.register()
    where = str(group.get(1).evaluation_url)
    source = {"ContentType": "application/json", "S3Uri": where.replace("evaluation.json", "statistics.json")}
    metrics = {"ModelQuality": {"Statistics": source}}
    metadata = {"TestScoreThreshold": "0.75", "EvaluationUrl": where}
    versions.register(ModelMetrics=metrics, CustomerMetadataProperties=metadata)
    versions.register(ModelMetrics=metrics)

    found = [group.get(number) for number in (2, 3)]

    assert [each.evaluation_url for each in found] == [where, None]
    assert found[0].decision is not None
    assert found[0].decision["passed"] is True
    assert found[1].decision is None


def test_version_whose_evaluation_is_gone_is_not_approved(versions: Versions, group: PackageGroup) -> None:
    versions.register()
    where = group.get(1).evaluation_url
    assert where is not None
    key = where.removeprefix(f"s3://{group.names.bucket}/")
    group.account.change("s3", "DeleteObject", Bucket=group.names.bucket, Key=key)

    with pytest.raises(PromotionRefused, match="no recorded decision"):
        group.approve(1)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_evaluation_that_is_none_is_named(versions: Versions, group: PackageGroup, content: bytes) -> None:
    versions.register(content)

    with pytest.raises(
        ArtifactError, match=r"evaluation\.json isn't a valid evaluation .*: run the pipeline again"
    ) as caught:
        group.get(1)

    assert "\n" not in str(caught.value)


def test_figures_that_are_no_finite_numbers_are_left_out(versions: Versions, group: PackageGroup) -> None:
    versions.register(b'{"classification_metrics": {"a": NaN, "b": true, "c": 2, "d": Infinity, "e": "0.5"}}')

    assert group.get(1).metrics == {"c": 2.0}


def test_rejecting_the_champion_makes_the_approved_one_before_it_the_champion(
    versions: Versions, group: PackageGroup
) -> None:
    for number in (1, 2):
        versions.register()
        group.approve(number)

    rejected = group.reject(2)

    champion = group.champion()
    assert rejected.status == "Rejected"
    assert champion is not None
    assert champion.number == 1


def test_refused_version_can_be_rejected(versions: Versions, group: PackageGroup) -> None:
    versions.register(REFUSED)

    assert group.reject(1).status == "Rejected"


def test_candidate_is_the_newest_that_waits_and_is_newer_than_the_champion(
    versions: Versions, group: PackageGroup
) -> None:
    assert group.candidate() is None
    versions.register()
    versions.register()
    first = group.candidate()
    group.approve(2)

    assert first is not None
    assert first.number == 2
    assert group.candidate() is None  # version 1 waits too, and is older than the champion


def test_empty_group_has_neither_versions_nor_champion(group: PackageGroup) -> None:
    assert group.packages() == ()
    assert group.champion() is None


def test_version_that_nobody_approved_may_not_serve(versions: Versions, group: PackageGroup) -> None:
    versions.register()

    with pytest.raises(PromotionRefused, match=r"approve it first \(jobmajor aws models approve 1\)"):
        group.deployable(1)


def test_version_approved_by_hand_against_the_gate_may_not_serve(versions: Versions, group: PackageGroup) -> None:
    versions.register(REFUSED, ModelApprovalStatus="Approved")

    with pytest.raises(PromotionRefused, match="weakest class"):
        group.deployable(1)


def test_unknown_version_is_refused_by_naming_the_known(versions: Versions, group: PackageGroup) -> None:
    versions.register()
    versions.register()

    with pytest.raises(AwsInputError, match=r"has no version 7: name one of 1, 2$"):
        group.get(7)


def test_missing_group_is_refused_by_name(account: Account, names: Names) -> None:
    with pytest.raises(AwsInputError, match=r"no model package group test-job-major-clf-model-group .* bootstrap"):
        PackageGroup(account, names).packages()


def test_dry_run_shows_the_approval_and_sends_nothing(dry_account: Account, names: Names) -> None:
    PackageGroup(dry_account, names).approve(4, "why not")

    (call,) = dry_account.sent
    assert call.operation == "UpdateModelPackage"
    assert call.parameters == {
        "ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/test-job-major-clf-model-group/4",
        "ModelApprovalStatus": "Approved",
        "CustomerMetadataProperties": {"ApprovedBy": "<Arn>"},
        "ApprovalDescription": "why not",
    }


def test_threshold_is_the_one_of_the_registration(versions: Versions, group: PackageGroup) -> None:
    versions.register(CustomerMetadataProperties={"TestScoreThreshold": "0.85"})

    decision = group.get(1).decision

    assert decision is not None
    assert decision["passed"] is False
    assert math.isclose(decision["threshold"], 0.85)
