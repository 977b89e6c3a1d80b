"""Retry policies: how failures are classified, and when a step is tried again.

The service retries failures of its own, never those of a job's program. Failures on one machine are mapped to its
exception types:

    Step.THROTTLING               an object store asks for fewer requests
    Step.SERVICE_FAULT            an object store fails or can't be reached; a disk or a network folder fails (EIO, …)
    SageMaker.JOB_INTERNAL_ERROR  a job or its supervisor is killed from outside: SIGKILL (as the kernel does when
                                  memory runs out), SIGTERM, SIGHUP or SIGINT
    SageMaker.CAPACITY_ERROR      the machine has no memory or no process left to start a job with (ENOMEM, EAGAIN)
    SageMaker.RESOURCE_LIMIT      the machine has no more open files to give (EMFILE, ENFILE)

No policy retries another failure: an exit code, a crash (SIGSEGV, SIGABRT), a run past MaxRuntimeInSeconds, a missing
input, a refused condition. Nor does one retry what stays until somebody acts: a full disk, a quota, a file that is too
large, a missing permission. Source: AWS, SageMaker AI Developer Guide, "Retry Policy for Pipeline Steps".
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

_FROM_OUTSIDE: Final = tuple(  # Windows has two of them
    getattr(signal, name) for name in ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)
)
_CAPACITY: Final = (errno.ENOMEM, errno.EAGAIN)
_LIMIT: Final = (errno.EMFILE, errno.ENFILE)
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
    """Which failures to retry, and when: the n-th retry starts `interval_s` × `backoff_rate`ⁿ⁻¹ after the failure.

    There are at most `max_attempts` retries or, if that is None, retries until `expire_after_s` after the step began.
    """

    exception_types: tuple[str, ...]
    interval_s: float = 1.0
    backoff_rate: float = 2.0
    max_attempts: int | None = _ATTEMPTS
    expire_after_s: float | None = None


@dataclass(slots=True)
class Retries:
    """The retries of one step that began at `began`, in seconds; each policy has its own count."""

    policies: Sequence[RetryPolicy]
    began: float
    counts: dict[int, int] = field(default_factory=dict)

    def pause_s(self, exception_type: str | None, now: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none.

        The first policy that names the exception type applies.
        """
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
    """Return the exception type for the way a job ended, or None if its program failed.

    Args:
        code: The exit code; negative for the signal that killed the job.
        fault: Why the job never began; empty if it did.
        timed_out: Whether it ran longer than it may.
    """
    if timed_out:
        return None
    if fault:
        found = _ERRNO.search(fault)
        return _of_number(int(found[1])) if found else INTERNAL_ERROR if "supervisor" in fault else None
    return INTERNAL_ERROR if -code in _FROM_OUTSIDE else None


def of(error: Exception) -> str | None:
    """Return the exception type of an error, or None if no policy may retry it."""
    if isinstance(error, OSError):
        return _of_number(error.errno)
    found: str | None = getattr(error, "exception_type", None)
    return found


def _of_number(number: int | None) -> str | None:
    for numbers, name in ((_CAPACITY, CAPACITY_ERROR), (_LIMIT, RESOURCE_LIMIT), (_PASSING, SERVICE_FAULT)):
        if number in numbers:
            return name
    return None


def read(raw: list[Any], location: str, faults: list[str], step_type: str = "") -> tuple[RetryPolicy, ...]:
    """Return the RetryPolicies of a step, and add what is wrong with them to `faults`."""
    found = [_policy(Fields(item, f"{location}[{index}]", faults)) for index, item in enumerate(raw)]
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
    """Return the member; None if it is absent or invalid, which is recorded."""
    if name not in fields.values:
        return None
    value = fields.values[name]
    is_whole = isinstance(value, int) or (name == "BackoffRate" and isinstance(value, float))
    if isinstance(value, bool) or not is_whole or not low <= value <= high:
        kind = "a number" if name == "BackoffRate" else "a whole number"
        fields.refuse(name, f"found {short(value)}, expected {kind} from {low} to {high:,}")
        return None
    return float(value)
