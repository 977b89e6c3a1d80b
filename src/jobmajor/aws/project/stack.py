"""Create and update the CloudFormation stack that a project needs in an account before its first run.

The stack's state says how to continue after an interruption, so nothing is stored elsewhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.account import token, utc
from jobmajor.aws.api.errors import AlreadyExists, AwsError, AwsInputError, CallFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"
LIMIT_S: Final = 1800.0
JOB_LOG_GROUPS: Final = tuple(f"/aws/sagemaker/{kind}Jobs" for kind in ("Processing", "Training", "Transform"))
GITHUB: Final = "token.actions.githubusercontent.com"
# Determined when the stack is created and kept from then on: later the stack's own resources would be found.
_DETERMINED: Final = ("JobLogGroups", "GitHubProvider")
# Parameters without a setting: the last choice stays; at first it is the template's default.
_CHOICES: Final = ("Encryption", "CaptureDays", "CodeCommitRepository")
_MAX_STEPS: Final = 6  # a state that comes back more often can't be repaired here
_INTERVAL_S: Final = 5.0
_NOTHING_MADE: Final = ("REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
_STABLE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
_CAPABILITIES: Final = ["CAPABILITY_NAMED_IAM"]


class StackFailed(AwsError):
    """CloudFormation failed; `reason` is that of the first resource that failed."""

    def __init__(self, name: str, status: str, resource: str, reason: str) -> None:
        self.name, self.status, self.resource, self.reason = name, status, resource, reason
        super().__init__(
            f"stack {name} ended as {status}: {f'{resource} failed: ' if resource else ''}{reason.rstrip('.')}; "
            "fix that, then run `jobmajor aws bootstrap` again"
        )


@dataclass(frozen=True, slots=True)
class Stack:
    """The stack; `change` is `created`, `updated` or `unchanged`."""

    name: str
    arn: str
    change: str
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Target:
    """The stack's wanted state: its template, and the parameters that the settings or the caller determine."""

    names: Names
    body: str
    parameters: Mapping[str, str]

    def request(self, others: Mapping[str, str]) -> dict[str, Any]:
        """Return the parameters of CreateStack and UpdateStack; `others` are further template parameters."""
        parameters = {**others, **self.parameters}
        return {
            "StackName": self.names.stack,
            "TemplateBody": self.body,
            "Capabilities": _CAPABILITIES,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in sorted(parameters.items())],
            "Tags": self.names.tags,
        }


def template() -> str:
    """Return the template's text, as it is sent."""
    return files("jobmajor.aws.project").joinpath("stack.yaml").read_text("utf-8")


def bootstrap(
    account: Account,
    names: Names,
    choices: Mapping[str, str] | None = None,
    *,
    limit_s: float = LIMIT_S,
    body: str | None = None,
) -> Stack:
    """Create the stack, update it, or finish what an earlier run began.

    Args:
        account: The account.
        names: The project's names.
        choices: Template parameters that have no setting; each stays as it is until it is chosen again.
        limit_s: How long one creation, update or deletion may take, in seconds.
        body: Another template with the same parameters; the package's template when None.

    Raises:
        AwsInputError: An unknown choice, or a stack whose deletion failed.
        StackFailed: CloudFormation couldn't create or update it.
        TimedOut: CloudFormation is still working; run it again to wait longer.
    """
    wanted = _Target(names, body or template(), _parameters(names, choices or {}))
    change = UNCHANGED
    for _ in range(_MAX_STEPS):
        found = _wait_stable(account, names.stack, limit_s)
        status = found["StackStatus"] if found else ""
        if found and status in _STABLE:
            if change != UNCHANGED or not _update(account, found, wanted):
                return _complete(account, names.stack, found, change)
            change = UPDATED
        elif found is None:
            _create(account, wanted)
            change = CREATED
            if account.dry:
                return Stack(names.stack, "", CREATED, {})
        else:
            _recover(account, names.stack, found, change)
    raise AwsError(f"stack {names.stack} keeps returning to {status}: see its events in the CloudFormation console")


