"""What an account lacks for these commands: credentials, region, permissions and quotas.

IAM simulates the policies of the caller, permissions boundary and the organisation's policies among them, for each
statement that `jobmajor aws policy` prints. It doesn't know the policies of buckets and keys. Source: AWS, IAM API
Reference, SimulatePrincipalPolicy. Nothing is changed.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws import policy, quotas
from jobmajor.aws.api.errors import AccessDenied, AwsError, CallFailed, NoCredentials, NoRegion, WrongAccount
from jobmajor.aws.endpoints.plan import Fleet
from jobmajor.aws.names import Names
from jobmajor.doctor.finding import FAILED, NOTE, OK, UNKNOWN, Finding, broken, guarded
from jobmajor.pipeline import definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jobmajor.aws.api.account import Account
    from jobmajor.settings import Settings

_ROLE: Final = re.compile(r"arn:([\w-]+):sts::(\d+):assumed-role/([^/]+)/.+")
_SHOWN: Final = 6  # names of a long list
_CURES: Final[Mapping[type[Exception], str]] = {
    NoCredentials: "aws configure",
    NoRegion: "jobmajor doctor --aws --region us-east-1",
    WrongAccount: "jobmajor doctor --aws --profile NAME",
}


def findings(connect: Callable[[], Account], settings: Settings, wanted: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield what is found of the account.

    Args:
        connect: Returns the account of the credentials, or raises.
        settings: The names in the account, and the instances of the pipeline.
        wanted: Commands or groups of them whose permissions count; none means those that need no administrator.

    Raises:
        AwsInputError: No command has one of these names.
    """
    commands = policy.chosen(wanted) if wanted else policy.everyday()
    try:
        account = connect()
    except Exception as error:
        yield _unconnected(error)
        return
    yield Finding("identity", OK, f"{account.caller}, account {account.account_id}")
    yield Finding("region", OK, account.region)
    yield from guarded("permissions", lambda: _permissions(account, settings, commands))
    yield from guarded("quotas", lambda: _quotas(account, settings))


def _unconnected(error: Exception) -> Finding:
    found = broken("identity", error)
    if type(error) in _CURES:
        return Finding("region" if isinstance(error, NoRegion) else "identity", FAILED, str(error), _CURES[type(error)])
    return Finding("identity", FAILED, found.found, found.cure)


def _permissions(account: Account, settings: Settings, commands: Sequence[str]) -> Iterator[Finding]:
    what = "permissions"
    names = Names.of(settings, account.region, account.account_id)
    statements = policy.document(names, commands)["Statement"]
    if account.caller.endswith(":root"):
        yield Finding(what, NOTE, "this is the root user, who may do everything: use a role for daily work")
        return
    try:
        denied = _denied(account, statements)
    except AwsError as error:
        yield Finding(what, UNKNOWN, _why(error, "iam:SimulatePrincipalPolicy"))
        return
    count = len({action for each in statements for action in each["Action"]})
    if not denied:
        yield Finding(what, OK, f"all {count} actions of {len(commands)} commands are allowed")
        return
    hit = [name for name in commands if not denied.isdisjoint(_actions(name))]
    found = f"{len(denied)} of {count} actions are denied ({_some(sorted(denied))}): {_some(hit)} would fail"
    words = [word for name in hit for word in ("--command", name)]
    yield Finding(what, FAILED, found, f"{shlex.join(['jobmajor', 'aws', 'policy', *words])} > policy.json")


def _actions(command: str) -> set[str]:
    return {action for row in policy.permissions() if command in row.commands for action in row.actions}


def _denied(account: Account, statements: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the actions that are denied on one of their resources.

    Raises:
        AwsError: IAM simulates nothing for this caller.
    """
    source = _principal(account)
    found = set[str]()
    for each in statements:
        results = account.pages(
            "iam",
            "SimulatePrincipalPolicy",
            "EvaluationResults",
            PolicySourceArn=source,
            ActionNames=each["Action"],
            ResourceArns=each["Resource"],
            ContextEntries=_context(each.get("Condition", {})),
        )
        found |= {str(item["EvalActionName"]) for item in results if not _is_allowed(item)}
    return found


def _is_allowed(item: Mapping[str, Any]) -> bool:
    decisions = [each["EvalResourceDecision"] for each in item.get("ResourceSpecificResults", ())]
    return all(each == "allowed" for each in decisions or [item["EvalDecision"]])


def _principal(account: Account) -> str:
    """Return the user's or the role's ARN; that of a session doesn't hold the path of its role."""
    role = _ROLE.fullmatch(account.caller)
    if not role:
        return account.caller
    partition, account_id, name = role.groups()
    try:
        return str(account.read("iam", "GetRole", RoleName=name)["Role"]["Arn"])
    except AccessDenied:
        return f"arn:{partition}:iam::{account_id}:role/{name}"


def _context(condition: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the values that a request would have for a statement's condition to hold.

    >>> _context({"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}})
    [{'ContextKeyName': 'iam:PassedToService', 'ContextKeyValues': ['sagemaker.amazonaws.com'], \
'ContextKeyType': 'string'}]
    """
    return [
        {
            "ContextKeyName": key,
            "ContextKeyValues": list(map(str, value)) if isinstance(value, list) else [str(value)],
            "ContextKeyType": "stringList"
            if operator.startswith("ForAnyValue") or isinstance(value, list)
            else "string",
        }
        for operator, pairs in condition.items()
        for key, value in pairs.items()
    ]


def _quotas(account: Account, settings: Settings) -> Iterator[Finding]:
    needs = _needs(settings)
    try:
        short = quotas.shortfalls(account, needs)
    except AwsError as error:
        yield Finding("quotas", UNKNOWN, _why(error, "servicequotas:ListServiceQuotas"))
        return
    for each in short:
        found = f"{each.quota.name}: {each.quota.value:g}, expected {each.need.count} or more"
        cure = each.ask if each.quota.is_adjustable else "name another instance type in the settings"
        yield Finding("quotas", FAILED, found, cure)
    if not short:
        yield Finding("quotas", OK, ", ".join(sorted({each.quota for each in needs})))


def _needs(settings: Settings) -> set[quotas.Need]:
    steps = quotas.of_definition(definition.build(settings), {})
    return {*steps, quotas.Need(Fleet().instance_type, quotas.ENDPOINT)}


def _why(error: AwsError, action: str) -> str:
    if isinstance(error, AccessDenied):
        return f"not known, a policy doesn't allow {action}"
    return (
        f"not known: {error.service} {error.operation}: {error.code}" if isinstance(error, CallFailed) else str(error)
    )


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}"
