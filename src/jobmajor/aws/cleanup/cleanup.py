"""List and delete everything that carries the project's tag.

Resources that create others are deleted first, and resources that others depend on last. So a cleanup that was killed
can be run again and finds what is left.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from jobmajor.aws.api.errors import AwsError
from jobmajor.aws.cleanup import workloads
from jobmajor.aws.cleanup.tagged import Listing, Resource, ResourceKind, carries, is_ours, plain
from jobmajor.aws.endpoints import scaling
from jobmajor.aws.project import stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

_OBJECTS: Final = 1000  # objects that S3 deletes in one request
_IMAGES: Final = 100  # images that ECR deletes in one request
_SCHEDULES: Final = Listing("scheduler", "ListScheduleGroups", "ScheduleGroups", "Name", "Arn")
# CloudFormation's types of the kinds that one of the project's stacks may hold.
STACK_TYPES: Final = {
    "alarm": "AWS::CloudWatch::Alarm",
    "bucket": "AWS::S3::Bucket",
    "build project": "AWS::CodeBuild::Project",
    "delivery pipeline": "AWS::CodePipeline::Pipeline",
    "function": "AWS::Lambda::Function",
    "log group": "AWS::Logs::LogGroup",
    "model group": "AWS::SageMaker::ModelPackageGroup",
    "repository": "AWS::ECR::Repository",
    "rule": "AWS::Events::Rule",
    "topic": "AWS::SNS::Topic",
}
_RULES: Final = Listing("events", "ListRules", "Rules", "Name", "Arn")
_REPOSITORIES: Final = Listing("ecr", "DescribeRepositories", "repositories", "repositoryName", "repositoryArn")
_ALARMS: Final = Listing("cloudwatch", "DescribeAlarms", "MetricAlarms", "AlarmName", "AlarmArn")


def listing(account: Account, names: Names, kinds: Sequence[ResourceKind] | None = None) -> tuple[Resource, ...]:
    """Return the project's resources in this region, in the order of deletion.

    Args:
        account: The account.
        names: The project's names.
        kinds: The kinds to list; all when None.
    """
    return tuple(resource for kind in kinds or KINDS for resource in kind.find(account, names))


def clean(
    account: Account,
    names: Names,
    kinds: Sequence[ResourceKind] | None = None,
    on_removed: Callable[[Resource], None] | None = None,
) -> tuple[Resource, ...]:
    """Delete all that `listing` lists, list again, and return what is left.

    CloudFormation deletes what it created, because it fails over policies whose bucket or topic is gone. What it can
    only delete empty is emptied first.
    """
    made = _made(account, names)
    for kind in kinds or KINDS:
        for resource in tuple(kind.find(account, names)):
            stack_type = STACK_TYPES.get(kind.name)
            is_made = (stack_type, resource.name) in made or (stack_type, resource.arn) in made
            act = kind.empty if is_made else kind.remove
            if act:
                act(account, resource)
            if on_removed and not is_made:
                on_removed(resource)
    return listing(account, names, kinds)


def _made(account: Account, names: Names) -> set[tuple[str | None, str]]:
    """Return type and name or ARN of the stacks' resources; resources of two types may have equal names."""
    member = "StackResourceSummaries"
    return {
        (item["ResourceType"], item.get("PhysicalResourceId", ""))
        for resource in _find_stacks(account, names)
        for item in account.pages("cloudformation", "ListStackResources", member, StackName=resource.name)
    }


def _find_rules(account: Account, names: Names) -> Iterator[Resource]:
    return (Resource("rule", name, "", arn) for name, arn in _RULES.tagged(account, names))


def _remove_rule(account: Account, resource: Resource) -> None:
    ids = [target["Id"] for target in account.pages("events", "ListTargetsByRule", "Targets", Rule=resource.name)]
    if ids:
        account.change("events", "RemoveTargets", Rule=resource.name, Ids=ids)
    account.change("events", "DeleteRule", Name=resource.name)


def _find_deliveries(account: Account, names: Names) -> Iterator[Resource]:
    """Yield CodePipeline's pipelines; its list has no ARNs."""
    for item in account.pages("codepipeline", "ListPipelines", "pipelines"):
        arn = f"arn:{names.partition}:codepipeline:{account.region}:{account.account_id}:{item['name']}"
        if is_ours(account, names, "codepipeline", arn):
            yield Resource("delivery pipeline", item["name"], "", arn)


def _remove_delivery(account: Account, resource: Resource) -> None:
    account.change("codepipeline", "DeletePipeline", name=resource.name)


def _find_builds(account: Account, names: Names) -> Iterator[Resource]:
    for name in account.pages("codebuild", "ListProjects", "projects"):
        found = account.find("codebuild", "BatchGetProjects", names=[name]) or {}
        if any(carries(project.get("tags"), names) for project in found.get("projects", ())):
            yield Resource("build project", name)


def _remove_build(account: Account, resource: Resource) -> None:
    account.change("codebuild", "DeleteProject", name=resource.name)


