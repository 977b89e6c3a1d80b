"""A person's approval of the staging endpoint for production.

The approval is a tag on the staging endpoint that names the approved configuration. Deploying anything else to staging
makes it void.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobmajor.aws.api.errors import AwsError
from jobmajor.aws.endpoints import config as configs
from jobmajor.aws.endpoints import endpoint as endpoints
from jobmajor.aws.endpoints import model
from jobmajor.aws.endpoints.plan import STAGING

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.endpoints.endpoint import Endpoint
    from jobmajor.aws.names import Names

APPROVED: Final = "jobmajor:approved-config"
APPROVER: Final = "jobmajor:approved-by"


class NotApproved(AwsError):
    """Production is refused: staging doesn't serve this version, or nobody approved it."""

    def __init__(self, version: int, found: str, do: str) -> None:
        self.version, self.found = version, found
        super().__init__(f"version {version} can't go to production: {found}; {do}")


def approve(account: Account, names: Names, version: int) -> str:
    """Record on the staging endpoint that the caller approves what it serves, and return the caller's ARN.

    Raises:
        NotApproved: Staging doesn't serve this version.
    """
    caller = account.caller or "<Arn>"
    if account.dry:
        arn, config = "<EndpointArn>", "<EndpointConfigName>"
    else:
        found = _staged(account, names, version)
        arn, config = found.arn, found.config
    tags = [{"Key": APPROVED, "Value": config}, {"Key": APPROVER, "Value": caller}]
    account.change("sagemaker", "AddTags", ResourceArn=arn, Tags=tags)
    return caller


def require(account: Account, names: Names, version: int) -> None:
    """Raise NotApproved unless staging serves this version and a person approved its configuration."""
    if account.dry:
        return
    found = _staged(account, names, version)
    if configs.tags(account, found.arn).get(APPROVED) != found.config:
        do = f"check it, then run `jobmajor aws approve-deployment {version}`"
        raise NotApproved(version, f"nobody approved {found.config}, which staging serves", do)


def _staged(account: Account, names: Names, version: int) -> Endpoint:
    name, do = configs.staged(names.endpoint, STAGING), f"run `jobmajor aws deploy {version} --stage staging` first"
    found = endpoints.find(account, name)
    if found is None:
        raise NotApproved(version, f"there is no endpoint {name}", do)
    if found.status != endpoints.IN_SERVICE:
        raise NotApproved(version, f"{name} is {found.status}", "wait until it is InService, or deploy it again")
    config = account.read("sagemaker", "DescribeEndpointConfig", EndpointConfigName=found.config)
    arn = configs.package_arn(account, config)
    staged = model.version_of(arn) if arn else None
    if staged != version:
        raise NotApproved(version, f"{name} serves version {staged or 'unknown'}", do)
    return found
