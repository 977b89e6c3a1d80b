"""A repeated batch transform is one job, and sends exactly these requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.batch import transform
from jobmajor.aws.batch.transform import TransformRequest
from jobmajor.aws.endpoints import model as models
from jobmajor.aws.endpoints.endpoint import DeploymentFailed
from jobmajor.aws.names import Names
from jobmajor.aws.registry import PackageGroup
from jobmajor.errors import PromotionRefused
from jobmajor.settings import Jobs

if TYPE_CHECKING:
    from tests.aws.conftest import Script, Stubbed

    from jobmajor.aws.api.account import Account
    from jobmajor.settings import Settings

BATCH = TransformRequest(3, "s3://bucket/titles/", "s3://bucket/answers")


def job(names: Names, dry_account: Account, attempt: int = 1) -> dict[str, Any]:
    """Return the request for BATCH."""
    model = models.request(names, PackageGroup(dry_account, names).get(3), is_isolated=True)["ModelName"]
    return transform.request(names, BATCH, model, attempt)


def seen(script: Script, name: str, status: str, **more: str) -> None:
    """Script a read of the job."""
    answer = {
        "TransformJobName": name,
        "TransformJobArn": f"arn:aws:sagemaker:us-east-1:123456789012:transform-job/{name}",
        "TransformJobStatus": status,
        "ModelName": "m",
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": BATCH.source}}},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        "CreationTime": script.now,
        **more,
    }
    script.answer("DescribeTransformJob", answer, TransformJobName=name)


def test_lines_are_cut_into_bodies_that_the_server_takes(names: Names) -> None:
    made = transform.request(names, replace(BATCH, instances=4), "model")

    assert made["TransformJobName"].startswith("test-job-major-clf-batch-v3-")
    assert {**made, "TransformJobName": ""} == {
        "TransformJobName": "",
        "ModelName": "model",
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 600, "InvocationsMaxRetries": 3},
        "MaxPayloadInMB": 6,
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/titles/"}},
            "ContentType": "application/jsonlines",
            "SplitType": "Line",
            "CompressionType": "None",
        },
        "TransformOutput": {
            "S3OutputPath": "s3://bucket/answers",
            "Accept": "application/jsonlines",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 4},
        "DataCaptureConfig": {"DestinationS3Uri": names.url("capture", "batch"), "GenerateInferenceId": True},
        "Tags": names.tags,
    }


def test_csv_is_never_cut_since_only_its_first_part_would_have_the_head(names: Names) -> None:
    made = transform.request(names, replace(BATCH, content_type="text/csv", source="s3://b/t.csv.gz"), "model")

    assert made["BatchStrategy"] == "SingleRecord"
    assert made["TransformInput"]["SplitType"] == made["TransformOutput"]["AssembleWith"] == "None"
    assert made["TransformInput"]["CompressionType"] == "Gzip"


def test_keys_of_the_settings_encrypt_answers_and_disks(settings: Settings) -> None:
    keyed = replace(settings, jobs=Jobs(kms_key="alias/data", volume_kms_key="disk"))

    made = transform.request(Names.of(keyed, "us-east-1", "123456789012"), BATCH, "model")

    assert made["TransformOutput"]["KmsKeyId"] == "alias/data"
    assert made["TransformResources"]["VolumeKmsKeyId"] == "disk"


def test_dry_run_makes_a_model_and_a_job(dry_account: Account, names: Names) -> None:
    name = transform.start(dry_account, names, BATCH)

    assert [call.operation for call in dry_account.sent] == ["CreateModel", "CreateTransformJob"]
    assert transform.wait(dry_account, name) == "dry run"


@pytest.mark.parametrize("status", ["InProgress", "Completed", "Stopping"])
def test_job_that_runs_or_is_done_is_not_started_again(
    stubbed: Stubbed, names: Names, script: Script, dry_account: Account, status: str
) -> None:
    wanted = job(names, dry_account)
    script.version(3)
    script.model(wanted["ModelName"], 3)
    seen(script, wanted["TransformJobName"], status)

    assert transform.start(stubbed, names, BATCH) == wanted["TransformJobName"]
    assert stubbed.sent == []


def test_job_that_failed_is_tried_anew_under_the_next_name(
    stubbed: Stubbed, names: Names, script: Script, dry_account: Account
) -> None:
    first, second = job(names, dry_account), job(names, dry_account, 2)
    script.version(3)
    script.model(first["ModelName"], 3)
    seen(script, first["TransformJobName"], "Failed")
    script.absent("DescribeTransformJob", "transform job")
    script.answer("CreateTransformJob", {"TransformJobArn": "arn:aws:sagemaker:x"}, **second)

    assert transform.start(stubbed, names, BATCH) == f"{first['TransformJobName']}-2"


def test_job_is_waited_for_to_its_end(stubbed: Stubbed, script: Script) -> None:
    for status in ("InProgress", "InProgress", "Completed"):
        seen(script, "job", status)

    assert transform.wait(stubbed, "job") == "Completed"


def test_job_that_fails_is_a_no_with_its_reason(stubbed: Stubbed, script: Script) -> None:
    seen(script, "job", "Failed", FailureReason="AlgorithmError: see the log")

    with pytest.raises(DeploymentFailed, match="job is Failed: AlgorithmError"):
        transform.wait(stubbed, "job")


def test_version_that_nobody_approved_runs_over_nothing(stubbed: Stubbed, names: Names, script: Script) -> None:
    script.version(3, "PendingManualApproval")

    with pytest.raises(PromotionRefused, match="approve it first"):
        transform.start(stubbed, names, BATCH)

    assert stubbed.sent == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"content_type": "text/plain"}, "--content-type: found text/plain"),
        ({"source": "titles.csv"}, "--input: found titles.csv"),
        ({"target": "answers/"}, "--output: found answers/"),
    ],
)
def test_batch_that_cannot_be_is_refused_at_once(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(AwsInputError, match=fault):
        replace(BATCH, **changes)
