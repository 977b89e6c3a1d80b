"""Read the logs of an execution's jobs from CloudWatch Logs, once or continuously while they run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobmajor.aws.api.errors import NotFound
from jobmajor.aws.executions import execution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.aws.api.account import Account

_GROUPS: Final = {
    "processing-job": "/aws/sagemaker/ProcessingJobs",
    "training-job": "/aws/sagemaker/TrainingJobs",
    "transform-job": "/aws/sagemaker/TransformJobs",
}
_TUNING: Final = "hyper-parameter-tuning-job"
_INTERVAL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log: the step, the instance's log stream, milliseconds since 1970, and the text."""

    step: str
    stream: str
    time_ms: int
    text: str


@dataclass(slots=True)
class Reader:
    """Reads an execution's logs and remembers how far; `step` limits it to one step's jobs.

    Each stream is continued from the service's token of the last page, so no line is repeated or missed.
    """

    account: Account
    arn: str
    step: str | None = None
    _tokens: dict[str, str] = field(default_factory=dict)

    def lines(self, *, follow: bool = False) -> Iterator[Line]:
        """Yield the lines so far, step by step; with `follow` also new ones, until the execution has ended."""
        while True:
            state = execution.state(self.account, self.arn)
            for step in state.steps:
                if step.job and self.step in (None, step.name):
                    yield from self._of_step(step)
            if not follow or state.ended or self.account.dry:
                return
            self.account.clock.sleep(_INTERVAL_S)

    def _of_step(self, step: execution.Step) -> Iterator[Line]:
        for kind, job in self._jobs(step.job):
            group = _GROUPS[kind]
            for stream in self._streams(group, job):
                yield from self._of_stream(step.name, group, stream)

    def _jobs(self, arn: str) -> Iterator[tuple[str, str]]:
        """Yield the kind and name of a job, or of each training job of a tuning job."""
        kind, _, name = arn.rpartition(":")[2].partition("/")
        if kind != _TUNING:
            yield kind, name
            return
        operation, member = "ListTrainingJobsForHyperParameterTuningJob", "TrainingJobSummaries"
        for job in self.account.pages("sagemaker", operation, member, HyperParameterTuningJobName=name):
            yield "training-job", job["TrainingJobName"]

    def _streams(self, group: str, job: str) -> list[str]:
        """Return the stream of each instance; none exists before the job has written its first line."""
        where = {"logGroupName": group, "logStreamNamePrefix": f"{job}/"}
        try:
            found = self.account.pages("logs", "DescribeLogStreams", "logStreams", **where)
            return [item["logStreamName"] for item in found]
        except NotFound:
            return []

    def _of_stream(self, step: str, group: str, stream: str) -> Iterator[Line]:
        where = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
        while True:
            seen = self._tokens.get(stream)
            answer = self.account.read("logs", "GetLogEvents", **where, **({"nextToken": seen} if seen else {}))
            self._tokens[stream] = answer["nextForwardToken"]
            for event in answer["events"]:
                yield Line(step, stream, event["timestamp"], event["message"])
            if answer["nextForwardToken"] == seen:  # the service returns the same token at the end of the stream
                return
