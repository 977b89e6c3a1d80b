"""Single objects of a folder store, for a server of S3's API: steps publish whole prefixes, programs put one object."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sagelocal.errors import InputError
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagelocal.storage.store import FolderStore


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A stored object; `etag` changes whenever the content does, and `modified` is in seconds since 1970."""

    key: str
    path: Path
    size: int
    modified: float
    etag: str


def find(store: FolderStore, bucket: str, key: str) -> StoredObject | None:
    """Return an object, or None if there is none.

    Raises:
        InputError: The address is invalid. ArtifactError: A part of the path is a link.
    """
    path = store.path(f"s3://{bucket}/{key}")
    return None if key.endswith("/") or not path.is_file() else _seen(key, path)


def put(store: FolderStore, bucket: str, key: str, staged: Path) -> StoredObject:
    """Move a file to its place as an object, which replaces what was there; readers see the old bytes or the new ones.

    A key that ends in a slash marks a folder: the folder is made, and the marker is no object.

    Args:
        store: The store.
        bucket: Its bucket; a missing one is made.
        key: The name in the bucket.
        staged: A file on the store's file system.

    Raises:
        InputError: The address is invalid, or a folder can't hold both objects.
    """
    path = store.path(f"s3://{bucket}/{key}")
    for parent in path.parents:
        if parent.is_file():
            raise InputError(f"s3://{bucket}/{key} can't be an object: {parent} is an object itself, remove it")
    with store.changing():
        if key.endswith("/") or not key:
            path.mkdir(parents=True, exist_ok=True)
            return StoredObject(key, path, 0, 0.0, _etag(0, 0))
        if path.is_dir():
            raise InputError(f"s3://{bucket}/{key} can't be an object: there are objects below that name")
        path.parent.mkdir(parents=True, exist_ok=True)
        publish.flush(staged)
        staged.chmod(0o644)
        staged.replace(path)
        publish.flush(path.parent)
    return _seen(key, path)


def delete(store: FolderStore, bucket: str, key: str) -> None:
    """Remove an object; one that isn't there is no error, as in S3."""
    found = find(store, bucket, key)
    if found:
        with store.changing():
            found.path.unlink(missing_ok=True)


def below(store: FolderStore, bucket: str, prefix: str) -> list[StoredObject]:
    """Return the objects whose keys begin with a prefix, which may end within a name; in S3's order.

    Raises:
        InputError: The address is invalid. ArtifactError: A part of the path is a link.
    """
    root = store.path(f"s3://{bucket}")
    folder, _, _ = prefix.rpartition("/")
    start = store.path(f"s3://{bucket}/{folder}") if folder else root
    found = [_seen(key, path) for key, path in _walk(root, start) if key.startswith(prefix)]
    return sorted(found, key=lambda item: item.key.encode())


def buckets(store: FolderStore) -> list[str]:
    """Return the names of all buckets, sorted."""
    if not store.root.is_dir():
        return []
    return sorted(path.name for path in store.root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _walk(root: Path, start: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, names in os.walk(start):
        folders[:] = [name for name in folders if not name.startswith(publish.STAGING)]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(publish.STAGING) and path.is_file() and not path.is_symlink():
                yield path.relative_to(root).as_posix(), path


def _seen(key: str, path: Path) -> StoredObject:
    status = path.stat()
    return StoredObject(key, path, status.st_size, status.st_mtime, _etag(status.st_size, status.st_mtime_ns))


def _etag(size: int, time_ns: int) -> str:
    return f'"{time_ns:x}-{size:x}"'
