"""List, describe, wait for and stop executions of the pipeline.

The state is read from the service each time, so a wait that was killed can be repeated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.account import token, utc
from jobmajor.aws.api.errors import AwsInputError, NotFound

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterator, Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

SUCCEEDED, EXECUTING = "Succeeded", "Executing"
DAY_S: Final = 86_400.0
_ENDED: Final = (SUCCEEDED, "Failed", "Stopped")
_INTERVAL_S: Final = 15.0
_NAMED: Final = re.compile(r"<ExecutionId>|[a-zA-Z0-9]+|arn:[\w:/.-]+:pipeline/[\w-]+/execution/[a-zA-Z0-9]+")
_JOBS: Final = ("ProcessingJob", "TrainingJob", "TuningJob", "TransformJob")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an execution.

    Attributes:
        name: Its name in the definition.
        status: The service's status: Starting, Executing, Succeeded, Failed, Stopping, Stopped.
        seconds: How long it took, or has run so far; None before it began.
        attempts: More than 1 if a retry policy repeated it.
        cached: Whether its result comes from an earlier execution.
        reason: The reason of a failure, or a condition's outcome.
        job: The ARN of its job, or "" if it has none.
    """

    name: str
    status: str
    seconds: float | None
    attempts: int
    cached: bool
    reason: str
    job: str


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution; `started` is ISO 8601 in UTC, `steps` are in the order in which they began."""

    arn: str
    status: str
    started: str
    failure: str
    steps: tuple[Step, ...]

    @property
    def id(self) -> str:
        """Return the last part of the ARN: 12 letters and digits."""
        return self.arn.rpartition("/")[2]

    @property
    def ended(self) -> bool:
        """Return whether the status is final."""
        return self.status in _ENDED


def summaries(account: Account, names: Names) -> Iterator[dict[str, Any]]:
    """Return the service's summary of each execution, newest first."""
    order = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    member = "PipelineExecutionSummaries"
    return account.pages("sagemaker", "ListPipelineExecutions", member, PipelineName=names.pipeline, **order)


def executions(account: Account, names: Names, newest: int) -> list[Execution]:
    """Return the `newest` executions, newest first, without their steps.

    Raises:
        AwsInputError: The pipeline doesn't exist.
    """
    try:
        found = list(islice(summaries(account, names), newest))
    except NotFound as error:
        raise AwsInputError(f"there is no pipeline {names.pipeline}: run `jobmajor aws pipeline upsert`") from error
    return [_execution(item, ()) for item in found]


def execution_arn(account: Account, names: Names, named: str | None = None) -> str:
    """Return the ARN of the execution with that id or ARN, or of the newest one when `named` is None.

    Raises:
        AwsInputError: There is no execution yet, or `named` is neither an id nor an ARN.
    """
    if named is None:
        found = executions(account, names, 1)
        if not found and not account.dry:
            raise AwsInputError(f"{names.pipeline} has no execution yet: run `jobmajor aws pipeline start`")
        named = found[0].arn if found else "<ExecutionId>"
    if not _NAMED.fullmatch(named):
        raise AwsInputError(
            f"found {named!a}, expected an execution's id or ARN: `jobmajor aws pipeline list` lists them"
        )
    if named.startswith("arn:"):
        return named
    where = f"arn:{names.partition}:sagemaker:{names.region}:{names.account_id}"
    return f"{where}:pipeline/{names.pipeline}/execution/{named}"


def state(account: Account, arn: str) -> Execution:
    """Return an execution with its steps.

    Raises:
        AwsInputError: The execution doesn't exist.
    """
    try:
        found = account.read("sagemaker", "DescribePipelineExecution", PipelineExecutionArn=arn)
    except NotFound as error:
        raise AwsInputError(f"there is no execution {arn}: `jobmajor aws pipeline list` lists them") from error
    order = {"PipelineExecutionArn": arn, "SortOrder": "Ascending"}
    steps = account.pages("sagemaker", "ListPipelineExecutionSteps", "PipelineExecutionSteps", **order)
    return _execution(found, tuple(_step(item) for item in steps))


def _execution(found: Mapping[str, Any], steps: tuple[Step, ...]) -> Execution:
    started = found.get("CreationTime") or found.get("StartTime")
    return Execution(
        found["PipelineExecutionArn"],
        found["PipelineExecutionStatus"],
        utc(started, "seconds") if started else "",
        found.get("FailureReason") or found.get("PipelineExecutionFailureReason", ""),
        steps,
    )


def _step(found: Mapping[str, Any]) -> Step:
    about = found.get("Metadata", {})
    outcome = about.get("Condition", {}).get("Outcome", "")
    reason = found.get("FailureReason", "") or about.get("Fail", {}).get("ErrorMessage", "") or outcome
    return Step(
        name=found["StepName"],
        status=found["StepStatus"],
        seconds=_seconds(found.get("StartTime"), found.get("EndTime")),
        attempts=max(found.get("AttemptCount", 1), 1),
        cached="CacheHitResult" in found,
        reason=reason,
        job=next((about[kind]["Arn"] for kind in _JOBS if kind in about), ""),
    )


def _seconds(began: datetime.datetime | None, ended: datetime.datetime | None) -> float | None:
    if began is None:
        return None
    return ((ended or began.now(began.tzinfo)) - began).total_seconds()


def wait(
    account: Account, arn: str, on_state: Callable[[Execution], None] | None = None, *, limit_s: float = DAY_S
) -> Execution:
    """Wait until an execution has ended, and return it; `on_state` is called with each state.

    Raises:
        TimedOut: It still runs after `limit_s` seconds; call again to wait longer.
    """

    def read_state() -> Execution:
        found = state(account, arn)
        if on_state:
            on_state(found)
        return found

    words = f"execution {arn.rpartition('/')[2]}"
    return account.wait(read_state, lambda found: found.ended, describe=words, limit_s=limit_s, interval_s=_INTERVAL_S)


def stop(account: Account, arn: str) -> Execution:
    """Ask an execution to stop, unless it has ended, and return its state from before."""
    found = state(account, arn)
    if not found.ended:
        account.change(
            "sagemaker", "StopPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken=token("stop", arn)
        )
    return found
