"""When a failed step is tried again: what its failure is called, and what the step's own policies say of that.

The service retries faults of its own, never what a job's program did. What happens on one machine, and the name
that a policy knows it by:

    Step.THROTTLING               an object store asks for fewer requests
    Step.SERVICE_FAULT            an object store fails or can't be reached; a disk or a network folder fails (EIO, …)
    SageMaker.JOB_INTERNAL_ERROR  a job is killed from outside: SIGKILL, as the kernel does when memory runs out, or a
                                  person's SIGTERM, SIGHUP, SIGINT; or its supervisor is
    SageMaker.CAPACITY_ERROR      the machine has no memory or no process left to start a job with (ENOMEM, EAGAIN)
    SageMaker.RESOURCE_LIMIT      a limit is reached: disk, quota, open files (ENOSPC, EDQUOT, EMFILE, ENFILE, EFBIG)

Every other failure is the job's or the definition's own, and no policy retries it: an exit code, a crash (SIGSEGV,
SIGABRT), a run past MaxRuntimeInSeconds, a missing input, a refused condition. Source of the policies: AWS, SageMaker
AI Developer Guide, "Retry Policy for Pipeline Steps".
"""

from __future__ import annotations

import errno
import re
import signal
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition.expressions import short
from sagelocal.definition.fields import Fields, likely
from sagelocal.errors import SERVICE_FAULT, THROTTLING

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERNAL_ERROR: Final = "SageMaker.JOB_INTERNAL_ERROR"
CAPACITY_ERROR: Final = "SageMaker.CAPACITY_ERROR"
RESOURCE_LIMIT: Final = "SageMaker.RESOURCE_LIMIT"
TYPES: Final = (SERVICE_FAULT, THROTTLING, INTERNAL_ERROR, CAPACITY_ERROR, RESOURCE_LIMIT)

_FROM_OUTSIDE: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_CAPACITY: Final = (errno.ENOMEM, errno.EAGAIN)
_LIMIT: Final = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EFBIG)
_PASSING: Final = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY)
_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
# (member, lowest, highest); a rate has no limit there, 100 is ours.
_RANGES: Final = (
    ("IntervalSeconds", 1, 43_200),
    ("BackoffRate", 0, 100),
    ("MaxAttempts", 0, 20),
    ("ExpireAfterMin", 0, 14_400),
)
_ATTEMPTS: Final = 5
_OWN_RETRIES: Final = ("Tuning", "AutoML")  # their jobs' internal errors are theirs to answer, says the same source


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """After which failures to try again: the n-th time `interval_s` × `backoff_rate`ⁿ⁻¹ later.

    At most `max_attempts` times, or, where that is None, until `expire_after_s` after the step began.
    """

    exception_types: tuple[str, ...]
    interval_s: float = 1.0
    backoff_rate: float = 2.0
    max_attempts: int | None = _ATTEMPTS
    expire_after_s: float | None = None


@dataclass(slots=True)
class Retries:
    """The tries of one step that began at `began`, in seconds; each policy counts its own."""

    policies: Sequence[RetryPolicy]
    began: float
    counts: dict[int, int] = field(default_factory=dict)

    def pause_s(self, exception_type: str | None, now: float) -> float | None:
        """Seconds to wait before the next try, None when there is none; the first policy that names the type counts."""
        for index, policy in enumerate(self.policies):
            if exception_type in policy.exception_types:
                done = self.counts.get(index, 0)
                pause = policy.interval_s * policy.backoff_rate**done
                if policy.max_attempts is not None and done >= policy.max_attempts:
                    return None
                if policy.expire_after_s is not None and now + pause - self.began > policy.expire_after_s:
                    return None
                self.counts[index] = done + 1
                return pause
        return None


def after_exit(code: int, fault: str, *, timed_out: bool) -> str | None:
    """What a policy calls the way a job ended; None for the job's own failure.

    Args:
        code: The exit code; negative for the signal that killed the job.
        fault: Why the job never began; empty where it did.
        timed_out: Whether it ran longer than it may.
    """
    if timed_out:
        return None
    if fault:
        found = _ERRNO.search(fault)
        return _of_number(int(found[1])) if found else INTERNAL_ERROR if "supervisor" in fault else None
    return INTERNAL_ERROR if -code in _FROM_OUTSIDE else None


def of(error: Exception) -> str | None:
    """What a policy calls this error; None where no policy may answer it."""
    if isinstance(error, OSError):
        return _of_number(error.errno)
    found: str | None = getattr(error, "exception_type", None)
    return found


def _of_number(number: int | None) -> str | None:
    for numbers, name in ((_CAPACITY, CAPACITY_ERROR), (_LIMIT, RESOURCE_LIMIT), (_PASSING, SERVICE_FAULT)):
        if number in numbers:
            return name
    return None


def read(raw: list[Any], place: str, faults: list[str], step_type: str = "") -> tuple[RetryPolicy, ...]:
    """The RetryPolicies of a step; what is wrong with them is added to `faults`."""
    found = [_policy(Fields(item, f"{place}[{index}]", faults)) for index, item in enumerate(raw)]
    if step_type in _OWN_RETRIES:
        kept = [[name for name in policy.exception_types if name != INTERNAL_ERROR] for policy in found]
        found = [replace(policy, exception_types=tuple(names)) for policy, names in zip(found, kept, strict=True)]
    return tuple(found)


def _policy(fields: Fields) -> RetryPolicy:
    fields.only(("ExceptionType", *(name for name, _, _ in _RANGES)))
    types = fields.texts("ExceptionType")
    if not types:
        fields.refuse("ExceptionType", "expected the names of the errors to retry after")
    for name in types:
        if name not in TYPES:
            fields.refuse("ExceptionType", f"no error is called {name!r}{likely(name, TYPES)}")
    if "MaxAttempts" in fields.values and "ExpireAfterMin" in fields.values:
        fields.refuse("MaxAttempts", "stands beside ExpireAfterMin: leave one of the two out")
    interval, rate, attempts, minutes = (_number(fields, *limits) for limits in _RANGES)
    most = None if minutes is not None else _ATTEMPTS if attempts is None else int(attempts)
    return RetryPolicy(
        types,
        1.0 if interval is None else interval,
        2.0 if rate is None else rate,
        most,
        None if minutes is None else minutes * 60,
    )


def _number(fields: Fields, name: str, low: int, high: int) -> float | None:
    """The member, None where it is absent or none that the service takes, which is noted."""
    if name not in fields.values:
        return None
    value = fields.values[name]
    is_whole = isinstance(value, int) or (name == "BackoffRate" and isinstance(value, float))
    if isinstance(value, bool) or not is_whole or not low <= value <= high:
        kind = "a number" if name == "BackoffRate" else "a whole number"
        fields.refuse(name, f"found {short(value)}, expected {kind} from {low} to {high:,}")
        return None
    return float(value)
