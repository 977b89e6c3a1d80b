from __future__ import annotations

import ast
import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
import typer
from cfnlint.api import ManualArgs, lint
from typer.testing import CliRunner

from jobmajor import settings as all_settings
from jobmajor.aws.api.account import dry_account
from jobmajor.aws.api.errors import AwsError, AwsInputError, TimedOut
from jobmajor.aws.names import Names
from jobmajor.aws.project import stack
from jobmajor.cli.aws import stack as commands

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ARN = f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/test-job-major-clf-stack/1"
TAG = {"Key": "jobmajor:project", "Value": {"Ref": "Project"}}
NO_TAGS = {"AWS::IAM::Policy", "AWS::S3::BucketPolicy", "AWS::SNS::Subscription", "AWS::SNS::TopicPolicy"}


def named(**aws: Any) -> Names:
    return Names.of(all_settings.build(all_settings.Settings, {"aws": aws}), REGION, ACCOUNT_ID)


def policy_of(account: Account, role: str, name: str) -> dict[str, Any]:
    """Return a role's inline policy; moto may return it as Python's repr."""
    found = account.read("iam", "GetRolePolicy", RoleName=role, PolicyName=name)["PolicyDocument"]
    body: dict[str, Any] = ast.literal_eval(found) if isinstance(found, str) else found
    return body


def made(account: Account, names: Names) -> dict[str, tuple[str, str]]:
    items = account.pages("cloudformation", "ListStackResources", "StackResourceSummaries", StackName=names.stack)
    return {
        item["LogicalResourceId"]: (item["ResourceType"], item["PhysicalResourceId"])
        for item in items
        if item.get("PhysicalResourceId")
    }


# The template


def test_template_is_short_enough_to_be_sent_in_a_request() -> None:
    assert len(stack.template().encode()) <= 51_200  # source: AWS, CreateStack, TemplateBody


@pytest.mark.long
def test_cfn_lint_finds_nothing() -> None:
    found = lint(stack.template(), config=ManualArgs(regions=[REGION, "eu-central-1"]))

    assert [str(match) for match in found] == []


def test_everything_that_can_have_tags_has_the_projects(template: Any) -> None:
    untagged = [
        name
        for name, item in template.parsed()["Resources"].items()
        if item["Type"] not in NO_TAGS
        and TAG not in item["Properties"].get("Tags", item["Properties"].get("ResourceTags", ()))
    ]

    assert untagged == []


def test_bucket_refuses_everything_that_is_not_encrypted_on_its_way(template: Any) -> None:
    (policy,) = template.resources("AWS::S3::BucketPolicy").values()
    refused = {next(iter(item["Condition"])): item for item in policy["PolicyDocument"]["Statement"]}

    assert refused["Bool"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert refused["NumericLessThan"]["Condition"] == {"NumericLessThan": {"s3:TlsVersion": "1.2"}}
    for item in refused.values():
        assert (item["Effect"], item["Principal"], item["Action"]) == ("Deny", "*", "s3:*")
        assert len(item["Resource"]) == 2  # the bucket and what is in it


def test_registered_models_never_expire(template: Any) -> None:
    (bucket,) = template.resources("AWS::S3::Bucket").values()
    rules = bucket["LifecycleConfiguration"]["Rules"]
    expired = [rule["Prefix"]["Fn::Sub"] for rule in rules if "ExpirationInDays" in rule]

    assert sorted(expired) == ["${Prefix}/capture/", "${Prefix}/checkpoints/"]
    (repository,) = template.resources("AWS::ECR::Repository").values()
    (rule,) = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert rule["selection"]["tagStatus"] == "untagged"


def test_alerts_are_taken_from_our_own_alarms_rule_and_budget_only(template: Any) -> None:
    (policy,) = template.resources("AWS::SNS::TopicPolicy").values()

    for statement in policy["PolicyDocument"]["Statement"]:
        assert statement["Action"] == "sns:Publish"
        (condition,) = statement["Condition"].values()
        assert set(condition) <= {"aws:SourceArn", "aws:SourceAccount"}


def test_approval_of_a_version_of_this_project_is_told_and_no_other_event(template: Any) -> None:
    (rule,) = template.resources("AWS::Events::Rule").values()

    assert rule["EventPattern"] == {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": [{"Fn::Sub": "${Project}-model-group"}],
            "ModelApprovalStatus": ["Approved"],
        },
    }
    assert rule["Targets"][0]["Arn"] == {"Ref": "Alerts"}


