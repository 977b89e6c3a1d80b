"""The `Store` protocol for `s3://` addresses, and its implementation with folders.

Definitions and steps name `s3://` addresses only; a store knows where the bytes are. What a step publishes appears as
a whole or not at all, also under a prefix that already holds objects.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sagelocal.errors import ArtifactError, InputError
from sagelocal.storage import publish
from sagelocal.storage.manifest import FileRecord, hash_file
from sagelocal.storage.transfer import copy, link, regular_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ODD = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_OLD = publish.STAGING + "old-"  # prefix of a replaced folder until it is removed
_OWNED = ".published"  # no bucket can have this name; lists which objects of a prefix a step made


class Store(Protocol):
    """Objects by address. A prefix names one object or a folder of objects; names below it are POSIX paths."""

    def listing(self, uri: str) -> dict[str, FileRecord]:
        """Return the record of every object below `uri` by relative name, sorted; empty if there is none.

        If `uri` is an object itself, its key is the last part of the address.
        """
        ...

    def download(self, uri: str, folder: Path) -> dict[str, FileRecord]:
        """Copy the objects of `listing` into `folder`, and return what was copied, hashed while copying."""
        ...

    def publish(self, uri: str, folder: Path) -> dict[str, FileRecord]:
        """Publish the regular files of `folder` as the objects below `uri`, all at once; links are left out."""
        ...

    def read(self, uri: str, max_bytes: int) -> bytes:
        """Return the content of one object."""
        ...


def split(uri: str) -> tuple[str, tuple[str, ...]]:
    """Return the bucket and the parts of the key of an `s3://` address; a whole bucket has no parts.

    Raises:
        InputError: It is not an `s3://` address, or it could leave its bucket's folder: it has `..`, empty
            parts, control characters, backslashes, or names that mark unpublished files.

    >>> split("s3://bkt/a/b.csv")
    ('bkt', ('a', 'b.csv'))
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    parts = tuple(key.removesuffix("/").split("/")) if key.removesuffix("/") else ()
    fault = None
    if not uri.startswith("s3://") or not _BUCKET.fullmatch(bucket):
        fault = "is no s3:// address of a bucket"
    elif _ODD.search(key) or len(key.encode(errors="replace")) > 1024:
        fault = "has a key with control characters, a backslash or over 1,024 bytes"
    elif any(_is_odd(part) for part in parts):
        fault = "has an empty, '.', '..', '.staging-…' or over 255 bytes long part in its key"
    if fault:
        raise InputError(f"{uri!r} {fault}: expected s3://bucket/folder/name")
    return bucket, parts


def _is_odd(part: str) -> bool:
    return part in {"", ".", ".."} or part.startswith(publish.STAGING) or len(part.encode()) > 255


def join(uri: str, name: str) -> str:
    """Return the address of `name` below `uri`, whether or not `uri` ends in a slash."""
    return f"{uri.rstrip('/')}/{name}"


class _ReadWriteLock:
    """A readers-writer lock: between the two renames of a replacement, objects that stay would seem to be gone.

    A waiting writer goes before new readers, so that a stream of readers can't keep it out.
    """

    def __init__(self) -> None:
        self._free, self._readers, self._waiting = threading.Condition(), 0, 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._free:
            self._free.wait_for(lambda: not self._waiting)
            self._readers += 1
        try:
            yield
        finally:
            with self._free:
                self._readers -= 1
                self._free.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._free:
            self._waiting += 1
            try:
                self._free.wait_for(lambda: not self._readers)
                yield
            finally:
                self._waiting -= 1
                self._free.notify_all()


