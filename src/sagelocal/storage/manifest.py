"""Write, read and verify `manifest.json`: what a folder holds and what it was made from.

The manifest has three uses: lineage (settings, code version, source), the cache key of a step's result, and the
integrity check before a reader parses anything. It holds no time, host or path: the same content made twice has the
same manifest, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.errors import ArtifactError, ChecksumMismatch
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "manifest.json"
_FORMAT = 1
_MAX_BYTES = 16 * 2**20  # our manifests have a few kilobytes


@dataclass(frozen=True, slots=True)
class FileRecord:
    """The digest and the size of a file."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A folder's files by POSIX path, and their lineage.

    `rows` counts the rows of the tables among them, `settings` and `code_version` say what made them, `source` is
    the record of the data that they were made from (a release, the digest of an earlier manifest).
    """

    files: Mapping[str, FileRecord]
    settings: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    code_version: str = ""

    def to_bytes(self) -> bytes:
        """Return canonical JSON: the same manifest always gives the same bytes."""
        files = {
            name: {"sha256": record.sha256, "size_bytes": record.size_bytes} for name, record in self.files.items()
        }
        body = {
            "format": _FORMAT,
            "files": files,
            "settings": self.settings,
            "rows": self.rows,
            "source": self.source,
            "code_version": self.code_version,
        }
        return (json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    @property
    def digest(self) -> str:
        """sha256 of the canonical bytes, 64 hex digits."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def hash_file(path: Path) -> str:
    """Return sha256 of the file's content, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scan(folder: Path) -> dict[str, FileRecord]:
    """Return the record of every regular file below `folder` except its manifest, by sorted POSIX path.

    Raises:
        ArtifactError: There is a link or a special file, whose content could change unnoticed.
    """
    found = {}
    for root, folders, names in os.walk(folder):
        for name in folders + names:
            path = Path(root, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise ArtifactError(f"{path} is a link or no regular file: replace it by a plain copy")
            relative = path.relative_to(folder).as_posix()
            if path.is_file() and relative != NAME:
                found[relative] = FileRecord(hash_file(path), path.stat().st_size)
    return dict(sorted(found.items()))


def hash_folder(folder: Path) -> str:
    """Return one sha256 over all names and contents below `folder`, with its manifest, without times and modes."""
    total = hashlib.sha256()
    records = scan(folder)
    if (folder / NAME).is_file():
        records[NAME] = FileRecord(hash_file(folder / NAME), (folder / NAME).stat().st_size)
    for name, record in sorted(records.items()):
        total.update(f"{name}\0{record.sha256}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def write(folder: Path, **lineage: Any) -> Manifest:
    """Write the manifest of `folder` into it and return it; `lineage` are further fields of `Manifest`."""
    manifest = Manifest(files=scan(folder), **lineage)
    publish.write_file(folder / NAME, manifest.to_bytes())
    return manifest


def read(folder: Path) -> Manifest:
    """Return the manifest of `folder` as it is stored; the files are not checked.

    Raises:
        ArtifactError: There is none, or it is not valid.
    """
    path = folder / NAME
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ArtifactError(f"{path} has over {_MAX_BYTES} bytes: it is no manifest, make the folder again")
        body = json.loads(path.read_bytes())
        files = {name: FileRecord(**record) for name, record in body["files"].items()}
        if body["format"] != _FORMAT:
            raise ArtifactError(f"{path} has format {body['format']!r}, expected {_FORMAT}: make the folder again")
        lineage = {key: body[key] for key in ("settings", "rows", "source", "code_version")}
    except OSError as error:
        raise ArtifactError(f"{folder} has no readable {NAME} ({error.strerror}): make the folder again") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} is no manifest ({error}): make the folder again") from error
    return Manifest(files=files, **lineage)


def verify(folder: Path) -> Manifest:
    """Return the manifest of `folder`, after checking that it holds exactly the recorded files.

    Raises:
        ArtifactError: A file is missing, not recorded or a link. ChecksumMismatch: A file has other content.
    """
    manifest = read(folder)
    found = scan(folder)
    for name in sorted(manifest.files.keys() ^ found.keys()):
        fault = "is recorded but missing" if name in manifest.files else "is there but not recorded"
        raise ArtifactError(f"{folder / name} {fault}: make the folder again")
    for name, record in manifest.files.items():
        if found[name] != record:
            raise ChecksumMismatch(folder / name, record.sha256, found[name].sha256)
    return manifest