# In moto's account


@pytest.mark.parametrize("encryption", ["sse", "kms"])
@pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")
def test_moto_makes_every_resource_that_it_knows(
    account: Account, encryption: str, capsys: pytest.CaptureFixture[str], template: Any
) -> None:
    names = named(budget_usd=20.0, email="ann@example.org")
    stack.bootstrap(account, names, {"Encryption": encryption}, body=template.supported)

    created = {kind for kind, _ in made(account, names).values()}
    wanted = {item["Type"] for item in template.parsed()["Resources"].values()}
    if encryption == "sse":
        wanted -= {"AWS::KMS::Key", "AWS::IAM::Policy"}
    with capsys.disabled():
        print(  # noqa: T201 - the two lists are what this test is asked to show
            f"\ncreated ({encryption}): {sorted(created)}\nunsupported by moto: {sorted(wanted - created)}"
        )
    assert wanted - created == template.unsupported


def test_things_are_called_as_the_table_of_names_says(account: Account, names: Names, template: Any) -> None:
    outputs = stack.bootstrap(account, names, body=template.supported).outputs

    assert outputs["BucketName"] == names.bucket
    assert outputs["RepositoryUri"] == names.image_repository
    assert outputs["ModelGroupName"] == names.group
    roles = {role: outputs[f"{role.title()}RoleArn"] for role in names.roles}
    assert roles == dict(names.roles)


def test_bucket_is_versioned_and_private_and_nothing_makes_it_public(template: Any) -> None:
    (bucket,) = template.resources("AWS::S3::Bucket").values()

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


