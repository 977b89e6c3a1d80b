"""Addresses become paths, prefixes are replaced whole, and nobody's other objects are lost."""

from __future__ import annotations

import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagelocal.errors import ArtifactError, InputError
from sagelocal.storage import manifest, publish, transfer
from sagelocal.storage.address import join, split
from sagelocal.storage.store import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "s3")


def folder(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    root.mkdir(exist_ok=True)
    return root


def names(store: FolderStore, uri: str) -> list[str]:
    return list(store.listing(uri))


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bkt/../x",
        "s3://bkt/a/../../x",
        "s3://bkt/./x",
        "s3://bkt//etc/passwd",
        "s3://bkt/a//b",
        "s3://../x",
        "s3://b..t/x",
        "s3://UPPER/x",
        "s3://a/x",
        "s3:///x",
        "s3://.published/x",
        "/etc/passwd",
        "file:///etc/passwd",
        "s3://bkt/a\x00b",
        "s3://bkt/a\nb",
        "s3://bkt/a\\b",
        "s3://bkt/\ud800",
        f"s3://bkt/{publish.STAGING}x/a",
        f"s3://bkt/{'a' * 256}",
        f"s3://bkt/{'a/' * 513}",
        "",
    ],
)
def test_odd_address_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="s3://"):
        split(uri)


@given(st.text(st.sampled_from("./\\~%") | st.sampled_from(string.ascii_letters), max_size=30))
def test_no_address_leads_out_of_its_bucket(key: str) -> None:
    root = Path("/nowhere/s3")
    try:
        path = FolderStore(root).path(f"s3://bkt/{key}")
    except InputError:
        return

    assert Path(os.path.normpath(path)).is_relative_to(root / "bkt")


def test_prefix_lists_its_objects_and_an_object_itself(store: FolderStore) -> None:
    folder(store.root / "bkt" / "data", a="1", deep__b="2")

    assert names(store, "s3://bkt/data/") == names(store, "s3://bkt/data") == ["a", "deep/b"]
    assert names(store, "s3://bkt/data/deep/b") == ["b"]
    assert names(store, "s3://bkt/data/a/") == names(store, "s3://bkt/dat") == []


def test_download_gives_what_the_listing_names(store: FolderStore, tmp_path: Path) -> None:
    folder(store.root / "bkt" / "data", a="1", deep__b="2")

    copied = store.download("s3://bkt/data", tmp_path / "here")

    assert copied == store.listing("s3://bkt/data")
    assert (tmp_path / "here" / "deep" / "b").read_text() == "2"


@pytest.mark.parametrize("link", ["bkt", "bkt/data", "bkt/data/file"])
def test_link_in_a_bucket_is_refused_wherever_it_stands(store: FolderStore, tmp_path: Path, link: str) -> None:
    outside = folder(tmp_path / "outside", file="secret")
    place = store.root / link
    place.parent.mkdir(parents=True)
    place.symlink_to(outside / "file" if link.endswith("file") else outside)

    with pytest.raises(ArtifactError, match="is a link"):
        store.listing("s3://bkt/data")


def test_published_folder_replaces_the_one_published_before(store: FolderStore, tmp_path: Path) -> None:
    store.publish("s3://bkt/out", folder(tmp_path / "one", a="1", b="1"))

    records = store.publish("s3://bkt/out/", folder(tmp_path / "two", b="2", c="2"))

    assert store.listing("s3://bkt/out") == records
    assert list(records) == ["b", "c"]
    assert transfer.digest(records) == manifest.hash_folder(tmp_path / "two")


def test_objects_of_others_below_a_published_prefix_stay(store: FolderStore, tmp_path: Path) -> None:
    folder(store.root / "bkt" / "out", mine="data", inner__mine="data")
    store.publish("s3://bkt/out/inner", folder(tmp_path / "inner", a="1"))

    store.publish("s3://bkt/out", folder(tmp_path / "one", a="1"))
    store.publish("s3://bkt/out", folder(tmp_path / "two", b="2"))

    assert names(store, "s3://bkt/out") == ["b", "inner/a", "inner/mine", "mine"]


def test_links_are_not_published(store: FolderStore, tmp_path: Path) -> None:
    made = folder(tmp_path / "made", a="1")
    (made / "link").symlink_to("/etc/passwd")
    (made / "folder").symlink_to("/etc")

    assert list(store.publish("s3://bkt/out", made)) == ["a"]


def test_prefix_inside_an_object_is_refused_by_name(store: FolderStore, tmp_path: Path) -> None:
    folder(store.root / "bkt", file="1")

    with pytest.raises(InputError, match="is an object itself"):
        store.publish("s3://bkt/file/below", folder(tmp_path / "made", a="1"))


def test_name_that_no_key_can_have_is_refused_and_nothing_is_published(store: FolderStore, tmp_path: Path) -> None:
    made = folder(tmp_path / "made", a="1")
    (made / "b\nc").write_text("2")

    with pytest.raises(InputError, match="control characters"):
        store.publish("s3://bkt/out", made)

    assert names(store, "s3://bkt/out") == []
    assert list((store.root / "bkt").iterdir()) == []


def test_sweep_undoes_a_replacement_that_was_killed_between_its_renames(store: FolderStore, tmp_path: Path) -> None:
    store.publish("s3://bkt/a/out", folder(tmp_path / "one", a="1"))
    place = store.root / "bkt" / "a" / "out"
    place.rename(place.with_name(f"{publish.STAGING}old-out"))
    folder(place.with_name(f"{publish.STAGING}new"), a="2")

    count = store.sweep()

    assert count == 1
    assert (place / "a").read_text() == "1"
    assert [path.name for path in place.parent.iterdir()] == ["out"]


def test_sweep_removes_the_old_folder_when_the_new_one_is_there(store: FolderStore, tmp_path: Path) -> None:
    store.publish("s3://bkt/out", folder(tmp_path / "one", a="2"))
    folder(store.root / "bkt" / f"{publish.STAGING}old-out", a="1")

    assert store.sweep() == 1
    assert names(store, "s3://bkt/out") == ["a"]
    assert (store.root / "bkt" / "out" / "a").read_text() == "2"


def test_read_refuses_what_is_missing_or_too_large(store: FolderStore) -> None:
    folder(store.root / "bkt", file="four")

    assert store.read("s3://bkt/file", 4) == b"four"
    with pytest.raises(InputError, match="is no object"):
        store.read("s3://bkt/other", 4)
    with pytest.raises(ArtifactError, match="over 3 bytes"):
        store.read("s3://bkt/file", 3)


def test_join_puts_one_slash_between() -> None:
    assert join("s3://bkt/a/", "b") == join("s3://bkt/a", "b") == "s3://bkt/a/b"
