"""A small CloudFormation stack beside bootstrap's: created, updated, or removed whole, and safe to repeat."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.account import token, utc
from jobmajor.aws.api.errors import AwsError, CallFailed
from jobmajor.aws.executions.pipeline import CREATED, UNCHANGED, UPDATED
from jobmajor.aws.project import stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

REMOVED: Final = "removed"


@dataclass(frozen=True, slots=True)
class SideStack:
    """A stack: the project's names, what it is for, which ends its name, and its template."""

    names: Names
    kind: str
    template: str = ""

    @property
    def name(self) -> str:
        """Return the stack's name."""
        return f"{self.names.project}-{self.kind}"

    def put(self, account: Account, values: Mapping[str, str]) -> str:
        """Create or update the stack with these parameters, and return `created`, `updated` or `unchanged`.

        Raises:
            AwsError: CloudFormation failed, and rolled the stack back.
        """
        there = self._wait_stable(account)
        since = utc(there.get("LastUpdatedTime", there["CreationTime"])) if there else ""
        request: dict[str, Any] = {
            "StackName": self.name,
            "TemplateBody": self.template,
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Tags": self.names.tags,
            "ClientRequestToken": token(self.kind, self.names.project, self.template, json.dumps(values), since),
        }
        if there is None:
            account.change("cloudformation", "CreateStack", **request, OnFailure="DELETE")
        elif not _update(account, request):
            return UNCHANGED
        if not account.dry:
            self._check(self._wait_stable(account))
        return UPDATED if there else CREATED

    def remove(self, account: Account) -> str:
        """Delete the stack, and return `removed`, or `unchanged` if there was none."""
        if self._wait_stable(account) is None and not account.dry:
            return UNCHANGED
        account.change("cloudformation", "DeleteStack", StackName=self.name)
        left = self._wait_stable(account)
        if left is not None:
            self._check(left)
        return REMOVED

    def _wait_stable(self, account: Account) -> dict[str, Any] | None:
        """Wait until the stack is stable, and return it; None if there is none."""

        def words(found: dict[str, Any] | None) -> str:
            return f"stack {self.name}: {found['StackStatus'] if found else 'gone'}"

        def is_stable(found: dict[str, Any] | None) -> bool:
            return found is None or not found["StackStatus"].endswith("_IN_PROGRESS")

        return account.wait(
            lambda: stack.describe(account, self.name), is_stable, describe=words, limit_s=stack.LIMIT_S
        )

    def _check(self, found: dict[str, Any] | None) -> None:
        """Raise AwsError unless CloudFormation completed the change."""
        status = found["StackStatus"] if found else "gone"
        if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            raise AwsError(f"stack {self.name} ended as {status}: see its events in CloudFormation")


def _update(account: Account, request: dict[str, Any]) -> bool:
    """Update the stack, and return whether there was anything to update."""
    try:
        account.change("cloudformation", "UpdateStack", **request)
    except CallFailed as error:
        if "No updates are to be performed" not in error.message:
            raise
        return False
    return True
