"""A folder is taken only if it holds what its manifest records: no file more, none fewer, none changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sagelocal.errors import ArtifactError, ChecksumMismatch
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.bin").write_bytes(b"1234")
    (tmp_path / "b.json").write_bytes(b"{}")
    manifest.write(tmp_path, settings={"seed": 1})
    return tmp_path


def test_folder_as_it_was_recorded_is_taken(folder: Path) -> None:
    assert list(manifest.verify(folder).files) == ["b.json", "inner/a.bin"]


def test_file_that_is_not_recorded_is_refused_by_name(folder: Path) -> None:
    (folder / "inner" / "more.txt").touch()

    with pytest.raises(ArtifactError, match=r"inner/more\.txt"):
        manifest.verify(folder)


def test_file_that_is_missing_is_refused_by_name(folder: Path) -> None:
    (folder / "b.json").unlink()

    with pytest.raises(ArtifactError, match=r"b\.json"):
        manifest.verify(folder)


def test_other_content_of_the_same_size_is_refused_with_both_checksums(folder: Path) -> None:
    (folder / "inner" / "a.bin").write_bytes(b"1235")

    with pytest.raises(ChecksumMismatch) as caught:
        manifest.verify(folder)

    assert caught.value.path == folder / "inner" / "a.bin"
    assert caught.value.found == manifest.hash_file(folder / "inner" / "a.bin") != caught.value.expected


def test_link_in_place_of_a_file_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    twin = tmp_path_factory.mktemp("twin") / "b.json"
    twin.write_bytes((folder / "b.json").read_bytes())
    (folder / "b.json").unlink()
    (folder / "b.json").symlink_to(twin)

    with pytest.raises(ArtifactError, match="link"):
        manifest.verify(folder)


def test_manifest_changed_by_hand_has_another_digest(folder: Path) -> None:
    before = manifest.read(folder).digest
    path = folder / manifest.NAME
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))

    assert manifest.read(folder).digest != before
