"""One step, tried as often as its policies allow; whatever goes wrong in it becomes its record."""

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
    """How the steps of a run are tried: `logs` holds a folder for each step, `wait` is given seconds."""

    stop: StopSignal
    now: Callable[[], float]
    wait: Callable[[float], None]
    logs: Path

    def decide(self, step: Step, carry_out: Callable[[], StepRecord], report: Report) -> StepRecord:
        """Return the step's last record; one that waits for its next try is told."""
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
        """Keep the logs of a failed try under another name: metrics are read from those of the last."""
        logs = self.logs / step.name
        if logs.is_dir():
            logs.rename(logs.with_name(f"{step.name}.attempt-{attempt}"))


def _attempt(step: Step, carry_out: Callable[[], StepRecord]) -> tuple[StepRecord, str | None]:
    """Return one try, and what a retry policy calls its failure."""
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
    """Return the time, in seconds since 1970, as the service writes it: ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
