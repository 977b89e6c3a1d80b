"""Create the SageMaker project, from our template in S3 or from a Service Catalog product as the tutorial does.

CreateProject takes no idempotency token, so the project is looked up first. Run it again after an interruption.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AwsError, AwsInputError
from jobmajor.aws.project import catalog, connection
from jobmajor.aws.project.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

CREATED, UNCHANGED = "created", "unchanged"
LIMIT_S: Final = 1800.0
_DONE: Final = ("CreateCompleted", "UpdateCompleted")
_IN_PROGRESS: Final = ("Pending", "CreateInProgress", "UpdateInProgress")
_LONGEST_NAME: Final = 32
_TEMPLATE_NAME: Final = "jobmajor"
_VISIBLE: Final = "sagemaker:studio-visibility=true"  # else Studio doesn't show the template


class ProjectFailed(AwsError):
    """SageMaker couldn't create the project; `reason` is SageMaker's."""

    def __init__(self, name: str, status: str, reason: str) -> None:
        self.name, self.status, self.reason = name, status, reason
        super().__init__(
            f"project {name} is {status}: {reason.rstrip('.') or 'no reason was given'}; fix that, delete the project "
            f"(`aws sagemaker delete-project --project-name {name}`) and run the same command again"
        )


@dataclass(frozen=True, slots=True)
class Project:
    """A project; `change` is `created` or `unchanged`."""

    name: str
    arn: str
    id: str
    change: str


@dataclass(frozen=True, slots=True)
class Repository:
    """The code's repository: OWNER/NAME on GitHub with a connection's ARN, or the name of a CodeCommit repository."""

    name: str
    connection: str = ""


def template() -> str:
    """Return the text of our template."""
    return files("jobmajor.aws.project").joinpath("project.yaml").read_text("utf-8")


def create(
    account: Account,
    names: Names,
    origin: Catalog | Repository,
    *,
    launch_role: str | None = None,
    limit_s: float = LIMIT_S,
) -> Project:
    """Create the project unless it exists, and wait until it is complete.

    Args:
        account: The account.
        names: The project's name and tags.
        origin: A Service Catalog product, or the repository for our template.
        launch_role: The ARN of the role that creates the template's resources; None uses the caller's permissions.
        limit_s: How long to wait, in seconds.

    Raises:
        AwsInputError: The name is too long; not exactly one product matches, or one of its parameters is missing; the
            repository or the connection doesn't exist.
        TimedOut: The project, or the approval of its connection, takes longer; call it again to wait longer.
        ProjectFailed: SageMaker couldn't create it.
    """
    if len(names.project) > _LONGEST_NAME:
        raise AwsInputError(
            f"names.project is {names.project}, expected at most {_LONGEST_NAME} characters: change jobmajor.toml"
        )
    if _described(account, names) is not None:
        return _wait_complete(account, names, UNCHANGED, limit_s)
    if isinstance(origin, Catalog):
        source = catalog.provisioning(account, origin)
    else:
        if origin.connection:
            connection.wait_available(account, origin.connection, limit_s=limit_s)
        source = _from_template(account, names, origin, launch_role)
    words = f"The pipeline {names.pipeline}, made by jobmajor"
    account.change(
        "sagemaker",
        "CreateProject",
        ProjectName=names.project,
        ProjectDescription=words,
        Tags=names.tags,
        **source,
    )
    return _wait_complete(account, names, CREATED, limit_s)


def _described(account: Account, names: Names) -> dict[str, Any] | None:
    """Return the described project; None if it doesn't exist or was deleted."""
    found = account.find("sagemaker", "DescribeProject", ProjectName=names.project)
    return None if found is None or found["ProjectStatus"] == "DeleteCompleted" else found


def _wait_complete(account: Account, names: Names, change: str, limit_s: float) -> Project:
    if account.dry:
        return Project(names.project, "<ProjectArn>", "<ProjectId>", change)
    found = account.wait(
        lambda: account.read("sagemaker", "DescribeProject", ProjectName=names.project),
        lambda answer: answer["ProjectStatus"] not in _IN_PROGRESS,
        describe=lambda answer: f"project {names.project}: {answer['ProjectStatus']}",
        limit_s=limit_s,
    )
    if found["ProjectStatus"] not in _DONE:
        raise ProjectFailed(names.project, found["ProjectStatus"], _reason(found))
    return Project(names.project, found["ProjectArn"], found["ProjectId"], change)


def _reason(found: Mapping[str, Any]) -> str:
    """Return the reason given by Service Catalog or by the template's stack."""
    told: str = found.get("ServiceCatalogProvisionedProductDetails", {}).get("ProvisionedProductStatusMessage", "")
    stacks = [item.get("CfnTemplateProviderDetail", {}) for item in found.get("TemplateProviderDetails", ())]
    return told or next((str(item["StackDetail"]["StatusMessage"]) for item in stacks if "StackDetail" in item), "")


# From our template


def _from_template(account: Account, names: Names, repository: Repository, launch_role: str | None) -> dict[str, Any]:
    if not repository.connection:
        _check_codecommit(account, repository.name)
    values = {
        "Project": names.project,
        "CiRoleArn": names.roles["ci"],
        "Repository": repository.name,
        "Branch": names.settings.aws.branch,
        "ConnectionArn": repository.connection,
    }
    provider: dict[str, Any] = {
        "TemplateName": _TEMPLATE_NAME,
        "TemplateURL": _put(account, names),
        "Parameters": [{"Key": key, "Value": value} for key, value in values.items()],
    }
    if launch_role is not None:
        provider["RoleARN"] = launch_role
    return {"TemplateProviders": [{"CfnTemplateProvider": provider}]}


def _check_codecommit(account: Account, name: str) -> None:
    """Raise AwsInputError if the repository doesn't exist.

    AWS closed CodeCommit to new customers in 2024 and is reported to have opened it again. Only the account knows, so
    the message doesn't say either.
    """
    found = account.find("codecommit", "GetRepository", repositoryName=name)
    if found is None and not account.dry:
        raise AwsInputError(
            f"CodeCommit has no repository {name}: create it (`aws codecommit create-repository --repository-name "
            f"{name}`), or use GitHub (settings aws.github and aws.connection); CodeCommit's answer says if it refuses"
        )


def _put(account: Account, names: Names) -> str:
    """Upload the template to an address that contains its digest, so that older projects keep theirs."""
    body = template().encode()
    key = names.key("templates", hashlib.sha256(body).hexdigest()[:16], "project.yaml")
    if account.find("s3", "HeadObject", Bucket=names.bucket, Key=key) is None:
        place = {"Bucket": names.bucket, "Key": key}
        account.change("s3", "PutObject", Body=body, ContentType="text/yaml", Tagging=_VISIBLE, **place)
    suffix = "amazonaws.com.cn" if names.partition == "aws-cn" else "amazonaws.com"
    return f"https://{names.bucket}.s3.{names.region}.{suffix}/{key}"
