from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from jobmajor import settings as all_settings
from jobmajor.aws.api.errors import AwsError
from jobmajor.aws.cleanup import cleanup, tagged
from jobmajor.aws.endpoints import rollout, scaling
from jobmajor.aws.endpoints.plan import Plan
from jobmajor.aws.names import TAG, Names
from jobmajor.aws.project import stack
from jobmajor.cli.aws import stack as commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.cleanup.tagged import Resource, ResourceKind

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
# moto has neither their lists nor, for versions, their deletion: botocore's Stubber has them below.
UNKNOWN_TO_MOTO = {"model group", "monitoring schedule", "project", "version"}
KINDS = tuple(kind for kind in cleanup.KINDS if kind.name not in UNKNOWN_TO_MOTO)


def only(*names: str) -> Sequence[ResourceKind]:
    found = tuple(kind for kind in cleanup.KINDS if kind.name in names)
    assert len(found) == len(names)
    return found


def fill(account: Account, names: Names) -> None:
    """Create one resource of each kind that the commands create and moto keeps, all of them tagged."""
    tags, bucket = names.tags, {"Bucket": names.bucket}
    # moto's CloudFormation makes a bucket without it.
    account.change("s3", "PutBucketVersioning", **bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"second"):
        account.change("s3", "PutObject", **bucket, Key=names.key("input/titles.txt"), Body=body)
    account.change("s3", "DeleteObject", **bucket, Key=names.key("input/titles.txt"))
    account.change("s3", "CreateMultipartUpload", **bucket, Key=names.key("input/unfinished"))
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": kind, "config": {"digest": "sha256:" + "0" * 64}, "layers": []}
    )
    account.change("ecr", "PutImage", repositoryName=names.repository, imageManifest=manifest, imageTag="v1")
    model = {"ModelName": f"{names.model}-v1", "ExecutionRoleArn": names.roles["endpoint"]}
    account.change("sagemaker", "CreateModel", **model, PrimaryContainer={"Image": names.image_repository}, Tags=tags)
    variant = {"VariantName": "champion", "ModelName": model["ModelName"], "InitialInstanceCount": 1}
    config = {"EndpointConfigName": f"{names.endpoint_config}-v1"}
    variants = [{**variant, "InstanceType": "ml.m5.large", "InitialVariantWeight": 1.0}]
    account.change("sagemaker", "CreateEndpointConfig", **config, ProductionVariants=variants, Tags=tags)
    account.change("sagemaker", "CreateEndpoint", EndpointName=names.endpoint, **config, Tags=tags)
    bounds = {"MinCapacity": 1, "MaxCapacity": 4}
    account.change("application-autoscaling", "RegisterScalableTarget", **scaling.target(names.endpoint), **bounds)
    rollout.ensure_alarms(account, names, names.endpoint, Plan(version=1))
    fill_rest(account, names)


