"""Scoring in S3: which requests are sent, when, and for which parts; botocore's Stubber answers, moto has no jobs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.batch import processing
from jobmajor.aws.batch.processing import ScoringFailed, ScoringRequest
from jobmajor.aws.names import Names
from jobmajor.aws.price_table import Price, Table, read
from jobmajor.aws.registry import PackageGroup
from jobmajor.cli.main import main
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.aws.conftest import Stubbed

    from jobmajor.aws.api.account import Account

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
ASKED = ScoringRequest(3, "s3://bkt/titles", "s3://bkt/out", instances=4)
PARTS = ("a.parquet", "b.csv", "deep/c.jsonl")


class Scripted:
    """Scripts S3's listings and the jobs; a Stubber checks each request."""

    def __init__(self, stubbed: Stubbed, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stubbed, self.names = stubbed, names
        package = processing._package(dry_account(), names, 3)
        monkeypatch.setattr(PackageGroup, "deployable", lambda *_: package)
        self.package = package

    def listed(self, prefix: str, *keys: str) -> None:
        contents = [{"Key": f"{prefix}/{key}"} for key in keys]
        answer = {"IsTruncated": False, **({"Contents": contents} if contents else {})}
        self.stubbed.expect("s3", "ListObjectsV2", answer, Bucket="bkt", Prefix=f"{prefix}/")

    def job(self, name: str, status: str | None) -> None:
        if status is None:
            self.stubbed.refuse("sagemaker", "DescribeProcessingJob", "ValidationException", "Could not find job")
        else:
            self.stubbed.expect("sagemaker", "DescribeProcessingJob", described(name, status), ProcessingJobName=name)

    @property
    def name(self) -> str:
        return job_name(self.names)


def dry_account() -> Account:
    from jobmajor.aws.api.account import dry_account  # noqa: PLC0415 - beside its one use

    return dry_account(REGION, ACCOUNT_ID)


def job_name(names: Names) -> str:
    account = dry_account()
    processing.start(account, names, ASKED)
    return str(account.sent[-1].parameters["ProcessingJobName"])


def described(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "ProcessingJobName": name,
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
        "AppSpecification": {"ImageUri": "i"},
        "ProcessingJobArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:processing-job/{name}",
        "ProcessingJobStatus": status,
        "CreationTime": 0,
        **more,
    }


@pytest.fixture
def script(stubbed: Stubbed, names: Names, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(stubbed, names, monkeypatch)


def started(script: Scripted, name: str) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:processing-job/{name}"
    script.stubbed.expect("sagemaker", "CreateProcessingJob", {"ProcessingJobArn": arn})


def test_parts_are_shared_out_and_answers_go_up_as_they_are_done(names: Names) -> None:
    account = dry_account()

    found = processing.start(account, names, ASKED)

    (made,) = (call.parameters for call in account.sent)
    parts, model = (item["S3Input"] for item in made["ProcessingInputs"])
    assert (parts["S3Uri"], parts["S3DataDistributionType"]) == (ASKED.source, "ShardedByS3Key")
    assert "S3DataDistributionType" not in model
    assert made["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 4
    assert made["AppSpecification"]["ContainerEntrypoint"] == ["python3", "-m", "jobmajor.steps", "score"]
    assert made["NetworkConfig"]["EnableNetworkIsolation"] is True
    (output,) = made["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3UploadMode"] == "Continuous"
    assert output["S3Output"]["S3Uri"] == found.target == f"s3://bkt/out/{made['ProcessingJobName']}"
    assert (made["RoleArn"], made["Tags"]) == (names.roles["job"], names.tags)


def test_first_job_gets_all_parts(script: Scripted) -> None:
    script.job(script.name, None)
    script.listed("titles", *PARTS, "_SUCCESS", "deep/")
    script.listed(f"out/{script.name}")
    started(script, script.name)

    found = processing.start(script.stubbed, script.names, ASKED)

    assert (found.job, found.parts, found.left) == (script.name, 3, 3)
    (made,) = script.stubbed.sent
    assert made.parameters["ProcessingInputs"][0]["S3Input"]["S3DataType"] == "S3Prefix"


def test_job_after_a_failed_one_gets_only_what_is_left(script: Scripted) -> None:
    script.job(script.name, "Failed")
    script.job(f"{script.name}-2", None)
    script.listed("titles", *PARTS)
    script.listed(f"out/{script.name}", "a.parquet", "_records/a.parquet.json", ".staging-b.csv")
    script.stubbed.expect("s3", "PutObject", {})
    started(script, f"{script.name}-2")

    found = processing.start(script.stubbed, script.names, ASKED)

    put, made = script.stubbed.sent
    assert json.loads(put.parameters["Body"]) == [{"prefix": "s3://bkt/titles/"}, "b.csv", "deep/c.jsonl"]
    place = made.parameters["ProcessingInputs"][0]["S3Input"]
    assert (place["S3DataType"], place["S3Uri"]) == (
        "ManifestFile",
        f"s3://{put.parameters['Bucket']}/{put.parameters['Key']}",
    )
    assert (found.job, found.left) == (f"{script.name}-2", 2)


def test_job_that_runs_is_joined(script: Scripted) -> None:
    script.job(script.name, "InProgress")

    assert processing.start(script.stubbed, script.names, ASKED).job == script.name
    assert script.stubbed.sent == []


def test_finished_work_starts_nothing(script: Scripted) -> None:
    script.job(script.name, "Completed")
    script.job(f"{script.name}-2", None)
    script.listed("titles", *PARTS)
    script.listed(f"out/{script.name}", *PARTS)

    found = processing.start(script.stubbed, script.names, ASKED)

    assert (found.job, found.left) == ("", 0)
    assert script.stubbed.sent == []


def test_folder_without_parts_is_refused(script: Scripted) -> None:
    script.job(script.name, None)
    script.listed("titles", "_SUCCESS")
    script.listed(f"out/{script.name}")

    with pytest.raises(AwsInputError, match="holds no parts"):
        processing.start(script.stubbed, script.names, ASKED)


def test_other_level_model_or_source_is_another_folder(names: Names) -> None:
    wanted = [
        ASKED,
        ScoringRequest(4, ASKED.source, ASKED.target),
        ScoringRequest(3, ASKED.source, ASKED.target, "minor"),
        ScoringRequest(3, "s3://bkt/x", ASKED.target),
    ]

    targets = {processing.start(dry_account(), names, each).target for each in wanted}

    assert len(targets) == len(wanted)
    assert processing.start(dry_account(), names, ScoringRequest(3, "s3://bkt/titles/", ASKED.target)).target in targets


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_job_that_did_not_finish_says_the_step_s_own_reason(stubbed: Stubbed, status: str) -> None:
    for each in ("InProgress", status):
        answer = described("j", each, ExitMessage="b.csv: no title.")
        stubbed.expect("sagemaker", "DescribeProcessingJob", answer)

    with pytest.raises(ScoringFailed, match=rf"j is {status}: b\.csv: no title; run the same command again"):
        processing.wait(stubbed, "j")


@pytest.mark.parametrize(
    "change", [{"source": "bkt/titles"}, {"target": "s3://bkt"}, {"instances": 0}, {"instances": 101}]
)
def test_what_the_service_would_refuse_is_refused_at_once(change: dict[str, Any]) -> None:
    values = {"version": 1, "source": "s3://b/k", "target": "s3://b/o", **change}

    with pytest.raises(AwsInputError, match=r"--(input|output|instances): found"):
        ScoringRequest(**values)


# What it costs


def test_estimate_follows_from_its_assumptions() -> None:
    table = Table("2024-12", "x", {REGION: {"sagemaker/ml.c5.9xlarge": Price(2.0, "instance hour")}})
    asked = ScoringRequest(1, "s3://b/k", "s3://b/o", instances=2)
    seconds = 3000  # on 2 × 18 cores, after ten minutes of starting
    titles = seconds * 36 * processing.TITLES_PER_CORE_S

    found = processing.estimate(titles, asked, table, REGION)

    assert found.hours == pytest.approx(1.0)
    assert found.compute_usd == pytest.approx(2 * 2.0)
    assert found.to_dict()["storage_usd_month"] == "unknown"


def test_rate_of_ones_own_takes_the_assumed_ones_place_in_an_estimate() -> None:
    asked, table = ScoringRequest(1, "s3://b/k", "s3://b/o"), read()
    assumed, ten = (
        processing.estimate(1e12, asked, table, REGION, processing.TITLES_PER_CORE_S * rate) for rate in (1, 10)
    )
    start_h = 600 / 3600

    assert (assumed.titles_per_core_s, ten.titles_per_core_s) == (40_000, 400_000)
    assert ten.hours - start_h == pytest.approx((assumed.hours - start_h) / 10)


def test_instance_type_of_unknown_size_has_no_estimate() -> None:
    with pytest.raises(AwsInputError, match=r"found ml\.x9\.large, whose number of processors is unknown"):
        processing.estimate(1, ScoringRequest(1, "s3://b/k", "s3://b/o", instance_type="ml.x9.large"), read(), REGION)


def test_command_says_the_cost_of_a_billion_titles_and_starts_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["aws", "batch", "--input", "s3://b/k", "--instances", "8", "--titles", "1e9", "--json"]

    status = main(words)

    found = json.loads(capsys.readouterr().out)
    expected = processing.estimate(1e9, ScoringRequest(1, "s3://b/k", "s3://b/o", instances=8), read(), REGION)
    assert status == 0
    assert found == expected.to_dict()


def test_dry_run_prints_the_job(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    status = main(["aws", "batch", "--input", "titles", "--dry-run", "--json"])

    (call,) = json.loads(capsys.readouterr().out)["calls"]
    names = Names.of(Settings(), "us-east-1", "000000000000")
    assert (status, call["operation"]) == (0, "CreateProcessingJob")
    target = call["parameters"]["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    assert target.startswith(f"{names.url('runs', 'scored')}/")
