"""The errors of both packages, by who has to act.

    Error
    ├── InputError         the caller: a wrong option, file, definition or title
    │   └── DefinitionError    a pipeline definition that can't run; lists every problem found
    ├── ArtifactError      a stored file is not what its record says: fetch or make it again
    │   └── ChecksumMismatch
    └── PipelineError      this program or a step: a run could not go on
        ├── StepFailed         a job exited with a failure, and its reason
        ├── ServiceFault       a service that the steps use failed: trying again may help
        ├── UnresolvedValue    a reference, a path or a condition that has no value in this run
        └── Busy               another run holds this workspace

`jobmajor.errors` continues this tree. An edge (a command line, a service) catches `Error` and prints the one
line that it carries; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# What SageMaker's retry policies call a failure of the storage behind the steps.
SERVICE_FAULT: Final = "Step.SERVICE_FAULT"
THROTTLING: Final = "Step.THROTTLING"


class Error(Exception):
    """The base class. Its message is one line: what was found, what was expected and what to do."""


class InputError(Error):
    """An input can't be used; the caller has to change it."""


class ArtifactError(Error):
    """A stored file or folder is not what its record says."""


class PipelineError(Error):
    """A run could not go on."""


class DefinitionError(InputError):
    """A definition can't run; `problems` lists everything that is wrong, each as `location: problem`."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"the definition can't run: {self.problems[0]}{more}")


class ChecksumMismatch(ArtifactError):
    """The content of a file differs from its record."""

    def __init__(self, path: Path, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(
            f"{path} has sha256 {found[:12]}…, its record says {expected[:12]}…: delete it and fetch or make it again"
        )


class StepFailed(PipelineError):
    """A step's job failed; `reason` is what the job itself gave, at most 1,024 characters.

    `exception_type` is the service's name for such a failure. It is None for a failure of the job's program, which no
    policy retries.
    """

    def __init__(self, step: str, reason: str, log: Path | None = None, exception_type: str | None = None) -> None:
        self.step, self.reason, self.log, self.exception_type = step, reason, log, exception_type
        where = f" (its log: {log})" if log else ""
        super().__init__(f"step {step!r} failed: {reason}{where}")


class ServiceFault(PipelineError):
    """A service that the steps use (an object store) failed; retry policies name it by `exception_type`."""

    def __init__(self, text: str, exception_type: str) -> None:
        self.exception_type = exception_type
        super().__init__(text)


class UnresolvedValue(PipelineError):
    """An expression of the definition has no value here; `reason` says what was there instead."""

    def __init__(self, expression: str, reason: str) -> None:
        self.expression, self.reason = expression, reason
        super().__init__(f"{expression} has no value: {reason}")


class Busy(PipelineError):
    """Another process holds the workspace."""

    def __init__(self, home: Path) -> None:
        self.home = home
        super().__init__(f"another run holds {home}: wait for it to end, or name another folder with --home")
