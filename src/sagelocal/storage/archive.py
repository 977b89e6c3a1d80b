"""`model.tar.gz` from a folder and back: the same content always gives the same bytes.

Names are sorted, times, owners and names of owners are left out; otherwise every retraining would look like a
new model to whoever compares digests.
"""

from __future__ import annotations

import gzip
import tarfile
from typing import TYPE_CHECKING

from sagelocal.errors import ArtifactError
from sagelocal.storage.transfer import regular_files

if TYPE_CHECKING:
    from pathlib import Path


def pack(folder: Path, target: Path) -> int:
    """How many files of `folder` were packed into the new gzip'ed tar `target`; links are left out.

    Of a file's mode only the right to execute is kept.
    """
    count = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in regular_files(folder):
            member = tarfile.TarInfo(name)
            status = path.stat()
            member.size, member.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
            with path.open("rb") as file:
                archive.addfile(member, file)
            count += 1
    return count


def unpack(source: Path, target: Path) -> None:
    """Put what `source` holds into the folder `target`; nothing in it can reach outside of that.

    Raises:
        ArtifactError: It is no gzip'ed tar, or one that would write elsewhere.
    """
    try:
        with tarfile.open(source, "r:gz") as archive:
            archive.extractall(target, filter="data")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise ArtifactError(f"{source.name} is no tar.gz that can be unpacked ({error}): make it again") from error