def _complete(account: Account, name: str, found: Mapping[str, Any], change: str) -> Stack:
    if found["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE" and change == UPDATED:
        raise _failure(account, name, found)
    outputs = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())}
    return Stack(name, found["StackId"], change, outputs)


def describe(account: Account, name: str) -> dict[str, Any] | None:
    """Return CloudFormation's description of a stack; None if it doesn't exist."""
    found = account.find("cloudformation", "DescribeStacks", StackName=name)
    stacks = (found or {}).get("Stacks", ())
    return dict(stacks[0]) if stacks and stacks[0]["StackStatus"] != "DELETE_COMPLETE" else None


def _wait_stable(account: Account, name: str, limit_s: float) -> dict[str, Any] | None:
    """Wait until the stack is stable, and return it; None if it doesn't exist."""
    return account.wait(
        lambda: describe(account, name),
        lambda found: not _is_in_progress(found),
        describe=lambda found: f"stack {name}: {(found or {}).get('StackStatus')}{_last_event(account, name)}",
        limit_s=limit_s,
        interval_s=_INTERVAL_S,
    )


def _is_in_progress(found: Mapping[str, Any] | None) -> bool:
    status = found["StackStatus"] if found else ""
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def _last_event(account: Account, name: str) -> str:
    found = account.find("cloudformation", "DescribeStackEvents", StackName=name) or {}
    event = next(iter(found.get("StackEvents", ())), None)
    return f", {event['LogicalResourceId']} {event.get('ResourceStatus', '')}" if event else ""


def _failure(account: Account, name: str, found: Mapping[str, Any]) -> StackFailed:
    """Return the error of the first resource that failed; later ones were only cancelled with it."""
    arn = found["StackId"]
    events = account.pages("cloudformation", "DescribeStackEvents", "StackEvents", StackName=arn)
    ours = takewhile(lambda event: not _is_beginning(event, arn), events)  # newest first
    failed = [
        event
        for event in ours
        if event.get("ResourceStatus", "").endswith("_FAILED") and event.get("PhysicalResourceId") != arn
    ]
    first = failed[-1] if failed else {}
    reason = first.get("ResourceStatusReason") or found.get("StackStatusReason", "no reason was given")
    return StackFailed(name, found["StackStatus"], first.get("LogicalResourceId", ""), reason)


def _is_beginning(event: Mapping[str, Any], arn: str) -> bool:
    """Return whether an event begins the stack's last operation; older events belong to earlier ones."""
    is_start = event.get("ResourceStatus") in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
    return is_start and event.get("PhysicalResourceId") == arn


def _recover(account: Account, name: str, found: Mapping[str, Any], change: str) -> None:
    """Take one step out of a state in which CloudFormation accepts no update."""
    status = found["StackStatus"]
    if status in _NOTHING_MADE:
        if change == CREATED:
            raise _failure(account, name, found)
        delete(account, name)
    elif status == "UPDATE_ROLLBACK_FAILED":
        account.change(
            "cloudformation", "ContinueUpdateRollback", StackName=name, ClientRequestToken=_step_token(found)
        )
    else:
        raise AwsInputError(f"stack {name} is {status}: run `jobmajor aws cleanup --yes`, then bootstrap again")


def delete(account: Account, name: str) -> None:
    """Begin to delete the stack, if it exists."""
    found = describe(account, name)
    if found:
        account.change("cloudformation", "DeleteStack", StackName=name, ClientRequestToken=_step_token(found))


def _step_token(found: Mapping[str, Any]) -> str:
    """Return an idempotency token for a step out of this state."""
    time = found.get("LastUpdatedTime") or found["CreationTime"]
    return token(found["StackId"], found["StackStatus"], utc(time))


