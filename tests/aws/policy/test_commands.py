"""Each command can be run with the policy that `jobmajor aws policy` prints for it, and the policy allows no more.

A dry run lists the requests of a command, as if the account were empty. `LATER` lists the requests for resources that
exist; a test checks that the sources send each of them. Requests that a service sends for the caller (CloudFormation,
Application Auto Scaling, KMS) aren't visible here: tests compare those permissions with the templates.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.decode import cfn_yaml
from typer.testing import CliRunner

from jobmajor.aws import policy
from jobmajor.aws.api import refusals
from jobmajor.aws.endpoints import rollout
from jobmajor.aws.names import Names
from jobmajor.aws.project import monitoring, project, schedule, stack
from jobmajor.cli.aws import app
from jobmajor.data import source
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
NAMES = Names.of(Settings(), REGION, ACCOUNT_ID)
Need = tuple[str, str]
BUCKET = f"arn:aws:s3:::{NAMES.bucket}"
TITLES = f"s3://{NAMES.bucket}/{NAMES.prefix}/titles"
PASS = "iam:PassRole"
# Every way of a command that asks for something of its own.
RUNS: dict[str, list[list[str]]] = {
    "approve-deployment": [["3"]],
    "batch": [["--input", TITLES, "--wait"], ["--input", TITLES, "--version", "2"]],
    "bootstrap": [[]],
    "capture": [[], ["--stage", "staging"]],
    "cleanup": [[]],
    "delete": [["--stage", "staging"], ["--stage", "production"]],
    "doctor": [],  # `jobmajor doctor --aws`, which has no dry run
    "deploy": [
        [],
        ["3"],
        ["3", "--stage", "production"],
        ["3", "--mode", "serverless"],
        ["3", "--mode", "async", "--instances", "0"],
        ["3", "--instances", "2", "--max-instances", "2", "--shadow", "2"],
        ["3", "--mode", "transform", "--input", TITLES],
    ],
    "image": [[]],
    "image --docker": [[]],
    "invoke": [["nurse"], ["nurse", "--stage", "staging"]],
    "models approve": [["3"]],
    "models list": [[]],
    "models reject": [["3"]],
    "models show": [["3"]],
    "monitor": [["--against", "reference.json"], ["--remove"]],
    "pipeline list": [[]],
    "pipeline logs": [[]],
    "pipeline schedule": [[], ["--at", "rate(7 days)"], ["--remove"]],
    "pipeline start": [[]],
    "pipeline status": [[]],
    "pipeline stop": [[]],
    "pipeline upsert": [[], ["--tune"]],
    "project catalog": [["--role", "arn:aws:iam::123456789012:role/notebook"]],
    "project connect": [[]],
    "project create": [["--catalog"], ["--codecommit", "titles"]],
    "rollback": [["--stage", "staging"], ["--stage", "production"]],
    "upload": [["--release", "starter"]],
}
COMMANDS = sorted(RUNS)
REFERENCE = {
    "version": 1,
    "about": {"kind": "traffic"},
    "flags": [],
    "rows": [1],
    "counts": [[]],
    "units": [1],
    "confidence": 20 * [0],
    "lengths": 101 * [0],
    "titles": [],
}


def arn(service: str, rest: str, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT_ID}:{rest}"


def sagemaker(kind: str, name: str) -> str:
    return arn("sagemaker", f"{kind}/{name}")


def key(path: str) -> str:
    return f"{BUCKET}/{NAMES.key(path)}"


EXECUTION = sagemaker("pipeline", f"{NAMES.pipeline}/execution/abc")
GROUP, VERSION = sagemaker("model-package-group", NAMES.group), sagemaker("model-package", f"{NAMES.group}/3")
PIPELINE, MODEL = sagemaker("pipeline", NAMES.pipeline), sagemaker("model", f"{NAMES.model}-v3-01234567")
CONFIG = sagemaker("endpoint-config", f"{NAMES.endpoint_config}-v3-01234567")
STAGING_CONFIG = sagemaker("endpoint-config", f"{NAMES.endpoint_config}-staging-v3-01234567")
ENDPOINT, STAGING = sagemaker("endpoint", NAMES.endpoint), sagemaker("endpoint", f"{NAMES.endpoint}-staging")
CONNECTION = arn("codeconnections", "connection/1")
TARGET = arn("application-autoscaling", "scalable-target/1a2b")
OTHERS_JOB, OTHERS_PIPELINE = sagemaker("training-job", "any"), sagemaker("pipeline", "any")
GET_VERSION: list[Need] = [
    ("sagemaker:DescribeModelPackageGroup", GROUP),
    ("sagemaker:ListModelPackages", GROUP),
    ("sagemaker:DescribeModelPackage", VERSION),
    ("s3:GetObject", key("runs/abc/evaluation/evaluation.json")),
    ("s3:ListBucket", BUCKET),  # without it what isn't there is a 403
]
SCALING: list[Need] = [
    ("application-autoscaling:DescribeScalableTargets", "*"),
    ("application-autoscaling:DescribeScalingPolicies", "*"),
    ("application-autoscaling:DeleteScalingPolicy", TARGET),
    ("application-autoscaling:DeregisterScalableTarget", TARGET),
]
SCALED: list[Need] = [
    ("application-autoscaling:RegisterScalableTarget", TARGET),
    ("application-autoscaling:PutScalingPolicy", TARGET),
    ("cloudwatch:PutMetricAlarm", arn("cloudwatch", f"alarm:{NAMES.endpoint}-wake")),
    ("cloudwatch:TagResource", arn("cloudwatch", f"alarm:{NAMES.endpoint}-wake")),
]
ANY = {
    "cloudformation": "stack/any/1",
    "cloudwatch": "alarm:any",
    "codebuild": "project/any",
    "codepipeline": "any",
    "ecr": "repository/any",
    "events": "rule/any",
    "lambda": "function:any",
    "logs": "log-group:any",
    "sagemaker": "endpoint/any",
    "scheduler": "schedule-group/any",
    "sns": "any",
}


def on_any(*actions: str) -> list[Need]:
    """Return the needs for any resource of that service: a cleanup finds resources by tag, under any name."""
    return [(action, arn(service := action.partition(":")[0], ANY[service])) for action in actions]


# What a command asks for of things that are there.
LATER: dict[str, list[Need]] = {
    "doctor": [
        ("iam:GetRole", arn("iam", "role/any", "")),
        ("iam:SimulatePrincipalPolicy", arn("iam", "role/any", "")),
        ("iam:SimulatePrincipalPolicy", arn("iam", "user/any", "")),
        ("servicequotas:ListServiceQuotas", "*"),
        ("servicequotas:ListAWSDefaultServiceQuotas", "*"),
    ],
    "approve-deployment": [
        ("sagemaker:DescribeEndpoint", STAGING),
        ("sagemaker:DescribeEndpointConfig", STAGING_CONFIG),
        ("sagemaker:DescribeModel", MODEL),
    ],
    "batch": [
        *GET_VERSION,
        ("s3:PutObject", key("runs/scored/_manifests/x.json")),
        ("sagemaker:DescribeProcessingJob", sagemaker("processing-job", f"{NAMES.project}-score-v3-01234567-2")),
    ],
    "bootstrap": [
        (f"cloudformation:{name}", arn("cloudformation", f"stack/{NAMES.stack}/1"))
        for name in ("ContinueUpdateRollback", "DeleteStack", "DescribeStackEvents", "UpdateStack")
    ]
    + [("iam:ListOpenIDConnectProviders", "*")],
    "capture": [("s3:GetObject", key("capture/x/2026/11/30/09/a.jsonl")), ("s3:ListBucket", BUCKET)],
    "cleanup": [
        *on_any(
            *("cloudformation:DeleteStack", "cloudformation:DescribeStackEvents", "cloudformation:ListStackResources"),
            *("cloudwatch:DeleteAlarms", "cloudwatch:ListTagsForResource", "codebuild:BatchGetProjects"),
            *("codebuild:DeleteProject", "codepipeline:DeletePipeline", "codepipeline:ListTagsForResource"),
            *("ecr:BatchDeleteImage", "ecr:DeleteRepository", "ecr:ListImages", "ecr:ListTagsForResource"),
            *("events:DeleteRule", "events:ListTagsForResource", "events:ListTargetsByRule", "events:RemoveTargets"),
            *("lambda:DeleteFunction", "lambda:ListTags", "logs:DeleteLogGroup", "logs:ListTagsForResource"),
            *("sagemaker:DeleteEndpoint", "sagemaker:DescribeEndpoint", "sagemaker:ListTags"),
            *("scheduler:DeleteScheduleGroup", "scheduler:ListTagsForResource"),
            *("sns:DeleteTopic", "sns:ListTagsForResource"),
        ),
        *((f"sagemaker:Stop{job}Job", OTHERS_JOB) for job in ("HyperParameterTuning", "Training", "Processing")),
        ("sagemaker:StopTransformJob", OTHERS_JOB),
        *((f"sagemaker:{name}", OTHERS_PIPELINE) for name in ("DeletePipeline", "DescribePipeline")),
        ("sagemaker:ListPipelineExecutions", OTHERS_PIPELINE),
        ("sagemaker:DeleteEndpointConfig", sagemaker("endpoint-config", "any")),
        ("sagemaker:DeleteModel", sagemaker("model", "any")),
        ("sagemaker:DeleteModelPackageGroup", sagemaker("model-package-group", "any")),
        ("sagemaker:DeleteMonitoringSchedule", sagemaker("monitoring-schedule", "any")),
        ("sagemaker:DeleteProject", sagemaker("project", "any")),
        ("sagemaker:DescribeProject", sagemaker("project", "any")),
        *((f"sagemaker:{name}PipelineExecution", EXECUTION) for name in ("Describe", "Stop")),
        ("sagemaker:DeleteModelPackage", VERSION),
        ("sagemaker:ListModelPackages", GROUP),
        ("sagemaker:ListTrials", "*"),
        ("sagemaker:ListTrialComponents", "*"),
        ("sagemaker:DeleteExperiment", sagemaker("experiment", NAMES.pipeline)),
        ("sagemaker:DeleteTrial", sagemaker("experiment-trial", "abc")),
        ("sagemaker:DeleteTrialComponent", sagemaker("experiment-trial-component", "pipelines-abc-train-x")),
        ("sagemaker:DisassociateTrialComponent", sagemaker("experiment-trial-component", "pipelines-abc-train-x")),
        ("application-autoscaling:DeregisterScalableTarget", TARGET),
        ("s3:GetBucketTagging", "arn:aws:s3:::any"),
        ("s3:AbortMultipartUpload", f"{BUCKET}/any"),
        ("s3:DeleteObject", f"{BUCKET}/any"),
        ("s3:DeleteObjectVersion", f"{BUCKET}/any"),
        *((f"s3:{name}", BUCKET) for name in ("DeleteBucket", "ListBucketMultipartUploads", "ListBucketVersions")),
    ],
    "delete": [
        ("sagemaker:DescribeEndpointConfig", CONFIG),
        ("sagemaker:DescribeModel", MODEL),
        ("sagemaker:DeleteModel", MODEL),
        ("sagemaker:DeleteEndpointConfig", CONFIG),
        ("cloudwatch:DeleteAlarms", arn("cloudwatch", f"alarm:{NAMES.endpoint}-errors")),
        *SCALING,
    ],
    "deploy": [
        *GET_VERSION,
        *((f"sagemaker:{name}", ENDPOINT) for name in ("DescribeEndpoint", "UpdateEndpoint")),
        ("sagemaker:UpdateEndpoint", CONFIG),
        ("sagemaker:ListTags", STAGING),
        ("sagemaker:ListTags", CONFIG),
        ("sagemaker:DescribeModel", MODEL),
        *SCALING,
    ],
    "image": [
        ("codebuild:BatchGetBuilds", arn("codebuild", f"project/{NAMES.image_build}")),
        *((f"s3:{name}", key("images/x.zip")) for name in ("AbortMultipartUpload", "ListMultipartUploadParts")),
        ("s3:ListBucketMultipartUploads", BUCKET),
    ],
    "invoke": [
        ("sagemaker:DescribeEndpoint", ENDPOINT),
        ("sagemaker:DescribeEndpointConfig", CONFIG),
        ("sagemaker:InvokeEndpointAsync", ENDPOINT),
        ("s3:PutObject", key("async_requests/x/1.json")),
        ("s3:GetObject", key("async/x/1.out")),
        ("s3:GetObject", key("async_failures/x/1.out")),
        ("s3:ListBucket", BUCKET),
    ],
    "models approve": GET_VERSION,
    "models list": GET_VERSION,
    "models reject": GET_VERSION,
    "models show": GET_VERSION,
    "monitor": [
        *GET_VERSION,
        ("cloudformation:UpdateStack", arn("cloudformation", f"stack/{NAMES.project}-monitor/1")),
        ("s3:GetObject", key("runs/monitor/references/x/reference.json")),
    ],
    "pipeline logs": [
        ("logs:DescribeLogStreams", arn("logs", "log-group:/aws/sagemaker/TrainingJobs:log-stream:")),
        ("logs:GetLogEvents", arn("logs", "log-group:/aws/sagemaker/TrainingJobs:log-stream:x")),
        (
            "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
            sagemaker("hyper-parameter-tuning-job", "abc-train-x"),
        ),
    ],
    "pipeline schedule": [
        ("cloudformation:UpdateStack", arn("cloudformation", f"stack/{NAMES.project}-schedule/1")),
        ("ecr:DescribeImages", arn("ecr", f"repository/{NAMES.repository}")),
    ],
    "pipeline start": [
        ("ecr:DescribeImages", arn("ecr", f"repository/{NAMES.repository}")),
        ("s3:ListBucket", BUCKET),
        ("sagemaker:DescribeModelPackage", VERSION),
        ("sagemaker:DescribePipelineExecution", EXECUTION),
        ("sagemaker:ListPipelineExecutionSteps", EXECUTION),
        ("sagemaker:ListPipelineParametersForExecution", EXECUTION),
    ],
    "pipeline stop": [("sagemaker:StopPipelineExecution", EXECUTION)],
    "pipeline upsert": [("sagemaker:UpdatePipeline", PIPELINE), ("sagemaker:AddTags", PIPELINE)],
    "project create": [
        ("servicecatalog:SearchProducts", "*"),
        *(
            (f"servicecatalog:{name}", arn("catalog", "product/prod-1"))
            for name in ("ListProvisioningArtifacts", "ListLaunchPaths", "DescribeProvisioningParameters")
        ),
        ("codeconnections:GetConnection", CONNECTION),
    ],
    "rollback": [
        *GET_VERSION,
        ("sagemaker:DescribeEndpoint", ENDPOINT),
        *((f"sagemaker:{name}EndpointConfig", CONFIG) for name in ("Describe",)),
        ("sagemaker:ListTags", CONFIG),
        ("sagemaker:DescribeModel", MODEL),
        *SCALING,
        *SCALED,
    ],
    "upload": [
        ("s3:GetObject", key("input/abc/titles.txt")),
        *((f"s3:{name}", key("input/abc/titles.txt")) for name in ("AbortMultipartUpload", "ListMultipartUploadParts")),
        ("s3:ListBucketMultipartUploads", BUCKET),
        ("s3:PutObject", key("checkpoint/abc/model.safetensors")),
    ],
}
# What a member of a request names; the first that a request has counts.
FIELDS = {
    "PipelineExecutionArn": "{}",
    "ModelPackageArn": "{}",
    "ModelPackageName": "{}",
    "ResourceArn": "{}",
    "TransformJobName": "arn:aws:sagemaker:{r}:{a}:transform-job/{}",
    "ProcessingJobName": "arn:aws:sagemaker:{r}:{a}:processing-job/{}",
    "EndpointName": "arn:aws:sagemaker:{r}:{a}:endpoint/{}",
    "EndpointConfigName": "arn:aws:sagemaker:{r}:{a}:endpoint-config/{}",
    "ModelName": "arn:aws:sagemaker:{r}:{a}:model/{}",
    "ModelPackageGroupName": "arn:aws:sagemaker:{r}:{a}:model-package-group/{}",
    "PipelineName": "arn:aws:sagemaker:{r}:{a}:pipeline/{}",
    "ProjectName": "arn:aws:sagemaker:{r}:{a}:project/{}",
    "StackName": "arn:aws:cloudformation:{r}:{a}:stack/{}/1",
    "AlarmName": "arn:aws:cloudwatch:{r}:{a}:alarm:{}",
    "AlarmNames": "arn:aws:cloudwatch:{r}:{a}:alarm:{}",
    "repositoryName": "arn:aws:codecommit:{r}:{a}:{}",
    "projectName": "arn:aws:codebuild:{r}:{a}:project/{}",
    "PortfolioId": "arn:aws:catalog:{r}:{a}:portfolio/port-1",
    "RoleName": "arn:aws:iam::{a}:role/{}",
    "ConnectionArn": "{}",
    "ProductId": "arn:aws:catalog:{r}:{a}:product/prod-1",
}
# Those without a member that says so.
PLACES = {
    "cloudformation:DescribeStacks": arn("cloudformation", "stack/any/1"),
    "cloudwatch:DescribeAlarms": arn("cloudwatch", "alarm:any"),
    "ecr:DescribeImages": arn("ecr", f"repository/{NAMES.repository}"),
    "ecr:DescribeRepositories": arn("ecr", "repository/any"),
    "application-autoscaling:PutScalingPolicy": TARGET,
    "application-autoscaling:RegisterScalableTarget": TARGET,
    "application-autoscaling:DeleteScalingPolicy": TARGET,
    "application-autoscaling:DeregisterScalableTarget": TARGET,
}
PLACEHOLDERS = {
    "<EndpointArn>": STAGING,
    "<ConnectionArn>": CONNECTION,
    "<EndpointConfigName>": CONFIG.rpartition("/")[2],
    "<ExecutionId>": EXECUTION,
}


def needs_of(call: dict[str, Any]) -> Iterator[Need]:
    """Return the permissions that a request needs."""
    parameters = call["parameters"]
    action = refusals.action_of(call["service"], call["operation"])
    if call["service"] == "s3" and "Bucket" in parameters:
        bucket, path = f"arn:aws:s3:::{parameters['Bucket']}", parameters.get("Key")
        yield (action, f"{bucket}/{path}" if path else bucket)
        yield from [("s3:ListBucket", bucket)] if action == "s3:GetObject" else []
        yield from [("s3:PutObjectTagging", f"{bucket}/{path}")] if "Tagging" in parameters else []
        return
    resource = _resource(action, parameters)
    yield (action, resource)
    if call["operation"] in ("CreateEndpoint", "UpdateEndpoint"):
        yield (action, _resource(action, {"EndpointConfigName": parameters["EndpointConfigName"]}))
    tagging = {"sagemaker": "AddTags", "cloudwatch": "TagResource", "cloudformation": "TagResource"}
    if "Tags" in parameters and call["service"] in tagging:
        yield (f"{call['service']}:{tagging[call['service']]}", resource)


def _resource(action: str, parameters: dict[str, Any]) -> str:
    name = next((name for name in FIELDS if name in parameters), None)
    if action in PLACES and name not in ("StackName", "AlarmNames"):
        return PLACES[action]
    if name is None or action == "sagemaker:ListTrials" or action.startswith("application-autoscaling:"):
        return "*"
    value = parameters[name][0] if isinstance(parameters[name], list) else parameters[name]
    value = PLACEHOLDERS.get(value, value)
    return FIELDS[name].format(value, r=REGION, a=ACCOUNT_ID)


@pytest.fixture(scope="module")
def needs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Need]]:
    """Return the permissions that each command needs, over all of its variants."""
    runner, found = CliRunner(), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        patch.setenv(source.OFFLINE_VARIABLE, "1")
        for command, ways in RUNS.items():
            listed = list(LATER.get(command, ()))
            for words in ways:
                file = Path("settings.toml")
                file.write_text(f'[aws]\naccount = "{ACCOUNT_ID}"\nregion = "{REGION}"\n')
                Path("reference.json").write_text(json.dumps(REFERENCE), "ascii")
                done = runner.invoke(app, [*command.split(), *words, "--dry-run", "--json", "--settings", str(file)])
                assert done.exit_code == 0, (command, words, done.output)
                answer = json.loads(done.stdout)
                listed += [need for call in answer["looks"] + answer["calls"] for need in needs_of(call)]
            found[command] = list(dict.fromkeys(listed))
    return found


@dataclass
class Rights:
    """A caller with these policies: moto decides, or else IAM's rules without conditions, which moto ignores too."""

    asked: Any
    iam: Any
    documents: list[dict[str, Any]]

    def __post_init__(self) -> None:
        self.asked.become(self.documents)

    def may(self, need: Need) -> bool:
        if need[0] not in UNDECIDED:
            return bool(self.asked.may(need))
        plain = [{"Statement": [{**item, "Condition": {}} for item in one["Statement"]]} for one in self.documents]
        return bool(self.iam.allows(plain, *need))


