"""Unpack a model's files, and nothing else, from `model.tar.gz` into a folder.

The filters of `tarfile` could be bypassed before Python 3.11.13. So no path of the archive is used: only regular files
with names of a fixed list are read, each up to a maximum size, and all together up to a multiple of the archive's. They
are copied piece by piece, so that an archive takes no more memory than a piece, whatever it holds.
"""

from __future__ import annotations

import shutil
import tarfile
import zlib
from typing import TYPE_CHECKING, Self

from jobmajor.errors import ArtifactError
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "model.tar.gz"
# The files of all recipes. A transformer's weights are the largest by far (MiniLM 92 MB, distilbert 270 MB), then the
# words of a tokenizer for many languages (17 MB): the limits allow about four times that. Each file is in memory once.
_MAX_BYTES = {
    manifest.NAME: 2**20,
    "answers.json": 2**20,
    "answers.safetensors": 2**26,
    "classification.json": 2**24,
    "config.json": 2**20,
    "context.safetensors": 2**26,
    "model.json": 2**20,
    "model.safetensors": 2**30,
    "tokenizer.json": 2**26,
    "tokenizer_config.json": 2**20,
}
# Arrays and JSON shrink to a half or a fifth. Deflate alone reaches 1,032 with zeros: a megabyte would fill a disk.
_MAX_RATIO, _FREE_BYTES = 100, 2**24
_PIECE_BYTES = 2**20
_MAX_HEADER_BYTES = 2**16  # of a long name or a record of attributes; `tarfile` reads those whole, whatever they claim


class _Header(tarfile.TarInfo):
    """A header of an archive; one that declares too many bytes is refused."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if not 0 <= found.size <= (max(_MAX_BYTES.values()) if found.isreg() else _MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"{found.name!r} claims {found.size:,} bytes")
        return found


def is_archive(path: Path) -> bool:
    """Return whether a file begins as an archive of a model does; what follows may be damaged."""
    try:
        with tarfile.open(path, "r:gz", tarinfo=_Header) as opened:
            first = opened.next()
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError, RecursionError):
        return False
    return first is not None and first.name in _MAX_BYTES


def unpack(archive: Path, folder: Path) -> manifest.Manifest:
    """Unpack a model into the empty `folder`, verify it, and return its manifest.

    Raises:
        ArtifactError: It is no such archive, holds anything but a model's files, or they are not as recorded.
    """
    try:
        left = _FREE_BYTES + _MAX_RATIO * archive.stat().st_size
        with tarfile.open(archive, "r:gz", tarinfo=_Header) as opened:
            for member in opened:
                left -= _checked(member, archive, folder)
                if left < 0:
                    raise ArtifactError(
                        f"{archive} would grow more than {_MAX_RATIO}-fold: expected a model, train it again"
                    )
                _copy(opened, member, folder)
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise ArtifactError(f"{archive} is no model archive ({error}): train the model again") from error
    return manifest.verify(folder)


def _checked(member: tarfile.TarInfo, archive: Path, folder: Path) -> int:
    """Return the size of a member that may be unpacked."""
    limit = _MAX_BYTES.get(member.name)
    if limit is None or not member.isreg() or (folder / member.name).exists():
        raise ArtifactError(
            f"{archive} holds {member.name!r}: expected the regular files {', '.join(_MAX_BYTES)}, once each"
        )
    if member.size > limit:
        raise ArtifactError(f"{archive}: {member.name} has {member.size:,} bytes: expected at most {limit:,}")
    return member.size


def _copy(opened: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    source = opened.extractfile(member)
    with (folder / member.name).open("xb") as target:
        if source:
            shutil.copyfileobj(source, target, _PIECE_BYTES)
    (folder / member.name).chmod(0o644)
