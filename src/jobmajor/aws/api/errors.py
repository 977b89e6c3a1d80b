"""Errors of requests to AWS; each message is one line that says what to do.

AwsError                   AWS could not do what was asked
├── CallFailed             the service refused a request
│   └── NotFound           the named resource doesn't exist
├── TimedOut               something didn't finish in time; it may finish later
└── AwsInputError          the caller has to change something (an InputError too)
    ├── NoRegion, NoCredentials, WrongAccount
    ├── BadCall            the service would refuse the request, which was not sent
    ├── AccessDenied       a policy lacks a statement, which the message contains
    └── AlreadyExists       the name is taken by a different resource
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobmajor.errors import InputError, PipelineError

if TYPE_CHECKING:
    from collections.abc import Sequence


class AwsError(PipelineError):
    """AWS could not do what was asked."""


class AwsInputError(AwsError, InputError):
    """AWS could not do what was asked, and the caller has to change something."""


class CallFailed(AwsError):
    """The service refused a request; `code` and `message` are the service's."""

    def __init__(self, service: str, operation: str, code: str, message: str) -> None:
        self.service, self.operation, self.code, self.message = service, operation, code, message
        super().__init__(f"{service} {operation}: {code}: {message.rstrip('.') or 'no reason was given'}")


class NotFound(CallFailed):
    """The resource that a request names doesn't exist."""


class TimedOut(AwsError):
    """Something didn't finish in time; AWS goes on with it."""

    def __init__(self, what: str, limit_s: float) -> None:
        self.what, self.limit_s = what, limit_s
        super().__init__(
            f"{what}: not done within {limit_s:,.0f} s, and AWS goes on: run the same command again to wait longer"
        )


class NoRegion(AwsInputError):
    """No region is configured."""

    def __init__(self) -> None:
        super().__init__(
            "no region: name one with --region, the variable AWS_REGION or the setting aws.region, such as us-east-1"
        )


class NoCredentials(AwsInputError):
    """There are no credentials, or AWS refused them; `why` says which."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f"no usable credentials ({why}): sign in (`aws sso login`, `aws configure`), or name a profile with "
            "--profile; --dry-run needs none"
        )


class WrongAccount(AwsInputError):
    """The credentials belong to another account than the expected one."""

    def __init__(self, expected: str, found: str, caller: str) -> None:
        self.expected, self.found, self.caller = expected, found, caller
        super().__init__(
            f"wrong account: {caller} belongs to {found}, expected {expected} (the setting aws.account): use another "
            "--profile, or change the setting"
        )


class BadCall(AwsInputError):
    """The service would refuse the request; `problems` holds every fault found, each as `path: fault`."""

    def __init__(self, service: str, operation: str, problems: Sequence[str]) -> None:
        self.service, self.operation, self.problems = service, operation, tuple(problems)
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{service} {operation} was not sent: {self.problems[0]}{more}")


class AccessDenied(AwsInputError):
    """The caller's policies don't allow a request.

    Attributes:
        action: The action's name in policies, such as `sagemaker:CreateModel`.
        role: The caller: a role's name, else an ARN.
        statement: The statement to add to the role's policy, as one line of JSON.
    """

    def __init__(self, action: str, role: str, resource: str, *, is_explicit: bool = False) -> None:
        self.action, self.role, self.resource, self.is_explicit = action, role, resource, is_explicit
        self.statement = json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
        do = (
            "a policy denies it explicitly: change that policy; this statement would allow it"
            if is_explicit
            else "add this statement to the policy of that role"
        )
        super().__init__(f"{role} is not allowed to call {action}: {do}: {self.statement}")


class AlreadyExists(AwsInputError):
    """The name is taken by a resource with other content; `differences` lists what differs."""

    def __init__(self, service: str, operation: str, message: str, differences: Sequence[str] = ()) -> None:
        self.service, self.operation, self.message, self.differences = service, operation, message, tuple(differences)
        why = f"it differs in {'; '.join(self.differences)}" if self.differences else message.rstrip(".")
        super().__init__(
            f"{service} {operation}: the name is taken ({why}): delete the existing resource, or use another name"
        )
