"""Copy files between a store and a job, without following links, and hash them while copying.

A file that is hashed before or after the copy may change in between. Then a cache record would name content that the
job never read.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sagelocal.storage import publish
from sagelocal.storage.address import join, split
from sagelocal.storage.manifest import FileRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_CHUNK_BYTES = 2**20


def regular_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each regular file below `folder` with its POSIX path, sorted; links and special files are left out.

    Nothing is yielded if `folder` is missing or a link.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    yield from _below(str(folder), "")


def _below(folder: str, prefix: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_file(follow_symlinks=False):
            yield f"{prefix}{entry.name}", Path(entry.path)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, f"{prefix}{entry.name}/")


def dropped(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the POSIX path and the kind of everything below `folder` that `regular_files` leaves out, sorted."""
    for root, folders, names in os.walk(folder):
        for name in sorted(folders + names):
            path = Path(root, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                yield path.relative_to(folder).as_posix(), _KINDS.get(stat.S_IFMT(mode), "special file")


_KINDS = {stat.S_IFLNK: "link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading. A pipe is not waited for.

    Raises:
        OSError: It can't be opened, or is a link or a special file.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def copy(source: Path, target: Path) -> FileRecord:
    """Copy the content, without mode and times, and return its record; missing parent folders are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    total, size = hashlib.sha256(), 0
    with publish.naming(target), source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            total.update(chunk)
            size += len(chunk)
            writer.write(chunk)
    return FileRecord(total.hexdigest(), size)


def take(source: Path, target: Path) -> FileRecord:
    """Move the file to an existing folder of the same disk, without its mode, and return its record.

    A file that has other names, or is on another disk, is copied: what is published can't change by another name.
    """
    with source.open("rb") as reader:
        status = os.fstat(reader.fileno())
        if status.st_nlink == 1:
            record = FileRecord(hashlib.file_digest(reader, "sha256").hexdigest(), status.st_size)
            with suppress(OSError):
                os.fchmod(reader.fileno(), 0o644)
                os.rename(source, target)  # noqa: PTH104 - paths of many files
                return record
    return copy(source, target)


def overlap(folders: Sequence[Path]) -> bool:
    """Return whether a folder is another one, or in it."""
    return any(folder.is_relative_to(other) for folder, other in itertools.permutations(folders, 2))


def bring_all(
    uri: str, folder: Path, staging: Path, bring: Callable[[Path, Path], FileRecord]
) -> dict[str, FileRecord]:
    """Copy or move (`bring`) the files of a folder for the objects below `uri`, and return their records."""
    records, parent = {}, None
    for name, path in regular_files(folder):
        split(join(uri, name))
        target = staging / name
        if target.parent != parent:
            parent = target.parent
            parent.mkdir(parents=True, exist_ok=True)
            there = set(parent.iterdir())
        if target in there:
            target.unlink()  # a link to the object that this one replaces
        records[name] = bring(path, target)
    return records


def link(source: Path, target: Path) -> None:
    """Give a file a second name: by a hard link if the file system has them, else by a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def digest(records: Mapping[str, FileRecord]) -> str:
    """Return one sha256 over all names and contents, equal to `manifest.hash_folder` of a folder that holds them.

    >>> digest({})[:8]
    'e3b0c442'
    """
    total = hashlib.sha256()
    for name, record in sorted(records.items()):
        total.update(f"{name}\0{record.sha256}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def remove(folder: Path) -> None:
    """Remove a job's folder, even if the job removed the permissions on it; a missing folder is no error."""
    for root, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(root, name)
            if not path.is_symlink() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
