"""Remove what a workspace no longer needs: old runs, their results, and the files of versions that nobody returns to.

What stays: the champion, the champions before it that a rollback can reach, the version that waits, the newest runs,
and everything that one of these names. Records of versions (figures, decisions, origin) always stay. Files that no step
wrote are never removed.

A prune holds the locks of a run and of the registry, so nothing that it looked at changes meanwhile. Each item moves
into a trash folder by one rename, what refers to it first. So a kill leaves no half-removed item; the next prune
empties the trash.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobmajor.errors import NoChampion, SettingError
from jobmajor.home import Workspace
from jobmajor.registry.loading import open_registry
from jobmajor.registry.versions import folder_of
from sagelocal.errors import ArtifactError
from sagelocal.run import executor, records
from sagelocal.storage import publish
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from jobmajor.registry.versions import Registry, Version

_TRASH: Final = ".pruned"
_URI: Final = re.compile(r"s3://[^\"\s]+")
_RESULTS: Final = ("runs", "input", "champion", "checkpoint")  # the folders below a prefix that a run fills


@dataclass(frozen=True, slots=True)
class Item:
    """A file or folder to remove; `kind` is run, result, model, cache or leftover."""

    kind: str
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a prune removes, and the runs and versions that it keeps."""

    items: tuple[Item, ...]
    runs: tuple[str, ...]
    versions: tuple[int, ...]
    unreadable: tuple[str, ...] = field(default=())  # runs without a readable record: they stay

    @property
    def size_bytes(self) -> int:
        """Bytes of all items; files with several names count once for each."""
        return sum(item.size_bytes for item in self.items)


def plan(home: Path, keep: int) -> Plan:
    """Return what `prune` would remove; nothing is changed, and no lock is held afterwards.

    Raises:
        SettingError: `keep` is less than 1. NoChampion: There is no registry, so what is needed can't be known.
        RegistryError: The registry can't be read.
    """
    registry = _registry(home, keep)
    return _plan(home.resolve(), registry, keep)


def prune(home: Path, keep: int) -> Plan:
    """Remove all but the newest `keep` runs, and the champion with the `keep` champions before it.

    Raises:
        SettingError, NoChampion, RegistryError: As `plan`. Busy: A run holds the workspace.
    """
    registry, home = _registry(home, keep), home.resolve()
    with executor.hold(home), registry.writing():
        publish.sweep(Workspace(home).models)
        found = _plan(home, registry, keep)
        for number, item in enumerate(found.items):
            if item.path != home / _TRASH:
                target = home / _TRASH / f"{number}-{item.path.name}"
                target.parent.mkdir(exist_ok=True)
                shutil.rmtree(target, ignore_errors=True)  # of a prune that was killed
                item.path.rename(target)
        shutil.rmtree(home / _TRASH, ignore_errors=True)
    return found


def _registry(home: Path, keep: int) -> Registry:
    if keep < 1:
        raise SettingError("keep", keep, "1 or more")
    if not Workspace(home).database.is_file():
        raise NoChampion(home)
    return open_registry(home)


def _plan(home: Path, registry: Registry, keep: int) -> Plan:
    runs, unreadable = _runs(home)
    held = {run.id for run in runs if run.status == records.EXECUTING}
    kept = {run.id for run in runs[-keep:]} | held
    versions = [version for version in registry.versions() if _is_kept(version, kept, _champions(registry, keep))]
    kept |= {str(version.lineage.get("execution_id")) for version in versions}
    stay = [run for run in runs if run.id in kept]
    texts = [json.dumps(run.as_dict(), default=str) for run in stay]
    texts += [json.dumps(dict(version.lineage), default=str) for version in versions]
    needed = {uri for text in texts for uri in _URI.findall(text)}
    store = FolderStore(Workspace(home).buckets)
    results = [
        folder
        for folder in _result_folders(store.root)
        if folder.name not in kept | set(unreadable) and _is_free(store, folder, needed)
    ]
    paths: list[tuple[str, Path]] = [
        *(("cache", path) for path in _entries(home / "cache", store, results)),
        *(("run", run.folder) for run in runs if run.id not in kept),
        *(("result", folder) for folder in results),
        *(("cache", path) for path in _published(store, results)),
        *(("model", path) for path in _models(home, versions)),
        *(("leftover", path) for path in [home / _TRASH] if path.exists()),
    ]
    items = tuple(Item(kind, path, _size(path)) for kind, path in paths)
    return Plan(items, tuple(run.id for run in stay), tuple(version.number for version in versions), tuple(unreadable))


def _runs(home: Path) -> tuple[list[records.Execution], list[str]]:
    """Return the runs of the workspace, oldest first, and the ids of those without a readable record."""
    found, unreadable = [], []
    for folder in sorted((home / "runs").glob("*")):
        try:
            found.append(records.read(folder))
        except ArtifactError:
            unreadable.append(folder.name)
    return sorted(found, key=lambda run: (run.started, run.id)), unreadable


def _champions(registry: Registry, keep: int) -> set[int]:
    """Return the champion, those that `keep` rollbacks reach, and the version that waits."""
    waiting = registry.candidate()
    return {*registry.champions()[-keep - 1 :], *([waiting.number] if waiting else [])}


def _is_kept(version: Version, runs: set[str], champions: set[int]) -> bool:
    return bool(version.aliases) or version.number in champions or version.lineage.get("execution_id") in runs


def _result_folders(root: Path) -> Iterator[Path]:
    """Yield the folders in which a run put data or results: one for each run, release, champion or checkpoint."""
    for kind in _RESULTS:
        for folder in sorted(root.glob(f"*/*/{kind}/*")):
            if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(publish.STAGING):
                yield folder


def _uri(store: FolderStore, folder: Path) -> str:
    return f"s3://{folder.relative_to(store.root).as_posix()}"


def _is_free(store: FolderStore, folder: Path, needed: Iterable[str]) -> bool:
    """Tell whether nothing that stays names the folder, and a step wrote each of its files."""
    uri = _uri(store, folder)
    if any(each == uri or each.startswith(f"{uri}/") for each in needed):
        return False
    written = store.published(uri)
    return all(path.relative_to(folder).as_posix() in written for path in folder.rglob("*") if not path.is_dir())


def _entries(cache: Path, store: FolderStore, results: Iterable[Path]) -> Iterator[Path]:
    """Yield the entries of the cache whose results go."""
    going = tuple(f'"{_uri(store, folder)}/' for folder in results)
    for path in sorted(cache.glob("*.json")):
        text = path.read_text("utf-8", "replace")
        if any(uri in text for uri in going):
            yield path


def _published(store: FolderStore, results: Iterable[Path]) -> Iterator[Path]:
    """Yield the store's records of what goes."""
    going = tuple(_uri(store, folder) for folder in results)
    for path, uri in store.publications():
        if any(uri == each or uri.startswith(f"{each}/") for each in going):
            yield path


def _models(home: Path, versions: Iterable[Version]) -> Iterator[Path]:
    """Yield the folders of models that no kept version serves or was judged by."""
    needed = {version.folder for version in versions}
    needed |= {folder_of(home, version.judged) for version in versions}
    for folder in sorted(Workspace(home).models.glob("[0-9a-f]*")):
        if folder.is_dir() and folder not in needed:
            yield folder


def _size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(each.lstat().st_size for each in path.rglob("*"))
    return path.lstat().st_size
