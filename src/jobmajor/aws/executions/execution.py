"""Executions of the pipeline in the account: which there are, how far one is, waited for and stopped.

All of it is the service's own word, read anew each time: whoever watched and was killed watches on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.account import token
from jobmajor.aws.api.errors import AwsInputError, NotThere

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
        status: As the service has it: Starting, Executing, Succeeded, Failed, Stopping, Stopped.
        seconds: How long it took, or has taken so far; None before it began.
        attempts: More than 1 where a retry policy had it tried again.
        cached: Whether its result is an earlier execution's.
        reason: Of a failure, or what a condition came to.
        job: The ARN of its job, "" where it has none.
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
    """One execution as the service tells it; `steps` in the order in which they began."""

    arn: str
    status: str
    started: str
    failure: str
    steps: tuple[Step, ...]

    @property
    def id(self) -> str:
        """The last part of the ARN: 12 letters and digits."""
        return self.arn.rpartition("/")[2]

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change."""
        return self.status in _ENDED


def summaries(account: Account, names: Names) -> Iterator[dict[str, Any]]:
    """What the service lists of each execution, newest first."""
    order = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    member = "PipelineExecutionSummaries"
    return account.pages("sagemaker", "ListPipelineExecutions", member, PipelineName=names.pipeline, **order)


def executions(account: Account, names: Names, newest: int) -> list[Execution]:
    """The newest so many, newest first, without their steps.

    Raises:
        AwsInputError: There is no such pipeline.
    """
    try:
        found = list(islice(summaries(account, names), newest))
    except NotThere as error:
        raise AwsInputError(f"there is no pipeline {names.pipeline}: run `jobmajor aws pipeline upsert`") from error
    return [_execution(item, ()) for item in found]


def execution_arn(account: Account, names: Names, named: str | None = None) -> str:
    """The ARN of an execution: of the one named by its id or ARN, else of the newest.

    Raises:
        AwsInputError: There is none yet, or that is no name of one.
    """
    if named is None:
        found = executions(account, names, 1)
        if not found and not account.dry:
            raise AwsInputError(f"{names.pipeline} has no execution yet: run `jobmajor aws pipeline start`")
        named = found[0].arn if found else "<ExecutionId>"
    if not _NAMED.fullmatch(named):
        raise AwsInputError(
            f"found {named!a}, expected an execution's id or ARN: `jobmajor aws pipeline list` names them"
        )
    if named.startswith("arn:"):
        return named
    where = f"arn:{names.partition}:sagemaker:{names.region}:{names.account_id}"
    return f"{where}:pipeline/{names.pipeline}/execution/{named}"


def state(account: Account, arn: str) -> Execution:
    """An execution with its steps.

    Raises:
        AwsInputError: There is no such execution.
    """
    try:
        found = account.read("sagemaker", "DescribePipelineExecution", PipelineExecutionArn=arn)
    except NotThere as error:
        raise AwsInputError(f"there is no execution {arn}: `jobmajor aws pipeline list` names them") from error
    order = {"PipelineExecutionArn": arn, "SortOrder": "Ascending"}
    steps = account.pages("sagemaker", "ListPipelineExecutionSteps", "PipelineExecutionSteps", **order)
    return _execution(found, tuple(_step(item) for item in steps))


def _execution(found: Mapping[str, Any], steps: tuple[Step, ...]) -> Execution:
    started = found.get("CreationTime") or found.get("StartTime")
    return Execution(
        found["PipelineExecutionArn"],
        found["PipelineExecutionStatus"],
        started.isoformat(timespec="seconds") if started else "",
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
    account: Account, arn: str, on_look: Callable[[Execution], None] | None = None, *, limit_s: float = DAY_S
) -> Execution:
    """The execution when it has ended; `on_look` gets each state on the way.

    Raises:
        TimedOut: It still runs after `limit_s`; waiting again goes on.
    """

    def look() -> Execution:
        found = state(account, arn)
        if on_look:
            on_look(found)
        return found

    words = f"execution {arn.rpartition('/')[2]}"
    return account.wait(look, lambda found: found.ended, describe=words, limit_s=limit_s, interval_s=_INTERVAL_S)


def stop(account: Account, arn: str) -> Execution:
    """Ask an execution to stop; one that has ended stays as it is."""
    found = state(account, arn)
    if not found.ended:
        account.change(
            "sagemaker", "StopPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken=token("stop", arn)
        )
    return found
