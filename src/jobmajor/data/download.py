"""A release's folder in the workspace: fetched once, published in one step, verified at every later use."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

from jobmajor.data import releases, transfer
from jobmajor.errors import ArtifactError, DataError
from jobmajor.home import Workspace
from jobmajor.tables import archive
from sagelocal.storage import lock, manifest, publish

if TYPE_CHECKING:
    from pathlib import Path
    from zipfile import ZipFile

    from jobmajor.data.releases import Edition, Release

_log = logging.getLogger(__name__)
# The zip of the text edition holds about 40 tables, of which two or three are taken out.
_TEXT_LIMITS = archive.Limits(file_bytes=64 * 2**20, entries=400, total_bytes=1024 * 2**20)
_WORKBOOK_LIMITS = archive.Limits(file_bytes=64 * 2**20, entries=400, total_bytes=256 * 2**20)
_READ_ME = "Read Me.txt"
_MAX_TEXT_BYTES = 16 * 2**20


def target(release: str, home: Path, edition: Edition = "workbook") -> Path:
    """Return where the workspace keeps a release; the text edition is beside the workbooks."""
    name = release if edition == "workbook" else f"{release}-{edition}"
    return Workspace(home).releases / name


def cached(release: str, home: Path, edition: Edition = "workbook") -> Path | None:
    """Return the release's folder if it is there and exactly as recorded, else None."""
    folder = target(release, home, edition)
    if not folder.is_dir():
        return None
    try:
        manifest.verify(folder)
    except ArtifactError as error:
        _log.warning("%s is not used: %s", folder, error)
        return None
    return folder


def _unpack(path: Path, names: tuple[str, ...], folder: Path) -> None:
    """Extract the named files from the text edition's zip, and no others."""
    with archive.opened(path, _TEXT_LIMITS, expected="the text edition's zip") as source:
        entries = {name.rpartition("/")[2]: name for name in source.namelist()}
        for name in names:
            if name in entries:
                _take(path, source, entries[name], folder / name)
            elif name != _READ_ME:
                raise DataError(path.name, f"a zip without {name}", "the text edition", "use the workbook edition")


def _take(path: Path, source: ZipFile, entry: str, to: Path) -> None:
    if source.getinfo(entry).file_size > _MAX_TEXT_BYTES:
        raise DataError(path, f"{entry} of over {_MAX_TEXT_BYTES} bytes", "a smaller table", "fetch it again")
    with to.open("wb") as file:
        for chunk in archive.chunks(path, source, entry):
            file.write(chunk)


def _source(release: Release, edition: Edition, items: tuple[transfer.Item, ...]) -> dict[str, object]:
    return {
        "name": "O*NET database",
        "release": release.version,
        "edition": edition,
        "addresses": [item.address for item in items],
        "pinned": all(item.sha256 is not None for item in items),
    }


def _publish(release: Release, edition: Edition, parts: dict[transfer.Item, Path], folder: Path) -> None:
    """Publish the partial files as the release's folder, in one step."""
    if folder.exists():  # it failed its check; otherwise nothing would be published
        shutil.rmtree(folder)
    with publish.new_folder(folder) as staging:
        for item, part in parts.items():
            if edition == "text":
                _unpack(part, (*release.names(edition), _READ_ME), staging)
            else:
                archive.check(part, _WORKBOOK_LIMITS, expected=f"the workbook {item.name}")
                shutil.copyfile(part, staging / item.name)
        manifest.write(staging, source=_source(release, edition, tuple(parts)))


def pull(
    release: str,
    home: Path,
    *,
    edition: Edition = "workbook",
    on_progress: transfer.Progress | None = None,
    options: transfer.TransferOptions | None = None,
) -> Path:
    """Return the release's verified folder in the workspace; fetch it if it isn't there.

    An interrupted fetch continues where it stopped. A file whose checksum isn't pinned is accepted as the server sends
    it, and the folder's manifest records its checksum.

    Raises:
        DataError: There is no such release, it can't be fetched whole and unchanged, or the workspace
            can't be written.
        Busy: Another process is fetching the same release into this workspace.
    """
    wanted = releases.find(release)
    if folder := cached(release, home, edition):
        return folder
    options = options or transfer.TransferOptions()
    folder = target(release, home, edition)
    items = tuple(
        transfer.Item(remote.name, f"{options.base}/{remote.path}", remote.sha256) for remote in wanted.remotes(edition)
    )
    partial = Workspace(home).releases / f".partial-{folder.name}"
    parts = {item: partial / f"{item.name}.part" for item in items}
    try:
        with lock.take(partial / "lock", busy=home):  # two fetches into one partial file would mix their bytes
            for item, part in parts.items():
                transfer.fetch(item, part, options, on_progress)
            _publish_or_forget(wanted, edition, parts, folder)
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        do = "give access, free some space or name another --home"
        raise DataError(error.filename or home, str(error.strerror or error), "a folder to write to", do) from error
    return folder


def _publish_or_forget(release: Release, edition: Edition, parts: dict[transfer.Item, Path], folder: Path) -> None:
    """Publish the partial files, or remove them if they are wrong: later tries would take them for complete."""
    try:
        _publish(release, edition, parts, folder)
    except DataError:
        for part in parts.values():
            transfer.forget(part)
        raise
