"""The step `monitor` as its container runs it: what it leaves, and the lines that alarms look for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from jobmajor.monitor import reference
from jobmajor.monitor.observe import Capture, Observer
from jobmajor.monitor.traffic.recorder import Bounds, Event, Recorder
from jobmajor.serve.messages.captured import titles
from jobmajor.steps import __main__ as steps
from sagelocal.storage import archive, manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

AT = datetime(2026, 11, 30, 9, tzinfo=UTC)
SAME, SHIFTED = ["registered nurse", "line cook"] * 60, ["line cook"] * 120


def record(folder: Path, given: list[str]) -> None:
    """Record titles, one a request."""
    writer = Recorder(folder, Bounds(days=3650))
    for title in given:
        writer.write(Event(AT, "application/json", json.dumps([title]).encode(), "application/json", b"{}").line(), AT)


@pytest.fixture
def root(tmp_path: Path, model_folder: Path, classifier: Classifier) -> Path:
    """What the job finds, without captured traffic."""
    inputs = tmp_path / "ml" / "processing"
    (inputs / "model").mkdir(parents=True)
    archive.pack(model_folder, inputs / "model" / "model.tar.gz")
    record(tmp_path / "accepted", SAME)
    observer = Observer(classifier, manifest.read(model_folder).digest)
    (inputs / "capture").mkdir()
    reference.save(observer.observe(Capture(tmp_path / "accepted", titles)), inputs / "reference" / "reference.json")
    return tmp_path / "ml"


@pytest.fixture
def run(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """Status and log of the step."""
    monkeypatch.setenv(steps.ROOT_VARIABLE, str(root))
    caplog.set_level("INFO")

    def call(*words: str) -> tuple[int, str]:
        caplog.clear()
        return steps.main(["monitor", "--project", "test", *words]), caplog.text

    return call


@pytest.mark.slow
def test_violation_completes_the_job_and_writes_the_line_that_the_alarm_looks_for(root: Path) -> None:
    record(root / "processing" / "capture" / "endpoint" / "champion", SHIFTED)

    done = subprocess.run(
        [sys.executable, "-m", "jobmajor.steps", "monitor", "--project", "test", "--period", "2026-11-30"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, steps.ROOT_VARIABLE: str(root)},
    )

    output = root / "processing" / "output" / "monitor"
    assert done.returncode == 0, done.stdout
    assert re.search("jobmajor_monitor_violation project=test this has drifted from the reference: ", done.stdout)
    assert re.search("jobmajor_monitor_ended project=test rows=120: this has drifted", done.stdout)
    assert "line cook" not in done.stdout + done.stderr
    assert {path.name for path in output.iterdir()} == {
        "drift.html",
        "manifest.json",
        "metrics.prom",
        "violations.json",
    }
    manifest.verify(output)


def test_like_traffic_and_none_end_without_a_violation(root: Path, run: Callable[..., tuple[int, str]]) -> None:
    record(root / "processing" / "capture", SAME)

    same = run("--period", "2026-11")
    nothing = run("--period", "2020-01-01")

    assert (same[0], nothing[0]) == (0, 0)
    assert "jobmajor_monitor_ended project=test rows=120: nothing differs" in same[1]
    assert "jobmajor_monitor_ended project=test rows=0: the period has no traffic" in nothing[1]
    assert "jobmajor_monitor_violation" not in same[1] + nothing[1]


def test_check_that_can_t_be_made_fails_and_ends_no_check(
    run: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    status, log = run()

    assert status == 1
    assert "jobmajor_monitor_ended" not in log
    assert "no file that ends in .jsonl" in capsys.readouterr().out
