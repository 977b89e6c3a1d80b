"""An endpoint as it stands: where it is on its way, and what it serves.

The service changes an endpoint over many minutes and refuses a second change meanwhile, so everything that wants one
first waits until the endpoint rests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AwsError, CallFailed

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account

IN_SERVICE: Final = "InService"
_MOVING: Final = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
_START_S: Final = 2700.0  # a first fleet needs some ten minutes; the service itself gives up before this


class DeploymentFailed(AwsError):
    """An endpoint didn't come to serve what it should; status 1, since the answer is no."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint.

    Attributes:
        name: Its name.
        arn: Its address.
        status: The service's word.
        config: The name of the configuration that answers now, not of one that it is on its way to.
        pending: The name of the configuration that it is on its way to; empty while it rests.
        reason: Why it failed or went back, in the service's words; empty otherwise.
    """

    name: str
    arn: str
    status: str
    config: str
    pending: str
    reason: str

    def require_service(self) -> None:
        """DeploymentFailed unless it answers."""
        if self.status != IN_SERVICE:
            raise DeploymentFailed(
                f"endpoint {self.name} is {self.status}: {self.reason or 'no reason was given'}; see its log, then "
                "`jobmajor aws delete` it and deploy again"
            )


def find(account: Account, name: str) -> Endpoint | None:
    """The endpoint as it stands; None where there is none."""
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


def settle(account: Account, name: str, limit_s: float = _START_S) -> Endpoint | None:
    """The endpoint once it rests, in whatever state; None where there is none.

    Raises:
        TimedOut: It didn't come to rest in time.
    """
    if account.dry:
        return None
    rested: Endpoint | None = account.wait(
        lambda: find(account, name),
        lambda found: found is None or found.status not in _MOVING,
        describe=lambda found: f"endpoint {name}: {found.status if found else 'gone'}",
        limit_s=limit_s,
    )
    return rested


def update(account: Account, request: dict[str, Any]) -> None:
    """Start a change.

    A request whose reply was lost is sent again, and refused since the change is under way: then it is waited for
    like any other.
    """
    try:
        account.change("sagemaker", "UpdateEndpoint", **request)
    except CallFailed:
        found = find(account, request["EndpointName"])
        is_under_way = found is not None and (found.status in _MOVING or found.config == request["EndpointConfigName"])
        if not is_under_way:
            raise


def require_config(found: Endpoint | None, name: str, config: str) -> Endpoint:
    """The endpoint, if it serves under `config`; DeploymentFailed when it went back or is gone."""
    if found is None:
        raise DeploymentFailed(f"endpoint {name} is gone: somebody deleted it meanwhile; deploy again")
    found.require_service()
    if found.config != config:
        raise DeploymentFailed(
            f"endpoint {name} went back to {found.config}: {found.reason or 'an alarm went off'}; "
            f"see its alarms before you deploy {config} again"
        )
    return found