def _find_alarms(account: Account, names: Names) -> Iterator[Resource]:
    sleepers = {scaling.wake_alarm(endpoint) for endpoint in workloads.staged(names)}
    for item in _ALARMS.items(account):
        if item["AlarmName"] in sleepers or is_ours(account, names, "cloudwatch", item["AlarmArn"]):
            yield Resource("alarm", item["AlarmName"], "", item["AlarmArn"])


def _remove_alarm(account: Account, resource: Resource) -> None:
    account.change("cloudwatch", "DeleteAlarms", AlarmNames=[resource.name])


def _find_repositories(account: Account, names: Names) -> Iterator[Resource]:
    for name, arn in _REPOSITORIES.tagged(account, names):
        images = sum(1 for _ in account.pages("ecr", "ListImages", "imageIds", repositoryName=name))
        yield Resource("repository", name, f"{images} images", arn)


def _remove_repository(account: Account, resource: Resource) -> None:
    account.change("ecr", "DeleteRepository", repositoryName=resource.name, force=True)


def _empty_repository(account: Account, resource: Resource) -> None:
    images = (
        {"imageDigest": digest}
        for digest in {
            item["imageDigest"] for item in account.pages("ecr", "ListImages", "imageIds", repositoryName=resource.name)
        }
    )
    for batch in _batches(images, _IMAGES):
        failed = account.change("ecr", "BatchDeleteImage", repositoryName=resource.name, imageIds=batch).get(
            "failures", ()
        )
        if failed:
            raise AwsError(f"{len(failed)} images of {resource.name} stay: {failed[0].get('failureReason')}")


def _find_buckets(account: Account, names: Names) -> Iterator[Resource]:
    for item in account.pages("s3", "ListBuckets", "Buckets"):
        name = item["Name"]
        tags = account.find("s3", "GetBucketTagging", Bucket=name) or {}
        if carries(tags.get("TagSet"), names):
            count = sum(1 for _ in _versions(account, name))
            yield Resource("bucket", name, f"{count} objects, older versions and delete markers included")


def _versions(account: Account, bucket: str) -> Iterator[dict[str, str]]:
    for member in ("Versions", "DeleteMarkers"):
        for item in account.pages("s3", "ListObjectVersions", member, Bucket=bucket):
            yield {"Key": item["Key"], "VersionId": item["VersionId"]}


def _remove_bucket(account: Account, resource: Resource) -> None:
    _empty_bucket(account, resource)
    account.change("s3", "DeleteBucket", Bucket=resource.name)


def _empty_bucket(account: Account, resource: Resource) -> None:
    for batch in _batches(_versions(account, resource.name), _OBJECTS):
        request = {"Objects": batch, "Quiet": True}
        failed = account.change("s3", "DeleteObjects", Bucket=resource.name, Delete=request).get("Errors", ())
        if failed:
            first = failed[0]
            raise AwsError(f"{len(failed)} objects of {resource.name} stay, {first.get('Key')}: {first.get('Message')}")
    for item in tuple(account.pages("s3", "ListMultipartUploads", "Uploads", Bucket=resource.name)):
        where = {"Bucket": resource.name, "Key": item["Key"], "UploadId": item["UploadId"]}
        account.change("s3", "AbortMultipartUpload", **where)


def _batches(items: Iterable[dict[str, str]], size: int) -> Iterator[list[dict[str, str]]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _find_stacks(account: Account, names: Names) -> Iterator[Resource]:
    """Yield the stacks, bootstrap's last, because others may depend on it."""
    found = account.pages("cloudformation", "DescribeStacks", "Stacks")
    ours = [item for item in found if carries(item.get("Tags"), names) and item["StackStatus"] != "DELETE_COMPLETE"]
    for item in sorted(ours, key=lambda item: item["StackName"] == names.stack):
        yield Resource("stack", item["StackName"], item["StackStatus"], item["StackId"])


def _remove_stack(account: Account, resource: Resource) -> None:
    stack.remove(account, resource.name)


KINDS: Final[tuple[ResourceKind, ...]] = (
    # What starts jobs, then what runs, then what they left.
    plain("schedule group", _SCHEDULES, "DeleteScheduleGroup"),
    ResourceKind("rule", _find_rules, _remove_rule),
    plain("function", Listing("lambda", "ListFunctions", "Functions", "FunctionName", "FunctionArn"), "DeleteFunction"),
    ResourceKind("delivery pipeline", _find_deliveries, _remove_delivery),
    ResourceKind("build project", _find_builds, _remove_build),
    *workloads.KINDS,
    ResourceKind("alarm", _find_alarms, _remove_alarm),
    plain("topic", Listing("sns", "ListTopics", "Topics", "TopicArn", "TopicArn"), "DeleteTopic"),
    plain("log group", Listing("logs", "DescribeLogGroups", "logGroups", "logGroupName", "arn"), "DeleteLogGroup"),
    ResourceKind("repository", _find_repositories, _remove_repository, _empty_repository),
    ResourceKind("bucket", _find_buckets, _remove_bucket, _empty_bucket),
    ResourceKind("stack", _find_stacks, _remove_stack),
)