class FolderStore:
    """A store with one folder for each bucket, in `<home>/s3`.

    Unlike S3, a folder can't hold an object `a` and an object `a/b` at the same time. On a case-insensitive file
    system, keys that differ only in case are the same key.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._publishing, self._access = threading.Lock(), _ReadWriteLock()

    def path(self, uri: str) -> Path:
        """Return the path of an object or prefix, whether it exists or not.

        Raises:
            InputError: The address is invalid.
            ArtifactError: A part of the path is a link, so the content is not the store's own.
        """
        bucket, parts = split(uri)
        path = self.root
        for part in (bucket, *parts):
            path /= part
            if path.is_symlink():
                raise ArtifactError(f"{path} is a link: replace it by a plain copy")
        return path

    def listing(self, uri: str) -> dict[str, FileRecord]:
        """See `Store.listing`."""
        with self._access.reading():
            return {name: FileRecord(hash_file(path), path.stat().st_size) for name, path in self._objects(uri).items()}

    def download(self, uri: str, folder: Path) -> dict[str, FileRecord]:
        """See `Store.download`."""
        with self._access.reading():
            return {name: copy(path, folder / name) for name, path in self._objects(uri).items()}

    def read(self, uri: str, max_bytes: int) -> bytes:
        """See `Store.read`.

        Raises:
            InputError: There is no such object.
            ArtifactError: It is larger than `max_bytes`.
        """
        path = self.path(uri)
        if not path.is_file():
            raise InputError(f"{uri} is no object: expected one at {path}")
        if path.stat().st_size > max_bytes:
            raise ArtifactError(f"{uri} has over {max_bytes:,} bytes: expected a smaller object")
        return path.read_bytes()

    def publish(self, uri: str, folder: Path) -> dict[str, FileRecord]:
        """See `Store.publish`.

        Objects of an earlier publication to the same prefix are removed; other objects (a user's data, another prefix
        inside this one) stay. Renames make the change visible in one step.
        """
        # Two publications into each other's prefixes at the same time would each keep old objects of the other.
        with self._publishing:
            return self._publish(uri, folder)

    def _publish(self, uri: str, folder: Path) -> dict[str, FileRecord]:
        target = self.path(uri)
        for path in (target, *target.parents):
            if path.is_file():
                raise InputError(f"{uri} can't hold objects: {path} is an object itself, remove it")
        owned = self._owned(uri)
        kept = {name: path for name, path in self._objects(uri).items() if name not in owned}
        fresh = target.with_name(f"{publish.STAGING}new-{target.name}") if target.exists() else target
        if fresh != target:
            shutil.rmtree(fresh, ignore_errors=True)  # of a publication that failed in this run
        with publish.new_folder(fresh) as staging:
            records = {}
            for name, path in regular_files(folder):
                split(join(uri, name))
                records[name] = copy(path, staging / name)
            for name, path in kept.items():
                if name not in records:
                    link(path, staging / name)
            self._own(uri, owned | records.keys())
        if fresh != target:
            with self._access.writing():
                self._swap(fresh, target)
        self._own(uri, records.keys())
        return records

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep publications and readers out during the block, which changes single objects."""
        with self._publishing, self._access.writing():
            yield

    def published(self, uri: str) -> set[str]:
        """Return the names below `uri` of all objects that were published there or at a prefix inside it."""
        found = set()
        for _, base in self.publications():
            if base == uri or base.startswith(f"{uri}/"):
                found |= {join(base, name).removeprefix(f"{uri}/") for name in self._owned(base)}
        return found

    def publications(self) -> list[tuple[Path, str]]:
        """Return the record of each publication, and its address; records that can't be read are left out."""
        found = []
        for path in sorted((self.root / _OWNED).glob("*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.append((path, str(json.loads(path.read_bytes())["uri"])))
        return found

    def sweep(self) -> int:
        """Undo half-made replacements, remove what killed writers left, and return how many items were removed.

        Call it only while holding the workspace's lock.
        """
        count = 0
        for root, folders, _ in os.walk(self.root):
            for name in [name for name in folders if name.startswith(_OLD)]:
                target = Path(root, name.removeprefix(_OLD))
                if not target.exists():
                    Path(root, name).rename(target)
                    folders.append(target.name)
            count += publish.sweep(Path(root))
            folders[:] = [name for name in folders if not name.startswith(publish.STAGING)]
        return count

    def _objects(self, uri: str) -> dict[str, Path]:
        path = self.path(uri)
        if path.is_file() and not uri.endswith("/"):
            return {path.name: path}
        return dict(sorted(self._below(path)))

    def _below(self, folder: Path) -> Iterator[tuple[str, Path]]:
        for root, folders, names in os.walk(folder, onerror=_ignore_missing):
            folders[:] = [name for name in folders if not name.startswith(publish.STAGING)]
            for name in folders + names:
                path = Path(root, name)
                if path.is_symlink() or not (path.is_dir() or path.is_file()):
                    raise ArtifactError(f"{path} is a link or no regular file: replace it by a plain copy")
                if path.is_file() and not name.startswith(publish.STAGING):
                    yield path.relative_to(folder).as_posix(), path

    def _record(self, uri: str) -> Path:
        digest = hashlib.sha256("/".join((split(uri)[0], *split(uri)[1])).encode()).hexdigest()
        return self.root / _OWNED / f"{digest}.json"

    def _owned(self, uri: str) -> set[str]:
        with suppress(FileNotFoundError, ValueError):
            return set(json.loads(self._record(uri).read_bytes())["objects"])
        return set()

    def _own(self, uri: str, names: Iterable[str]) -> None:
        body = {"uri": uri, "objects": sorted(names)}
        publish.write_file(self._record(uri), json.dumps(body).encode())

    @staticmethod
    def _swap(fresh: Path, target: Path) -> None:
        """Replace `target` by `fresh`; `sweep` undoes it if the process dies between the two renames."""
        old = target.with_name(_OLD + target.name)
        target.rename(old)
        fresh.rename(target)
        publish.flush(target.parent)
        shutil.rmtree(old)


def _ignore_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
