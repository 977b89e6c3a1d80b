"""Find the folder that a run reads its titles from: named, in the workspace, downloaded, or bundled.

"auto" always finds a folder, so that a first run works without a network. A notice says if it is the bundled one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jobmajor import arguments
from jobmajor.data import folder as folders
from jobmajor.data import releases
from jobmajor.errors import DataError, Error, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.data.transfer import Progress, TransferOptions

AUTO = "auto"
STARTER_FOLDER = Path(__file__).parent / "starter"
FOLDER_VARIABLE = "JOBMAJOR_DATA"
OFFLINE_VARIABLE = "JOBMAJOR_OFFLINE"
_TRY_CONNECT_S = 3.0
_TRY_READ_S = 10.0
_TRY_TOTAL_S = 60.0

How = Literal["folder", "cache", "download", "starter"]


@dataclass(frozen=True, slots=True)
class TitleSource:
    """A folder that `onet.read` can read, and where it came from.

    `release` is a version, "starter" or "unknown"; `notice` is a sentence that the user must see,
    or None; `direct_match` is the SOC's Direct Match Title File, `tasks` O*NET's task statements, or None.
    """

    folder: Path
    release: str
    notice: str | None
    how: How
    direct_match: Path | None = None
    tasks: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a run reads: those of the release, the Direct Match titles, and the task statements."""
        found = folders.describe(self.folder).files
        return (*found, *(path for path in (self.direct_match, self.tasks) if path and path not in found))


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How to fetch data: environment variables (None takes the process's), transfer options, a progress callback."""

    environment: Mapping[str, str] | None = None
    options: TransferOptions | None = None
    on_progress: Progress | None = None

    def variable(self, name: str) -> str:
        """Return the variable's value, "" when it isn't set."""
        return (os.environ if self.environment is None else self.environment).get(name, "")

    @property
    def is_offline(self) -> bool:
        """Tell whether nothing may be fetched."""
        return self.variable(OFFLINE_VARIABLE) not in ("", "0")


def _from_folder(request: str, folder: Path) -> TitleSource:
    layout = folders.describe(folder)
    release = layout.release
    if request not in (AUTO, release) and release != folders.UNKNOWN:
        raise InputError(
            f"{folder} holds release {release}, but release {request} was asked for: leave one of the two out"
        )
    return TitleSource(folder, release, None, "folder", layout.direct_match, layout.tasks)


def _downloaded(release: str, home: Path, fetch: FetchOptions, options: TransferOptions | None) -> TitleSource:
    from jobmajor.data import download  # noqa: PLC0415 - it brings in the network's modules

    if fetch.is_offline:
        raise DataError(
            f"release {release}",
            f"none in {home} while {OFFLINE_VARIABLE} is set",
            "a downloaded release",
            f"unset {OFFLINE_VARIABLE}, or name a folder with --data",
        )
    folder = download.pull(release, home, on_progress=fetch.on_progress, options=options)
    return TitleSource(folder, release, None, "download")


def _from_cache(release: str, home: Path) -> TitleSource | None:
    from jobmajor.data import download  # noqa: PLC0415 - it brings in the network's modules

    folder = download.cached(release, home)
    return None if folder is None else TitleSource(folder, release, None, "cache")


def _one_try(home: Path, fetch: FetchOptions) -> TitleSource:
    """Fetch the default release by a single quick attempt."""
    from jobmajor.data import outbound, transfer  # noqa: PLC0415 - it brings in the network's modules

    options = replace(
        fetch.options or transfer.TransferOptions(),
        tries=1,
        connect_s=_TRY_CONNECT_S,
        read_s=_TRY_READ_S,
        total_s=_TRY_TOTAL_S,
    )
    if not fetch.is_offline and not outbound.reachable(options.base, _TRY_CONNECT_S):
        raise DataError(options.base, "no connection", f"one within {_TRY_CONNECT_S:.0f} s", "check the network")
    return _downloaded(releases.DEFAULT, home, fetch, options)


def _starter(notice: str | None) -> TitleSource:
    return TitleSource(STARTER_FOLDER, folders.STARTER, notice, "starter")


def _automatic(home: Path, fetch: FetchOptions) -> TitleSource:
    if found := _from_cache(releases.DEFAULT, home):
        return found
    try:
        return _one_try(home, fetch)
    except (Error, OSError) as error:
        return _starter(
            f"O*NET {releases.DEFAULT} is not at hand ({error}); going on with the bundled starter titles, "
            f"good for a look, not for real work: for O*NET's, run again with a connection, or name a folder "
            f"of its files with --data"
        )


def resolve(
    request: str, home: Path, *, data: Path | Sequence[Path] | None = None, fetch: FetchOptions | None = None
) -> TitleSource:
    """Return the folder for a request: "auto", "starter", or a release such as "28.1".

    A named folder (`data`, else the variable JOBMAJOR_DATA) comes before everything else. Then
    "auto" takes 28.1 from the workspace, else by one quick download unless JOBMAJOR_OFFLINE is set,
    else the starter titles with a notice; a release is taken from the workspace or downloaded, or
    refused. Beside a release's folder, one may hold the SOC's Direct Match titles, and one O*NET's task statements.

    Raises:
        InputError: A folder doesn't exist, is none of O*NET's, or holds another release than
            asked for; or two folders of one kind are named.
        DataError: The release is unknown, of the 2010 taxonomy, or can't be fetched.
    """
    fetch = fetch or FetchOptions()
    named = [Path(name) for name in fetch.variable(FOLDER_VARIABLE).split(os.pathsep) if name]
    if data is not None:
        named = [arguments.path("data", each) for each in (data if isinstance(data, list | tuple) else [data])]
    only_titles = [folder for folder in named if folders.holds_direct_match_only(folder)]
    only_tasks = [folder for folder in named if folders.holds_tasks_only(folder)]
    releases_named = [folder for folder in named if folder not in (*only_titles, *only_tasks)]
    if max(len(only_titles), len(only_tasks), len(releases_named)) > 1:
        raise InputError(
            f"--data names {', '.join(map(str, named))}: expected one folder of O*NET's files, and at most one more "
            f"with {folders.DIRECT_MATCH} and one with {folders.TASKS}"
        )
    found = _release(request, home, fetch, releases_named[0] if releases_named else None)
    return replace(
        found,
        direct_match=only_titles[0] / folders.DIRECT_MATCH if only_titles else found.direct_match,
        tasks=folders.tasks(only_tasks[0]) if only_tasks else found.tasks,
    )


def _release(request: str, home: Path, fetch: FetchOptions, named: Path | None) -> TitleSource:
    if named is not None:
        return _from_folder(request, named)
    if request == folders.STARTER:
        return _starter(None)
    if request == AUTO:
        return _automatic(home, fetch)
    releases.find(request)
    return _from_cache(request, home) or _downloaded(request, home, fetch, fetch.options)
