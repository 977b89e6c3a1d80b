"""A folder or a file becomes visible by one rename, after all of it is on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagelocal.storage import publish


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Each flush and each rename that happens, in order: `(verb, name of the file or folder)`."""
    found: list[tuple[str, str]] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def flushed(descriptor: int) -> None:
        found.append(("flush", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        found.append(("rename", Path(target).name))
        rename(source, target)

    def replaced(source: Path, target: Path) -> None:
        found.append(("rename", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(os, "replace", replaced)
    return found


def test_folder_is_renamed_once_after_every_file_and_folder_of_it_is_flushed(
    tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    with publish.new_folder(tmp_path / "model") as staging:
        (staging / "inner").mkdir()
        (staging / "inner" / "deep.bin").write_bytes(b"1")
        (staging / "top.json").write_bytes(b"2")
        made = staging.name

    at = events.index(("rename", "model"))
    assert {("flush", name) for name in ("inner", "deep.bin", "top.json", made)} <= set(events[:at])
    assert events[at + 1 :] == [("flush", tmp_path.name)]  # the new name itself


def test_file_is_flushed_before_its_name_shows_the_new_content(tmp_path: Path, events: list[tuple[str, str]]) -> None:
    publish.write_file(tmp_path / "run.json", b"{}")

    (first, staging), second, third = events
    assert first == "flush"
    assert staging.startswith(publish.STAGING)
    assert (second, third) == (("rename", "run.json"), ("flush", tmp_path.name))


def test_folder_whose_making_failed_is_never_seen_and_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with publish.new_folder(tmp_path / "model") as staging:
            (staging / "half").touch()
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()

    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_there_already_is_kept(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with publish.new_folder(tmp_path / "model") as staging:
            (staging / "a").write_text(content)

    assert (tmp_path / "model" / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
