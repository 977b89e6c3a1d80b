"""Upserting the definition's bytes; starting an execution at most once; watching, listing and stopping executions."""

from __future__ import annotations

import dataclasses
import io
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from jobmajor.aws.api import session
from jobmajor.aws.api.account import Account
from jobmajor.aws.api.errors import AwsInputError, TimedOut
from jobmajor.aws.executions import execution, logs, pipeline, start
from jobmajor.aws.executions import upload as uploads
from jobmajor.cli import main
from jobmajor.cli.aws import execution_view
from jobmajor.data import source as sources
from jobmajor.errors import DefinitionError, InputError
from jobmajor.lineage import pipeline_version
from jobmajor.pipeline import definition, inputs
from jobmajor.registry.loading import open_registry
from jobmajor.settings import Linear, Settings, Train
from sagelocal.definition import parse as definitions
from sagelocal.jobs import environment
from sagelocal.run import executor
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobmajor.aws.names import Names

    Stubbed = Any

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
BYTES = definition.to_bytes(Settings())
OTHER = definition.to_bytes(Settings(linear=Linear(penalty=0.5)))
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:pipeline/test-job-major-clf-pipeline"
RUN = f"{ARN}/execution/abc123def456"
EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
PLACE = {
    "ImageUri": "image",
    "InputDataUrl": "s3://bkt/in",
    "ReviewedDataUrl": "s3://bkt/review/abc",
    "ChampionModelUrl": "s3://bkt/champion/none",
}


def operations(account: Account) -> list[str]:
    return [call.operation for call in account.sent]


def described(account: Account, names: Names) -> dict[str, Any]:
    return account.read("sagemaker", "DescribePipeline", PipelineName=names.pipeline)


def job(kind: str, name: str) -> dict[str, Any]:
    path = {"ProcessingJob": "processing-job", "TrainingJob": "training-job", "TuningJob": "hyper-parameter-tuning-job"}
    return {kind: {"Arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:{path[kind]}/{name}"}}


def expect_state(stubbed: Stubbed, status: str, *steps: dict[str, Any], failure: str = "") -> None:
    answer = {"PipelineExecutionArn": RUN, "PipelineExecutionStatus": status, "CreationTime": EARLY}
    more = {"FailureReason": failure} if failure else {}
    stubbed.expect("sagemaker", "DescribePipelineExecution", {**answer, **more}, PipelineExecutionArn=RUN)
    stubbed.expect("sagemaker", "ListPipelineExecutionSteps", {"PipelineExecutionSteps": list(steps)})


# The definition


def test_upsert_creates_with_the_definition_s_own_bytes_and_a_second_one_sends_nothing(
    account: Account, names: Names
) -> None:
    first = pipeline.upsert(account, names, BYTES)
    again = pipeline.upsert(account, names, BYTES)

    assert (first.change, again.change) == ("created", "unchanged")
    assert first.arn == again.arn
    assert operations(account) == ["CreatePipeline"]
    there = described(account, names)
    assert there["PipelineDefinition"].encode() == BYTES
    assert there["RoleArn"] == names.roles["pipeline"]


def test_upsert_of_other_bytes_or_of_another_role_updates(account: Account, names: Names) -> None:
    pipeline.upsert(account, names, BYTES)

    changes = [
        pipeline.upsert(account, names, OTHER).change,
        pipeline.upsert(account, names, OTHER, role="arn:aws:iam::123456789012:role/other").change,
    ]

    assert changes == ["updated", "updated"]
    there = described(account, names)
    assert there["PipelineDefinition"].encode() == OTHER
    assert there["RoleArn"] == "arn:aws:iam::123456789012:role/other"


def test_upsert_carries_the_project_s_tags_and_the_caller_s(account: Account, names: Names) -> None:
    pipeline.upsert(account, names, BYTES, tags=[{"Key": "sagemaker:project-name", "Value": "x"}])

    (call,) = account.sent
    found = {item["Key"]: item["Value"] for item in call.parameters["Tags"]}
    assert found == {"jobmajor:project": names.project, "sagemaker:project-name": "x"}


