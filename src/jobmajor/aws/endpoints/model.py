"""The Model that an endpoint or a batch transform runs: a registered version with a role and its walls around it.

It names the version's package rather than its image and its files, so that the service itself refuses one that nobody
approved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobmajor.aws.names import derived_name

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.aws.registry import Package


def request(names: Names, package: Package, *, is_isolated: bool) -> dict[str, Any]:
    """CreateModel's parameters; the name says version and content, so the same request has the same name.

    Args:
        names: Of this account's things.
        package: The version.
        is_isolated: Without any network, in the VPC where there is one. Serverless endpoints know neither, and refuse
            a model with it.
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
    """The name of the version's Model, which is created if it isn't there."""
    wanted = request(names, package, is_isolated=is_isolated)
    name: str = wanted["ModelName"]
    if account.find("sagemaker", "DescribeModel", ModelName=name) is None:
        account.change("sagemaker", "CreateModel", **wanted)
    return name


def package_arn(account: Account, model: str) -> str | None:
    """Which version a Model runs; None where the Model is gone or runs no package."""
    found = account.find("sagemaker", "DescribeModel", ModelName=model)
    containers = (found or {}).get("Containers") or [(found or {}).get("PrimaryContainer") or {}]
    arn: str | None = containers[0].get("ModelPackageName")
    return arn


def version_of(arn: str) -> int:
    """The version's number at the end of its package's address.

    >>> version_of("arn:aws:sagemaker:us-east-1:000000000000:model-package/group/12")
    12
    """
    return int(arn.rpartition("/")[2])
