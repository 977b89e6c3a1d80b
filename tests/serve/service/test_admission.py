"""What is let in is bounded, each bound says which it is, and what has left makes room."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.service.admission import Admission, Limits

if TYPE_CHECKING:
    from collections.abc import Callable


def status(ask: Callable[[], None]) -> int:
    """What a refused request is told."""
    with pytest.raises(Refusal) as refused:
        ask()
    return refused.value.status


def test_request_too_many_is_503_with_the_time_to_wait_and_the_next_has_room() -> None:
    admission = Admission(Limits(requests=2))

    with ExitStack() as inside:
        inside.enter_context(admission.entered(""))
        inside.enter_context(admission.entered(""))
        with pytest.raises(Refusal) as refused, admission.entered(""):
            pass

    assert refused.value.status == 503
    assert refused.value.headers == {"Retry-After": "1"}
    with admission.entered(""):
        assert admission.requests == 1
    assert admission.requests == 0


def test_client_that_holds_its_share_is_429_while_another_gets_in() -> None:
    admission = Admission(Limits(requests=4), share=1)

    with admission.entered("anna"):
        with pytest.raises(Refusal) as refused, admission.entered("anna"):
            pass
        with admission.entered("ben"):
            assert admission.requests == 2

    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})


def test_bytes_and_answers_are_bounded_in_one_request_and_in_all() -> None:
    admission = Admission(Limits(titles=10, answers=20, all_bytes=100, all_answers=30))

    with admission.entered("") as first, admission.entered("") as second:
        first.take_bytes(60)
        first.take_answers(10, 2)
        assert status(lambda: second.take_bytes(41)) == 503
        assert status(lambda: second.take_answers(11, 1)) == 413
        assert status(lambda: second.take_answers(7, 3)) == 413
        assert status(lambda: second.take_answers(6, 2)) == 503
        second.take_bytes(40)
        second.take_answers(5, 2)

    assert (admission.requests, admission.size_bytes, admission.answers) == (0, 0, 0)


def test_what_a_failed_request_held_is_given_back() -> None:
    admission = Admission(Limits())

    def fail() -> None:
        with admission.entered("anna") as permit:
            permit.take_bytes(5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert (admission.requests, admission.size_bytes) == (0, 0)
