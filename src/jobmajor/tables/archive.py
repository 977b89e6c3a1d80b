"""Files from outside: what kind they are, and zip archives opened within bounds.

The kind is told from a file's first bytes: a sign-in page saved as a workbook, or a spreadsheet renamed to `.txt`,
would otherwise end in a parser's error that doesn't say what to do.

What an archive declares about itself may be false, and a few kilobytes can unpack to gigabytes. So the number of
entries is bounded before the directory is read, every declared size before an entry is opened, and the real size
while it is read.
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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD_BYTES = 512  # what `kind` needs to see
ZIP = "a zip archive or workbook"
TEXT = "plain text"
HTML = "an HTML page"
UTF_16 = "text in UTF-16"
_MAGIC = (
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0", "an encrypted workbook or one of the old .xls kind"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
)
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

    `ratio` is the unpacked size over the stored size, checked from 1 MiB on; `total_bytes` counts unpacked bytes.
    """

    file_bytes: int
    entries: int
    total_bytes: int
    ratio: int = 200


def kind(head: bytes) -> str:
    """Return a few words for the kind of a file that begins with `head` (`HEAD_BYTES` of it, or all if it is smaller).

    >>> kind(b"<!DOCTYPE html><title>Sign in</title>")
    'an HTML page'
    """
    for magic, words in _MAGIC:
        if head.startswith(magic):
            return words
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<script")):
        return HTML
    if not head:
        return "an empty file"
    return "binary data" if b"\x00" in head else TEXT


def first_bytes(path: Path, *, expected: str) -> bytes:
    """Return the file's first bytes, for `kind`.

    Raises:
        DataError: The file is empty or can't be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise DataError(path, f"{error.strerror}", expected, "give a file that can be read") from error
    if not head:
        raise DataError(path, "an empty file (0 bytes)", expected, "fetch it again")
    return head


def _check_file(path: Path, limits: Limits, expected: str) -> None:
    found = kind(first_bytes(path, expected=expected))
    if found != ZIP:
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
    """Open the archive, after a check of its size, its kind and its declared sizes against `limits`.

    Raises:
        DataError: It is no zip archive (`expected` says what it should be), damaged, or beyond the limits.
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
    """Read every entry to its end and check its checksum.

    Raises:
        DataError: As `opened` and `chunks` raise it.
    """
    with opened(path, limits, expected=expected) as archive:
        for name in archive.namelist():
            for _ in chunks(path, archive, name):
                pass


def damaged(path: Path, expected: str) -> DataError:
    """Return the error for an archive that breaks off or contradicts itself."""
    return DataError(path, "a truncated or damaged zip archive", expected, "fetch it again")


def chunks(path: Path, archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield an entry's content in pieces of at most 256 KiB; never more bytes than it declares.

    Raises:
        DataError: The entry is damaged or longer than it declares.
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
