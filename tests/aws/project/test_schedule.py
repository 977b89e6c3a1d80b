"""Automatic starts: the stack, and its function, which the tests run as Lambda would."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml
from botocore.stub import Stubber

from jobmajor.aws.api.errors import AwsError, AwsInputError
from jobmajor.aws.executions import starter
from jobmajor.aws.project import schedule
from jobmajor.pipeline import definition
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

    Stubbed = Any

WEEKLY = "cron(0 6 ? * MON *)"
EXECUTION = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/abc123def456"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
ABOUT = {
    "pipeline": "p",
    "group": "g",
    "bucket": "bkt",
    "prefix": "job-major-clf",
    "parameters": {"Bucket": "bkt", "RoleArn": "role", "ImageUri": "image"},
}
MADE = {"StackName": "s", "StackId": "id", "CreationTime": WHEN}


class Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """Reads each of CloudFormation's YAML tags as the value that follows it."""


def _tagged(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: None}


Loader.add_multi_constructor("!", _tagged)


def resources() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(schedule.template(), Loader)["Resources"]  # noqa: S506 - a SafeLoader
    return found


def statements() -> dict[str, set[str]]:
    """Return the actions that the function's role allows, and the resource of each statement."""
    (policy,) = resources()["Role"]["Properties"]["Policies"]
    found = {}
    for item in policy["PolicyDocument"]["Statement"]:
        actions = item["Action"] if isinstance(item["Action"], list) else [item["Action"]]
        found[json.dumps(item["Resource"])] = set(actions)
    return found


# The stack


@pytest.mark.long
def test_template_has_no_finding_of_cfn_lint(tmp_path: Path) -> None:
    path = tmp_path / "schedule.yaml"
    path.write_text(schedule.template(), "utf-8")

    program = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([str(program), str(path)], check=False, capture_output=True, text=True, timeout=300)

    assert (done.returncode, done.stdout) == (0, "")


def test_function_in_the_template_is_the_file_that_is_tested_here() -> None:
    code = resources()["Starter"]["Properties"]["Code"]["ZipFile"]

    assert code == inspect.getsource(starter)
    alone: dict[str, Any] = {"__name__": "index"}
    exec(compile(code, "index.py", "exec"), alone)  # noqa: S102 - our own source, as Lambda loads it
    assert callable(alone["handler"])


def test_every_role_trusts_one_service_and_no_statement_allows_all() -> None:
    found = resources()
    roles = {name: item["Properties"] for name, item in found.items() if item["Type"] == "AWS::IAM::Role"}

    trusted = {
        name: [item["Principal"] for item in role["AssumeRolePolicyDocument"]["Statement"]]
        for name, role in roles.items()
    }
    assert trusted == {
        "Role": [{"Service": "lambda.amazonaws.com"}],
        "SchedulerRole": [{"Service": "scheduler.amazonaws.com"}],
    }
    texts = json.dumps([role["Policies"] for role in roles.values()])
    assert '"Resource": "*"' not in texts
    assert ':*"' not in texts


