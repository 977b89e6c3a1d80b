"""The connection to GitHub, through which builds fetch the code.

AWS creates it as PENDING, and only a person can approve it, in the console, signed in to GitHub. Until then every build
that uses it fails, so commands wait for the approval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AwsError, AwsInputError, NotFound

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

CREATED, UNCHANGED = "created", "unchanged"
LIMIT_S: Final = 1800.0
_PENDING, _AVAILABLE = "PENDING", "AVAILABLE"
_PROVIDER: Final = "GitHub"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that a person approved; `change` is `created` or `unchanged`."""

    name: str
    arn: str
    change: str


def create(account: Account, names: Names, *, limit_s: float = LIMIT_S) -> Connection:
    """Create the project's connection unless it exists, and wait until a person has approved it.

    CreateConnection takes no idempotency token, so connections are looked up by name first. The connection has no tag
    of the project: other projects of the account may use it, and cleanup leaves it.

    Raises:
        AwsError: The connection failed. TimedOut: Nobody has approved it yet.
    """
    found = account.pages("codeconnections", "ListConnections", "Connections", ProviderTypeFilter=_PROVIDER)
    arn = next((str(item["ConnectionArn"]) for item in found if item["ConnectionName"] == names.project), None)
    change = UNCHANGED
    if arn is None:
        wanted = {"ProviderType": _PROVIDER, "ConnectionName": names.project}
        arn = str(account.change("codeconnections", "CreateConnection", **wanted)["ConnectionArn"])
        change = CREATED
    wait_available(account, arn, limit_s=limit_s)
    return Connection(names.project, arn, change)


def wait_available(account: Account, arn: str, *, limit_s: float = LIMIT_S) -> None:
    """Wait until a person has approved the connection, and say where to approve it.

    Raises:
        AwsInputError: There is no such connection. AwsError: It failed. TimedOut: Nobody has approved it yet.
    """
    try:
        status = account.wait(
            lambda: _status(account, arn),
            lambda found: found != _PENDING,
            describe=lambda found: f"connection {arn.rpartition('/')[2]} is {found}: {_how(account.region)}",
            limit_s=limit_s,
        )
    except NotFound as error:
        raise AwsInputError(
            f"the account has no connection {arn} (the setting aws.connection): run `jobmajor aws project connect`"
        ) from error
    if status != _AVAILABLE and not account.dry:
        raise AwsError(
            f"connection {arn} is {status}, expected {_AVAILABLE}: delete it in the console, then run `jobmajor aws "
            "project connect`"
        )


def _status(account: Account, arn: str) -> Any:
    return account.read("codeconnections", "GetConnection", ConnectionArn=arn)["Connection"].get("ConnectionStatus")


def _how(region: str) -> str:
    """Return where a person approves a connection."""
    domain = "console.amazonaws.cn" if region.startswith("cn-") else "console.aws.amazon.com"
    return (
        f"approve it with 'Update pending connection' in https://{region}.{domain}/codesuite/settings/connections, "
        "signed in to GitHub"
    )
