"""Rows of a coded file as captures: what `monitor` reads of them, and what a run that fails leaves."""

from __future__ import annotations

import csv
import io
import os
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobmajor.cli.main import main
from jobmajor.errors import InputError
from jobmajor.monitor.traffic import capture
from jobmajor.monitor.traffic.batch_recorder import BatchRecorder, Rows
from jobmajor.serve.messages.captured import titles

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = [f'nurse "{number}", ward' for number in range(450)]


def rows(count: int) -> Rows:
    return Rows(count, lambda row: f"title {row}", ("code",), lambda row: (f"{row}",))


def test_all_rows_of_a_file_and_their_answers_are_recorded(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output, folder = tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "captures"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "title"], *([str(row), title] for row, title in enumerate(GIVEN))])
    words = [
        "--input",
        source,
        "--output",
        output,
        "--model",
        model_folder,
        "--capture",
        folder,
        "--capture-share",
        "1",
    ]

    status = main(["classify", *map(str, words)])

    capsys.readouterr()
    found = list(capture.read(folder))
    answers = [row for each in found for row in csv.DictReader(io.StringIO(each.answer.decode()))]
    with output.open(encoding="utf-8", newline="") as file:
        coded = list(csv.DictReader(file))
    assert status == 0
    assert [title for each in found for title in titles(each.body, each.kind)] == GIVEN
    assert [row["code"] for row in answers] == [row["code"] for row in coded]
    assert len({each.event for each in found}) > 1
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_share_of_rows_is_drawn(tmp_path: Path) -> None:
    with BatchRecorder(tmp_path, 0.2, np.random.default_rng(0)) as recorder:
        recorder.add(rows(5_000))
        recorder.add(rows(5_000))

    assert 1_700 < recorder.recorded < 2_300  # seven standard deviations on each side
    assert recorder.recorded == sum(len(titles(each.body, each.kind)) for each in capture.read(tmp_path))


def test_run_that_fails_records_nothing_and_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    old, young = tmp_path / ".recording-old", tmp_path / ".recording-young"
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - 8 * 24 * 3600,) * 2)

    def fail(recorder: BatchRecorder) -> None:
        with recorder:
            recorder.add(rows(10))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(BatchRecorder(tmp_path, 1.0, np.random.default_rng(0)))

    assert list(tmp_path.iterdir()) == [young]


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_other_share_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(InputError, match="the share of captured rows is"):
        BatchRecorder(tmp_path, share, np.random.default_rng(0))


def test_capture_without_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "nurse", "--capture", str(tmp_path)]) == 2
    assert "--capture belongs to --input" in capsys.readouterr().err
