"""Requests are checked before they are sent, safe to repeat, and refused in one line."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api import account as calls
from jobmajor.aws.api import checks, refusals, session
from jobmajor.aws.api.account import Account
from jobmajor.aws.api.errors import (
    AccessDenied,
    AlreadyExists,
    AwsError,
    AwsInputError,
    BadCall,
    CallFailed,
    NoCredentials,
    NoRegion,
    NotFound,
    TimedOut,
    WrongAccount,
)
from jobmajor.aws.api.request import Call
from jobmajor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


REGION, ACCOUNT_ID = "us-east-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/somebody"
MODEL = {"ModelName": "one", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "image"}}
ONE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:model/one"
CI = f"User: arn:aws:sts::{ACCOUNT_ID}:assumed-role/ci/build is not authorized to perform:"
PIPELINE = {"PipelineName": "one", "PipelineDefinition": "{}", "RoleArn": ROLE, "ClientRequestToken": "t" * 32}


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=120, env=environment)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"ModelName": "a b"}, "ModelName: found"),
        ({"ModelName": "a" * 64}, "ModelName: found 64 characters, expected at most 63"),
        ({"ModelName": 1}, "ModelName: found 1, expected a string"),
        ({"ModelNmae": "one"}, "ModelNmae: is no member of CreateModelInput"),
        ({"ExecutionRoleArn": "somebody, whoever it is"}, "ExecutionRoleArn: found"),
        ({"PrimaryContainer": {"Mode": "Both"}}, "PrimaryContainer.Mode: found"),
        ({"Tags": [{"Key": "a"}]}, "Tags[0]: Value is missing, and it is required"),
        ({"Tags": {"a": "b"}}, "Tags: found"),
        ({"EnableNetworkIsolation": 1}, "EnableNetworkIsolation: found 1, expected true or false"),
    ],
)
def test_request_that_the_service_would_refuse_can_not_be_made(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadCall) as caught:
        Call("sagemaker", "CreateModel", {**MODEL, **change})

    assert caught.value.problems[0].startswith(fault)


def test_request_that_can_not_be_made_is_not_sent(account: Account) -> None:
    with pytest.raises(BadCall, match="ModelName"):
        account.change("sagemaker", "CreateModel", **{**MODEL, "ModelName": "a b"})

    assert list(account.pages("sagemaker", "ListModels", "Models")) == account.sent == []


def test_every_fault_of_a_request_is_found_at_once() -> None:
    with pytest.raises(BadCall, match=r"sagemaker CreateModel was not sent: .* \(and 2 more\)") as caught:
        Call("sagemaker", "CreateModel", {"ModelName": "a b", "ExecutionRoleArn": "x", "Foo": 1})

    assert len(caught.value.problems) == 3


def test_pattern_in_another_dialect_is_left_to_the_service() -> None:
    assert Call("budgets", "DeleteBudget", {"AccountId": ACCOUNT_ID, "BudgetName": "mine"}).operation == "DeleteBudget"


def test_operation_that_botocore_lacks_says_what_to_install() -> None:
    with pytest.raises(AwsError, match=r"has no operation sagemaker CreateMiracle: install a newer version"):
        Call("sagemaker", "CreateMiracle", {})


def test_placeholder_is_accepted_in_a_dry_run_and_nowhere_else(dry_account: Account, account: Account) -> None:
    made = dry_account.change("sagemaker", "CreateModelPackageGroup", ModelPackageGroupName="group")
    later = {"ResourceArn": made["ModelPackageGroupArn"], "Tags": [{"Key": "a", "Value": "b"}]}

    dry_account.change("sagemaker", "AddTags", **later)

    assert made == {"ModelPackageGroupArn": "<ModelPackageGroupArn>"}
    assert [call.operation for call in dry_account.sent] == ["CreateModelPackageGroup", "AddTags"]
    with pytest.raises(BadCall, match="ResourceArn"):
        account.change("sagemaker", "AddTags", **later)


def test_dry_run_checks_requests_as_a_real_run_does(dry_account: Account) -> None:
    with pytest.raises(BadCall, match="ModelName"):
        dry_account.change("sagemaker", "CreateModel", **{**MODEL, "ModelName": "a b"})


def test_dry_run_finds_nothing_and_reads_placeholders(dry_account: Account) -> None:
    found = dry_account.find("sagemaker", "DescribeModel", ModelName="one")
    read = dry_account.read("sagemaker", "DescribeEndpoint", EndpointName="one")
    listed = list(dry_account.pages("sagemaker", "ListModels", "Models"))

    assert (found, listed, dry_account.sent) == (None, [], [])
    assert (read["EndpointArn"], read["ProductionVariants"]) == ("<EndpointArn>", [])


def test_dry_run_needs_neither_boto3_nor_credentials() -> None:
    code = (
        "import sys; sys.modules['boto3'] = None; from jobmajor.aws.api import account as calls;"
        f"calls.dry_account().change('sagemaker', 'CreateModel', **{MODEL!r})"
    )

    assert python(code).returncode == 0


def test_missing_boto3_is_one_line_with_the_command_that_installs_it() -> None:
    code = (
        "import sys; sys.modules['boto3'] = None; from jobmajor.aws.api import account as calls\n"
        "try: calls.connect('us-east-1')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    said = python(code).stdout

    assert re.fullmatch(r"MissingExtra jobmajor aws needs the extra 'aws': .*pip install .*\[aws\]'\n", said)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("sagemaker", "DescribeModel", {"ModelName": "no"}),
        ("sagemaker", "DescribeEndpoint", {"EndpointName": "no"}),
        ("sagemaker", "DescribePipeline", {"PipelineName": "no"}),
        ("sagemaker", "DescribeModelPackageGroup", {"ModelPackageGroupName": "no"}),
        ("s3", "HeadBucket", {"Bucket": "no-such-bucket"}),
        ("s3", "ListObjectsV2", {"Bucket": "no-such-bucket"}),
        ("ecr", "DescribeRepositories", {"repositoryNames": ["no"]}),
        ("iam", "GetRole", {"RoleName": "no"}),
        ("cloudformation", "DescribeStacks", {"StackName": "no"}),
        ("scheduler", "GetSchedule", {"Name": "no"}),
        ("sns", "GetTopicAttributes", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:no"}),
        ("codecommit", "GetRepository", {"repositoryName": "no"}),
        ("events", "DescribeRule", {"Name": "no"}),
    ],
)
def test_what_is_not_there_is_none_to_find_and_an_error_to_read(
    account: Account, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    found = account.find(service, operation, **parameters)

    assert found is None
    with pytest.raises(NotFound):
        account.read(service, operation, **parameters)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "path"),
    [
        ("sagemaker", "CreatePipeline", PIPELINE, "PipelineArn"),
        ("ecr", "CreateRepository", {"repositoryName": "one"}, "repository.repositoryUri"),
        ("iam", "CreateRole", {"RoleName": "one", "AssumeRolePolicyDocument": "{}"}, "Role.Arn"),
        ("logs", "CreateLogGroup", {"logGroupName": "/one"}, "@"),
        ("codecommit", "CreateRepository", {"repositoryName": "one"}, "repositoryMetadata.Arn"),
        (
            "scheduler",
            "CreateSchedule",
            {
                "Name": "one",
                "ScheduleExpression": "rate(1 day)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": ROLE, "RoleArn": ROLE},
            },
            "ScheduleArn",
        ),
        (
            "codebuild",
            "CreateProject",
            {
                "name": "one",
                "source": {"type": "S3", "location": "bucket/source.zip"},
                "artifacts": {"type": "NO_ARTIFACTS"},
                "environment": {"type": "LINUX_CONTAINER", "image": "any", "computeType": "BUILD_GENERAL1_SMALL"},
                "serviceRole": f"arn:aws:iam::{ACCOUNT_ID}:role/service-role/builder",
            },
            "project.arn",
        ),
    ],
)
def test_creating_the_same_again_counts_as_done(
    account: Account, service: str, operation: str, parameters: dict[str, Any], path: str
) -> None:
    first = account.change(service, operation, **parameters)

    again = account.change(service, operation, **parameters)

    assert checks.at(path, again) == checks.at(path, first) is not None


def test_taken_name_of_something_else_is_refused_and_says_what_differs(account: Account) -> None:
    account.change("sagemaker", "CreatePipeline", **PIPELINE)

    with pytest.raises(AlreadyExists, match=r"RoleArn \(wanted .*somebody2, found .*somebody\)") as caught:
        account.change("sagemaker", "CreatePipeline", **{**PIPELINE, "RoleArn": f"{ROLE}2"})

    assert len(caught.value.differences) == 1
    assert isinstance(caught.value, InputError)


def test_model_whose_creation_was_answered_already_is_taken_if_it_is_the_same(stubbed: Any) -> None:
    message = f'Cannot create already existing model "arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:model/one".'
    described = {**MODEL, "ModelArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:model/one", "CreationTime": 0}
    for image in ("image", "another"):
        stubbed.refuse("sagemaker", "CreateModel", "ValidationException", message)
        stubbed.expect(
            "sagemaker", "DescribeModel", described | {"PrimaryContainer": {"Image": image}}, ModelName="one"
        )

    existing = stubbed.change("sagemaker", "CreateModel", **MODEL)
    with pytest.raises(AlreadyExists, match=r"PrimaryContainer\.Image"):
        stubbed.change("sagemaker", "CreateModel", **MODEL)

    assert existing["ModelArn"] == described["ModelArn"]


def test_deleting_what_is_gone_counts_as_done(account: Account) -> None:
    account.change("sagemaker", "CreatePipeline", **PIPELINE)

    answers = [
        account.change("sagemaker", "DeletePipeline", PipelineName="one", ClientRequestToken="d" * 32) for _ in "ab"
    ]

    assert answers[1] == {}
    assert account.find("sagemaker", "DescribePipeline", PipelineName="one") is None


def test_what_is_in_use_is_not_taken_for_a_taken_name(stubbed: Any) -> None:
    stubbed.refuse("sagemaker", "DeleteImage", "ResourceInUse", "Image has versions")

    with pytest.raises(CallFailed, match="ResourceInUse: Image has versions"):
        stubbed.change("sagemaker", "DeleteImage", ImageName="one")


def test_pages_are_read_to_the_last(stubbed: Any) -> None:
    item = {"ModelArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:model/a", "CreationTime": 0}
    for page, (names, following) in enumerate((("ab", "next"), ("c", None))):
        answer: dict[str, Any] = {"Models": [{**item, "ModelName": name} for name in names]}
        more = {"NextToken": "next"} if page else {}
        stubbed.expect("sagemaker", "ListModels", answer | ({"NextToken": following} if following else {}), **more)

    found = [model["ModelName"] for model in stubbed.pages("sagemaker", "ListModels", "Models")]

    assert found == ["a", "b", "c"]


def test_list_without_pages_gives_its_items_too(account: Account) -> None:
    account.change("s3", "CreateBucket", Bucket="bucket")
    account.change("s3", "PutObject", Bucket="bucket", Key="a", Body=b"1")

    listed = account.pages("s3", "GetBucketTagging", "TagSet", Bucket="bucket")

    with pytest.raises(NotFound):
        list(listed)
    assert [item["Key"] for item in account.pages("s3", "ListObjectsV2", "Contents", Bucket="bucket")] == ["a"]


def test_waiting_tells_each_change_once_and_ends_with_the_state(account: Account, told: list[str]) -> None:
    states = iter(["Creating", "Creating", "Updating", "InService"])

    found = account.wait(
        lambda: next(states), lambda state: state == "InService", describe=lambda state: state.lower(), limit_s=60
    )

    assert (found, told) == ("InService", ["creating", "updating"])
    assert account.clock.now() == 30  # three pauses of ten seconds


def test_waiting_ends_at_its_limit_with_one_line(account: Account) -> None:
    with pytest.raises(TimedOut, match=r"^the endpoint: not done within 25 s, and AWS goes on: run .* again"):
        account.wait(lambda: 0, bool, describe="the endpoint", limit_s=25)

    assert account.clock.now() == 30


def test_dry_run_waits_for_nothing(dry_account: Account) -> None:
    assert dry_account.wait(lambda: 7, lambda _: False, describe="never", limit_s=1e9) == 7


@pytest.mark.parametrize("seed", [1, 2])
def test_throttling_and_lost_replies_make_no_duplicate(faulty: Account, proxy: Any, seed: int) -> None:
    proxy.one_in_five(seed)
    wanted = [f"p{number}" for number in range(20)]

    for name in wanted:
        answer = faulty.change("sagemaker", "CreatePipeline", **PIPELINE | {"PipelineName": name})
        assert answer["PipelineArn"].endswith(f"/{name}")

    found = faulty.pages("sagemaker", "ListPipelines", "PipelineSummaries")
    assert sorted(item["PipelineName"] for item in found) == sorted(wanted)
    assert len(proxy.seen) > len(wanted) + 2  # there was something to try again


def test_lost_reply_to_a_creation_ends_in_the_thing_that_it_made(faulty: Account, proxy: Any) -> None:
    proxy.first("lose", "CreatePipeline")

    answer = faulty.change("sagemaker", "CreatePipeline", **PIPELINE)

    assert answer["PipelineArn"].endswith("pipeline/one")
    assert [seen.operation for seen in proxy.seen][-3:] == ["CreatePipeline", "CreatePipeline", "DescribePipeline"]


@pytest.mark.parametrize("fault", ["lose", "throttle"])
def test_start_that_is_tried_again_carries_the_same_token(faulty: Account, proxy: Any, fault: str) -> None:
    """What the service makes of equal tokens is its promise; moto makes nothing of them."""
    faulty.change("sagemaker", "CreatePipeline", **PIPELINE)
    proxy.first(fault, "StartPipelineExecution")

    faulty.change("sagemaker", "StartPipelineExecution", PipelineName="one", ClientRequestToken=calls.token("one"))

    bodies = [json.loads(seen.body) for seen in proxy.seen if seen.operation == "StartPipelineExecution"]
    assert [body["ClientRequestToken"] for body in bodies] == [calls.token("one")] * 2


def test_start_without_a_token_can_not_be_made() -> None:
    with pytest.raises(BadCall, match="ClientRequestToken is missing"):
        Call("sagemaker", "StartPipelineExecution", {"PipelineName": "one"})


def test_service_that_stays_throttled_is_given_up_in_one_line(faulty: Account, proxy: Any) -> None:
    proxy.fault = lambda _: "throttle"

    with pytest.raises(
        CallFailed, match=r"^sagemaker ListModels: ThrottlingException: Rate exceeded \(after 8 tries\)$"
    ):
        faulty.read("sagemaker", "ListModels")


def test_token_depends_on_every_part_and_on_nothing_else() -> None:
    assert calls.token("a", "b") == calls.token("a", "b") != calls.token("ab")
    assert len(calls.token("a")) == 64


@pytest.mark.parametrize(
    ("code", "message", "action", "role", "resource"),
    [
        (
            "AccessDeniedException",
            f"{CI} sagemaker:CreateModel on resource: {ONE} because no identity-based policy allows it",
            "sagemaker:CreateModel",
            "ci",
            ONE,
        ),
        (
            "ValidationException",
            f"{CI} iam:PassRole on resource: {ROLE}",
            "iam:PassRole",
            "ci",
            ROLE,
        ),
        ("AccessDenied", "Access Denied", "sagemaker:CreateModel", "tester", "*"),
        (
            "AccessDenied",
            f"User: arn:aws:iam::{ACCOUNT_ID}:user/ann is not authorized to perform: sagemaker:CreateModel",
            "sagemaker:CreateModel",
            f"arn:aws:iam::{ACCOUNT_ID}:user/ann",
            "*",
        ),
    ],
)
def test_refusal_names_the_action_the_role_and_the_statement_to_add(  # noqa: PLR0917 - a row of the table above
    stubbed: Any, code: str, message: str, action: str, role: str, resource: str
) -> None:
    stubbed.refuse("sagemaker", "CreateModel", code, message)

    with pytest.raises(AccessDenied) as caught:
        stubbed.change("sagemaker", "CreateModel", **MODEL)

    error = caught.value
    assert (error.action, error.role) == (action, role)
    assert json.loads(error.statement) == {"Effect": "Allow", "Action": action, "Resource": resource}
    assert (
        str(error)
        == f"{role} is not allowed to call {action}: add this statement to the policy of that role: {error.statement}"
    )
    assert isinstance(error, InputError)


def test_denial_by_name_says_that_adding_does_not_help(stubbed: Any) -> None:
    message = f'{CI} s3:GetObject on resource: "arn:aws:s3:::b/k" with an explicit deny in a service control policy'
    stubbed.refuse("s3", "GetObject", "AccessDenied", message)

    with pytest.raises(AccessDenied, match="a policy denies it explicitly"):
        stubbed.read("s3", "GetObject", Bucket="bucket", Key="key")


def test_refusal_of_a_look_at_an_object_names_what_policies_call_it(stubbed: Any) -> None:
    stubbed.refuse("s3", "HeadObject", "403", "Forbidden")

    with pytest.raises(AccessDenied) as caught:
        stubbed.find("s3", "HeadObject", Bucket="bucket", Key="a/b")

    assert (caught.value.action, caught.value.resource) == ("s3:GetObject", "arn:aws:s3:::bucket/a/b")


@pytest.mark.parametrize(
    ("arn", "role"),
    [
        ("arn:aws:sts::123456789012:assumed-role/ci/build-7", "ci"),
        ("arn:aws:iam::123456789012:role/path/to/ci", "ci"),
        ("arn:aws:iam::123456789012:user/ann", "arn:aws:iam::123456789012:user/ann"),
        ("", "the caller"),
    ],
)
def test_role_is_the_one_in_the_callers_arn(arn: str, role: str) -> None:
    assert refusals.role_of(arn) == role


def no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", REGION)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)


def no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")


def no_region_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "the moon")


@pytest.mark.parametrize(
    ("setting", "kind", "words"),
    [
        (no_region, NoRegion, "no region: name one with --region"),
        (no_credentials, NoCredentials, "no usable credentials (none were found): sign in"),
        (no_profile, NoCredentials, "no usable credentials (The config profile (nobody) could not be found): sign in"),
        (no_region_of_that_name, AwsInputError, "found the region 'the moon'"),
    ],
)
def test_connection_that_can_not_be_is_one_line(
    monkeypatch: pytest.MonkeyPatch, setting: Callable[[Any], None], kind: type[AwsInputError], words: str
) -> None:
    setting(monkeypatch)

    with pytest.raises(kind) as caught:
        calls.connect()

    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_region_comes_from_the_variables_that_awss_tools_read(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    second = calls.connect(endpoint_url=moto).region
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    first = calls.connect(endpoint_url=moto).region

    assert (second, first, calls.connect("eu-west-3", endpoint_url=moto).region) == (
        *("eu-west-1", "eu-west-2"),
        "eu-west-3",
    )


def test_wrong_account_is_refused_before_anything_is_sent_there(moto: str) -> None:
    with pytest.raises(WrongAccount, match=f"belongs to {ACCOUNT_ID}, expected 000000000001") as caught:
        calls.connect(REGION, endpoint_url=moto, expected_account="000000000001")

    assert isinstance(caught.value, InputError)


def test_unreachable_service_is_one_line(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobmajor.aws.api.session._TRIES", 1)

    with pytest.raises(AwsError, match=r"AWS can't be reached \(.*\): check the network"):
        calls.connect(REGION, endpoint_url="http://127.0.0.1:9")


class SignIn(BaseHTTPRequestHandler):
    """A network's sign-in page, which answers every request."""

    def do_POST(self) -> None:
        body = b"<!doctype html><title>Sign in</title>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_sign_in_page_in_place_of_a_service_is_one_line() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SignIn)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    found = session.open_session(session.SessionOptions(REGION, endpoint_url=address))
    account = Account(REGION, ACCOUNT_ID, found.client)
    said = r"^AWS can't be reached \(something else answers in its place\): check the network, the proxy"
    try:
        with pytest.raises(AwsError, match=said):
            found.identity()
        with pytest.raises(AwsError, match=said):
            account.read("iam", "GetRole", RoleName="one")
        with pytest.raises(AwsError, match=said):
            list(account.pages("iam", "ListRoles", "Roles"))
    finally:
        server.shutdown()
        server.server_close()


