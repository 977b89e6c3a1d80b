"""What AWS refused and whose move it is, each as one line that says what to do.

AwsError                   AWS could not do what was asked
├── CallFailed             any other answer that is a refusal
│   └── NotThere           what was named isn't there
├── TimedOut               something didn't come about in time; it may still
└── AwsInputError          the caller's move (an InputError too)
    ├── NoRegion, NoCredentials, WrongAccount
    ├── BadCall            a request that the service would refuse, found before it was sent
    ├── AccessDenied       a policy lacks a statement, which is said
    └── AlreadyThere       the name is taken by something else
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
    """AWS could not do what was asked, and it is the caller's move."""


class CallFailed(AwsError):
    """A request was refused; `code` and `message` are the service's own words."""

    def __init__(self, service: str, operation: str, code: str, message: str) -> None:
        self.service, self.operation, self.code, self.message = service, operation, code, message
        super().__init__(f"{service} {operation}: {code}: {message.rstrip('.') or 'no reason was given'}")


class NotThere(CallFailed):
    """What a request named isn't there."""


class TimedOut(AwsError):
    """Something didn't come about in time; AWS goes on with it."""

    def __init__(self, what: str, limit_s: float) -> None:
        self.what, self.limit_s = what, limit_s
        super().__init__(
            f"{what}: not done within {limit_s:,.0f} s; it goes on without us: run the same command again to wait on"
        )


class NoRegion(AwsInputError):
    """Nothing says which region."""

    def __init__(self) -> None:
        super().__init__(
            "no region: name one with --region, the variable AWS_REGION or the setting aws.region, such as us-east-1"
        )


class NoCredentials(AwsInputError):
    """There are no credentials, or AWS doesn't take them; `why` says which."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f"no usable credentials ({why}): sign in (`aws sso login`, `aws configure`), or name a profile with "
            "--profile; --dry-run needs none"
        )


class WrongAccount(AwsInputError):
    """The credentials are of another account than the one that was meant."""

    def __init__(self, expected: str, found: str, caller: str) -> None:
        self.expected, self.found, self.caller = expected, found, caller
        super().__init__(
            f"wrong account: {caller} is of {found}, expected {expected} (the setting aws.account): use another "
            "--profile, or change the setting"
        )


class BadCall(AwsInputError):
    """A request that the service would refuse; `problems` holds every fault found, each as `place: fault`."""

    def __init__(self, service: str, operation: str, problems: Sequence[str]) -> None:
        self.service, self.operation, self.problems = service, operation, tuple(problems)
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{service} {operation} was not sent: {self.problems[0]}{more}")


class AccessDenied(AwsInputError):
    """The caller may not do that.

    Attributes:
        action: As policies have it, `sagemaker:CreateModel`.
        role: Who asked: a role's name, else the caller's ARN.
        statement: The statement to add to the role's policy, as one line of JSON.
    """

    def __init__(self, action: str, role: str, resource: str, *, is_explicit: bool = False) -> None:
        self.action, self.role, self.resource, self.is_explicit = action, role, resource, is_explicit
        self.statement = json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
        do = (
            "a policy denies it by name, so change that policy; what is denied"
            if is_explicit
            else "add to the policy of that role"
        )
        super().__init__(f"{role} may not {action}: {do}: {self.statement}")


class AlreadyThere(AwsInputError):
    """The name is taken, and what has it isn't what was asked for; `differences` says in what."""

    def __init__(self, service: str, operation: str, message: str, differences: Sequence[str] = ()) -> None:
        self.service, self.operation, self.message, self.differences = service, operation, message, tuple(differences)
        why = f"it differs in {'; '.join(self.differences)}" if self.differences else message.rstrip(".")
        super().__init__(f"{service} {operation}: the name is taken ({why}): delete what has it, or take another name")
