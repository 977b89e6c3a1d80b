"""The roles' policies allow each role what it needs, and nothing else.

moto decides by action and, only for S3, by resource. For other services the tests compute the resource of a request,
as AWS's service authorization reference says. moto ignores conditions and iam:PassRole: the class `Iam` decides those.
"""

from __future__ import annotations

import ast
import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from jobmajor.aws.api.account import Account
from jobmajor.aws.names import Names
from jobmajor.aws.project import stack
from jobmajor.pipeline import definition
from jobmajor.pipeline.requests import Tuning
from jobmajor.settings import Settings, build

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
NAMES = Names.of(build(Settings, {"aws": {"github": "acme/titles"}}), REGION, ACCOUNT_ID)
BUCKET = f"arn:aws:s3:::{NAMES.bucket}"
IMAGES = f"arn:aws:ecr:{REGION}:{ACCOUNT_ID}:repository/{NAMES.repository}"
PULL = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
LOG = ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")
USE_KEY = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant")
EVERYWHERE = {"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"}  # which have no resources
Need = tuple[str, str]


def sagemaker(*parts: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:{'/'.join(parts)}"


def logs(group: str) -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{group}:log-stream:x"


def key(path: str) -> str:
    return f"{BUCKET}/{NAMES.key(path)}"


def on(resource: str, service: str, *actions: str) -> list[Need]:
    return [(f"{service}:{action}", resource) for action in actions]


PROCESSING = sagemaker("processing-job", "pipelines-abc-preprocess-data-x")
TRAINING = sagemaker("training-job", "pipelines-abc-train-x")
SEARCH = sagemaker("hyper-parameter-tuning-job", "abc-train-x")
GROUP = sagemaker("model-package-group", NAMES.group)
VERSION = sagemaker("model-package", NAMES.group, "7")
EXPERIMENT = sagemaker("experiment", NAMES.pipeline)
TRIAL = sagemaker("experiment-trial", "abc")
COMPONENT = sagemaker("experiment-trial-component", "pipelines-abc-train-x")
PIPELINE = sagemaker("pipeline", NAMES.pipeline)
EXECUTION = sagemaker("pipeline", NAMES.pipeline, "execution", "abc")

# What each has to do. Source: AWS, SageMaker developer guide, "Access management" of pipelines and "SageMaker roles";
# Amazon ECR user guide, "IAM permissions for pushing an image"; for the builds, what start.py and pipeline.py ask for.
NEEDS: dict[str, list[Need]] = {
    "pipeline": [
        *on(PROCESSING, "sagemaker", "CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob", "AddTags"),
        *on(TRAINING, "sagemaker", "CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "AddTags"),
        *on(SEARCH, "sagemaker", "CreateHyperParameterTuningJob", "DescribeHyperParameterTuningJob"),
        *on(SEARCH, "sagemaker", "ListTrainingJobsForHyperParameterTuningJob", "StopHyperParameterTuningJob"),
        *on(VERSION, "sagemaker", "CreateModelPackage", "DescribeModelPackage"),
        *on(GROUP, "sagemaker", "DescribeModelPackageGroup"),
        *on(EXPERIMENT, "sagemaker", "CreateExperiment"),
        *on(TRIAL, "sagemaker", "CreateTrial", "AssociateTrialComponent"),
        *on(COMPONENT, "sagemaker", "CreateTrialComponent", "UpdateTrialComponent", "AssociateTrialComponent"),
        *on(key("runs/abc/evaluation/evaluation.json"), "s3", "GetObject"),
        *on(BUCKET, "s3", "ListBucket"),
        *on(IMAGES, "ecr", "BatchGetImage", "DescribeImages"),
        *((action, "KEY") for action in ("kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant")),
    ],
    "job": [
        *on(key("input/abc/titles.txt"), "s3", "GetObject"),
        *on(key("runs/abc/train/part.parquet"), "s3", "GetObject", "PutObject"),
        *on(key("checkpoints/abc/state"), "s3", "GetObject", "PutObject"),
        *on(BUCKET, "s3", "ListBucket"),
        *on(IMAGES, "ecr", *PULL),
        *on("*", "ecr", "GetAuthorizationToken"),
        *on(logs("/aws/sagemaker/ProcessingJobs"), "logs", *LOG),
        *on(logs("/aws/sagemaker/TrainingJobs"), "logs", *LOG),
        *on("*", "cloudwatch", "PutMetricData"),
        *((action, "KEY") for action in USE_KEY),
    ],
    "endpoint": [
        *on(key("runs/abc/output/model.tar.gz"), "s3", "GetObject"),
        *on(key("capture/x/1.jsonl"), "s3", "PutObject"),
        *on(key("async/x/1.out"), "s3", "PutObject"),
        *on(key("async_failures/x/1.out"), "s3", "PutObject"),
        *on(key("async_requests/x/1.json"), "s3", "GetObject"),
        *on(key("batch/titles/1.out"), "s3", "PutObject"),
        *on(f"arn:aws:cloudwatch:{REGION}:{ACCOUNT_ID}:alarm:{NAMES.endpoint}-errors", "cloudwatch", "DescribeAlarms"),
        *on(BUCKET, "s3", "ListBucket"),
        *on(IMAGES, "ecr", *PULL),
        *on("*", "ecr", "GetAuthorizationToken"),
        *on(logs(f"/aws/sagemaker/Endpoints/{NAMES.endpoint}"), "logs", *LOG),
        *on(logs("/aws/sagemaker/TransformJobs"), "logs", *LOG),
        *on("*", "cloudwatch", "PutMetricData"),
        *((action, "KEY") for action in USE_KEY),
    ],
    "ci": [
        *on(IMAGES, "ecr", *PULL, "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"),
        *on(IMAGES, "ecr", "DescribeImages"),
        *on("*", "ecr", "GetAuthorizationToken"),
        *on(PIPELINE, "sagemaker", "DescribePipeline", "CreatePipeline", "UpdatePipeline", "AddTags"),
        *on(PIPELINE, "sagemaker", "StartPipelineExecution", "ListPipelineExecutions"),
        *on(EXECUTION, "sagemaker", "DescribePipelineExecution", "ListPipelineExecutionSteps"),
        *on(EXECUTION, "sagemaker", "ListPipelineParametersForExecution"),
        *on(GROUP, "sagemaker", "ListModelPackages"),
        *on(VERSION, "sagemaker", "DescribeModelPackage"),
        *on(BUCKET, "s3", "ListBucket"),
        *on(key("champion/none/none.txt"), "s3", "GetObject", "PutObject"),
        *on(key("images/0.2.0-abc.zip"), "s3", "GetObject", "GetObjectVersion"),
        *on(logs(f"/aws/codebuild/{NAMES.project}-build"), "logs", "CreateLogStream", "PutLogEvents"),
        *((action, "KEY") for action in ("kms:Decrypt", "kms:GenerateDataKey")),
    ],
}
# What somebody who took over one of them would like to do next.
HARM: list[Need] = [
    *on("*", "iam", "CreateRole", "CreateUser", "CreateAccessKey", "PutRolePolicy", "AttachRolePolicy"),
    *on("*", "sts", "AssumeRole"),
    *on(BUCKET, "s3", "DeleteBucket", "PutBucketPolicy", "PutBucketVersioning"),
    *on(key("runs/abc/output/model.tar.gz"), "s3", "DeleteObject"),
    *on(sagemaker("endpoint", NAMES.endpoint), "sagemaker", "CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint"),
    *on(VERSION, "sagemaker", "UpdateModelPackage", "DeleteModelPackage"),
    *on(sagemaker("notebook-instance", "x"), "sagemaker", "CreateNotebookInstance"),
    *on(PIPELINE, "sagemaker", "DeletePipeline"),
    *on(IMAGES, "ecr", "DeleteRepository", "BatchDeleteImage", "SetRepositoryPolicy"),
    *on("*", "logs", "DeleteLogGroup"),
    *on("*", "kms", "ScheduleKeyDeletion", "PutKeyPolicy"),
    *on("*", "secretsmanager", "GetSecretValue"),
    *on("*", "ec2", "RunInstances"),
    *on("*", "lambda", "CreateFunction"),
]
EXTRA: dict[str, list[Need]] = {
    "pipeline": [
        *on(sagemaker("training-job", "of-others"), "sagemaker", "CreateTrainingJob", "StopTrainingJob"),
        *on(key("input/abc/titles.txt"), "s3", "GetObject", "PutObject"),
        *on(key("runs/abc/evaluation/evaluation.json"), "s3", "PutObject"),
    ],
    "job": [
        *on(key("input/abc/titles.txt"), "s3", "PutObject"),
        *on(key("champion/none/none.txt"), "s3", "PutObject"),
        *on(TRAINING, "sagemaker", "CreateTrainingJob"),
        *on(IMAGES, "ecr", "PutImage"),
        *on(logs("/aws/sagemaker/Endpoints/x"), "logs", *LOG),
    ],
    "endpoint": [
        *on(key("runs/abc/output/model.tar.gz"), "s3", "PutObject"),
        *on(key("input/abc/titles.txt"), "s3", "PutObject"),
        *on(VERSION, "sagemaker", "CreateModelPackage"),
        *on(IMAGES, "ecr", "PutImage"),
    ],
    "ci": [
        *on(key("runs/abc/output/model.tar.gz"), "s3", "GetObject", "PutObject"),
        *on(key("input/abc/titles.txt"), "s3", "PutObject"),
        *on(key("images/0.2.0-abc.zip"), "s3", "PutObject"),
        *on(TRAINING, "sagemaker", "CreateTrainingJob"),
        *on(VERSION, "sagemaker", "CreateModelPackage"),
    ],
}
ROLES = tuple(NEEDS)


@pytest.fixture(scope="module")
def documents(template: Any) -> dict[str, list[dict[str, Any]]]:
    """Return each role's policies, as CloudFormation creates them when the stack has its own KMS key."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        with mock_aws():
            account = Account(REGION, ACCOUNT_ID, lambda service: boto3.client(service, REGION))
            plain = Names.of(Settings(), REGION, ACCOUNT_ID)
            stack.bootstrap(account, plain, {"Encryption": "kms"}, body=template.supported)
            return {role: _policies(account, name) for role, name in plain.role_names.items()}


def _policies(account: Account, role: str) -> list[dict[str, Any]]:
    found = []
    for name in account.read("iam", "ListRolePolicies", RoleName=role)["PolicyNames"]:
        body = account.read("iam", "GetRolePolicy", RoleName=role, PolicyName=name)["PolicyDocument"]
        # What moto makes of AWS::IAM::Policy comes back as Python writes it.
        found.append(ast.literal_eval(body) if isinstance(body, str) else body)
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def place(need: Need, documents: list[dict[str, Any]]) -> Need:
    """Return the need with the stack's KMS key in place of `KEY`."""
    keys = [_list(item["Resource"])[0] for one in documents for item in one["Statement"] if item["Sid"] == "UseKey"]
    return (need[0], keys[0]) if need[1] == "KEY" else need


@pytest.mark.parametrize("role", ROLES)
def test_role_may_do_all_that_it_has_to(role: str, documents: dict[str, Any], asked: Any) -> None:
    asked.become(documents[role])

    denied = [need for need in NEEDS[role] if not asked.may(place(need, documents[role]))]

    assert denied == []


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_role_without_any_one_of_its_actions_could_not_do_its_work(
    role: str, documents: dict[str, Any], asked: Any, iam: Any
) -> None:
    spare = []
    for action in sorted(iam.actions(documents[role]) - {"iam:PassRole"}):
        asked.become(iam.without(documents[role], action))
        if all(asked.may(place(need, documents[role])) for need in NEEDS[role] if need[0] == action):
            spare.append(action)

    assert spare == []


@pytest.mark.parametrize("role", ROLES)
def test_role_may_do_nothing_else(role: str, documents: dict[str, Any], asked: Any) -> None:
    asked.become(documents[role])

    allowed = [need for need in (*HARM, *EXTRA[role]) if asked.may(need)]

    assert allowed == []


@pytest.mark.parametrize("role", ROLES)
def test_role_may_do_its_work_on_what_is_the_projects_only(role: str, documents: dict[str, Any], asked: Any) -> None:
    def of_others(resource: str) -> str:
        ours = (NAMES.bucket, NAMES.project, "pipelines-", ACCOUNT_ID, "/aws/sagemaker/")
        for name in ours:
            resource = resource.replace(name, name.replace(name[1:4], "zzz", 1))
        return resource

    asked.become(documents[role])
    needs = [place(need, documents[role]) for need in NEEDS[role] if need[0] not in EVERYWHERE]

    allowed = [need for need in needs if asked.may((need[0], of_others(need[1])))]

    assert allowed == []


def test_no_action_is_a_wildcard_and_every_statement_allows(documents: dict[str, Any], iam: Any) -> None:
    for role in ROLES:
        assert not [action for action in iam.actions(documents[role]) if "*" in action]
        for item in (item for one in documents[role] for item in one["Statement"]):
            assert item["Effect"] == "Allow"
            assert "*" not in _list(item["Resource"]) or set(_list(item["Action"])) <= EVERYWHERE


def test_pipeline_role_may_make_what_every_step_of_the_definition_makes(documents: dict[str, Any], iam: Any) -> None:
    ranges = {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.001", "MaxValue": "0.01"}]}
    made = {"Processing": "ProcessingJob", "Training": "TrainingJob", "Tuning": "HyperParameterTuningJob"}
    plans = [definition.build(Settings()), definition.build(Settings(), Tuning(ranges))]
    steps = [step for plan in plans for step in plan["Steps"]]
    for step in steps:  # it grows by the steps within conditions
        steps += step["Arguments"].get("IfSteps", ())
    kinds = {step["Type"] for step in steps} - {"Condition", "Fail"}

    wanted = {f"sagemaker:Create{made.get(kind, 'ModelPackage')}" for kind in kinds}

    assert kinds == {*made, "RegisterModel"}
    assert wanted <= iam.actions(documents["pipeline"])


# What moto ignores: conditions, roles that are passed, who may take on a role


@pytest.mark.parametrize(("role", "passed"), [("pipeline", "job"), ("ci", "pipeline")])
def test_role_may_pass_one_role_and_that_to_sagemaker_only(
    role: str, passed: str, documents: dict[str, Any], iam: Any
) -> None:
    def may(name: str, **context: str) -> bool:
        return bool(iam.allows(documents[role], "iam:PassRole", name, **context))

    assert may(NAMES.roles[passed], iam__PassedToService="sagemaker.amazonaws.com")
    assert not may(NAMES.roles[passed], iam__PassedToService="lambda.amazonaws.com")
    assert not may(NAMES.roles[passed])
    others = [arn for name, arn in NAMES.roles.items() if name != passed] + [f"arn:aws:iam::{ACCOUNT_ID}:role/Admin"]
    assert not [arn for arn in others if may(arn, iam__PassedToService="sagemaker.amazonaws.com")]


@pytest.mark.parametrize("role", ["job", "endpoint"])
def test_role_that_runs_code_can_pass_no_role(role: str, documents: dict[str, Any], iam: Any) -> None:
    assert "iam:PassRole" not in iam.actions(documents[role])


@pytest.mark.parametrize("role", ["job", "endpoint"])
def test_metrics_go_to_sagemakers_own_names_only(role: str, documents: dict[str, Any], iam: Any) -> None:
    put = "cloudwatch:PutMetricData"

    assert iam.allows(documents[role], put, "*", cloudwatch__namespace="/aws/sagemaker/TrainingJobs")
    assert not iam.allows(documents[role], put, "*", cloudwatch__namespace="AWS/Billing")
    assert not iam.allows(documents[role], put, "*")


@pytest.mark.parametrize("role", ["pipeline", "job", "endpoint"])
def test_key_is_lent_to_services_of_aws_only(role: str, documents: dict[str, Any], iam: Any) -> None:
    _, arn = place(("", "KEY"), documents[role])

    assert iam.allows(documents[role], "kms:CreateGrant", arn, kms__GrantIsForAWSResource="true")
    assert not iam.allows(documents[role], "kms:CreateGrant", arn, kms__GrantIsForAWSResource="false")
    assert not iam.allows(documents[role], "kms:CreateGrant", arn)


def test_key_encrypts_alerts_of_each_service_under_the_condition_that_it_can_meet(template: Any, iam: Any) -> None:
    statements = template.resources("AWS::KMS::Key")["Key"]["KeyPolicy"]["Statement"]
    by_service = {
        service: (item["Sid"], item["Action"], _resolved_account(item.get("Condition", {})))
        for item in statements
        for service in _list(item["Principal"].get("Service", []))
        if isinstance(service, str)
    }
    uses = ["kms:Decrypt", "kms:GenerateDataKey*"]

    # EventBridge sends neither key with its requests: a condition on them would lose every mail about an approval.
    assert by_service["events.amazonaws.com"] == ("Approvals", uses, {})
    for service in ("cloudwatch.amazonaws.com", "budgets.amazonaws.com"):
        sid, actions, condition = by_service[service]
        assert (sid, actions) == ("Alerts", uses)
        assert iam.holds(condition, {"aws:SourceAccount": ACCOUNT_ID})
        assert not iam.holds(condition, {"aws:SourceAccount": "999999999999"})
        assert not iam.holds(condition, {})


def test_topic_takes_approvals_from_the_one_rule_only(template: Any) -> None:
    (policy,) = template.resources("AWS::SNS::TopicPolicy").values()
    by_sid = {item["Sid"]: item for item in policy["PolicyDocument"]["Statement"]}

    assert by_sid["Approvals"]["Principal"] == {"Service": "events.amazonaws.com"}
    assert by_sid["Approvals"]["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["ApprovalRule", "Arn"]}}}


def _resolved_account(condition: Any) -> Any:
    return json.loads(json.dumps(condition).replace('{"Ref": "AWS::AccountId"}', json.dumps(ACCOUNT_ID)))


def trusts(template: Any, role: str) -> list[dict[str, Any]]:
    """Return a role's trust policy, with this account's names in place of the template's."""
    statements = template.resources("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]
    chosen = statements["Fn::If"][1] if isinstance(statements, dict) else statements
    text = json.dumps(chosen)
    for name, value in {
        '{"Ref": "AWS::AccountId"}': json.dumps(ACCOUNT_ID),
        "${AWS::AccountId}": ACCOUNT_ID,
        "${AWS::Region}": REGION,
        "${AWS::Partition}": "aws",
        "${Project}": NAMES.project,
        "${GitHubRepository}": "acme/titles",
        "${GitHubBranch}": "main",
    }.items():
        text = text.replace(name, value)
    found: list[dict[str, Any]] = _resolved(json.loads(text))
    return found


def _resolved(value: Any) -> Any:
    if isinstance(value, dict):
        return value["Fn::Sub"] if "Fn::Sub" in value else {name: _resolved(item) for name, item in value.items()}
    return [_resolved(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("role", ["PipelineRole", "JobRole", "EndpointRole"])
def test_sagemaker_takes_a_role_on_for_this_account_only(template: Any, role: str, iam: Any) -> None:
    (only,) = trusts(template, role)

    assert only["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert iam.holds(only["Condition"], {"aws:SourceAccount": ACCOUNT_ID})
    assert not iam.holds(only["Condition"], {"aws:SourceAccount": "999999999999"})
    assert not iam.holds(only["Condition"], {})


def test_builds_of_this_project_and_one_branch_of_the_repository_take_on_the_build_role(
    template: Any, iam: Any
) -> None:
    build_project, github = trusts(template, "CiRole")
    ours = f"arn:aws:codebuild:{REGION}:{ACCOUNT_ID}:project/{NAMES.project}-build"
    audience = {f"{stack.GITHUB}:aud": "sts.amazonaws.com"}

    def from_github(subject: str) -> bool:
        return bool(iam.holds(github["Condition"], {**audience, f"{stack.GITHUB}:sub": subject}))

    assert iam.holds(build_project["Condition"], {"aws:SourceArn": ours})
    assert not iam.holds(build_project["Condition"], {"aws:SourceArn": ours.replace(NAMES.project, "other")})
    assert from_github("repo:acme/titles:ref:refs/heads/main")
    for subject in ("ref:refs/heads/other", "pull_request", "ref:refs/tags/main"):
        assert not from_github(f"repo:acme/titles:{subject}")
    assert not from_github("repo:evil/titles:ref:refs/heads/main")


def test_builds_fetch_code_from_the_one_place_that_was_named(account: Account, template: Any, iam: Any) -> None:
    connection = f"arn:aws:codeconnections:{REGION}:{ACCOUNT_ID}:connection/1"
    names = Names.of(build(Settings, {"aws": {"connection": connection}}), REGION, ACCOUNT_ID)
    stack.bootstrap(account, names, {"CodeCommitRepository": "titles"}, body=template.supported)
    found = _policies(account, names.role_names["ci"])

    assert iam.allows(found, "codeconnections:GetConnectionToken", connection)
    assert not iam.allows(found, "codeconnections:GetConnectionToken", connection.replace("/1", "/2"))
    assert iam.allows(found, "codecommit:GitPull", f"arn:aws:codecommit:{REGION}:{ACCOUNT_ID}:titles")
    assert not iam.allows(found, "codecommit:GitPush", f"arn:aws:codecommit:{REGION}:{ACCOUNT_ID}:titles")
    assert not iam.allows(found, "codecommit:GitPull", f"arn:aws:codecommit:{REGION}:{ACCOUNT_ID}:other")


def test_jobs_make_network_interfaces_only_where_they_run_in_a_vpc(
    account: Account, template: Any, documents: dict[str, Any], iam: Any
) -> None:
    jobs = {"subnets": ["subnet-1"], "security_groups": ["sg-1"]}
    names = Names.of(build(Settings, {"jobs": jobs}), REGION, ACCOUNT_ID)
    interface = f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:network-interface/eni-1"
    stack.bootstrap(account, names, body=template.supported)
    within = _policies(account, names.role_names["job"])

    assert iam.allows(within, "ec2:CreateNetworkInterface", interface)
    assert not iam.allows(within, "ec2:RunInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:instance/i-1")
    assert not [action for action in iam.actions(documents["job"]) if action.startswith("ec2:")]
