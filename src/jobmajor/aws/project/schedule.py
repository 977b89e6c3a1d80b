"""Start the pipeline automatically: on a schedule, and when a release is uploaded.

Both call one Lambda function (`starter.py`). It has its own CloudFormation stack with its roles and rules, so deleting
the stack removes everything.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.account import token
from jobmajor.aws.api.errors import AwsError, AwsInputError, CallFailed
from jobmajor.aws.executions import start
from jobmajor.aws.executions.pipeline import CREATED, UNCHANGED, UPDATED
from jobmajor.aws.project import stack
from jobmajor.pipeline import definition
from jobmajor.settings import Aws, build

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

REMOVED: Final = "removed"
_CODE: Final = "ZipFile: STARTER"


def stack_name(names: Names) -> str:
    """Return the name of the stack."""
    return f"{names.project}-schedule"


def template() -> str:
    """Return the stack's template, with the function's source in it."""
    source = files("jobmajor.aws.executions").joinpath("starter.py").read_text("utf-8")
    # A JSON string is valid YAML.
    text = files("jobmajor.aws.project").joinpath("schedule.yaml").read_text("utf-8")
    return text.replace(_CODE, f"ZipFile: {json.dumps(source)}")


def put(account: Account, names: Names, *, schedule: str = "", on_data: bool = True) -> str:
    """Create or update the schedule, and return `created`, `updated` or `unchanged`.

    The image is fixed to the newest one; call this again after pushing another. Data and champion are looked up at
    each start.

    Args:
        account: The account.
        names: The names of pipeline, bucket and stack.
        schedule: cron(…) or rate(…), in UTC; empty for none.
        on_data: Whether an uploaded release starts the pipeline.

    Raises:
        AwsInputError: There is no image, or neither a schedule nor `on_data`. SettingError: The schedule isn't valid.
        AwsError: CloudFormation failed, and rolled the stack back.
    """
    if not (schedule or on_data):
        raise AwsInputError("found neither a schedule nor --on-data: give one, or --remove to remove the schedule")
    build(Aws, {"schedule": schedule}, "aws.")  # refuses an invalid schedule
    for note in (definition.NO_CHAMPION, definition.NO_REVIEWS):
        start.write_note(account, names, note)
    values = _values(account, names, schedule, on_data=on_data)
    there = _wait_stable(account, names)
    since = str(there.get("LastUpdatedTime", there["CreationTime"])) if there else ""
    body = template()
    request: dict[str, Any] = {
        "StackName": stack_name(names),
        "TemplateBody": body,
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": names.tags,
        "ClientRequestToken": token("schedule", names.project, body, json.dumps(values), since),
    }
    if there is None:
        account.change("cloudformation", "CreateStack", **request, OnFailure="DELETE")
    elif not _update(account, request):
        return UNCHANGED
    if not account.dry:
        _check(_wait_stable(account, names), names)
    return UPDATED if there else CREATED


def remove(account: Account, names: Names) -> str:
    """Delete the stack, and return `removed`, or `unchanged` if there was none."""
    if _wait_stable(account, names) is None and not account.dry:
        return UNCHANGED
    account.change("cloudformation", "DeleteStack", StackName=stack_name(names))
    left = _wait_stable(account, names)
    if left is not None:
        _check(left, names)
    return REMOVED


def _values(account: Account, names: Names, schedule: str, *, on_data: bool) -> dict[str, str]:
    about = {
        "pipeline": names.pipeline,
        "group": names.group,
        "bucket": names.bucket,
        "prefix": names.prefix,
        "parameters": start.fixed_parameters(account, names, {}),
    }
    return {
        "Project": names.project,
        "Start": json.dumps(about, sort_keys=True),
        "Pipeline": names.pipeline,
        "Group": names.group,
        "Bucket": names.bucket,
        "Prefix": names.prefix,
        "Schedule": schedule,
        "OnData": "yes" if on_data else "no",
        "LogDays": str(names.settings.aws.log_days),
    }


def _update(account: Account, request: dict[str, Any]) -> bool:
    """Update the stack, and return whether there was anything to update."""
    try:
        account.change("cloudformation", "UpdateStack", **request)
    except CallFailed as error:
        if "No updates are to be performed" not in error.message:
            raise
        return False
    return True


def _wait_stable(account: Account, names: Names) -> dict[str, Any] | None:
    """Wait until the stack is stable, and return it; None if there is none."""
    name = stack_name(names)

    def words(found: dict[str, Any] | None) -> str:
        return f"stack {name}: {found['StackStatus'] if found else 'gone'}"

    def is_stable(found: dict[str, Any] | None) -> bool:
        return found is None or not found["StackStatus"].endswith("_IN_PROGRESS")

    return account.wait(lambda: stack.describe(account, name), is_stable, describe=words, limit_s=stack.LIMIT_S)


def _check(found: dict[str, Any] | None, names: Names) -> None:
    """Raise AwsError unless CloudFormation completed the change."""
    status = found["StackStatus"] if found else "gone"
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise AwsError(f"stack {stack_name(names)} ended as {status}: see its events in CloudFormation")