def test_upsert_of_a_definition_that_the_service_would_refuse_sends_nothing(dry_account: Account, names: Names) -> None:
    raw = json.loads(BYTES)
    raw["Steps"][0]["Arguments"]["NetworkConfig"]["EnableNetworkIsolation"] = "yes"

    with pytest.raises(DefinitionError, match="EnableNetworkIsolation"):
        pipeline.upsert(dry_account, names, json.dumps(raw).encode())

    assert dry_account.sent == []


def test_upsert_after_somebody_else_s_takes_theirs_as_the_one_to_update(stubbed: Stubbed, names: Names) -> None:
    there = {"PipelineArn": ARN, "PipelineDefinition": OTHER.decode(), "RoleArn": names.roles["pipeline"]}
    stubbed.refuse("sagemaker", "DescribePipeline", "ResourceNotFound", "Pipeline does not exist.")
    stubbed.refuse("sagemaker", "CreatePipeline", "ValidationException", "Pipeline names must be unique")
    stubbed.expect("sagemaker", "DescribePipeline", {**there, "PipelineName": names.pipeline})
    stubbed.expect("sagemaker", "DescribePipeline", {**there, "PipelineName": names.pipeline})
    stubbed.expect("sagemaker", "UpdatePipeline", {"PipelineArn": ARN})
    stubbed.expect("sagemaker", "AddTags", {"Tags": []})

    done = pipeline.upsert(stubbed, names, BYTES)

    assert done == pipeline.Upserted(ARN, "updated")


# What a start is told


def test_start_is_told_bucket_role_newest_image_newest_data_and_that_there_is_no_champion(
    account: Account, names: Names
) -> None:
    image(account, names)
    for folder in ("aaa", "bbb"):
        for name in ("Alternate Titles.txt", "manifest.json"):
            upload(account, names, f"input/{folder}/{name}")

    found = start.parameters(account, names, {})

    assert found["Bucket"] == names.bucket
    assert found["RoleArn"] == names.roles["job"]
    assert found["ImageUri"].startswith(f"{names.image_repository}@sha256:")
    assert found["InputDataUrl"] == names.url("input", "bbb")
    assert found["ChampionModelUrl"] == names.url("champion", "none")
    note = account.read("s3", "GetObject", Bucket=names.bucket, Key=names.key("champion/none/none.txt"))
    assert b"No champion" in note["Body"].read()
    assert found["ReviewedDataUrl"] == names.url("review", "none")
    note = account.read("s3", "GetObject", Bucket=names.bucket, Key=names.key("review/none/none.txt"))
    assert b"No reviewed titles" in note["Body"].read()


def test_reviewed_titles_are_uploaded_once_in_the_form_of_a_local_run(
    account: Account, names: Names, tmp_path: Path
) -> None:
    (tmp_path / "ours.csv").write_text("code,title\n35-2014,Line COOK\n", "utf-8")
    account.change("s3", "CreateBucket", Bucket=names.bucket)

    one, again = (uploads.reviewed(account, names, tmp_path / "ours.csv") for _ in range(2))

    local = inputs.reviewed(tmp_path / "ours.csv", FolderStore(tmp_path / "s3"), Settings())
    assert one.uri == again.uri == names.url("review", one.digest)
    assert local.rpartition("/")[2] == one.digest
    assert (len(one.sent), len(again.sent)) == (2, 0)
    body = account.read("s3", "GetObject", Bucket=names.bucket, Key=names.key("review", one.digest, "reviewed.csv"))
    assert body["Body"].read() == b"title,code\nline cook,35-2014\n"


def test_champion_is_the_model_of_the_newest_approved_version(account: Account, names: Names) -> None:
    account.change("sagemaker", "CreateModelPackageGroup", ModelPackageGroupName=names.group)
    for number, status in ((1, "Approved"), (2, "Approved"), (3, "PendingManualApproval")):
        container = {"Image": "image", "ModelDataUrl": f"s3://bkt/{number}/model.tar.gz"}
        kinds = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
        account.change(
            "sagemaker",
            "CreateModelPackage",
            ModelPackageGroupName=names.group,
            ModelApprovalStatus=status,
            InferenceSpecification={"Containers": [container], **kinds},
        )

    assert start.champion(account, names) == "s3://bkt/2/model.tar.gz"


