"""Waiting for what AWS does by itself: looked at again and again, told when it changes, given up after a limit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from jobmajor.aws.api.errors import TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Clock(Protocol):
    """What waiting needs of time; tests bring their own."""

    def now(self) -> float:
        """Seconds since some moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let them pass."""
        ...


class MachineClock:
    """The machine's own."""

    now = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often; `interval_s` lies between two looks."""

    clock: Clock
    limit_s: float
    interval_s: float


def until(
    look: Callable[[], T],
    done: Callable[[T], bool],
    words: Callable[[T], str],
    tell: Callable[[str], None],
    patience: Patience,
) -> T:
    """The first state that is done.

    Args:
        look: Reads the state; may raise what ends the waiting.
        done: Whether that state is the end of it.
        words: Of the state; told when they change.
        tell: Takes them.
        patience: How long.

    Raises:
        TimedOut: It wasn't done in time.
    """
    clock, told = patience.clock, ""
    began = clock.now()
    while not done(state := look()):
        line = words(state)
        if line != told:
            tell(line)
            told = line
        if clock.now() - began >= patience.limit_s:
            raise TimedOut(line, patience.limit_s)
        clock.sleep(patience.interval_s)
    return state