def own(command: str) -> list[dict[str, Any]]:
    return [policy.document(NAMES, [command])]


def asked_actions(command: str) -> set[str]:
    """Return what the command's requests need, without requests of services that act for the caller."""
    rows = (row for row in policy.permissions() if row.is_asked and command in row.commands)
    return {action for row in rows for action in row.actions} - {PASS}


# What moto never asks its policies about: it has no such request, or answers before it looks.
UNDECIDED = {
    *(f"codeconnections:{name}" for name in ("CreateConnection", "GetConnection", "ListConnections")),
    *("cloudformation:TagResource", "lambda:DeleteFunction", "lambda:InvokeFunction", "lambda:ListFunctions"),
    *("lambda:ListTags", "s3:ListAllMyBuckets", "sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointAsync"),
    *("scheduler:DeleteScheduleGroup", "scheduler:ListScheduleGroups", "scheduler:ListTagsForResource"),
    *("servicequotas:ListAWSDefaultServiceQuotas", "servicequotas:ListServiceQuotas"),
}


@pytest.mark.long  # moto decides two thousand times
def test_moto_decides_about_all_other_actions(needs: dict[str, list[Need]], asked_throughout: Any) -> None:
    asked_throughout.become([])
    wanted = [*HARM, *(need for found in needs.values() for need in found)]

    assert {need[0] for need in wanted if asked_throughout.may(need)} == UNDECIDED