@pytest.mark.parametrize(("encryption", "algorithm"), [("sse", "AES256"), ("kms", "aws:kms")])
def test_bucket_is_encrypted_as_was_chosen(
    account: Account, names: Names, template: Any, encryption: str, algorithm: str
) -> None:
    stack.bootstrap(account, names, {"Encryption": encryption}, body=template.supported)

    found = account.read("s3", "GetBucketEncryption", Bucket=names.bucket)["ServerSideEncryptionConfiguration"]
    assert found["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == algorithm


def test_image_tags_can_never_be_moved_and_images_are_scanned(template: Any) -> None:
    (repository,) = template.resources("AWS::ECR::Repository").values()

    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_bootstrap_again_keeps_the_one_stack_and_what_was_chosen(account: Account, names: Names, template: Any) -> None:
    stack.bootstrap(account, names, {"Encryption": "kms", "CaptureDays": "7"}, body=template.supported)
    stack.bootstrap(account, names, body=template.supported)

    (found,) = account.read("cloudformation", "DescribeStacks")["Stacks"]
    known = {item["ParameterKey"]: item["ParameterValue"] for item in found["Parameters"]}
    assert (known["Encryption"], known["CaptureDays"]) == ("kms", "7")
    assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == names.tag_map


def test_log_groups_that_other_projects_write_to_are_left_alone(
    account: Account, names: Names, told: list[str], template: Any
) -> None:
    account.change("logs", "CreateLogGroup", logGroupName="/aws/sagemaker/TrainingJobs")

    stack.bootstrap(account, names, body=template.supported)
    stack.bootstrap(account, names, body=template.supported)

    groups = {name for kind, name in made(account, names).values() if kind == "AWS::Logs::LogGroup"}
    assert not groups & set(stack.JOB_LOG_GROUPS)
    assert sum("shared by all projects, and stay as they are" in line for line in told) == 1


def test_the_stacks_own_log_groups_are_not_taken_for_others_the_next_time(
    account: Account, names: Names, template: Any
) -> None:
    for _ in range(2):
        stack.bootstrap(account, names, body=template.supported)

    groups = {name for kind, name in made(account, names).values() if kind == "AWS::Logs::LogGroup"}
    assert set(stack.JOB_LOG_GROUPS) < groups


def test_account_that_knows_github_already_is_not_given_a_second_provider(account: Account, template: Any) -> None:
    url = f"https://{stack.GITHUB}"
    provider = account.change("iam", "CreateOpenIDConnectProvider", Url=url, ClientIDList=["sts.amazonaws.com"])
    names = named(github="acme/titles", branch="release")

    stack.bootstrap(account, names, body=template.supported)

    role = account.read("iam", "GetRole", RoleName=names.role_names["ci"])["Role"]
    web = role["AssumeRolePolicyDocument"]["Statement"][1]
    assert web["Principal"] == {"Federated": provider["OpenIDConnectProviderArn"]}
    assert web["Condition"]["StringEquals"] == {
        f"{stack.GITHUB}:aud": "sts.amazonaws.com",
        f"{stack.GITHUB}:sub": "repo:acme/titles:ref:refs/heads/release",
    }


def test_bucket_that_the_account_has_is_taken_and_none_is_made(account: Account, template: Any) -> None:
    names = named(bucket="bucket-of-acme")

    stack.bootstrap(account, names, body=template.supported)

    policy = policy_of(account, names.role_names["job"], "job")
    assert account.read("s3", "ListBuckets")["Buckets"] == []
    assert "arn:aws:s3:::bucket-of-acme/job-major-clf/*" in json.dumps(policy)


def test_role_of_the_users_own_may_be_passed_instead(account: Account, template: Any) -> None:
    names = named(job_role="jobs-of-acme")

    stack.bootstrap(account, names, body=template.supported)

    policy = policy_of(account, names.role_names["pipeline"], "pipeline")
    (passing,) = [item for item in policy["Statement"] if item["Action"] == "iam:PassRole"]
    assert passing["Resource"] == f"arn:aws:iam::{ACCOUNT_ID}:role/jobs-of-acme"


# Wherever it was interrupted


def state(status: str, **more: Any) -> dict[str, Any]:
    about = {"StackName": "test-job-major-clf-stack", "StackId": ARN, "CreationTime": NOW, "StackStatus": status}
    return {"Stacks": [{**about, **more}]}


def event(resource: str, status: str, reason: str = "", arn: str = "x") -> dict[str, Any]:
    about = {"StackId": ARN, "EventId": resource + status, "StackName": "test-job-major-clf-stack", "Timestamp": NOW}
    more = {"LogicalResourceId": resource, "ResourceStatus": status, "PhysicalResourceId": arn}
    return {**about, **more, "ResourceStatusReason": reason}


def nothing(stubbed: Any) -> None:
    stubbed.refuse("cloudformation", "DescribeStacks", "ValidationError", "Stack with id x does not exist")


def sees(stubbed: Any, status: str, *events: dict[str, Any], **more: Any) -> None:
    """Script the stack's states, one for each poll; while it changes, each poll also reads the last event."""
    stubbed.expect("cloudformation", "DescribeStacks", state(status, **more))
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        stubbed.expect("cloudformation", "DescribeStackEvents", {"StackEvents": list(events)})


def creates(stubbed: Any, *deleted: str) -> None:
    """Script a creation: first reads of existing resources and of deleted stacks with this name."""
    stubbed.expect("logs", "DescribeLogGroups", {"logGroups": []})
    gone = [
        {"StackName": "test-job-major-clf-stack", "StackId": arn, "CreationTime": NOW, "StackStatus": "DELETE_COMPLETE"}
        for arn in deleted
    ]
    stubbed.expect("cloudformation", "ListStacks", {"StackSummaries": gone})
    stubbed.expect("cloudformation", "CreateStack", {"StackId": ARN})


def up_to_date(stubbed: Any) -> None:
    stubbed.refuse("cloudformation", "UpdateStack", "ValidationError", "No updates are to be performed.")


def tokens(account: Account, operation: str) -> list[str]:
    return [call.parameters["ClientRequestToken"] for call in account.sent if call.operation == operation]


def test_stack_that_is_up_to_date_is_unchanged(stubbed: Any, names: Names) -> None:
    outputs = [{"OutputKey": "BucketName", "OutputValue": "b"}]
    sees(stubbed, "CREATE_COMPLETE", Outputs=outputs)
    up_to_date(stubbed)

    found = stack.bootstrap(stubbed, names)

    assert (found.change, found.outputs) == (stack.UNCHANGED, {"BucketName": "b"})


def test_changed_template_updates_the_stack_and_waits_for_it(stubbed: Any, names: Names) -> None:
    lines: list[str] = []
    stubbed.tell = lines.append
    sees(stubbed, "CREATE_COMPLETE")
    stubbed.expect("cloudformation", "UpdateStack", {"StackId": ARN})
    sees(stubbed, "UPDATE_IN_PROGRESS", event("Bucket", "UPDATE_IN_PROGRESS"))
    sees(stubbed, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    sees(stubbed, "UPDATE_COMPLETE")

    assert stack.bootstrap(stubbed, names).change == stack.UPDATED
    assert "Bucket UPDATE_IN_PROGRESS" in lines[0]


def test_bootstrap_that_was_killed_while_the_stack_was_made_finishes_when_run_again(stubbed: Any, names: Names) -> None:
    nothing(stubbed)
    creates(stubbed)
    sees(stubbed, "CREATE_IN_PROGRESS")
    with pytest.raises(TimedOut, match="run the same command again"):
        stack.bootstrap(stubbed, names, limit_s=0)

    sees(stubbed, "CREATE_IN_PROGRESS")
    sees(stubbed, "CREATE_COMPLETE")
    up_to_date(stubbed)
    assert stack.bootstrap(stubbed, names).change == stack.UNCHANGED


def test_creation_whose_reply_was_lost_is_waited_for_and_not_repeated(stubbed: Any, names: Names) -> None:
    nothing(stubbed)
    stubbed.expect("logs", "DescribeLogGroups", {"logGroups": []})
    stubbed.expect("cloudformation", "ListStacks", {"StackSummaries": []})
    stubbed.refuse("cloudformation", "CreateStack", "AlreadyExistsException", "Stack already exists")
    sees(stubbed, "CREATE_IN_PROGRESS")
    sees(stubbed, "CREATE_COMPLETE")

    assert stack.bootstrap(stubbed, names).change == stack.CREATED


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "REVIEW_IN_PROGRESS"])
def test_stack_that_never_came_about_is_cleared_away_and_made_again(stubbed: Any, names: Names, status: str) -> None:
    sees(stubbed, status)
    sees(stubbed, status)
    stubbed.expect("cloudformation", "DeleteStack", {})
    sees(stubbed, "DELETE_IN_PROGRESS")
    nothing(stubbed)
    creates(stubbed)
    sees(stubbed, "CREATE_COMPLETE")

    assert stack.bootstrap(stubbed, names).change == stack.CREATED


