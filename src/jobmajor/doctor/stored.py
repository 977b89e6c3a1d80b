"""The workspace: whether it can be written, its size, its releases, its registry and champion, and the disk.

Everything is read only. A program may write to the workspace at the same time.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobmajor import settings, soc
from jobmajor.data import releases, source
from jobmajor.data.source import FOLDER_VARIABLE, FetchOptions
from jobmajor.doctor.finding import FAILED, NOTE, OK, UNKNOWN, Finding, guarded
from jobmajor.errors import ArtifactError
from jobmajor.home import Workspace
from jobmajor.registry import loading, mlflow_database
from jobmajor.soc import chosen
from sagelocal.storage import manifest, publish

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAST_FREE: Final = 10**9  # bytes; a run on a release of O*NET writes a few hundred megabytes
_PATIENCE_S: Final = 2.0  # with a database that another program is writing to
_TEXT: Final = "-text"  # ends the folder of a release's text edition
_MAKE_MODEL: Final = "jobmajor run"  # puts back a damaged version, too, if data and settings are the same


def findings(home: Path) -> Iterator[Finding]:
    """Yield what is found of the workspace `home`, of the data that a run would read, and of the disks."""
    yield from guarded("workspace", lambda: _workspace(home))
    yield from guarded("disk", lambda: _disk("disk", home))
    yield from guarded("temporary files", _temporary)
    yield from guarded("data", lambda: _releases(home) if chosen.now().is_soc else _own_texts())
    yield from guarded(FOLDER_VARIABLE, lambda: _named_data(home))
    yield from guarded("registry", lambda: _registry(Workspace(home)))
    for what, path in (("reviews", Workspace(home).reviews), ("search", Workspace(home).trials)):
        if path.exists():
            yield from guarded(what, lambda what=what, path=path: _database(what, path))  # type: ignore[misc]


def _workspace(home: Path) -> Iterator[Finding]:
    if home.exists() and not home.is_dir():
        yield Finding(
            "workspace", FAILED, f"{home} is a file, expected a folder", shlex.join(["mv", str(home), f"{home}.moved"])
        )
        return
    near = _nearest(home)
    if refused := _refused(near):
        yield Finding(
            "workspace", FAILED, f"{near} can't be written ({refused})", shlex.join(["chmod", "u+rwx", str(near)])
        )
    elif not home.exists():
        yield Finding("workspace", NOTE, f"{home} is not there yet; the first run makes it")
    else:
        yield Finding("workspace", OK, f"{home}, {_size(_bytes_below(home))}")


def _nearest(path: Path) -> Path:
    """Return the folder, or the nearest folder above it that is there."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.is_dir())


