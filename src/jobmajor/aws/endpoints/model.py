"""The Model that an endpoint or a batch transform runs: a registered version with a role and network isolation.

It refers to the version's package rather than to image and files, so that the service itself refuses a version that
nobody approved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobmajor.aws.names import derived_name

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.aws.registry import Package


def request(names: Names, package: Package, *, is_isolated: bool) -> dict[str, Any]:
    """Return CreateModel's parameters; the name contains version and digest, so equal requests have equal names.

    Args:
        names: The names in this account.
        package: The version.
        is_isolated: Whether the Model has no network access and runs in the VPC, if there is one. Serverless
            endpoints support neither, and refuse such a Model.
    """
    body: dict[str, Any] = {
        "Containers": [{"ModelPackageName": package.arn}],
        "ExecutionRoleArn": names.roles["endpoint"],
        "EnableNetworkIsolation": is_isolated,
    }
    jobs = names.settings.jobs
    if is_isolated and jobs.subnets:
        body["VpcConfig"] = {"Subnets": [*jobs.subnets], "SecurityGroupIds": [*jobs.security_groups]}
    return {"ModelName": derived_name(names.model, package.number, body), **body, "Tags": names.tags}


def ensure(account: Account, names: Names, package: Package, *, is_isolated: bool) -> str:
    """Create the version's Model unless it exists, and return its name."""
    wanted = request(names, package, is_isolated=is_isolated)
    name: str = wanted["ModelName"]
    if account.find("sagemaker", "DescribeModel", ModelName=name) is None:
        account.change("sagemaker", "CreateModel", **wanted)
    return name


def package_arn(account: Account, model: str) -> str | None:
    """Return the ARN of the version that a Model runs; None if the Model is gone or runs no package."""
    found = account.find("sagemaker", "DescribeModel", ModelName=model)
    containers = (found or {}).get("Containers") or [(found or {}).get("PrimaryContainer") or {}]
    arn: str | None = containers[0].get("ModelPackageName")
    return arn


def version_of(arn: str) -> int:
    """Return the version's number from its package's ARN.

    >>> version_of("arn:aws:sagemaker:us-east-1:000000000000:model-package/group/12")
    12
    """
    return int(arn.rpartition("/")[2])