def test_creation_that_fails_names_the_first_resource_that_did(stubbed: Any, names: Names) -> None:
    nothing(stubbed)
    creates(stubbed)
    sees(stubbed, "ROLLBACK_COMPLETE")
    events = [
        event("JobRole", "CREATE_FAILED", "Resource creation cancelled"),
        event("Bucket", "CREATE_FAILED", "the bucket exists already"),
        event("test-job-major-clf-stack", "CREATE_IN_PROGRESS", "User Initiated", ARN),
        event("Repository", "CREATE_FAILED", "of another time"),
    ]
    stubbed.expect("cloudformation", "DescribeStackEvents", {"StackEvents": events})

    with pytest.raises(stack.StackFailed) as caught:
        stack.bootstrap(stubbed, names)

    assert (caught.value.resource, caught.value.reason) == ("Bucket", "the bucket exists already")
    assert "\n" not in str(caught.value)


def test_update_that_was_rolled_back_is_a_failure_and_not_an_update(stubbed: Any, names: Names) -> None:
    sees(stubbed, "CREATE_COMPLETE")
    stubbed.expect("cloudformation", "UpdateStack", {"StackId": ARN})
    sees(stubbed, "UPDATE_ROLLBACK_COMPLETE")
    stubbed.expect("cloudformation", "DescribeStackEvents", {"StackEvents": [event("Key", "UPDATE_FAILED", "no")]})

    with pytest.raises(stack.StackFailed, match=r"Key failed: no"):
        stack.bootstrap(stubbed, names)