def test_start_without_data_or_image_says_what_to_do_first(account: Account, names: Names) -> None:
    with pytest.raises(AwsInputError, match="holds no image: run `jobmajor aws image` first"):
        start.parameters(account, names, {})
    with pytest.raises(AwsInputError, match="jobmajor aws bootstrap"):
        start.parameters(account, names, {"ImageUri": "image"})
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    with pytest.raises(AwsInputError, match="jobmajor aws upload"):
        start.parameters(account, names, {"ImageUri": "image"})


def test_what_is_given_to_a_start_is_not_looked_up(dry_account: Account, names: Names) -> None:
    given = {**PLACE, "TestScoreThreshold": "0.7"}

    found = start.parameters(dry_account, names, given)

    assert found == {"Bucket": names.bucket, "RoleArn": names.roles["job"], **given}
    assert dry_account.sent == []


def test_transformer_s_start_is_told_the_newest_checkpoint(account: Account, names: Names) -> None:
    upload(account, names, "checkpoint/abc/manifest.json")
    chosen = dataclasses.replace(names, settings=Settings(train=Train("transformer")))

    found = start.fixed_parameters(account, chosen, {"ImageUri": "image"})

    assert found["CheckpointUrl"] == names.url("checkpoint", "abc")
    assert "CheckpointUrl" not in start.fixed_parameters(account, names, {"ImageUri": "image"})


def image(account: Account, names: Names) -> None:
    account.change("ecr", "CreateRepository", repositoryName=names.repository)
    layers = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {}, "layers": []}
    account.change("ecr", "PutImage", repositoryName=names.repository, imageManifest=json.dumps(layers), imageTag="v1")


def upload(account: Account, names: Names, name: str) -> None:
    if account.find("s3", "HeadBucket", Bucket=names.bucket) is None:
        account.change("s3", "CreateBucket", Bucket=names.bucket)
    account.change("s3", "PutObject", Bucket=names.bucket, Key=names.key(*name.split("/")), Body=b"x")


# Starting


def expect_pipeline(stubbed: Stubbed, names: Names, changed: datetime = EARLY) -> None:
    there = {"PipelineArn": ARN, "PipelineName": names.pipeline, "PipelineDefinition": BYTES.decode()}
    stubbed.expect("sagemaker", "DescribePipeline", {**there, "LastModifiedTime": changed}, PipelineName=names.pipeline)


def expect_running(stubbed: Stubbed, started: datetime, **values: str) -> None:
    summary = {"PipelineExecutionArn": RUN, "StartTime": started, "PipelineExecutionStatus": "Executing"}
    stubbed.expect("sagemaker", "ListPipelineExecutions", {"PipelineExecutionSummaries": [summary]})
    if values:
        found = [{"Name": name, "Value": value} for name, value in values.items()]
        stubbed.expect("sagemaker", "ListPipelineParametersForExecution", {"PipelineParameters": found})


def test_start_joins_a_running_execution_of_the_same_definition_and_parameters(stubbed: Stubbed, names: Names) -> None:
    expect_pipeline(stubbed, names)
    expect_running(stubbed, LATE, TestScoreThreshold="0.8", Bucket="bkt")

    begun = pipeline.start(stubbed, names, {"TestScoreThreshold": 0.8})

    assert begun == pipeline.Started(RUN, joined=True)
    assert stubbed.sent == []


@pytest.mark.parametrize(("started", "threshold"), [(LATE, "0.7"), (EARLY, "")])
def test_start_beside_another_one_is_a_start(stubbed: Stubbed, names: Names, started: datetime, threshold: str) -> None:
    """Another one has other parameters, or began before the definition was changed."""
    expect_pipeline(stubbed, names, LATE if started == EARLY else EARLY)
    expect_running(stubbed, started, **({"TestScoreThreshold": threshold} if threshold else {}))
    stubbed.expect("sagemaker", "StartPipelineExecution", {"PipelineExecutionArn": f"{ARN}/execution/new"})

    begun = pipeline.start(stubbed, names, {"TestScoreThreshold": 0.8})

    assert begun == pipeline.Started(f"{ARN}/execution/new", joined=False)
    (call,) = stubbed.sent
    assert call.parameters["PipelineParameters"] == [{"Name": "TestScoreThreshold", "Value": "0.8"}]


