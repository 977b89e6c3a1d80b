"""The IAM policies that a caller of `jobmajor aws …` needs, and no more than that.

`permissions.json` lists them by command, and `permissions_setup.json` those of setting up: image, project, connection.
Tests compare them with the requests that the commands make, and with the templates' resources, which CloudFormation
creates with the caller's permissions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.endpoints import config
from jobmajor.aws.endpoints.plan import STAGING
from jobmajor.aws.names import TAG, name_stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobmajor.aws.names import Names

MANAGED_CHARACTERS: Final = 6144  # source: AWS, IAM user guide, "IAM and AWS STS quotas"; white space doesn't count
ROLE_CHARACTERS: Final = 10_240  # of all inline policies of a role
_FILES: Final = ("permissions.json", "permissions_setup.json")
_NO_REGION: Final = ("budgets", "iam")
# An administrator's, who can make roles and connections.
_ADMINISTRATORS: Final = ("bootstrap", "cleanup", "monitor", "pipeline schedule", "project catalog", "project connect")
_NOT_IN_STUDIO: Final = ("doctor", "image --docker")
_CONDITIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "cloudformation": {"ForAnyValue:StringEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]}},
    "tag": {"StringEquals": {f"aws:ResourceTag/{TAG}": "{project}"}},
}


@dataclass(frozen=True, slots=True)
class Permission:
    """Actions on resources that each of `commands` needs.

    Attributes:
        sid: Its purpose, in a word or two.
        commands: Such as `pipeline start`.
        actions: The actions' names in policies.
        resources: Short ARNs, `service:resource`, with names in braces; `role:job` is one of the project's roles.
        condition: An IAM condition, with names in braces; or `tag` (the resource has the project's tag); or
            `cloudformation` (CloudFormation makes the request with the caller's permissions).
        types: The resource types for which CloudFormation needs it; empty if the command makes the request.
        service: Why a service makes the request with the caller's permissions; empty if the command makes it.
        why: What it is for, in one sentence.
    """

    sid: str
    commands: Sequence[str]
    actions: Sequence[str]
    resources: Sequence[str]
    condition: Mapping[str, Any] | str = field(default_factory=dict)
    types: Sequence[str] = ()
    service: str = ""
    why: str = ""

    @property
    def is_asked(self) -> bool:
        """Return whether the command's requests need it, rather than a service that acts for the caller."""
        return not (self.types or self.service)


def permissions() -> tuple[Permission, ...]:
    """Return all permissions, in the file's order."""
    texts = (files("jobmajor.aws").joinpath(name).read_bytes() for name in _FILES)
    return tuple(Permission(**row) for text in texts for row in json.loads(text))


def commands() -> tuple[str, ...]:
    """Return the commands that send requests to AWS."""
    return tuple(sorted({command for row in permissions() for command in row.commands}))


def chosen(wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the commands that `wanted` selects: a command itself, a group's all; no name selects all.

    Raises:
        AwsInputError: No command has this name.
    """
    known, found = commands(), set()
    for name in wanted:
        some = {name} if name in known else {command for command in known if command.startswith(f"{name} ")}
        if not some:
            raise AwsInputError(f"--command: found {name!r}, expected one of {', '.join(known)}, or a group of them")
        found |= some
    return tuple(sorted(found)) or known


def document(names: Names, wanted: Iterable[str] = ()) -> dict[str, Any]:
    """Return the policy for these commands, or for all of them when none is named.

    Statements with equal resources and conditions are merged.

    Raises:
        AwsInputError: No command has this name.
    """
    some = set(chosen(wanted))
    return _merged(names, [row for row in permissions() if not some.isdisjoint(row.commands)])


def everyday() -> tuple[str, ...]:
    """Return the commands for daily work, in Studio too: without an administrator's, Docker and a look at policies."""
    return tuple(name for name in commands() if name not in {*_ADMINISTRATORS, *_NOT_IN_STUDIO})


def notebook(names: Names) -> dict[str, Any]:
    """Return the policy of the role that runs a notebook in Studio: of all commands but an administrator's.

    A notebook lets CloudFormation make nothing in its own name: it creates a project through Service Catalog or with a
    launch role, or takes the one that an administrator created.
    """
    some = set(everyday())
    return _merged(names, [row for row in permissions() if not some.isdisjoint(row.commands) and not row.types])


def _merged(names: Names, rows: Sequence[Permission]) -> dict[str, Any]:
    merged: dict[str, dict[str, Any]] = {}
    for row in rows:
        statement = _statement(names, row)
        same = merged.setdefault(json.dumps([statement["Resource"], statement.get("Condition")]), statement)
        same["Action"] = sorted({*same["Action"], *statement["Action"]})
    return {"Version": "2012-10-17", "Statement": list(merged.values())}


def size(policy: Mapping[str, Any]) -> int:
    """Return a policy's length in characters, as IAM counts them."""
    return len(json.dumps(policy, separators=(",", ":")))


def _statement(names: Names, row: Permission) -> dict[str, Any]:
    values = _values(names)
    resources = sorted(_arn(names, text, values) for text in row.resources)
    found = {"Effect": "Allow", "Action": list(row.actions), "Resource": resources}
    condition = _CONDITIONS[row.condition] if isinstance(row.condition, str) else row.condition
    return {**found, "Condition": _filled(condition, values)} if condition else found


def _values(names: Names) -> dict[str, str]:
    return {
        "project": names.project,
        "region": names.region,
        "bucket": names.bucket,
        "prefix": names.prefix,
        "pipeline": names.pipeline,
        "group": names.group,
        "stack": names.stack,
        "repository": names.repository,
        "endpoint": names.endpoint,
        "model": name_stem(names.model),
        "config": name_stem(names.endpoint_config),
        "staging_config": name_stem(config.staged(names.endpoint_config, STAGING)),
        "transform": name_stem(f"{names.project}-batch"),
        "score": name_stem(f"{names.project}-score"),
    }


def _arn(names: Names, text: str, values: Mapping[str, str]) -> str:
    service, sign, rest = text.partition(":")
    if not sign:
        return text  # "*", for actions that have no resources
    if service == "role":
        return names.roles[rest]
    rest = rest.format(**values)
    if service == "s3":
        return f"arn:{names.partition}:s3:::{rest}"
    region = "" if service in _NO_REGION else names.region
    return f"arn:{names.partition}:{service}:{region}:{names.account_id}:{rest}"


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    match value:
        case str():
            return value.format(**values)
        case list():
            return [_filled(item, values) for item in value]
    return {name: _filled(item, values) for name, item in value.items()}
