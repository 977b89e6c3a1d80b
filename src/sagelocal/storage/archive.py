"""Pack a folder to a tar.gz, unpack it, or take the times out of one; the same content always gives the same bytes.

Names are sorted; times and owners are left out. Otherwise each retraining would give a new digest.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sagelocal.errors import ArtifactError
from sagelocal.storage.transfer import regular_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DAMAGED: Final = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error)


def pack(folder: Path, target: Path) -> int:
    """Pack the files of `folder` into the new tar.gz `target`, without links, and return how many they are.

    Of a file's mode, only the permission to execute is kept.
    """
    count = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with _written(target) as archive:
        for name, path in regular_files(folder):
            member = tarfile.TarInfo(name)
            status = path.stat()
            member.size, member.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
            with path.open("rb") as file:
                archive.addfile(member, file)
            count += 1
    return count


@contextmanager
def _written(target: Path) -> Iterator[tarfile.TarFile]:
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        yield archive


def without_times(source: Path, target: Path) -> None:
    """Write the tar.gz `source` again to `target`, with the same members in their order and no times.

    Raises:
        ArtifactError: It is not a tar.gz.
    """
    try:
        with tarfile.open(source, "r:gz") as given, _written(target) as archive:
            for member in given:
                member.mtime, member.pax_headers = 0, {}
                archive.addfile(member, given.extractfile(member) if member.isreg() else None)
    except _DAMAGED as error:
        raise ArtifactError(f"{source.name} is no tar.gz that can be read ({error}): make it again") from error


def unpack(source: Path, target: Path) -> None:
    """Unpack `source` into the folder `target`; no member can be written outside of it.

    Raises:
        ArtifactError: It is not a tar.gz, or a member would be written outside of `target`.
    """
    try:
        with tarfile.open(source, "r:gz") as archive:
            _extract(archive, target)
    except _DAMAGED as error:
        raise ArtifactError(f"{source.name} is no tar.gz that can be unpacked ({error}): make it again") from error


def _extract(archive: tarfile.TarFile, target: Path) -> None:
    """Extract what Python's filter "data" lets through; Python before 3.11.4 has none, and gets no links either."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(target, filter="data")
        return
    members, root = archive.getmembers(), target.resolve()
    for member in members:
        is_inside = (root / member.name).resolve().is_relative_to(root)
        if not is_inside or not (member.isreg() or member.isdir()):
            raise tarfile.TarError(f"{member.name!r} is a link, or outside of the folder")
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        if hasattr(os, "getuid"):  # Windows has no owners
            member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    archive.extractall(target, members)  # noqa: S202 - each member was checked above