def test_every_command_that_asks_for_anything_has_its_permissions_and_no_other() -> None:
    assert list(policy.commands()) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_command_may_do_all_that_it_asks_for(
    command: str, needs: dict[str, list[Need]], asked_throughout: Any, iam: Any
) -> None:
    rights = Rights(asked_throughout, iam, own(command))

    denied = [need for need in needs[command] if not rights.may(need)]

    assert denied == []


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_command_without_any_one_of_its_actions_could_not_do_its_work(
    command: str, needs: dict[str, list[Need]], asked_throughout: Any, iam: Any
) -> None:
    spare = []
    for action in sorted(asked_actions(command)):
        rights = Rights(asked_throughout, iam, iam.without(own(command), action))
        if all(rights.may(need) for need in needs[command] if need[0] == action):
            spare.append(action)

    assert spare == []


HARM: list[Need] = [
    *((f"iam:{name}", "*") for name in ("CreateUser", "CreateAccessKey", "AttachRolePolicy", "CreatePolicy")),
    ("iam:PutRolePolicy", arn("iam", "role/Admin", "")),
    ("sts:AssumeRole", "*"),
    ("s3:PutBucketPolicy", "arn:aws:s3:::of-others"),
    ("s3:GetObject", "arn:aws:s3:::of-others/key"),
    ("s3:PutObject", key("runs/abc/output/model.tar.gz")),
    ("sagemaker:CreateTrainingJob", OTHERS_JOB),
    ("sagemaker:CreateModelPackage", VERSION),
    ("sagemaker:CreateEndpoint", sagemaker("endpoint", "of-others")),
    ("sagemaker:AddTags", sagemaker("endpoint", "of-others")),  # or cleanup would take it for the project's
    ("sagemaker:UpdateEndpoint", sagemaker("endpoint", "of-others")),
    ("ecr:PutImage", arn("ecr", f"repository/{NAMES.repository}")),
    ("secretsmanager:GetSecretValue", "*"),
    ("ec2:RunInstances", "*"),
    ("lambda:InvokeFunction", "*"),
    ("cloudformation:CreateStack", arn("cloudformation", "stack/of-others/1")),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_may_do_nothing_else(command: str, asked_throughout: Any, iam: Any) -> None:
    rights = Rights(asked_throughout, iam, own(command))
    pushes = {("ecr:PutImage", arn("ecr", f"repository/{NAMES.repository}"))} if command == "image --docker" else set()

    assert {need for need in HARM if rights.may(need)} == pushes


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "cleanup"])
def test_command_may_do_its_work_on_what_is_the_projects_only(
    command: str, needs: dict[str, list[Need]], asked_throughout: Any, iam: Any
) -> None:
    def of_others(resource: str) -> str:
        for name in (NAMES.bucket, NAMES.project, ACCOUNT_ID):
            resource = resource.replace(name, f"zzz{name[3:]}")
        return resource

    rights = Rights(asked_throughout, iam, own(command))

    allowed = [need for need in needs[command] if need[1] != "*" and rights.may((need[0], of_others(need[1])))]

    assert allowed == []


