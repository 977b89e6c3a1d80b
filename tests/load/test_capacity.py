"""The capacity of the service: how it is found, and that a real service is measured with its clients held apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks import capacity
from benchmarks.capacity import Processors, Step


def a_step(rate: float, p99_ms: float = 10.0, answered: float = 1.0) -> Step:
    return Step(1, rate, answered, 1.0, p99_ms, 400.0, 0.0)


def test_capacity_is_found_between_the_last_rate_that_was_held_and_the_first_that_was_not() -> None:
    steps = capacity.climb(lambda rate: a_step(rate, 20.0 if rate <= 1000 else 80.0))

    assert 930 <= capacity.capacity(steps) <= 1000
    assert [step.rate for step in steps] == sorted(step.rate for step in steps)


@pytest.mark.parametrize("step", [a_step(100, p99_ms=50.0), a_step(100, answered=0.999)])
def test_rate_with_a_late_or_missing_answer_is_no_capacity(step: Step) -> None:
    assert capacity.capacity([step]) == 0


def test_service_that_holds_no_rate_has_no_capacity() -> None:
    assert capacity.capacity(capacity.climb(lambda rate: a_step(rate, 1000.0))) == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="processors are counted as Linux does")
def test_curve_of_a_real_service_has_its_processor_time(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["capacity", "--workers", "2", "--rates", "20", "--seconds", "1", "--model", str(model_folder)]
    monkeypatch.setattr("sys.argv", words)
    before = os.sched_getaffinity(0)

    status = capacity.main()

    shown = capsys.readouterr().out
    assert status == 0
    assert "100.0%" in shown
    assert "capacity with 2 workers" in shown
    assert os.sched_getaffinity(0) == before
    split = Processors.split(1)
    assert split.clients.isdisjoint(split.service) or len(before) == 1
