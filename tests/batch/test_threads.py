"""Threads that read ahead and write behind: in order, by no more than they may, and never silent about an error."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from jobmajor.batch.threads import ReadAhead, WriteBehind

if TYPE_CHECKING:
    from collections.abc import Iterator


def numbers(made: list[int], count: int = 100) -> Iterator[int]:
    for number in range(count):
        made.append(number)
        yield number


def test_items_come_in_their_order_and_not_far_ahead() -> None:
    made: list[int] = []
    ahead = ReadAhead(numbers(made), depth=2)

    taken = []
    for item in ahead:
        taken.append(item)
        assert len(made) <= len(taken) + 4

    assert taken == list(range(100))
    ahead.close()


def test_reader_that_is_closed_early_stops() -> None:
    made: list[int] = []
    ahead = ReadAhead(numbers(made, 10**9))
    next(iter(ahead))

    ahead.close()

    count = len(made)
    time.sleep(0.05)
    assert len(made) == count
    assert "read-ahead" not in {thread.name for thread in threading.enumerate()}


def test_error_of_the_reader_comes_where_its_item_would() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    ahead = ReadAhead(broken())
    items = iter(ahead)

    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)
    ahead.close()


def test_items_are_written_in_order_and_all_before_it_finishes() -> None:
    done: list[int] = []
    behind = WriteBehind(done.append, depth=2)

    for number in range(50):
        behind.put(number)
    behind.finish()

    assert done == list(range(50))


def test_error_of_the_writer_is_raised_and_nothing_hangs() -> None:
    def fail(_: int) -> None:
        raise OSError("full")

    behind = WriteBehind(fail)
    with suppress(OSError):
        for number in range(100):  # more than can wait
            behind.put(number)
    behind.stop()

    with pytest.raises(OSError, match="full"):
        behind.finish()