def test_cleanup_may_delete_under_any_name_only_what_carries_the_tag(iam: Any) -> None:
    ours, others = {"aws__ResourceTag/jobmajor__project": NAMES.project}, {"aws__ResourceTag/jobmajor__project": "x"}
    verbs = ("Delete", "Stop", "BatchDelete", "Remove")
    deleting = [need for need in LATER["cleanup"] if need[0].split(":")[1].startswith(verbs) and "any" in need[1]]
    by_tag = [need for need in deleting if not need[1].startswith("arn:aws:s3")]

    assert len(by_tag) > 20
    for action, resource in by_tag:
        assert iam.allows(own("cleanup"), action, resource, **ours)
        assert not iam.allows(own("cleanup"), action, resource, **others)
        assert not iam.allows(own("cleanup"), action, resource)


PASSED = {
    "batch": {"job": "sagemaker"},
    "bootstrap": {"ci": "codebuild"},
    "deploy": {"endpoint": "sagemaker"},
    "monitor": {"checks": "scheduler"},
    "pipeline schedule": {"starter": "lambda", "scheduler": "scheduler"},
    "pipeline upsert": {"pipeline": "sagemaker"},
    "project create": {"ci": "codebuild", "push": "events"},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_may_pass_the_roles_that_it_hands_over_to_their_service_and_no_other(command: str, iam: Any) -> None:
    roles = {name: arn("iam", f"role/{NAMES.project}-{name}-{REGION}", "") for one in PASSED.values() for name in one}
    roles |= dict(NAMES.roles) | {"": arn("iam", "role/Admin", "")}
    services = ("sagemaker", "lambda", "scheduler", "codebuild", "events", "ec2")

    def may(role: str, **context: str) -> bool:
        return bool(iam.allows(own(command), PASS, role, **context))

    passes = {
        name: {service for service in services if may(role, iam__PassedToService=f"{service}.amazonaws.com")}
        for name, role in roles.items()
    }

    assert {name for name, found in passes.items() if found} == set(PASSED.get(command, ()))
    assert all(service in passes[name] for name, service in PASSED.get(command, {}).items())
    assert not any("ec2" in found for found in passes.values())
    assert not any(may(role) for role in roles.values())


def test_what_cloudformation_makes_for_the_caller_may_be_made_through_it_only(iam: Any) -> None:
    role = arn("iam", f"role/{NAMES.project}-job-{REGION}", "")
    via: dict[str, Any] = {"aws__CalledVia": ("cloudformation.amazonaws.com",)}

    for command in ("bootstrap", "monitor", "pipeline schedule", "project create"):
        assert iam.allows(own(command), "iam:CreateRole", role, **via)
        assert not iam.allows(own(command), "iam:CreateRole", role)
        assert not iam.allows(own(command), "iam:CreateRole", role, aws__CalledVia=("athena.amazonaws.com",))
        assert not iam.allows(own(command), "iam:CreateRole", arn("iam", "role/Admin", ""), **via)


TEMPLATES = {
    "bootstrap": stack.template,
    "monitor": monitoring.template,
    "pipeline schedule": schedule.template,
    "project create": project.template,
}


@pytest.mark.parametrize("command", sorted(TEMPLATES))
def test_every_type_of_the_stack_has_its_permissions(command: str) -> None:
    made = {item["Type"] for item in json.loads(json.dumps(cfn_yaml.loads(TEMPLATES[command]())))["Resources"].values()}
    known = {kind for row in policy.permissions() if command in row.commands for kind in row.types}

    assert known - {"AWS::IAM::Policy"} == made - {
        "AWS::IAM::Policy"
    }  # a policy is put into a role by the role's actions


def test_deployment_may_read_the_alarms_that_its_rollout_watches_and_no_others(iam: Any) -> None:
    for name in (NAMES.endpoint, f"{NAMES.endpoint}-staging"):
        for alarm in rollout.alarm_names(name):
            assert iam.allows(own("deploy"), "cloudwatch:DescribeAlarms", arn("cloudwatch", f"alarm:{alarm}"))
    for alarm in ("any", f"{NAMES.project}-alert-pipeline-failed"):
        assert not iam.allows(own("deploy"), "cloudwatch:DescribeAlarms", arn("cloudwatch", f"alarm:{alarm}"))


def test_scaling_makes_its_own_role_and_no_other(iam: Any) -> None:
    name = "sagemaker.application-autoscaling.amazonaws.com"
    role = f"role/aws-service-role/{name}/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    made = "iam:CreateServiceLinkedRole"

    assert iam.allows(own("deploy"), made, arn("iam", role, ""), iam__AWSServiceName=name)
    assert not iam.allows(own("deploy"), made, arn("iam", role, ""), iam__AWSServiceName="ec2.amazonaws.com")
    assert not iam.allows(own("deploy"), made, arn("iam", "role/any", ""), iam__AWSServiceName=name)


def test_key_of_the_project_is_used_through_s3_only(iam: Any) -> None:
    anyones = arn("kms", "key/1")
    ours = {"aws__ResourceTag/jobmajor__project": NAMES.project, "kms__ViaService": f"s3.{REGION}.amazonaws.com"}

    for command in ("upload", "models show", "invoke"):
        assert iam.allows(own(command), "kms:Decrypt", anyones, **ours)
        for name in ours:
            assert not iam.allows(own(command), "kms:Decrypt", anyones, **{**ours, name: "another"})


def asked_in_the_sources() -> set[str]:
    """Return the actions of every request that a source file names literally."""
    found = set()
    folders = (Path(str(files(package))) for package in ("jobmajor.aws", "jobmajor.cli.aws"))
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        constants = re.search(r'^_SERVICE: Final = "([\w-]+)"$', path.read_text("utf-8"), re.MULTILINE)
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    ast.Attribute(attr="find" | "read" | "change" | "pages"), [first, ast.Constant(name), *_]
                ):
                    service = first.value if isinstance(first, ast.Constant) else constants and constants[1]
                    if service and re.fullmatch(r"[A-Z]\w+", str(name)):
                        found.add(refusals.action_of(str(service), str(name)))
    return found