def test_expired_credentials_say_how_to_sign_in(stubbed: Any) -> None:
    stubbed.refuse("sagemaker", "ListModels", "ExpiredTokenException", "The security token has expired.")

    with pytest.raises(NoCredentials, match=r"\(ExpiredTokenException: The security token has expired\): sign in"):
        stubbed.read("sagemaker", "ListModels")


def test_role_is_taken_on(moto: str) -> None:
    account = calls.connect(REGION, endpoint_url=moto, role=ROLE)

    assert refusals.role_of(account.caller) == "somebody"


def test_list_of_requests_holds_no_long_bodies(account: Account) -> None:
    account.change("s3", "CreateBucket", Bucket="bucket")

    account.change("s3", "PutObject", Bucket="bucket", Key="long", Body=b"x" * 10_000)
    account.change("s3", "PutObject", Bucket="bucket", Key="file", Body=io.BytesIO(b"y"))

    bodies = [call.to_dict()["parameters"].get("Body") for call in account.sent]
    assert bodies == [None, "10,000 bytes", "a BytesIO"]


@pytest.mark.parametrize("words", [["--help"], ["aws", "--help"], ["aws", "upload", "--help"], ["aws", "show"]])
def test_help_and_names_need_no_boto3(words: list[str]) -> None:
    code = f"import sys; sys.modules['boto3'] = None; from jobmajor.cli.main import main; sys.exit(main({words!r}))"

    done = python(code)

    assert done.returncode == 0, done.stderr
