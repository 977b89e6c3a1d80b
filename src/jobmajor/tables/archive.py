"""Zip archives from outside, opened within bounds.

What an archive declares about itself may be a lie, and a few kilobytes can unfold to gigabytes. So
the number of entries is bounded before the directory is read, every declared size before an entry
is opened, and the real size while it is read.
"""

from __future__ import annotations

import mmap
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.errors import DataError
from jobmajor.tables import sniff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES = 2**18
_ENTRY_SIGNATURE = re.compile(rb"PK\x01\x02")
_PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # bzip2 and LZMA take memory of their own
_RATIO_FROM_BYTES = 2**20
_ENCRYPTED = 0x1
# What `zipfile` raises on a forged archive, as seen when bytes of real ones were changed at random.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    OverflowError,
    ValueError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may have at most.

    `ratio` is unfolded to stored size, looked at from 1 MiB on; `total_bytes` is unfolded.
    """

    file_bytes: int
    entries: int
    total_bytes: int
    ratio: int = 200


def first_bytes(path: Path, *, expected: str) -> bytes:
    """The file's beginning, for `sniff.kind`.

    Raises:
        DataError: The file is empty or can't be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(sniff.HEAD_BYTES)
    except OSError as error:
        raise DataError(path, f"{error.strerror}", expected, "give a file that can be read") from error
    if not head:
        raise DataError(path, "an empty file (0 bytes)", expected, "fetch it again")
    return head


def _check_file(path: Path, limits: Limits, expected: str) -> None:
    found = sniff.kind(first_bytes(path, expected=expected))
    if found != sniff.ZIP:
        raise DataError(path, found, expected, "fetch the file again, or save it in that format")
    size = path.stat().st_size
    if size > limits.file_bytes:
        raise DataError(path, f"{size} bytes", f"at most {limits.file_bytes}", "give the file as O*NET publishes it")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        entries = sum(1 for _ in _ENTRY_SIGNATURE.finditer(content))
    if entries > limits.entries:
        raise DataError(
            path,
            f"a zip archive of {entries} entries",
            f"at most {limits.entries}",
            "give the file as O*NET publishes it",
        )


def _fault(info: zipfile.ZipInfo, limits: Limits) -> str | None:
    if info.flag_bits & _ENCRYPTED:
        return f"an encrypted entry {info.filename!r}"
    if info.compress_type not in _PLAIN_METHODS:
        return f"entry {info.filename!r} packed by method {info.compress_type}"
    if info.file_size > _RATIO_FROM_BYTES and info.file_size > limits.ratio * info.compress_size:
        return f"entry {info.filename!r} that unfolds to over {limits.ratio} times its size"
    return None


def _check_entries(path: Path, archive: zipfile.ZipFile, limits: Limits) -> None:
    entries = archive.infolist()
    names = {info.filename for info in entries}
    faults = [fault for info in entries if (fault := _fault(info, limits))]
    total = sum(info.file_size for info in entries)
    if len(names) < len(entries):
        faults.append("two entries of one name")
    if total > limits.total_bytes:
        faults.append(f"{total} bytes when unpacked")
    if faults:
        raise DataError(
            path,
            faults[0],
            f"a plain zip archive of at most {limits.total_bytes} bytes unpacked",
            "give the file as O*NET publishes it",
        )


@contextmanager
def opened(path: Path, limits: Limits, *, expected: str) -> Iterator[zipfile.ZipFile]:
    """The archive, after its size, kind, and all that it declares were found within `limits`.

    Raises:
        DataError: It is no zip archive (`expected` says what it should be), damaged, or beyond the
            limits.
    """
    _check_file(path, limits, expected)
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGED as error:
        raise damaged(path, expected) from error
    with archive:
        _check_entries(path, archive, limits)
        yield archive


def check(path: Path, limits: Limits, *, expected: str) -> None:
    """Nothing, once every entry was read to its end and its checksum found right.

    Raises:
        DataError: As `opened` and `chunks` have it.
    """
    with opened(path, limits, expected=expected) as archive:
        for name in archive.namelist():
            for _ in chunks(path, archive, name):
                pass


def damaged(path: Path, expected: str) -> DataError:
    """The error for an archive that breaks off or contradicts itself."""
    return DataError(path, "a truncated or damaged zip archive", expected, "fetch it again")


def chunks(path: Path, archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """An entry's content in pieces of at most 256 KiB; never more than it declares.

    Raises:
        DataError: The entry is damaged or goes on after its declared size.
    """
    left = archive.getinfo(name).file_size
    try:
        with archive.open(name) as entry:
            while chunk := entry.read(_CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
    except _DAMAGED as error:
        raise damaged(path, f"a whole entry {name!r}") from error
    if left:
        raise damaged(path, f"entry {name!r} of the size that it declares")
