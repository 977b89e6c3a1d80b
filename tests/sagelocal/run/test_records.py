from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sagelocal.run import records
from sagelocal.storage import lock

if TYPE_CHECKING:
    from pathlib import Path


def _executing(folder: Path) -> Path:
    folder.mkdir()
    step = records.StepRecord("train", "Training", records.EXECUTING)
    records.write(
        records.Execution("a", records.EXECUTING, folder, "d", "p", {}, "2026-01-01T00:00:00Z", steps=(step,))
    )
    return folder


def test_killed_run_is_interrupted_for_programs_that_read_its_file_too(tmp_path: Path) -> None:
    folder = _executing(tmp_path / "a")

    records.settle(folder)

    stored = json.loads((folder / records.NAME).read_bytes())
    assert (stored["status"], stored["steps"][0]["status"]) == (records.INTERRUPTED, records.INTERRUPTED)
    assert records.read(folder).status == records.INTERRUPTED
    assert "its process died" in stored["failure"]


def test_run_in_progress_stays_executing(tmp_path: Path) -> None:
    folder = _executing(tmp_path / "a")

    with lock.wait_for(folder):
        records.settle(folder)
        assert json.loads((folder / records.NAME).read_bytes())["status"] == records.EXECUTING


def test_damaged_record_is_left_as_it_is(tmp_path: Path) -> None:
    folder = _executing(tmp_path / "a")
    (folder / records.NAME).write_bytes(b"{")

    records.settle(folder)

    assert (folder / records.NAME).read_bytes() == b"{"
