from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sagelocal.errors import ArtifactError
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


@pytest.mark.parametrize("name", ["id", "status", "parameters", "started", "seconds", "steps", "failure", "selected"])
def test_record_with_a_member_of_another_kind_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    folder = _executing(tmp_path / "a")
    whole = json.loads((folder / records.NAME).read_bytes())
    for value in (None, 5, "x", [], {}, [1], {"a": 1}, True):
        is_right = type(value) is type(whole[name]) and value != [1]
        if is_right or (name, value) in (("seconds", 5), ("seconds", True), ("failure", "x")):
            continue
        (folder / records.NAME).write_text(json.dumps({**whole, name: value}))
        with pytest.raises(ArtifactError, match="is no record of a run") as caught:
            records.read(folder)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", None), ("seconds", "1"), ("reason", 5), ("metrics", []), ("conditions", ["x"]), ("attempts", "1")],
)
def test_step_with_a_member_of_another_kind_is_refused(tmp_path: Path, name: str, value: object) -> None:
    folder = _executing(tmp_path / "a")
    whole = json.loads((folder / records.NAME).read_bytes())
    whole["steps"][0][name] = value
    (folder / records.NAME).write_text(json.dumps(whole))

    with pytest.raises(ArtifactError, match="is no record of a run"):
        records.read(folder)


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
