"""What a run reads is copied to the workspace's bucket, under an address that names its content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobmajor.data import source as sources
from jobmajor.errors import DataError
from jobmajor.pipeline import inputs
from jobmajor.settings import Settings
from sagelocal.storage import manifest
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "s3://jobmajor-local/job-major-clf/input/"


def release(folder: Path, titles: int) -> Path:
    """Write the first bundled titles to a folder, as a release that has no number."""
    folder.mkdir()
    for name, most in (("Alternate Titles.txt", titles), ("Occupation Data.txt", 2000)):
        lines = (sources.STARTER_FOLDER / name).read_text("utf-8").splitlines()
        (folder / name).write_text("\n".join([*lines[: most + 1], ""]), "utf-8")
    return folder


def address(folder: Path, home: Path) -> str:
    return inputs.data(sources.resolve("auto", home, data=folder), FolderStore(home / "s3"), Settings())


def test_data_has_the_address_of_its_content(tmp_path: Path) -> None:
    uri = address(release(tmp_path / "data", 60), tmp_path)

    digest = uri.removeprefix(PREFIX)
    brought = manifest.verify(FolderStore(tmp_path / "s3").path(uri))
    assert brought.digest == digest
    assert sorted(brought.files) == ["Alternate Titles.txt", "Occupation Data.txt"]


def test_equal_data_has_one_address_and_other_data_another(tmp_path: Path) -> None:
    first, again, other = (
        address(release(tmp_path / name, titles), tmp_path) for name, titles in (("a", 60), ("b", 60), ("c", 61))
    )

    assert first == again
    assert first != other


def test_data_that_was_lost_or_damaged_in_the_bucket_is_brought_again(tmp_path: Path) -> None:
    data = release(tmp_path / "data", 60)
    folder = FolderStore(tmp_path / "s3").path(address(data, tmp_path))
    (folder / "Alternate Titles.txt").write_bytes(b"damaged")
    (folder / "Occupation Data.txt").unlink()

    address(data, tmp_path)

    manifest.verify(folder)


def test_data_that_can_not_be_read_is_refused_and_nothing_is_brought(tmp_path: Path) -> None:
    data = release(tmp_path / "data", 60)
    (data / "Alternate Titles.txt").write_text("O*NET-SOC Code\tAlternate Title\n", "utf-8")

    with pytest.raises(DataError):
        address(data, tmp_path)

    assert not list((tmp_path / "s3").rglob("*.txt"))


def test_direct_match_titles_are_part_of_the_address(tmp_path: Path) -> None:
    folder, titles = release(tmp_path / "onet", 50), tmp_path / "titles"
    titles.mkdir()
    (titles / "dmtf_2018.csv").write_text("soc_code,title\n29-1141,RN\n")
    store = FolderStore(tmp_path / "s3")

    without = inputs.data(sources.resolve("auto", tmp_path, data=folder), store, Settings())
    found = inputs.data(sources.resolve("auto", tmp_path, data=[folder, titles]), store, Settings())

    assert found != without
    assert "dmtf_2018.csv" in store.listing(found)
    assert "dmtf_2018.csv" not in store.listing(without)


def test_direct_match_titles_that_can_not_be_used_are_refused_before_any_step(tmp_path: Path) -> None:
    (tmp_path / "titles").mkdir()
    (tmp_path / "titles" / "dmtf_2018.csv").write_text("soc_code,title\n29-9999,RN\n")
    source = sources.resolve("starter", tmp_path, data=[sources.STARTER_FOLDER, tmp_path / "titles"])

    with pytest.raises(DataError, match="'29-9999'"):
        inputs.data(source, FolderStore(tmp_path / "s3"), Settings())


def test_reviewed_titles_have_the_address_of_their_content_and_none_has_its_own(tmp_path: Path) -> None:
    store, table = FolderStore(tmp_path / "s3"), tmp_path / "ours.csv"
    table.write_text("title,code\nbike wizard,29-1141\n", "utf-8")

    one, none = (inputs.reviewed(path, store, Settings()) for path in (table, None))
    table.write_text("code,title\n29-1141,Bike WIZARD\n", "utf-8")
    same = inputs.reviewed(table, store, Settings())
    table.write_text("title,code\nbike wizard,29-1171\n", "utf-8")
    other = inputs.reviewed(table, store, Settings())

    assert none == "s3://jobmajor-local/job-major-clf/review/none"
    assert one == same != other
    assert manifest.verify(store.path(one)).digest == one.rpartition("/")[2]
    assert [path.name for path in store.path(none).iterdir()] == ["none.txt"]
