"""Put the inputs of a run where the definition reads them: in the local bucket, under names made of their content.

Because of these names, a later run with equal inputs finds its steps in the cache.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor.data import folder as folders
from jobmajor.data.labelled import TitleFile
from jobmajor.errors import RegistryError
from jobmajor.pipeline import definition, requests
from jobmajor.registry import artifact
from sagelocal.storage import archive, manifest, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobmajor.data.source import TitleSource
    from jobmajor.registry.versions import Registry
    from jobmajor.settings import Settings
    from sagelocal.storage.store import FolderStore


def data(source: TitleSource, store: FolderStore, settings: Settings) -> str:
    """Return the address of a release's files; if they aren't there yet, check them and put them there.

    The check takes a second, the first time only. It finds data that can't be used before any step runs.
    """
    layout = folders.describe(source.folder)
    origin = {"release": layout.release, "edition": layout.edition}

    def look() -> None:
        from jobmajor.data import onet  # noqa: PLC0415 - brings in polars, which a cached run can do without

        onet.read_source(source)  # the originals, so that a refusal names a file that the user knows

    return _brought(source.files, definition.local_uri(settings, "input"), store, origin, look)


def checkpoint(files: Sequence[Path], store: FolderStore, settings: Settings) -> str:
    """Return the address of a checkpoint's files, as `checkpoint_files.files` finds them; put them there if need be."""
    return _brought(files, definition.local_uri(settings, requests.CHECKPOINT), store, {}, lambda: None)


def reviewed(path: Path | None, store: FolderStore, settings: Settings) -> str:
    """Return the address of a table of reviewed titles, named by its digest; put it there if need be.

    None stands for no reviewed titles.

    Raises:
        InputError: The table can't be used.
    """
    from jobmajor.data import reviewed as titles  # noqa: PLC0415 - brings in polars

    none = definition.local_uri(settings, definition.NO_REVIEWS)
    with tempfile.TemporaryDirectory() as name:
        staging = Path(name)
        if path:
            titles.write(TitleFile(path), staging)
            return _brought([staging / titles.FILE], none.rpartition("/")[0], store, {}, lambda: None)
        if not store.listing(none):
            titles.write_none(staging)
            store.publish(none, staging)
        return none


def _brought(
    files: Sequence[Path], base: str, store: FolderStore, origin: Mapping[str, str], look: Callable[[], None]
) -> str:
    with tempfile.TemporaryDirectory() as name:
        staging = Path(name)
        for path in files:
            shutil.copyfile(path, staging / path.name)
        made = manifest.write(staging, source=origin)
        uri = f"{base}/{made.digest}"
        there = store.listing(uri)
        if any(there.get(name) != record for name, record in made.files.items()):
            look()
            store.publish(uri, staging)
    return uri


def champion(registry: Registry, key: str, store: FolderStore, settings: Settings) -> str:
    """Return the address of the model to compare with, named by its digest; put the model there if need be.

    It is the model that was evaluated, not the one refitted on all rows: that one knows the test.

    A run that repeats the champion's run compares with the model that the champion was compared with. Otherwise, every
    repeated run would evaluate again, and compare a model with itself.
    """
    current = registry.champion()
    none = definition.local_uri(settings, definition.NO_CHAMPION)
    uri = definition.local_uri(settings, "champion", current.judged) if current else none
    if current and current.lineage.get("run_key") == key:
        uri = str(current.lineage.get("compared_with", none))
    if not store.listing(uri):
        with tempfile.TemporaryDirectory() as name:
            staging = Path(name)
            if uri == none:
                publish.write_file(staging / "none.txt", b"No champion yet: nothing to compare with.\n")
            else:
                _pack(registry, uri.rpartition("/")[2], staging / artifact.MODEL)
            store.publish(uri, staging)
    return uri


def _pack(registry: Registry, digest: str, target: Path) -> None:
    """Verify the evaluated model with that digest, and pack it as an archive."""
    for version in registry.versions():
        if version.judged == digest:
            archive.pack(registry.judged(version.number), target)
            return
    raise RegistryError(f"the champion was compared with {digest[:12]}…, which no version is now: promote another")