def test_every_request_that_the_sources_make_is_some_commands_and_none_is_invented(
    needs: dict[str, list[Need]],
) -> None:
    named = asked_in_the_sources()
    permitted = {action for command in COMMANDS for action in asked_actions(command)}
    # Asked for beside the request that is named, or where the operation is a variable.
    beside = {"s3:PutObjectTagging", "s3:DeleteObjectVersion", "cloudformation:TagResource", "cloudwatch:TagResource"}
    beside |= {"sagemaker:ListTrainingJobsForHyperParameterTuningJob"}

    assert named - permitted == set()
    assert permitted - named - beside <= asked_actions("cleanup")  # whose table of kinds the cleanup's own tests hold
    assert permitted <= {action for found in needs.values() for action, _ in found}


def test_policy_is_printed_for_a_group_and_for_one_and_says_when_it_is_too_long() -> None:
    runner = CliRunner()
    one = runner.invoke(app, ["policy", "--command", "pipeline start", "--account", ACCOUNT_ID])
    group = runner.invoke(app, ["policy", "-c", "pipeline", "-c", "models show"])
    everything = runner.invoke(app, ["policy"])

    assert json.loads(one.stdout) == policy.document(Names.of(Settings(), REGION, ACCOUNT_ID), ["pipeline start"])
    assert "StopPipelineExecution" in group.stdout
    assert "UpdateModelPackage" not in group.stdout
    assert "a managed policy takes 6,144: split it with --command, or" in everything.stderr
    assert not one.stderr