@pytest.mark.parametrize(
    ("given", "fault"),
    [({"TestScoreTreshold": "0.8"}, "is unknown"), ({"TrainingInstanceCount": "many"}, "an integer")],
)
def test_start_with_a_parameter_that_can_t_be_used_starts_nothing(
    stubbed: Stubbed, names: Names, given: dict[str, str], fault: str
) -> None:
    expect_pipeline(stubbed, names)

    with pytest.raises(InputError, match=fault):
        pipeline.start(stubbed, names, given)

    assert stubbed.sent == []


def test_start_without_a_pipeline_says_to_upsert(account: Account, names: Names) -> None:
    with pytest.raises(AwsInputError, match="jobmajor aws pipeline upsert"):
        pipeline.start(account, names, {})


class Service(BaseHTTPRequestHandler):
    """The part of SageMaker's API that an upsert and a start need, including idempotency tokens.

    `faults` lists faults of the next requests: "lost" does the work without replying, "busy" refuses the request.
    """

    server: Losing

    def do_POST(self) -> None:
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.server.faults.pop(0) if self.server.faults and not operation.startswith("List") else ""
        if fault == "busy":
            self._answer(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
            return
        status, answer = self.server.work(operation, body)
        if fault == "lost":
            self.close_connection = True
            self.connection.close()
            return
        self._answer(status, answer)

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name for it
        """Discard the server's log."""


class Losing(ThreadingHTTPServer):
    """The service's state, and every request that reached it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), Service)
        self.faults, self.requests = faults, list[tuple[str, dict[str, Any]]]()
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.started: dict[str, str] = {}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore closed connections, which the tests cause."""

    def work(self, operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.requests.append((operation, body))
        name = body["PipelineName"]
        match operation:
            case "DescribePipeline" if name in self.pipelines:
                return 200, self.pipelines[name]
            case "CreatePipeline" if name not in self.pipelines:
                shown = {key: body[key] for key in ("PipelineName", "PipelineDefinition", "RoleArn")}
                self.pipelines[name] = {**shown, "PipelineArn": ARN, "LastModifiedTime": 1.7e9}
                return 200, {"PipelineArn": ARN}
            case "DescribePipeline" | "CreatePipeline":
                there = name in self.pipelines
                fault = ("ValidationException", "must be unique") if there else ("ResourceNotFound", "does not exist")
                return 400, {"__type": fault[0], "message": f"Pipeline name {name} {fault[1]}"}
            case "StartPipelineExecution":
                token = body["ClientRequestToken"]
                self.started.setdefault(token, f"{ARN}/execution/run{len(self.started)}")
                return 200, {"PipelineExecutionArn": self.started[token]}
        return 200, {"PipelineExecutionSummaries": []}


@contextmanager
def losing(*faults: str) -> Iterator[tuple[Losing, Account]]:
    server = Losing([*faults])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        place = session.Session(boto3.Session(), REGION, url)
        yield server, Account(REGION, ACCOUNT_ID, place.client)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("faults", [["", "lost"], ["busy", "busy", "", "lost"], ["lost", "busy", "", "lost", "lost"]])
def test_upsert_whose_replies_are_lost_makes_one_pipeline(names: Names, faults: list[str]) -> None:
    with losing(*faults) as (server, account):
        done = pipeline.upsert(account, names, BYTES)

    assert done.arn == ARN
    created = [body["ClientRequestToken"] for name, body in server.requests if name == "CreatePipeline"]
    assert len(created) > 1
    assert len(set(created)) == 1
    assert server.pipelines[names.pipeline]["PipelineDefinition"].encode() == BYTES


@pytest.mark.slow
@pytest.mark.parametrize("faults", [["", "lost"], ["", "lost", "busy", "lost"]])
def test_start_whose_replies_are_lost_starts_one_execution(names: Names, faults: list[str]) -> None:
    with losing() as (server, account):
        pipeline.upsert(account, names, BYTES)
        server.faults = faults

        begun = pipeline.start(account, names, {"Bucket": "bkt"})

    assert begun.arn == f"{ARN}/execution/run0"
    assert len(server.started) == 1
    assert sum(name == "StartPipelineExecution" for name, _ in server.requests) > 1


def test_start_repeated_before_the_service_lists_the_first_starts_nothing_twice(names: Names) -> None:
    with losing() as (server, account):
        pipeline.upsert(account, names, BYTES)

        arns = {pipeline.start(account, names, {"Bucket": "bkt"}).arn for _ in range(2)}
        other = pipeline.start(account, names, {"Bucket": "other"}).arn

    assert len(arns) == 1
    assert other not in arns
    assert len(server.started) == 2


# Watching


def test_state_tells_each_step_s_status_time_attempts_cache_and_reason(stubbed: Stubbed) -> None:
    cached = {"SourcePipelineExecutionArn": f"{ARN}/execution/before"}
    minute = {"StartTime": EARLY, "EndTime": EARLY.replace(minute=1)}
    expect_state(
        stubbed,
        "Failed",
        {"StepName": "preprocess-data", "StepStatus": "Succeeded", "CacheHitResult": cached, **minute},
        {
            "StepName": "train",
            "StepStatus": "Succeeded",
            "AttemptCount": 2,
            "Metadata": job("TrainingJob", "t"),
            **minute,
        },
        {"StepName": "check-test-score", "StepStatus": "Succeeded", "Metadata": {"Condition": {"Outcome": "False"}}},
        {"StepName": "fail", "StepStatus": "Failed", "Metadata": {"Fail": {"ErrorMessage": "weighted F1 0.5"}}},
        failure="Step failure",
    )

    found = execution.state(stubbed, RUN)

    first, train, check, fail = found.steps
    assert (found.id, found.status, found.failure, found.ended) == ("abc123def456", "Failed", "Step failure", True)
    assert (first.cached, first.seconds, train.cached, train.attempts) == (True, 60.0, False, 2)
    assert train.job.endswith(":training-job/t")
    assert (check.reason, check.seconds, fail.reason) == ("False", None, "weighted F1 0.5")


def test_start_is_told_in_utc_whatever_the_machine_s_zone(stubbed: Stubbed) -> None:
    """Botocore gives times in the machine's zone."""
    here = EARLY.astimezone(timezone(timedelta(hours=-8)))
    answer = {"PipelineExecutionArn": RUN, "PipelineExecutionStatus": "Executing", "CreationTime": here}
    stubbed.expect("sagemaker", "DescribePipelineExecution", answer)
    stubbed.expect("sagemaker", "ListPipelineExecutionSteps", {"PipelineExecutionSteps": []})

    assert execution.state(stubbed, RUN).started == EARLY.isoformat(timespec="seconds")


def test_waiting_looks_until_the_end_and_shows_each_state(stubbed: Stubbed) -> None:
    for status in ("Executing", "Executing", "Succeeded"):
        expect_state(stubbed, status)
    seen: list[str] = []

    found = execution.wait(stubbed, RUN, lambda state: seen.append(state.status))

    assert found.status == "Succeeded"
    assert seen == ["Executing", "Executing", "Succeeded"]


def test_waiting_past_its_limit_says_that_the_execution_goes_on(stubbed: Stubbed) -> None:
    for _ in range(3):
        expect_state(stubbed, "Executing")

    with pytest.raises(TimedOut, match=r"abc123def456.*run the same command again"):
        execution.wait(stubbed, RUN, limit_s=30)


def test_stop_asks_once_and_leaves_what_has_ended(stubbed: Stubbed) -> None:
    expect_state(stubbed, "Executing")
    stubbed.expect("sagemaker", "StopPipelineExecution", {"PipelineExecutionArn": RUN})
    expect_state(stubbed, "Succeeded")

    was = [execution.stop(stubbed, RUN).status, execution.stop(stubbed, RUN).status]

    assert was == ["Executing", "Succeeded"]
    assert operations(stubbed) == ["StopPipelineExecution"]


def test_execution_is_named_by_id_by_arn_or_as_the_newest(stubbed: Stubbed, names: Names) -> None:
    expect_running(stubbed, EARLY)

    named = [execution.execution_arn(stubbed, names, text) for text in ("abc123def456", RUN, None)]

    assert named == [RUN] * 3


def test_unknown_execution_and_pipeline_are_one_line_each(stubbed: Stubbed, names: Names) -> None:
    stubbed.refuse("sagemaker", "DescribePipelineExecution", "ResourceNotFound", "does not exist")
    stubbed.refuse("sagemaker", "ListPipelineExecutions", "ResourceNotFound", "Pipeline does not exist")

    with pytest.raises(AwsInputError, match="there is no execution"):
        execution.state(stubbed, RUN)
    with pytest.raises(AwsInputError, match="there is no pipeline"):
        execution.executions(stubbed, names, 5)


def test_list_is_cut_at_the_newest_so_many(stubbed: Stubbed, names: Names) -> None:
    summaries = [
        {"PipelineExecutionArn": f"{ARN}/execution/{name}", "StartTime": EARLY, "PipelineExecutionStatus": "Succeeded"}
        for name in ("c", "b", "a")
    ]
    stubbed.expect("sagemaker", "ListPipelineExecutions", {"PipelineExecutionSummaries": summaries, "NextToken": "n"})

    found = execution.executions(stubbed, names, 2)

    assert [item.id for item in found] == ["c", "b"]


# Logs


def page(*texts: str, token: str) -> dict[str, Any]:
    events = [{"timestamp": 1, "message": text, "ingestionTime": 1} for text in texts]
    return {"events": events, "nextForwardToken": token, "nextBackwardToken": "b"}


def expect_log(stubbed: Stubbed, group: str, stream: str, *pages: tuple[dict[str, Any], str | None]) -> None:
    prefix = f"{stream.partition('/')[0]}/"
    where = {"logGroupName": f"/aws/sagemaker/{group}"}
    found = {"logStreams": [{"logStreamName": stream}]}
    stubbed.expect("logs", "DescribeLogStreams", found, **where, logStreamNamePrefix=prefix)
    for answer, seen in pages:
        more = {"nextToken": seen} if seen else {}
        stubbed.expect("logs", "GetLogEvents", answer, **where, logStreamName=stream, startFromHead=True, **more)


def test_logs_are_read_page_after_page_and_step_after_step(stubbed: Stubbed) -> None:
    prepare = {"StepName": "preprocess-data", "StepStatus": "Succeeded", "Metadata": job("ProcessingJob", "p")}
    train = {"StepName": "train", "StepStatus": "Succeeded", "Metadata": job("TrainingJob", "t")}
    check = {"StepName": "check-test-score", "StepStatus": "Succeeded"}
    expect_state(stubbed, "Succeeded", prepare, train, check)
    expect_log(stubbed, "ProcessingJobs", "p/algo-1-1", (page("a", "b", token="1"), None), (page(token="1"), "1"))
    empty, more = page(token="1"), page("c", token="2")  # the service may give an empty page before the last
    expect_log(stubbed, "TrainingJobs", "t/algo-1-1", (empty, None), (more, "1"), (page(token="2"), "2"))

    found = list(logs.Reader(stubbed, RUN).lines())

    assert [(line.step, line.text) for line in found] == [
        ("preprocess-data", "a"),
        ("preprocess-data", "b"),
        ("train", "c"),
    ]


def test_logs_that_are_followed_give_each_line_once_until_the_execution_ends(stubbed: Stubbed) -> None:
    train = {"StepName": "train", "StepStatus": "Executing", "Metadata": job("TrainingJob", "t")}
    expect_state(stubbed, "Executing", train)
    stubbed.refuse("logs", "DescribeLogStreams", "ResourceNotFoundException", "The specified log group does not exist.")
    expect_state(stubbed, "Executing", train)
    expect_log(stubbed, "TrainingJobs", "t/algo-1-1", (page("a", token="1"), None), (page(token="1"), "1"))
    expect_state(stubbed, "Succeeded", train)
    expect_log(stubbed, "TrainingJobs", "t/algo-1-1", (page("b", token="2"), "1"), (page(token="2"), "2"))

    found = [line.text for line in logs.Reader(stubbed, RUN).lines(follow=True)]

    assert found == ["a", "b"]
    assert len(stubbed.clock.slept) == 2


def test_logs_of_one_step_leave_the_others_out_and_those_of_a_search_are_its_trainings(stubbed: Stubbed) -> None:
    prepare = {"StepName": "preprocess-data", "StepStatus": "Succeeded", "Metadata": job("ProcessingJob", "p")}
    search = {"StepName": "train", "StepStatus": "Succeeded", "Metadata": job("TuningJob", "h")}
    expect_state(stubbed, "Succeeded", prepare, search)
    about = {"TrainingJobArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:training-job/h-001", "CreationTime": EARLY}
    trial = {**about, "TrainingJobName": "h-001", "TrainingJobStatus": "Completed", "TunedHyperParameters": {}}
    stubbed.expect("sagemaker", "ListTrainingJobsForHyperParameterTuningJob", {"TrainingJobSummaries": [trial]})
    expect_log(stubbed, "TrainingJobs", "h-001/algo-1-1", (page("a", token="1"), None), (page(token="1"), "1"))

    found = [(line.step, line.text) for line in logs.Reader(stubbed, RUN, step="train").lines()]

    assert found == [("train", "a")]


# What people see


def finished(*steps: execution.Step) -> execution.Execution:
    return execution.Execution(RUN, "Failed", "2026-01-01T00:00:00+00:00", "no", steps)


STEP = execution.Step("train", "Failed", 61.4, 2, cached=False, reason="a\nb", job="")


def test_view_of_an_execution_is_a_row_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    execution_view.show(
        finished(STEP, dataclasses.replace(STEP, status="Succeeded", cached=True, attempts=1, reason="")), as_json=False
    )

    out = capsys.readouterr().out.splitlines()
    assert out[0] == "execution abc123def456: Failed, started 2026-01-01T00:00:00+00:00"
    assert [" ".join(line.split()) for line in out[2:]] == [
        "train Failed 61 s attempt 2; a b",
        "train Succeeded (cached) 61 s",
        "failure: no",
    ]


def test_live_view_draws_on_a_terminal_and_is_silent_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with execution_view.live() as silent:
        assert silent is None

    monkeypatch.setattr("sys.stderr", terminal)
    with execution_view.live() as drawn:
        assert drawn is not None
        drawn(finished(STEP))

    assert "train" in terminal.getvalue()
    assert "abc123def456" in terminal.getvalue()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["upsert"], ["CreatePipeline"]),
        (["upsert", "--tune"], ["CreatePipeline"]),
        (["start", "-p", "TestScoreThreshold=0.5"], ["PutObject", "PutObject", "StartPipelineExecution"]),
        (["stop", "abc123def456"], ["StopPipelineExecution"]),
        (["schedule", "--at", "rate(7 days)"], ["PutObject", "PutObject", "CreateStack"]),
        (["schedule", "--remove"], ["DeleteStack"]),
    ],
    ids=" ".join,
)
def test_dry_run_prints_the_requests_and_needs_neither_credentials_nor_a_network(
    words: list[str],
    expected: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    status = main.main(["aws", "pipeline", *words, "--dry-run", "--json"])

    calls = json.loads(capsys.readouterr().out)["calls"]
    assert status == 0
    assert [call["operation"] for call in calls] == expected


# The law: what was sent is what runs here


@pytest.mark.slow
@pytest.mark.long  # a whole run on all starter titles
def test_bytes_captured_from_an_upsert_run_here_to_a_registered_version(
    account: Account, names: Names, tmp_path: Path
) -> None:
    pipeline.upsert(account, names, BYTES)
    captured = described(account, names)["PipelineDefinition"].encode()
    home, settings = tmp_path / "home", Settings()
    store = FolderStore(home / "s3")
    source = sources.resolve("starter", home)
    current = environment.current()
    options = executor.RunOptions(
        parameters={
            "InputDataUrl": inputs.data(source, store, settings),
            "ReviewedDataUrl": inputs.reviewed(None, store, settings),
            "ChampionModelUrl": inputs.champion(open_registry(home), "key", store, settings),
            "TestScoreThreshold": settings.thresholds.starter,
        },
        environment=executor.Environment(current.prefix, pipeline_version("linear"), honours_root=True),
        pipeline_name=names.pipeline,
    )

    done = executor.run(definitions.parse(captured), home, options)

    assert captured == BYTES
    assert done.status == "Succeeded", done.failure
    assert done.step("register").status == "Succeeded"
    assert (done.folder / "definition.json").read_bytes() == captured
    assert len(list((home / "registry" / names.group).iterdir())) == 1