def test_rule_waits_for_the_manifest_of_a_release_and_may_call_the_function() -> None:
    found = resources()

    pattern = found["NewData"]["Properties"]["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert pattern["detail"]["object"]["key"] == [{"wildcard": {"Sub": "${Prefix}/input/*/manifest.json"}}]
    permission = found["NewDataMayCall"]["Properties"]
    assert permission["SourceArn"] == {"GetAtt": "NewData.Arn"}
    assert permission["Principal"] == "events.amazonaws.com"


def test_everything_that_takes_tags_has_the_project_s() -> None:
    untagged = [name for name, item in resources().items() if "Tags" not in item["Properties"]]

    assert untagged == ["NewDataMayCall", "Timetable"]  # neither can have any


def values(account: Account, operation: str) -> dict[str, str]:
    (call,) = [call for call in account.sent if call.operation == operation]
    return {item["ParameterKey"]: item["ParameterValue"] for item in call.parameters["Parameters"]}


def test_schedule_is_one_stack_that_knows_pipeline_image_and_role(dry_account: Account, names: Names) -> None:
    done = schedule.put(dry_account, names, schedule=WEEKLY, on_data=False)

    assert done == "created"
    assert [call.operation for call in dry_account.sent] == ["PutObject", "PutObject", "CreateStack"]  # both notes
    found = values(dry_account, "CreateStack")
    assert (found["Schedule"], found["OnData"], found["Pipeline"]) == (WEEKLY, "no", names.pipeline)
    about = json.loads(found["Start"])
    assert about["parameters"]["RoleArn"] == names.roles["job"]
    assert about["parameters"].keys() == {"Bucket", "RoleArn", "ImageUri", "ReviewedDataUrl"}


def test_starts_learn_from_the_reviewed_titles_that_the_schedule_was_given(dry_account: Account, names: Names) -> None:
    url = f"s3://{names.bucket}/{names.key('review', 'abc')}"

    schedule.put(dry_account, names, schedule=WEEKLY, reviewed=url)

    about = json.loads(values(dry_account, "CreateStack")["Start"])
    assert about["parameters"]["ReviewedDataUrl"] == url


def test_note_of_no_champion_stands_where_the_function_points(dry_account: Account, names: Names) -> None:
    schedule.put(dry_account, names)

    key = dry_account.sent[0].parameters["Key"]
    assert key.startswith(f"{names.prefix}/{starter.NO_CHAMPION}/")
    assert starter.NO_CHAMPION == definition.NO_CHAMPION


def test_neither_time_nor_data_is_refused(dry_account: Account, names: Names) -> None:
    with pytest.raises(AwsInputError, match="neither a schedule nor --on-data"):
        schedule.put(dry_account, names, on_data=False)

    assert dry_account.sent == []


def expect_ready(stubbed: Stubbed) -> None:
    for _ in ("no champion", "no review"):
        stubbed.expect("s3", "HeadObject", {})
    image = {"imageDigest": "sha256:" + "a" * 64, "imagePushedAt": WHEN}
    stubbed.expect("ecr", "DescribeImages", {"imageDetails": [image]})


def expect_stack(stubbed: Stubbed, status: str) -> None:
    stubbed.expect("cloudformation", "DescribeStacks", {"Stacks": [{**MADE, "StackStatus": status}]})


def test_schedule_that_is_there_is_updated_and_waited_for(stubbed: Stubbed, names: Names) -> None:
    expect_ready(stubbed)
    expect_stack(stubbed, "CREATE_COMPLETE")
    stubbed.expect("cloudformation", "UpdateStack", {"StackId": "id"})
    expect_stack(stubbed, "UPDATE_IN_PROGRESS")
    expect_stack(stubbed, "UPDATE_COMPLETE")

    assert schedule.put(stubbed, names) == "updated"
    assert len(stubbed.clock.slept) == 1


def test_schedule_that_is_there_just_so_is_left(stubbed: Stubbed, names: Names) -> None:
    expect_ready(stubbed)
    expect_stack(stubbed, "CREATE_COMPLETE")
    stubbed.refuse("cloudformation", "UpdateStack", "ValidationError", "No updates are to be performed.")

    assert schedule.put(stubbed, names) == "unchanged"


def test_schedule_that_cloudformation_takes_back_is_an_error(stubbed: Stubbed, names: Names) -> None:
    expect_ready(stubbed)
    expect_stack(stubbed, "CREATE_COMPLETE")
    stubbed.expect("cloudformation", "UpdateStack", {"StackId": "id"})
    expect_stack(stubbed, "UPDATE_ROLLBACK_COMPLETE")

    with pytest.raises(AwsError, match="ended as UPDATE_ROLLBACK_COMPLETE"):
        schedule.put(stubbed, names)


def test_schedule_that_a_killed_run_left_on_its_way_is_waited_for_first(stubbed: Stubbed, names: Names) -> None:
    expect_ready(stubbed)
    expect_stack(stubbed, "CREATE_IN_PROGRESS")
    expect_stack(stubbed, "CREATE_COMPLETE")
    stubbed.refuse("cloudformation", "UpdateStack", "ValidationError", "No updates are to be performed.")

    assert schedule.put(stubbed, names) == "unchanged"


def test_removing_deletes_the_stack_and_a_second_time_nothing(stubbed: Stubbed, names: Names) -> None:
    expect_stack(stubbed, "CREATE_COMPLETE")
    stubbed.expect("cloudformation", "DeleteStack", {})
    for _ in range(2):
        stubbed.refuse("cloudformation", "DescribeStacks", "ValidationError", "Stack with id s does not exist")

    assert [schedule.remove(stubbed, names) for _ in range(2)] == ["removed", "unchanged"]


# The function


class Clients:
    """boto3's clients with scripted answers; `asked` contains the used actions, as policies name them."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.stubs: dict[str, Stubber] = {}
        self._clients = {name: boto3.client(name, region_name="us-east-1") for name in ("s3", "sagemaker")}
        for name, client in self._clients.items():
            self.stubs[name] = Stubber(client)
            self.stubs[name].activate()
            client.meta.events.register("before-parameter-build", self._note)

    def __call__(self, service: str) -> Any:
        return self._clients[service]

    def _note(self, model: Any, **_: Any) -> None:
        name = "ListBucket" if model.name == "ListObjectsV2" else model.name
        self.asked.add(f"{model.service_model.endpoint_prefix.replace('api.', '')}:{name}")

    def expect_champion(self, url: str | None, judged: str = "") -> None:
        about = {"ModelPackageGroupName": "g", "ModelPackageStatus": "Completed", "CreationTime": WHEN}
        arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/g/2"
        found = [{**about, "ModelPackageArn": arn}] if url else []
        wanted = {"ModelPackageGroupName": "g", "ModelApprovalStatus": "Approved", "MaxResults": 1}
        order = {"SortBy": "CreationTime", "SortOrder": "Descending"}
        stub = self.stubs["sagemaker"]
        stub.add_response("list_model_packages", {"ModelPackageSummaryList": found}, {**wanted, **order})
        if url:
            inference = {"Containers": [{"Image": "i", "ModelDataUrl": url}]}
            described = {**about, "ModelPackageArn": arn, "ModelPackageName": "n", "ModelPackageStatusDetails": {}}
            described["ModelPackageStatusDetails"] = {"ValidationStatuses": []}
            metadata = {"CustomerMetadataProperties": {"JudgedModelUrl": judged}} if judged else {}
            stub.add_response("describe_model_package", {**described, **metadata, "InferenceSpecification": inference})

    def expect_start(self, identity: str, values: Mapping[str, str]) -> None:
        wanted = {
            "PipelineName": "p",
            "PipelineParameters": [{"Name": name, "Value": value} for name, value in values.items()],
            "ClientRequestToken": f"jobmajor-start-{identity}",
        }
        self.stubs["sagemaker"].add_response("start_pipeline_execution", {"PipelineExecutionArn": EXECUTION}, wanted)

    def finish(self) -> None:
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setenv("JOBMAJOR_START", json.dumps(ABOUT))
    return Clients()


UPLOADED = {
    "id": "12345678-1234-1234-1234-123456789012",
    "detail": {"bucket": {"name": "bkt"}, "object": {"key": "job-major-clf/input/abc/manifest.json"}},
}


def test_uploaded_release_starts_the_pipeline_on_it_against_the_champion(clients: Clients) -> None:
    clients.expect_champion("s3://bkt/2/model.tar.gz")
    champion = {"InputDataUrl": "s3://bkt/job-major-clf/input/abc", "ChampionModelUrl": "s3://bkt/2/model.tar.gz"}
    clients.expect_start(UPLOADED["id"], {**ABOUT["parameters"], **champion})  # type: ignore[arg-type, dict-item]  # JSON

    answer = starter.handler(UPLOADED, None, clients)

    assert answer["started"] == EXECUTION
    clients.finish()


def test_candidate_is_compared_with_the_judged_model_of_a_refitted_champion(clients: Clients) -> None:
    clients.expect_champion("s3://bkt/2/refitted/model.tar.gz", "s3://bkt/2/judged/model.tar.gz")
    champion = {
        "InputDataUrl": "s3://bkt/job-major-clf/input/abc",
        "ChampionModelUrl": "s3://bkt/2/judged/model.tar.gz",
    }
    clients.expect_start(UPLOADED["id"], {**ABOUT["parameters"], **champion})  # type: ignore[arg-type, dict-item]  # JSON

    assert starter.handler(UPLOADED, None, clients)["started"] == EXECUTION

    clients.finish()


def test_scheduled_start_takes_the_newest_whole_release_and_the_moment_as_its_token(clients: Clients) -> None:
    keys = [("old/manifest.json", 1), ("new/manifest.json", 3), ("half/Alternate Titles.txt", 5)]
    contents = [{"Key": f"job-major-clf/input/{name}", "LastModified": WHEN.replace(day=day)} for name, day in keys]
    where = {"Bucket": "bkt", "Prefix": "job-major-clf/input/"}
    clients.stubs["s3"].add_response("list_objects_v2", {"Contents": contents}, where)
    clients.expect_champion(None)
    none = {
        "InputDataUrl": "s3://bkt/job-major-clf/input/new",
        "ChampionModelUrl": "s3://bkt/job-major-clf/champion/none",
    }
    clients.expect_start("2026-01-05T06:00:00Z", {**ABOUT["parameters"], **none})  # type: ignore[dict-item]  # JSON

    answer = starter.handler({"id": "2026-01-05T06:00:00Z"}, None, clients)

    assert answer["started"] == EXECUTION
    clients.finish()


def test_scheduled_start_without_data_starts_nothing(clients: Clients) -> None:
    clients.stubs["s3"].add_response("list_objects_v2", {})

    assert starter.handler({"id": "2026-01-05T06:00:00Z"}, None, clients)["started"] is None


def test_role_of_the_function_allows_what_it_asks_for_and_its_log_and_nothing_else(clients: Clients) -> None:
    test_scheduled_start_takes_the_newest_whole_release_and_the_moment_as_its_token(clients)
    clients.expect_champion("s3://bkt/2/model.tar.gz")
    clients.stubs["sagemaker"].add_response("start_pipeline_execution", {"PipelineExecutionArn": EXECUTION})
    starter.handler(UPLOADED, None, clients)

    allowed = set().union(*statements().values())

    assert allowed == clients.asked | {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_token_of_a_moment_is_long_enough_for_the_service() -> None:
    assert len(f"jobmajor-start-{'2026-01-05T06:00:00Z'}") >= 32
    assert Settings().names.prefix == ABOUT["prefix"]
