"""Numbers that processes share: sums over rows, what a crash leaves, and limits that hold for all workers together."""

from __future__ import annotations

import os

import pytest

from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.service.admission import GROUPS, Admission, Limits
from jobmajor.serve.service.tally import Tally

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers need fork, which this system has not")


def in_child(call: object) -> int:
    """The status of a forked process that makes a call."""
    pid = os.fork()
    if not pid:
        try:
            call()  # type: ignore[operator]
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@needs_fork
def test_what_a_forked_process_counts_is_in_the_sum_of_its_parent() -> None:
    tally = Tally(rows=2)
    tally.add("served", 3)

    def count() -> None:
        tally.enter(1)
        tally.add("served", 4)
        tally.add("refused")

    assert in_child(count) == 0
    assert tally.sums() == {"served": 7, "refused": 1}
    assert (tally.of("served", 1), tally.of("refused", 0)) == (4, 0)


@needs_fork
def test_counts_of_a_worker_that_crashed_stay_and_what_it_held_does_not() -> None:
    tally = Tally(rows=2, groups=1)

    def crash() -> None:
        tally.enter(1)
        tally.add("served", 4)
        tally.set("open", 9)
        tally.hold(0, "anna", 100)

    def next_life() -> None:
        tally.enter(1, volatile=("open",))
        tally.add("served", 1)

    assert in_child(crash) == 0
    assert tally.held(0, "anna") == 100
    assert in_child(next_life) == 0
    assert tally.sums() == {"served": 5, "open": 0}
    assert tally.held(0, "anna") == 0


def test_number_of_all_holders_together_is_shared_with_none_of_them() -> None:
    tally = Tally(groups=2)

    for number in range(5_000):
        tally.hold(1, f"address {number}", 1)

    assert (tally.held(1, ""), tally.held(0, "")) == (0, 0)


def test_names_beyond_the_memory_for_them_are_refused() -> None:
    tally = Tally()

    with pytest.raises(ValueError, match="no cell"):
        tally.add("x" * 200)


@needs_fork
def test_bytes_that_one_worker_holds_count_against_the_limit_of_another() -> None:
    tally = Tally(rows=3, groups=GROUPS)
    limits = Limits(body_bytes=100, all_bytes=200)

    def hold() -> None:
        tally.enter(1)
        with Admission(limits, tally=tally).entered("", "10.0.0.1") as permit:
            permit.take_bytes(90)
            os._exit(0)  # a crash: nothing is given back

    assert in_child(hold) == 0
    own = Admission(limits, tally=tally)
    with own.entered("", "10.0.0.1") as same, own.entered("", "10.0.0.2") as other:
        with pytest.raises(Refusal) as refused:
            same.take_bytes(20)
        other.take_bytes(100)
        with pytest.raises(Refusal) as full:
            other.take_bytes(20)

    assert (refused.value.status, full.value.status) == (429, 503)
    assert tally.held(0, "") == 90
