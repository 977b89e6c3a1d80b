"""Archives are unpacked into their folder and nowhere else, with Python's own filter and without it."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from sagelocal.errors import ArtifactError
from sagelocal.storage import archive

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["filter", "no filter"], autouse=True)
def _python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11.4 brought the filter; Debian 12 has 3.11.2."""
    if request.param == "no filter":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


def test_packed_folder_is_unpacked_with_its_permission_to_execute(tmp_path: Path) -> None:
    (tmp_path / "in" / "code").mkdir(parents=True)
    (tmp_path / "in" / "code" / "run").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "in" / "code" / "run").chmod(0o700)
    (tmp_path / "in" / "weights").write_bytes(b"1")

    archive.pack(tmp_path / "in", tmp_path / "model.tar.gz")
    archive.unpack(tmp_path / "model.tar.gz", tmp_path / "out")

    assert (tmp_path / "out" / "weights").read_bytes() == b"1"
    assert (tmp_path / "out" / "code" / "run").stat().st_mode & 0o777 == 0o755


def test_archive_without_times_is_the_same_whenever_it_was_made(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "fit.py").write_text("print(1)")
    (tmp_path / "in" / "run").symlink_to("fit.py")
    for time in (1, 2):
        os.utime(tmp_path / "in" / "fit.py", (time, time))
        with tarfile.open(tmp_path / f"made-{time}", "w:gz") as made:
            made.add(tmp_path / "in", "code")
        archive.without_times(tmp_path / f"made-{time}", tmp_path / f"plain-{time}")

    assert (tmp_path / "made-1").read_bytes() != (tmp_path / "made-2").read_bytes()
    assert (tmp_path / "plain-1").read_bytes() == (tmp_path / "plain-2").read_bytes()
    with tarfile.open(tmp_path / "plain-1") as plain:
        assert [(item.name, item.size, item.linkname) for item in plain] == [
            ("code", 0, ""), ("code/fit.py", 8, ""), ("code/run", 0, "fit.py"),
        ]  # fmt: skip
    (tmp_path / "made-1").write_bytes((tmp_path / "made-1").read_bytes()[:40])
    with pytest.raises(ArtifactError, match=r"is no tar\.gz that can be read"):
        archive.without_times(tmp_path / "made-1", tmp_path / "plain-1")


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_nothing_is_written_outside_of_the_folder(kind: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo("../evil" if kind == tarfile.REGTYPE else "evil")
    member.type, member.linkname = kind, "../../secret"
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as packed:
        packed.addfile(member, io.BytesIO())

    with pytest.raises(ArtifactError, match=r"model\.tar\.gz is no tar\.gz that can be unpacked"):
        archive.unpack(tmp_path / "model.tar.gz", tmp_path / "out")

    assert not (tmp_path / "evil").exists()
