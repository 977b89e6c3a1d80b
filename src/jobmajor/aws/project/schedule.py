"""Start the pipeline automatically: on a schedule, and when a release is uploaded.

Both call one Lambda function (`starter.py`). It has its own CloudFormation stack with its roles and rules, so deleting
the stack removes everything.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.executions import start
from jobmajor.aws.project.side_stack import SideStack
from jobmajor.pipeline import definition
from jobmajor.settings import Aws, build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

_CODE: Final = "ZipFile: STARTER"


def stack_name(names: Names) -> str:
    """Return the name of the stack."""
    return _stack(names).name


def template() -> str:
    """Return the stack's template, with the function's source in it."""
    source = files("jobmajor.aws.executions").joinpath("starter.py").read_text("utf-8")
    # A JSON string is valid YAML.
    text = files("jobmajor.aws.project").joinpath("schedule.yaml").read_text("utf-8")
    return text.replace(_CODE, f"ZipFile: {json.dumps(source)}")


def put(
    account: Account, names: Names, *, schedule: str = "", on_data: bool = True, reviewed: str | None = None
) -> str:
    """Create or update the schedule, and return `created`, `updated` or `unchanged`.

    The image is fixed to the newest one; call this again after pushing another. Data and champion are looked up at
    each start.

    Args:
        account: The account.
        names: The names of pipeline, bucket and stack.
        schedule: cron(…) or rate(…), in UTC; empty for none.
        on_data: Whether an uploaded release starts the pipeline.
        reviewed: The address of uploaded reviewed titles that every start learns from; None is none.

    Raises:
        AwsInputError: There is no image, or neither a schedule nor `on_data`. SettingError: The schedule isn't valid.
        AwsError: CloudFormation failed, and rolled the stack back.
    """
    if not (schedule or on_data):
        raise AwsInputError("found neither a schedule nor --on-data: give one, or --remove to remove the schedule")
    build(Aws, {"schedule": schedule}, "aws.")  # refuses an invalid schedule
    for note in (definition.NO_CHAMPION, definition.NO_REVIEWS):
        start.write_note(account, names, note)
    given = {"ReviewedDataUrl": reviewed} if reviewed else {}
    parameters = start.fixed_parameters(account, names, given)
    return _stack(names).put(account, _values(names, schedule, parameters, on_data=on_data))


def remove(account: Account, names: Names) -> str:
    """Delete the stack, and return `removed`, or `unchanged` if there was none."""
    return _stack(names).remove(account)


def _stack(names: Names) -> SideStack:
    return SideStack(names, "schedule", template())


def _values(names: Names, schedule: str, parameters: Mapping[str, Any], *, on_data: bool) -> dict[str, str]:
    about = {
        "pipeline": names.pipeline,
        "group": names.group,
        "bucket": names.bucket,
        "prefix": names.prefix,
        "parameters": parameters,
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