def fill_rest(account: Account, names: Names) -> None:
    tags = names.tags
    definition = {"PipelineDefinition": "{}", "RoleArn": names.roles["pipeline"], "ClientRequestToken": "t" * 32}
    account.change("sagemaker", "CreatePipeline", PipelineName=names.pipeline, **definition, Tags=tags)
    account.change("sagemaker", "CreateExperiment", ExperimentName=names.pipeline)
    account.change("sagemaker", "CreateTrial", ExperimentName=names.pipeline, TrialName="abc")
    account.change("scheduler", "CreateScheduleGroup", Name=names.project, Tags=tags)
    account.change("events", "PutRule", Name=f"{names.project}-nightly", ScheduleExpression="rate(1 day)", Tags=tags)
    target = {"Id": "x", "Arn": f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:x"}
    account.change("events", "PutTargets", Rule=f"{names.project}-nightly", Targets=[target])
    account.change("sns", "CreateTopic", Name=f"{names.project}-more", Tags=tags)
    account.change("logs", "CreateLogGroup", logGroupName=f"/aws/lambda/{names.project}", tags=names.tag_map)
    builds = {
        "source": {"type": "GITHUB", "location": "https://github.com/acme/titles.git"},
        "artifacts": {"type": "NO_ARTIFACTS"},
    }
    machine = {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"}
    account.change(
        "codebuild",
        "CreateProject",
        name=f"{names.project}-build",
        **builds,
        environment=machine,
        serviceRole=names.roles["ci"],
        tags=names.lowercase_tags,
    )


def others(account: Account) -> None:
    """Create the resources of another project, whose name begins like ours."""
    names = Names.of(
        all_settings.build(all_settings.Settings, {"names": {"project": "test-job-major-clf-2"}}), REGION, ACCOUNT_ID
    )
    account.change("sns", "CreateTopic", Name=f"{names.project}-alerts", Tags=names.tags)
    account.change("logs", "CreateLogGroup", logGroupName="/aws/lambda/untagged")
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    account.change("s3", "PutObject", Bucket=names.bucket, Key="x", Body=b"x")


# Asked of the services directly, and not through the code that is tested.
LISTS = (
    ("sagemaker", "ListEndpoints", "Endpoints"),
    ("sagemaker", "ListEndpointConfigs", "EndpointConfigs"),
    ("sagemaker", "ListModels", "Models"),
    ("sagemaker", "ListPipelines", "PipelineSummaries"),
    ("sagemaker", "ListExperiments", "ExperimentSummaries"),
    ("sagemaker", "ListTrials", "TrialSummaries"),
    ("scheduler", "ListScheduleGroups", "ScheduleGroups"),
    ("events", "ListRules", "Rules"),
    ("sns", "ListTopics", "Topics"),
    ("logs", "DescribeLogGroups", "logGroups"),
    ("cloudwatch", "DescribeAlarms", "MetricAlarms"),
    ("codebuild", "ListProjects", "projects"),
    ("ecr", "DescribeRepositories", "repositories"),
    ("s3", "ListBuckets", "Buckets"),
    ("iam", "ListRoles", "Roles"),
    ("cloudformation", "DescribeStacks", "Stacks"),
)


def standing(account: Account) -> dict[str, Any]:
    found = {
        f"{service} {operation}": list(account.pages(service, operation, member))
        for service, operation, member in LISTS
    }
    targets = account.pages(
        "application-autoscaling", "DescribeScalableTargets", "ScalableTargets", ServiceNamespace="sagemaker"
    )
    groups = found["scheduler ListScheduleGroups"]
    found["scheduler ListScheduleGroups"] = [item for item in groups if item["Name"] != "default"]  # every account's
    return {name: items for name, items in {**found, "scaling": list(targets)}.items() if items}


@pytest.mark.slow
def test_after_a_cleanup_no_service_that_was_used_lists_anything(account: Account, names: Names, template: Any) -> None:
    stack.bootstrap(account, names, body=template.supported)
    fill(account, names)
    made = standing(account)

    left = cleanup.clean(account, names, KINDS)

    assert len(made) == len(LISTS) + 1  # something of every kind was there
    assert left == ()
    assert standing(account) == {}
    assert cleanup.listing(account, names, KINDS) == ()


def test_listing_takes_nothing_away_and_names_each_thing_once(account: Account, names: Names, template: Any) -> None:
    stack.bootstrap(account, names, body=template.supported)
    fill(account, names)
    before = len(account.sent)

    found = cleanup.listing(account, names, KINDS)

    assert len(account.sent) == before
    assert len({(resource.kind, resource.name) for resource in found}) == len(found)
    (bucket,) = [resource for resource in found if resource.kind == "bucket"]
    assert bucket.detail.startswith("3 objects")  # two versions and a delete marker
    assert found[-1].kind == "stack"


def test_things_of_another_project_stay(account: Account, names: Names) -> None:
    others(account)

    assert cleanup.clean(account, names, KINDS) == ()
    assert set(standing(account)) == {
        "sns ListTopics",
        "logs DescribeLogGroups",
        "s3 ListBuckets",
    }


def test_cleanup_that_was_killed_half_way_finishes_when_run_again(
    account: Account, names: Names, template: Any
) -> None:
    class Killed(Exception):
        pass

    def kill(resource: Resource) -> None:
        if resource.kind == "pipeline":
            raise Killed

    stack.bootstrap(account, names, body=template.supported)
    fill(account, names)
    with pytest.raises(Killed):
        cleanup.clean(account, names, KINDS, kill)

    assert cleanup.clean(account, names, KINDS) == ()
    assert standing(account) == {}


def test_what_a_stack_made_is_left_to_the_stack(account: Account, names: Names, template: Any) -> None:
    stack.bootstrap(account, names, body=template.supported)
    cleanup.clean(account, names, KINDS)

    deleted = {call.operation for call in account.sent if call.operation.startswith("Delete")}
    assert deleted == {"DeleteStack"}


def test_kinds_that_a_stack_may_hold_are_kinds(template: Any) -> None:
    known = {kind.name for kind in cleanup.KINDS}
    held = {item["Type"] for item in template.parsed()["Resources"].values()}

    assert set(cleanup.STACK_TYPES) <= known
    # What has no kind goes with the stack alone.
    alone = ("IAM::", "KMS::", "Budgets::", "S3::BucketPolicy", "SNS::TopicPolicy", "SNS::Subscription")
    listed = {kind for kind in held if not kind.removeprefix("AWS::").startswith(alone)}
    assert listed <= set(cleanup.STACK_TYPES.values())


# What moto doesn't know


def tags(stubbed: Any, names: Names) -> None:
    stubbed.expect("sagemaker", "ListTags", {"Tags": names.tags})


def test_running_execution_is_stopped_and_waited_for(stubbed: Any, names: Names) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:pipeline/{names.pipeline}"
    pipeline = {"PipelineName": names.pipeline, "PipelineArn": arn}
    stubbed.expect("sagemaker", "ListPipelines", {"PipelineSummaries": [pipeline]})
    tags(stubbed, names)
    runs = [
        {"PipelineExecutionArn": f"{arn}/execution/{name}", "PipelineExecutionStatus": status}
        for name, status in (("running12345", "Executing"), ("ended1234567", "Failed"))
    ]
    stubbed.expect("sagemaker", "ListPipelineExecutions", {"PipelineExecutionSummaries": runs})
    stubbed.expect("sagemaker", "StopPipelineExecution", {})
    for status in ("Stopping", "Stopped"):
        stubbed.expect("sagemaker", "DescribePipelineExecution", {"PipelineExecutionStatus": status})

    (kind,) = only("execution")
    (resource,) = kind.find(stubbed, names)
    kind.remove(stubbed, resource)

    assert resource.name.endswith("/running12345")


@pytest.mark.parametrize(
    ("name", "service_name"),
    [
        ("training job", "TrainingJob"),
        ("processing job", "ProcessingJob"),
        ("transform job", "TransformJob"),
        ("tuning job", "HyperParameterTuningJob"),
    ],
)
def test_running_jobs_are_stopped(stubbed: Any, names: Names, name: str, service_name: str) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:job/x"
    item: dict[str, Any] = {f"{service_name}Name": "x", f"{service_name}Arn": arn, "CreationTime": NOW}
    item[f"{service_name}Status"] = "InProgress"
    if name == "tuning job":
        counts = {"Completed": 0, "InProgress": 1, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0}
        objective = {"Succeeded": 0, "Pending": 1, "Failed": 0}
        item |= {"Strategy": "Bayesian", "TrainingJobStatusCounters": counts, "ObjectiveStatusCounters": objective}
    stubbed.expect("sagemaker", f"List{service_name}s", {f"{service_name}Summaries": [item]}, StatusEquals="InProgress")
    tags(stubbed, names)
    stubbed.expect("sagemaker", f"Stop{service_name}", {}, **{f"{service_name}Name": "x"})

    (kind,) = only(name)
    for resource in tuple(kind.find(stubbed, names)):
        kind.remove(stubbed, resource)


def test_versions_go_before_their_group(stubbed: Any, names: Names) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:model-package/{names.group}/1"
    group = {
        "ModelPackageGroupName": names.group,
        "ModelPackageGroupArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:model-package-group/{names.group}",
        "CreationTime": NOW,
        "ModelPackageGroupStatus": "Completed",
    }
    package = {"ModelPackageArn": arn, "ModelPackageVersion": 1, "CreationTime": NOW}
    package |= {"ModelPackageStatus": "Completed", "ModelApprovalStatus": "Approved"}
    stubbed.expect("sagemaker", "ListModelPackageGroups", {"ModelPackageGroupSummaryList": [group]})
    tags(stubbed, names)
    stubbed.expect("sagemaker", "ListModelPackages", {"ModelPackageSummaryList": [package]})
    stubbed.expect("sagemaker", "DeleteModelPackage", {}, ModelPackageName=arn)
    stubbed.expect("sagemaker", "ListModelPackageGroups", {"ModelPackageGroupSummaryList": [group]})
    tags(stubbed, names)
    stubbed.expect("sagemaker", "DeleteModelPackageGroup", {}, ModelPackageGroupName=names.group)

    for kind in only("version", "model group"):
        for resource in tuple(kind.find(stubbed, names)):
            kind.remove(stubbed, resource)


def test_project_is_deleted_and_waited_for(stubbed: Any, names: Names) -> None:
    about = {"ProjectName": names.project, "ProjectId": "p-123456789012", "CreationTime": NOW}
    more = {"ProjectArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:project/{names.project}"}
    stubbed.expect(
        "sagemaker", "ListProjects", {"ProjectSummaryList": [{**about, **more, "ProjectStatus": "CreateCompleted"}]}
    )
    tags(stubbed, names)
    stubbed.expect("sagemaker", "DeleteProject", {}, ProjectName=names.project)
    for status in ("DeleteInProgress", "DeleteCompleted"):
        found = {**about, **more, "ServiceCatalogProvisioningDetails": {"ProductId": "prod-1"}, "ProjectStatus": status}
        stubbed.expect("sagemaker", "DescribeProject", found)

    (kind,) = only("project")
    for resource in tuple(kind.find(stubbed, names)):
        kind.remove(stubbed, resource)


def endpoint(status: str) -> dict[str, Any]:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:endpoint/x"
    about = {"EndpointName": "x", "EndpointArn": arn, "EndpointStatus": status}
    return {**about, "CreationTime": NOW, "LastModifiedTime": NOW}


def test_endpoint_that_is_being_updated_is_deleted_after_that(stubbed: Any, names: Names) -> None:
    for status in ("Updating", "InService"):
        stubbed.expect("sagemaker", "DescribeEndpoint", endpoint(status))
    stubbed.expect("sagemaker", "DeleteEndpoint", {}, EndpointName="x")
    stubbed.expect("sagemaker", "DescribeEndpoint", endpoint("Deleting"))
    stubbed.refuse("sagemaker", "DescribeEndpoint", "ValidationException", "Could not find endpoint x")

    (kind,) = only("endpoint")
    kind.remove(stubbed, tagged.Resource("endpoint", "x"))


def test_endpoint_that_another_cleanup_deletes_is_waited_for(stubbed: Any, names: Names) -> None:
    stubbed.expect("sagemaker", "DescribeEndpoint", endpoint("Deleting"))
    for operation in ("DescribeEndpoint", "DeleteEndpoint", "DescribeEndpoint"):
        stubbed.refuse("sagemaker", operation, "ValidationException", "Could not find endpoint x")

    (kind,) = only("endpoint")
    kind.remove(stubbed, tagged.Resource("endpoint", "x"))


def test_object_that_cannot_be_deleted_is_named(stubbed: Any, names: Names) -> None:
    version = {"Key": "k", "VersionId": "1"}
    stubbed.expect("s3", "ListObjectVersions", {"Versions": [version]})
    stubbed.expect("s3", "ListObjectVersions", {})
    stubbed.expect("s3", "DeleteObjects", {"Errors": [{**version, "Code": "AccessDenied", "Message": "no"}]})

    (kind,) = only("bucket")
    with pytest.raises(AwsError, match="1 objects of b stay, k: no"):
        kind.remove(stubbed, tagged.Resource("bucket", "b"))


@pytest.mark.parametrize(
    ("found", "is_there"),
    [
        ([{"Key": TAG, "Value": "test-job-major-clf"}], True),
        ([{"key": TAG, "value": "test-job-major-clf"}], True),
        ({TAG: "test-job-major-clf"}, True),
        ([{"Key": TAG, "Value": "test-job-major-clf-2"}], False),
        ({}, False),
        (None, False),
    ],
)
def test_tag_is_known_in_each_form_that_services_have_it(found: Any, is_there: bool, names: Names) -> None:
    assert tagged.carries(found, names) is is_there


# The command


def test_dry_run_needs_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    app = typer.Typer()
    commands.add(app)

    result = CliRunner().invoke(app, ["cleanup", "--yes", "--dry-run", "--json"])

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["calls"] == []
