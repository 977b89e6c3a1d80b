"""Copy files between a store and a job, without following links, and hash them while copying.

A file that is hashed before or after the copy may change in between. Then a cache record would name content that the
job never read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sagelocal.storage import publish
from sagelocal.storage.manifest import FileRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHUNK_BYTES = 2**20


def regular_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each regular file below `folder` with its POSIX path, sorted; links and special files are left out.

    Nothing is yielded if `folder` is missing or a link.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for root, folders, names in os.walk(folder, onerror=_fail):
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(folder).as_posix(), path


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


def _fail(error: OSError) -> NoReturn:
    raise error
