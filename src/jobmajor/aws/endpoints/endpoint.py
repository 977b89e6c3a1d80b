"""An endpoint's state: its status, and the configuration that it serves.

The service takes minutes to change an endpoint and refuses a second change meanwhile, so every change first waits
until the endpoint is stable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AwsError, CallFailed

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account

IN_SERVICE: Final = "InService"
_CHANGING: Final = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
_START_S: Final = 2700.0  # a first fleet needs some ten minutes; the service gives up before this


class DeploymentFailed(AwsError):
    """An endpoint doesn't serve what it should; the command ends with status 1."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint.

    Attributes:
        name: Its name.
        arn: Its ARN.
        status: The service's status.
        config: The name of the configuration that it serves now.
        pending: The name of the configuration that it is changing to; empty while it is stable.
        reason: The service's reason why it failed or went back; empty otherwise.
    """

    name: str
    arn: str
    status: str
    config: str
    pending: str
    reason: str

    def require_service(self) -> None:
        """Raise DeploymentFailed unless the endpoint is in service."""
        if self.status != IN_SERVICE:
            raise DeploymentFailed(
                f"endpoint {self.name} is {self.status}: {self.reason or 'no reason was given'}; see its log, run "
                "`jobmajor aws delete`, then deploy again"
            )


def find(account: Account, name: str) -> Endpoint | None:
    """Return the endpoint's state; None if it doesn't exist."""
    found = account.find("sagemaker", "DescribeEndpoint", EndpointName=name)
    if found is None:
        return None
    return Endpoint(
        name=name,
        arn=found["EndpointArn"],
        status=found["EndpointStatus"],
        config=found.get("EndpointConfigName", ""),
        pending=found.get("PendingDeploymentSummary", {}).get("EndpointConfigName", ""),
        reason=found.get("FailureReason", ""),
    )


def wait_stable(account: Account, name: str, limit_s: float = _START_S) -> Endpoint | None:
    """Wait until the endpoint is stable, in whatever state, and return it; None if it doesn't exist.

    Raises:
        TimedOut: It was still changing after `limit_s` seconds.
    """
    if account.dry:
        return None
    stable: Endpoint | None = account.wait(
        lambda: find(account, name),
        lambda found: found is None or found.status not in _CHANGING,
        describe=lambda found: f"endpoint {name}: {found.status if found else 'gone'}",
        limit_s=limit_s,
    )
    return stable


def update(account: Account, request: dict[str, Any]) -> None:
    """Start a change of configuration.

    If the reply to the first request was lost, the service refuses the repeat because the change is under way. That
    refusal is ignored.
    """
    try:
        account.change("sagemaker", "UpdateEndpoint", **request)
    except CallFailed:
        found = find(account, request["EndpointName"])
        is_under_way = found is not None and (
            found.status in _CHANGING or found.config == request["EndpointConfigName"]
        )
        if not is_under_way:
            raise


def require_config(found: Endpoint | None, name: str, config: str) -> Endpoint:
    """Return the endpoint if it serves `config`; raise DeploymentFailed if it went back or is gone."""
    if found is None:
        raise DeploymentFailed(f"endpoint {name} was deleted during the deployment: deploy again")
    found.require_service()
    if found.config != config:
        raise DeploymentFailed(
            f"endpoint {name} was rolled back to {found.config}: {found.reason or 'an alarm went off'}; "
            f"see its alarms before you deploy {config} again"
        )
    return found