def test_roll_back_that_got_stuck_is_continued(stubbed: Any, names: Names) -> None:
    sees(stubbed, "UPDATE_ROLLBACK_FAILED")
    stubbed.expect("cloudformation", "ContinueUpdateRollback", {})
    sees(stubbed, "UPDATE_ROLLBACK_IN_PROGRESS")
    sees(stubbed, "UPDATE_ROLLBACK_COMPLETE")
    up_to_date(stubbed)

    assert stack.bootstrap(stubbed, names).change == stack.UNCHANGED


def test_stack_whose_deletion_failed_asks_for_a_cleanup(stubbed: Any, names: Names) -> None:
    sees(stubbed, "DELETE_FAILED")

    with pytest.raises(AwsInputError, match="cleanup --yes"):
        stack.bootstrap(stubbed, names)


def test_state_that_keeps_coming_back_is_given_up(stubbed: Any, names: Names) -> None:
    for _ in range(6):
        sees(stubbed, "UPDATE_ROLLBACK_FAILED")
        stubbed.expect("cloudformation", "ContinueUpdateRollback", {})

    with pytest.raises(AwsError, match="keeps returning to UPDATE_ROLLBACK_FAILED"):
        stack.bootstrap(stubbed, names)


def test_same_creation_has_the_same_token_until_the_stack_was_deleted(stubbed: Any, names: Names) -> None:
    for deleted in ((), (), ("arn:of-the-last-one",)):
        nothing(stubbed)
        creates(stubbed, *deleted)
        sees(stubbed, "CREATE_COMPLETE")
        stack.bootstrap(stubbed, names)

    first, second, third = tokens(stubbed, "CreateStack")
    assert first == second != third


# The settings' choices


def sent(names: Names, choices: Mapping[str, str] | None = None) -> dict[str, str]:
    account = dry_account(REGION, ACCOUNT_ID)
    stack.bootstrap(account, names, choices)
    (call,) = account.sent
    return {item["ParameterKey"]: item["ParameterValue"] for item in call.parameters["Parameters"]}


def test_every_parameter_that_is_sent_is_one_of_the_templates(template: Any) -> None:
    known = template.parsed()["Parameters"]
    parameters = sent(named(), {"Encryption": "kms"})

    assert set(parameters) <= set(known)
    assert {name for name, item in known.items() if "Default" not in item} <= set(parameters)


def test_settings_decide_budget_logs_and_who_is_told() -> None:
    parameters = sent(named(budget_usd=12.5, log_days=30, email="ann@example.org"))

    wanted = {"MonthlyBudgetUsd": "12.5", "LogDays": "30", "AlertEmail": "ann@example.org"}
    assert wanted.items() <= parameters.items()


def test_unknown_choice_is_refused_by_name() -> None:
    with pytest.raises(AwsInputError, match="--parameter Colour: expected one of Encryption"):
        sent(named(), {"Colour": "red"})


def commanded(*arguments: str) -> Any:
    app = typer.Typer()
    commands.add(app)
    return CliRunner().invoke(app, list(arguments))


def test_dry_run_prints_the_creation_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)

    result = commanded("bootstrap", "--dry-run", "--json", "-p", "Encryption=kms")

    assert result.exit_code == 0, result.output
    (call,) = json.loads(result.stdout)["calls"]
    assert (call["service"], call["operation"]) == ("cloudformation", "CreateStack")
    assert {"ParameterKey": "Encryption", "ParameterValue": "kms"} in call["parameters"]["Parameters"]
