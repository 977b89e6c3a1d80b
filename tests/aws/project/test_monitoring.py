"""Checks on a schedule: the stack, the job that it starts, and that alarms see what the step writes."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.decode import cfn_yaml

from jobmajor.aws.api import checks as api
from jobmajor.aws.api.errors import AwsError, AwsInputError
from jobmajor.aws.project import monitoring
from jobmajor.aws.project.monitoring import Checks
from jobmajor.errors import SettingError
from jobmajor.steps import commands
from jobmajor.steps.monitoring import ENDED, VIOLATION

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

MADE = {"StackName": "s", "StackId": "id", "CreationTime": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}
Stubbed = Any


def resources() -> dict[str, Any]:
    body = json.loads(json.dumps(cfn_yaml.loads(monitoring.template())))
    return {name: item["Properties"] for name, item in body["Resources"].items()}


def put(account: Account, names: Names, **more: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """The stack's parameters and the job's request, of a dry run."""
    assert monitoring.put(account, names, Checks(3, b"reference", **more)) == "created"
    (call,) = [call for call in account.sent if call.operation == "CreateStack"]
    values = {item["ParameterKey"]: item["ParameterValue"] for item in call.parameters["Parameters"]}
    return values, json.loads(values["Job"])


@pytest.mark.long
def test_template_has_no_finding_of_cfn_lint(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(monitoring.template(), "utf-8")
    program = sys.executable.rpartition("python")[0] + "cfn-lint"

    done = subprocess.run([program, str(path)], check=False, capture_output=True, text=True, timeout=300)

    assert (done.returncode, done.stdout) == (0, "")


def test_job_that_the_schedule_starts_is_a_valid_request_of_the_step(dry_account: Account, names: Names) -> None:
    values, job = put(dry_account, names, period="7d")

    started = json.loads(values["Job"].replace(monitoring.EXECUTION, "d32c5kddcf5bb8c3"))
    words = job["AppSpecification"]["ContainerArguments"]
    assert job["ProcessingJobName"] == f"{names.project}-check-{monitoring.EXECUTION}"
    assert api.faults("sagemaker", "CreateProcessingJob", started, dry=True) == ()
    assert commands._parser().parse_args(["monitor", *words]).period == "7d"
    assert job["NetworkConfig"]["EnableNetworkIsolation"] is True
    assert {item["InputName"]: item["S3Input"]["S3Uri"] for item in job["ProcessingInputs"]}["capture"] == (
        f"s3://{names.bucket}/{names.prefix}/capture/{names.endpoint}/"
    )
    assert len(values["Job"]) < 4096 - 1000  # room for long names, tags and a VPC


def test_reference_is_uploaded_to_an_address_that_follows_from_its_content(dry_account: Account, names: Names) -> None:
    _, job = put(dry_account, names)

    (sent,) = [call for call in dry_account.sent if call.operation == "PutObject"]
    address = f"s3://{names.bucket}/{sent.parameters['Key']}"
    assert address in {item["S3Input"]["S3Uri"] for item in job["ProcessingInputs"]}
    assert address.endswith("/reference.json")


def test_filters_look_for_the_lines_that_the_step_writes_of_this_project_only() -> None:
    found = resources()

    patterns = {name: found[name]["FilterPattern"]["Fn::Sub"] for name in ("ViolationLines", "EndedLines")}
    assert patterns == {
        "ViolationLines": f'"{VIOLATION} project=${{Project}} "',
        "EndedLines": f'"{ENDED} project=${{Project}} "',
    }


def test_violation_failure_and_absence_tell_the_topic_of_alerts_separately() -> None:
    found = resources()
    topic = {"Fn::Sub": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${Project}-alerts"}

    assert found["Violation"]["AlarmActions"] == [topic]
    watched = {name: (found[name]["MetricName"], found[name]["TreatMissingData"]) for name in ("Violation", "Absent")}
    assert watched == {
        "Violation": ("MonitorViolations", "notBreaching"),
        "Absent": ("MonitorChecks", "breaching"),
    }
    assert found["Absent"]["AlarmActions"] == [topic]
    assert found["Failed"]["Targets"][0]["Arn"] == topic
    assert found["Failed"]["EventPattern"]["detail"]["ProcessingJobStatus"] == ["Failed", "Stopped"]


def test_topic_of_alerts_takes_the_rule_s_messages(template: Any) -> None:
    (topic_policy,) = template.resources("AWS::SNS::TopicPolicy").values()
    statements = topic_policy["PolicyDocument"]["Statement"]

    (found,) = [item for item in statements if item["Sid"] == "Checks"]
    name = found["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"].rpartition("/")[2]
    assert name == resources()["Failed"]["Name"]["Fn::Sub"]


def test_role_of_the_schedule_starts_jobs_of_this_project_and_nothing_else() -> None:
    (policy,) = resources()["CheckRole"]["Policies"]

    actions = {str(item["Action"]) for item in policy["PolicyDocument"]["Statement"]}
    assert actions == {str(["sagemaker:AddTags", "sagemaker:CreateProcessingJob"]), "iam:PassRole"}
    assert '"Resource": "*"' not in json.dumps(policy)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"at": "daily"}, "aws.schedule"),
        ({"at": ""}, "--at is empty"),
        ({"absent_days": 0}, "--absent-days: found 0, expected 1 to 7"),
        ({"disk_gb": 0}, "--disk-gb: found 0"),
    ],
)
def test_wrong_value_is_refused_before_anything_is_sent(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((AwsInputError, SettingError), match=message):
        Checks(3, b"", **wrong)


def expect_stack(stubbed: Stubbed, status: str) -> None:
    stubbed.expect("cloudformation", "DescribeStacks", {"Stacks": [{**MADE, "StackStatus": status}]})


def test_removing_deletes_the_stack_and_a_second_time_nothing(stubbed: Stubbed, names: Names) -> None:
    expect_stack(stubbed, "CREATE_COMPLETE")
    stubbed.expect("cloudformation", "DeleteStack", {})
    for _ in range(2):
        stubbed.refuse("cloudformation", "DescribeStacks", "ValidationError", "Stack with id s does not exist")

    assert [monitoring.stack(names).remove(stubbed) for _ in range(2)] == ["removed", "unchanged"]


def test_stack_that_cloudformation_takes_back_is_an_error(stubbed: Stubbed, names: Names) -> None:
    expect_stack(stubbed, "CREATE_COMPLETE")
    stubbed.expect("cloudformation", "UpdateStack", {"StackId": "id"})
    expect_stack(stubbed, "UPDATE_ROLLBACK_COMPLETE")

    with pytest.raises(AwsError, match="ended as UPDATE_ROLLBACK_COMPLETE"):
        monitoring.stack(names).put(stubbed, {})