def _refused(where: Path) -> str | None:
    """Return why no file can be made in a folder; None if one can, which is gone afterwards."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=publish.STAGING, dir=where)
        os.close(descriptor)
        Path(name).unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _bytes_below(where: Path) -> int:
    total = 0
    for root, _, names in os.walk(where):
        for name in names:
            try:
                total += Path(root, name).lstat().st_size
            except OSError:  # a run may remove a file meanwhile
                continue
    return total


def _disk(what: str, where: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(_nearest(where)).free
    if free < _LEAST_FREE:
        found = f"{_size(free)} free, expected {_size(_LEAST_FREE)} or more"
        yield Finding(what, FAILED, found, "jobmajor prune --yes" if what == "disk" else "export TMPDIR=~/tmp")
    else:
        yield Finding(what, OK, f"{_size(free)} free")


def _temporary() -> Iterator[Finding]:
    what = "temporary files"
    try:
        where = Path(tempfile.gettempdir())
    except OSError as error:
        yield Finding(what, FAILED, f"{error.strerror or error}", "mkdir -p ~/tmp && export TMPDIR=~/tmp")
        return
    yield from _disk(what, where)


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:,.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:,.1f} MB"


def _own_texts() -> Iterator[Finding]:
    """Yield what is found of the texts of a project of `jobmajor init`, whose classification is in use."""
    from jobmajor.data import own  # noqa: PLC0415 - needs the extra `train`

    folder = settings.read().data.path
    if folder:
        yield Finding("data", OK, f"{own.read(folder).titles.height:,} texts with labels of {soc.current()}")


def _releases(home: Path) -> Iterator[Finding]:
    offline = "; JOBMAJOR_OFFLINE is set, so a run uses the starter titles" if FetchOptions().is_offline else ""
    there = Workspace(home).releases
    found = sorted(each for each in there.iterdir() if each.is_dir()) if there.is_dir() else []
    known = {each.version for each in releases.known()}
    for each in found:
        if each.name.startswith(".partial-"):
            cure = _pull(each.name.removeprefix(".partial-"))
            yield Finding("data", NOTE, f"a fetch of {each.name.removeprefix('.partial-')} did not end", cure)
        elif each.name.removesuffix(_TEXT) in known:
            yield _release(each)
        elif not each.name.startswith("."):
            yield Finding("data", NOTE, f"{each.name} is no release of O*NET: name it with --data {each}")
    if not found:
        yield Finding("data", NOTE, f"no release in the workspace{offline}", _pull("28.1"))


def _release(where: Path) -> Finding:
    try:
        files = manifest.verify(where).files
    except ArtifactError as error:
        return Finding("data", FAILED, f"release {where.name} is damaged: {_fault(error)}", _pull(where.name))
    return Finding("data", OK, f"release {where.name}, {len(files)} files as they were fetched")


def _pull(name: str) -> str:
    text = " --text" if name.endswith(_TEXT) else ""
    return f"jobmajor data pull --release {name.removesuffix(_TEXT)}{text}"


def _fault(error: ArtifactError) -> str:
    """Return an error without its advice, which a cure replaces."""
    return str(error).rpartition(": ")[0] or str(error)


def _named_data(home: Path) -> Iterator[Finding]:
    named = FetchOptions().variable(FOLDER_VARIABLE)
    if not named:
        return
    # As a run finds them, without a download if only additions to a release are named.
    found = source.resolve(
        source.AUTO, home, fetch=FetchOptions({FOLDER_VARIABLE: named, source.OFFLINE_VARIABLE: "1"})
    )
    from jobmajor.data import onet  # noqa: PLC0415 - needs the extra `train`

    rows = onet.read(found.folder).titles.height
    extra = [name for name, file in (("Direct Match titles", found.direct_match), ("tasks", found.tasks)) if file]
    shown = "".join(f", {name}" for name in extra)
    yield Finding(FOLDER_VARIABLE, OK, f"release {found.release}, {rows:,} titles{shown}")


def _registry(workspace: Workspace) -> Iterator[Finding]:
    database, digest = workspace.database, None
    if not database.exists():
        yield Finding("registry", NOTE, "no model yet", _MAKE_MODEL)
    else:
        records = next(_database("registry", database))
        try:
            row = mlflow_database.champions_digest(database.resolve()) if records.status == OK else None
        except sqlite3.Error as error:
            fault = f"{database} lacks MLflow's tables ({error})"
            records, row = Finding("registry", FAILED, fault, _aside(database)), None
        digest = row[0] if row else None
        yield records
        if records.status == OK:
            where = workspace.models.resolve() / digest if digest else None
            yield from guarded("champion", lambda: _champion(where))
    yield from guarded("models", lambda: _models(workspace, digest))


def _champion(where: Path | None) -> Iterator[Finding]:
    if where is None:
        yield Finding("champion", NOTE, "no version was promoted", "jobmajor models list")
        return
    try:
        loading.read(where, is_champion=True)
    except ArtifactError as error:
        yield Finding("champion", FAILED, f"{where.name[:12]} is damaged: {_fault(error)}", _MAKE_MODEL)
        return
    yield Finding("champion", OK, f"{where.name[:12]}, as registered, and can be loaded")


def _models(workspace: Workspace, champion: str | None) -> Iterator[Finding]:
    """Hash the files of the other versions; MLflow's own records need MLflow, which the base installation lacks."""
    there = workspace.models
    names = sorted(each.name for each in there.iterdir()) if there.is_dir() else []
    found = [there / name for name in names if not name.startswith(".") and name != champion]
    faults = {each: fault for each in found if (fault := _fault_of(each))}
    for each, fault in faults.items():
        yield Finding("models", FAILED, f"{each.name[:12]} is damaged: {fault}", _MAKE_MODEL)
    if found and not faults:
        yield Finding("models", OK, f"{len(found)} others, their files as registered")


def _fault_of(where: Path) -> str | None:
    try:
        made = manifest.verify(where).digest
    except ArtifactError as error:
        return _fault(error)
    return None if made == where.name else f"by its manifest it is {made[:12]}"


def _database(what: str, path: Path) -> Iterator[Finding]:
    """Read a file of SQLite from end to end, without a change."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_S)) as opened:
            fault = str(opened.execute("PRAGMA quick_check(1)").fetchone()[0])
            tables = opened.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.Error as error:
        yield _unreadable(what, path, error)
        return
    if fault != "ok" or not tables:
        found = f"{path} is damaged ({fault})" if fault != "ok" else f"{path} is empty"
        yield Finding(what, FAILED, found, _aside(path))
    else:
        yield Finding(what, OK, f"{path.name}, {_size(path.stat().st_size)}")


def _unreadable(what: str, path: Path, error: sqlite3.Error) -> Finding:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Finding(what, UNKNOWN, f"another program is writing to {path.name}: look again when it has ended")
    if code == sqlite3.SQLITE_READONLY:  # the journal of a killed writer, which only a writer rolls back
        return Finding(what, NOTE, f"a killed program left changes to {path.name}", "jobmajor models list")
    return Finding(what, FAILED, f"{path} can't be read ({error})", _aside(path))


def _aside(path: Path) -> str:
    """Return the command that moves a damaged file away, so that the next run begins anew."""
    return shlex.join(["mv", str(path), f"{path}.damaged"])