def _create(account: Account, wanted: _Target) -> None:
    request = wanted.request(_existing(account, wanted.names))
    # The token differs from that of an equal stack that was deleted.
    before = [stack["StackId"] for stack in _deleted(account) if stack["StackName"] == wanted.names.stack]
    request["ClientRequestToken"] = token("create", _digest(request), *before[:1])
    try:
        account.change("cloudformation", "CreateStack", **request)
    except AlreadyExists:
        account.tell(f"stack {wanted.names.stack} exists already: reading its state")


def _deleted(account: Account) -> list[dict[str, Any]]:
    """Return the stacks deleted within the last 90 days, newest first."""
    wanted = {"StackStatusFilter": ["DELETE_COMPLETE"]}
    return list(account.pages("cloudformation", "ListStacks", "StackSummaries", **wanted))


def _update(account: Account, found: Mapping[str, Any], wanted: _Target) -> bool:
    """Update the stack, and return whether there was anything to update."""
    known = {item["ParameterKey"]: item["ParameterValue"] for item in found.get("Parameters", ())}
    request = wanted.request({name: known[name] for name in (*_DETERMINED, *_CHOICES) if name in known})
    last = found.get("LastUpdatedTime") or found["CreationTime"]
    request["ClientRequestToken"] = token("update", _digest(request), found["StackId"], utc(last))
    try:
        account.change("cloudformation", "UpdateStack", **request)
    except CallFailed as error:
        if "No updates are to be performed" in error.message:
            return False
        raise
    return True


def _digest(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(request.items())).encode()).hexdigest()


def _parameters(names: Names, choices: Mapping[str, str]) -> dict[str, str]:
    """Return the template's parameters that the settings or the caller determine."""
    unknown = [name for name in choices if name not in (*_CHOICES, *_DETERMINED)]
    if unknown:
        raise AwsInputError(f"--parameter {unknown[0]}: expected one of {', '.join((*_CHOICES, *_DETERMINED))}")
    aws, jobs = names.settings.aws, names.settings.jobs
    return {
        "Project": names.project,
        "BucketName": names.bucket,
        "BucketIs": "taken" if aws.bucket else "made",
        "Prefix": names.prefix,
        "AlertEmail": aws.email,
        "MonthlyBudgetUsd": f"{aws.budget_usd:g}",
        "LogDays": str(aws.log_days),
        "JobsInVpc": "yes" if jobs.subnets else "no",
        "GitHubRepository": aws.github,
        "GitHubBranch": aws.branch,
        "ConnectionArn": aws.connection,
        "PipelineRoleArn": names.roles["pipeline"] if aws.pipeline_role else "",
        "JobRoleArn": names.roles["job"] if aws.job_role else "",
        **choices,
    }


def _existing(account: Account, names: Names) -> dict[str, str]:
    """Return parameters that say which resources exist already, of those that an account has only once."""
    groups = account.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix="/aws/sagemaker/")
    taken = sorted({group["logGroupName"] for group in groups} & set(JOB_LOG_GROUPS))
    if taken:
        account.tell(f"{', '.join(taken)}: exist already, are shared by all projects, and stay as they are")
    provider = _github_provider(account) if names.settings.aws.github else ""
    return {"JobLogGroups": "leave" if taken else "create", "GitHubProvider": provider}


def _github_provider(account: Account) -> str:
    found = account.read("iam", "ListOpenIDConnectProviders").get("OpenIDConnectProviderList", ())
    return next((item["Arn"] for item in found if item["Arn"].endswith(f"/{GITHUB}")), "")


def remove(account: Account, name: str, *, limit_s: float = LIMIT_S) -> None:
    """Delete a stack and wait until it is gone.

    Raises:
        StackFailed: Something in it can't be deleted.
    """
    _wait_stable(account, name, limit_s)
    delete(account, name)
    left = _wait_stable(account, name, limit_s)
    if left:
        raise _failure(account, name, left)
