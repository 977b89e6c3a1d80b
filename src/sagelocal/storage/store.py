"""The `Store` protocol for `s3://` addresses, and its implementation with folders.

Definitions and steps name `s3://` addresses only; a store knows where the bytes are. What a step publishes appears as
a whole or not at all, also under a prefix that already holds objects.
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sagelocal.errors import ArtifactError, InputError
from sagelocal.storage import lock, publish, transfer
from sagelocal.storage.access import ReadWriteLock
from sagelocal.storage.address import join, prefix, split
from sagelocal.storage.manifest import FileRecord, hash_file
from sagelocal.storage.ownership import Owners
from sagelocal.storage.transfer import copy, link, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Skip = Callable[[str], bool]
    Upload = tuple[str, Path]  # an address and the folder with the objects for it

_OLD = publish.STAGING + "old-"  # prefix of a replaced folder until it is removed


class Store(Protocol):
    """Objects by address. A prefix names one object or a folder of objects; names below it are POSIX paths."""

    def listing(self, uri: str) -> dict[str, FileRecord]:
        """Return the record of every object below `uri` by relative name, sorted; empty if there is none.

        If `uri` is an object itself, its key is the last part of the address.
        """
        ...

    def download(self, uri: str, folder: Path, skip: Skip | None = None) -> dict[str, FileRecord]:
        """Copy the objects of `listing` into `folder`, and return what was copied, hashed while copying.

        Names that `skip` returns true for are left out.
        """
        ...

    def publish(self, uri: str, folder: Path) -> dict[str, FileRecord]:
        """Publish the regular files of `folder` as the objects below `uri`, all at once; links are left out.

        Objects of an earlier publication to the same prefix are removed; other objects stay.
        """
        ...

    def add(self, uploads: Sequence[Upload]) -> list[dict[str, FileRecord]]:
        """Publish several folders as `publish` does, all of them or none, and remove nothing.

        The files may be moved out of the folders.
        """
        ...

    def read(self, uri: str, max_bytes: int) -> bytes:
        """Return the content of one object."""
        ...


class Backend(Store, Protocol):
    """A store that can say what publications put at a prefix, and remove it again."""

    def published_at(self, uri: str) -> dict[str, str]:
        """Return the objects that publications to exactly this prefix put there: a token of the content by name."""
        ...

    def discard(self, uri: str, tokens: Mapping[str, str]) -> None:
        """Remove objects that were published at this prefix, unless their token has changed since."""
        ...


class FolderStore:
    """A store with one folder for each bucket, in `<home>/s3`.

    Unlike S3, a folder can't hold an object `a` and an object `a/b` at the same time. On a case-insensitive file
    system, keys that differ only in case are the same key.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._publishing, self._access = threading.Lock(), ReadWriteLock(root / ".access.lock")
        self._owners = Owners(root)

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

    def download(self, uri: str, folder: Path, skip: Skip | None = None) -> dict[str, FileRecord]:
        """See `Store.download`."""
        with self._access.reading():
            found = self._objects(uri)
            return {name: copy(found[name], folder / name) for name in found if skip is None or not skip(name)}

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
        """See `Store.publish`. Renames make the change visible in one step."""
        return self._publish([(uri, folder)], replaces=True)[0]

    def add(self, uploads: Sequence[Upload]) -> list[dict[str, FileRecord]]:
        """See `Store.add`. Nothing is visible before all files are written and flushed."""
        return self._publish(uploads, replaces=False)

    def _publish(self, uploads: Sequence[Upload], *, replaces: bool) -> list[dict[str, FileRecord]]:
        # Two publications into each other's prefixes at the same time would each keep old objects of the other.
        with self._publishing, lock.wait_for(self.root / ".publishing.lock"), ExitStack() as stack:
            staged, records = dict[str, Path](), []
            bring = copy if replaces or transfer.overlap([folder for _, folder in uploads]) else take
            for uri, folder in uploads:
                base = _outermost(uri, uploads)
                if base not in staged:
                    staged[base] = stack.enter_context(self._staged(base, replaces=replaces))
                target = staged[base] / prefix(uri).removeprefix(base).strip("/")
                records.append(transfer.bring_all(uri, folder, target, bring))
            for (uri, _), found in zip(uploads, records, strict=True):
                self._owners.write(prefix(uri), self._owners.read(prefix(uri)) | found.keys())
            for base, staging in staged.items():
                self._make_visible(staging, self.path(base))
            for (uri, _), found in zip(uploads if replaces else (), records, strict=False):
                self._owners.write(prefix(uri), found.keys())
            return records

    @contextmanager
    def _staged(self, base: str, *, replaces: bool) -> Iterator[Path]:
        """Give a folder that is to become the one of the prefix, with the objects that stay."""
        target = self.path(base)
        for path in (target, *target.parents):
            if path.is_file():
                raise InputError(f"{base} can't hold objects: {path} is an object itself, remove it")
        going = self._owners.read(base) if replaces else set()
        with publish.staged(target) as staging:
            for name, path in self._objects(base).items():
                if name not in going:
                    link(path, staging / name)
            yield staging

    def _make_visible(self, staging: Path, target: Path) -> None:
        publish.flush_tree(staging)
        if not target.exists():
            staging.rename(target)
            publish.flush(target.parent)
            return
        with self._access.writing():
            self._swap(staging, target)

    def published_at(self, uri: str) -> dict[str, str]:
        """See `Backend.published_at`."""
        found = {}
        for name in self._owners.read(prefix(uri)):
            with suppress(FileNotFoundError, NotADirectoryError):
                found[name] = _token(self.path(join(uri, name)))
        return found

    def discard(self, uri: str, tokens: Mapping[str, str]) -> None:
        """See `Backend.discard`."""
        with self._publishing, lock.wait_for(self.root / ".publishing.lock"):
            for name, token in tokens.items():
                path = self.path(join(uri, name))
                with suppress(FileNotFoundError, NotADirectoryError):
                    if _token(path) == token:
                        path.unlink()
                        _remove_empty(path.parent, self.path(uri))
            self._owners.write(prefix(uri), self._owners.read(prefix(uri)) - tokens.keys())

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep publications and readers out during the block, which changes single objects."""
        with self._publishing, lock.wait_for(self.root / ".publishing.lock"), self._access.writing():
            yield

    def published(self, uri: str) -> set[str]:
        """Return the names below `uri` of all objects that were published there or at a prefix inside it."""
        found = set()
        for _, base in self.publications():
            if base == uri or base.startswith(f"{uri}/"):
                found |= {join(base, name).removeprefix(f"{uri}/") for name in self._owners.read(base)}
        return found

    def publications(self) -> list[tuple[Path, str]]:
        """Return the record of each publication, and its address; records that can't be read are left out."""
        return self._owners.every()

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


def _outermost(uri: str, uploads: Sequence[Upload]) -> str:
    """Return the shortest prefix among the uploads that holds `uri`: one folder can't be replaced inside another."""
    prefixes = [prefix(other) for other, _ in uploads]
    return min((other for other in prefixes if f"{prefix(uri)}/".startswith(f"{other}/")), key=len)


def _token(path: Path) -> str:
    status = path.stat()
    return f"{status.st_ino} {status.st_mtime_ns} {status.st_size}"


def _remove_empty(folder: Path, top: Path) -> None:
    with suppress(OSError):  # it holds something
        while folder.is_relative_to(top):
            folder.rmdir()
            folder = folder.parent
