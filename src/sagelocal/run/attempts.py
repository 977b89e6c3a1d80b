"""Run one step with its retry policies; a failure becomes part of the step's record."""

from __future__ import annotations

import dataclasses
import itertools
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sagelocal.definition import retries
from sagelocal.errors import Error, StepFailed
from sagelocal.run import records
from sagelocal.run.records import StepRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sagelocal.definition.steps import Step
    from sagelocal.jobs.stop import StopSignal

    Report = Callable[[StepRecord], None]


@dataclass(frozen=True, slots=True)
class Attempts:
    """Runs the attempts of steps: `logs` has a folder for each step, `wait` is called with seconds."""

    stop: StopSignal
    now: Callable[[], float]
    wait: Callable[[float], None]
    logs: Path

    def decide(self, step: Step, carry_out: Callable[[], StepRecord], report: Report) -> StepRecord:
        """Run the step until it succeeds or has no retry left, and return its last record.

        `report` gets a record before and after each pause.
        """
        began, started = time.monotonic(), self.now()
        tries = retries.Retries(step.retries, started)
        for attempt in itertools.count(1):
            record, exception_type = _attempt(step, carry_out)
            record = dataclasses.replace(record, started=iso(started), attempts=attempt)
            pause = tries.pause_s(exception_type, self.now())
            if pause is None or self.stop.is_draining():
                break
            waiting = f"{record.reason} ({exception_type}): tried again after {pause:g} s"
            report(dataclasses.replace(record, status=records.EXECUTING, reason=waiting))
            self.wait(pause)
            if self.stop.is_draining():
                break
            self._set_aside(step, attempt)
            report(dataclasses.replace(record, status=records.EXECUTING, reason=None, attempts=attempt + 1))
        return dataclasses.replace(record, seconds=round(time.monotonic() - began, 3))

    def _set_aside(self, step: Step, attempt: int) -> None:
        """Rename the logs of a failed attempt: metrics are read from the logs of the last one."""
        logs = self.logs / step.name
        if logs.is_dir():
            logs.rename(logs.with_name(f"{step.name}.attempt-{attempt}"))


def _attempt(step: Step, carry_out: Callable[[], StepRecord]) -> tuple[StepRecord, str | None]:
    """Make one attempt, and return its record and the exception type of its failure."""
    caught: Exception
    try:
        return carry_out(), None
    except StepFailed as error:
        reason, caught = error.reason, error
    except Error as error:
        reason, caught = str(error), error
    except OSError as error:
        fault = f"{error.filename or 'the workspace'}: {error.strerror or error}"
        reason, caught = f"{fault}: make room or give access, and run again", error
    return StepRecord(step.name, step.type, "Failed", reason=reason), retries.of(caught)


def iso(seconds: float) -> str:
    """Return a time in seconds since 1970 as ISO 8601 in UTC, as the service writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
