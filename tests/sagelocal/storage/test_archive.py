"""Archives are unpacked into their folder and nowhere else, with Python's own filter and without it."""

from __future__ import annotations

import io
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


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_nothing_is_written_outside_of_the_folder(kind: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo("../evil" if kind == tarfile.REGTYPE else "evil")
    member.type, member.linkname = kind, "../../secret"
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as packed:
        packed.addfile(member, io.BytesIO())

    with pytest.raises(ArtifactError, match=r"model\.tar\.gz is no tar\.gz that can be unpacked"):
        archive.unpack(tmp_path / "model.tar.gz", tmp_path / "out")

    assert not (tmp_path / "evil").exists()
