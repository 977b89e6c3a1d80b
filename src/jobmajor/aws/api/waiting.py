"""Wait for work that AWS does: poll its state, report each change, and give up after a limit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from jobmajor.aws.api.errors import TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Clock(Protocol):
    """The time functions that waiting uses; tests provide their own."""

    def now(self) -> float:
        """Return the seconds since a fixed moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for that long."""
        ...


class MachineClock:
    """The machine's clock."""

    now = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


@dataclass(frozen=True, slots=True)
class Polling:
    """How long to poll, and how many seconds to wait between two polls."""

    clock: Clock
    limit_s: float
    interval_s: float


def until(
    read_state: Callable[[], T],
    done: Callable[[T], bool],
    words: Callable[[T], str],
    tell: Callable[[str], None],
    polling: Polling,
) -> T:
    """Poll a state until it is final, and return it.

    Args:
        read_state: Reads the state; an exception ends the waiting.
        done: Whether a state is final.
        words: Describes a state; the description is reported when it changes.
        tell: Called with each description.
        polling: How long and how often.

    Raises:
        TimedOut: The state wasn't final in time.
    """
    clock, told = polling.clock, ""
    began = clock.now()
    while not done(state := read_state()):
        line = words(state)
        if line != told:
            tell(line)
            told = line
        if clock.now() - began >= polling.limit_s:
            raise TimedOut(line, polling.limit_s)
        clock.sleep(polling.interval_s)
    return state