def test_notebooks_policy_fits_into_its_role_and_leaves_roles_and_stacks_to_an_administrator(iam: Any) -> None:
    notebook = [policy.notebook(NAMES)]
    made = {action for action in iam.actions(notebook) if action.startswith(("cloudformation:", "iam:"))}
    everyday = {"upload", "image", "pipeline upsert", "pipeline start", "models approve", "deploy", "invoke", "batch"}

    assert policy.size(notebook[0]) <= policy.ROLE_CHARACTERS
    assert made == {PASS, "iam:CreateServiceLinkedRole"}  # the latter for Application Auto Scaling only
    assert set().union(*map(asked_actions, everyday)) <= iam.actions(notebook)
    assert asked_actions("project create") <= iam.actions(notebook)


def test_roles_policy_is_printed_and_excludes_a_list_of_commands() -> None:
    runner = CliRunner()

    done = runner.invoke(app, ["policy", "--for", "notebook", "--account", ACCOUNT_ID])
    both = runner.invoke(app, ["policy", "--for", "notebook", "-c", "deploy"])

    assert json.loads(done.stdout) == policy.notebook(NAMES)
    assert "exclude each other" in str(both.exception)


@pytest.mark.parametrize("command", COMMANDS)
def test_policy_of_one_command_fits_into_a_role(command: str) -> None:
    assert policy.size(own(command)[0]) <= policy.ROLE_CHARACTERS
