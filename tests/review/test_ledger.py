"""Paths that no file of a queue can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobmajor.errors import InputError
from jobmajor.review.queue import Queue

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", [".", "folder"])
def test_folder_in_place_of_a_file_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InputError, match="expected a file for the queue"):
        Queue(name)

    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]
