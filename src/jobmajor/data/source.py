"""Find the folder that a run reads its titles from: named, in the workspace, freshly fetched, or bundled.

"auto" always ends in a folder, so that a first run works on a train; what it settled for is said in
a notice, and never silently.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jobmajor.data import folder as folders
from jobmajor.data import releases
from jobmajor.errors import DataError, Error, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.data.transfer import Options, Progress

AUTO = "auto"
STARTER_FOLDER = Path(__file__).parent / "starter"
FOLDER_VARIABLE = "JOBMAJOR_DATA"
OFFLINE_VARIABLE = "JOBMAJOR_OFFLINE"
_TRY_CONNECT_S = 3.0
_TRY_READ_S = 10.0
_TRY_TOTAL_S = 60.0

How = Literal["folder", "cache", "download", "starter"]


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that `onet.read` can read, and where it came from.

    `release` is a version, "starter" or "unknown"; `notice` is a sentence that the user must see,
    or None.
    """

    folder: Path
    release: str
    notice: str | None
    how: How


@dataclass(frozen=True, slots=True)
class Way:
    """How data is fetched: the environment's variables, the options of a download, whom to tell of progress."""

    environment: Mapping[str, str] | None = None
    options: Options | None = None
    on_progress: Progress | None = None

    def variable(self, name: str) -> str:
        """Return the variable's value, "" when it isn't set."""
        return (os.environ if self.environment is None else self.environment).get(name, "")

    @property
    def is_offline(self) -> bool:
        """Tell whether nothing may be fetched."""
        return self.variable(OFFLINE_VARIABLE) not in ("", "0")


def _from_folder(request: str, folder: Path) -> Source:
    release = folders.describe(folder).release
    if request not in (AUTO, release) and release != folders.UNKNOWN:
        raise InputError(
            f"{folder} holds release {release}, but release {request} was asked for: leave one of the two out"
        )
    return Source(folder, release, None, "folder")


def _downloaded(release: str, home: Path, way: Way, options: Options | None) -> Source:
    from jobmajor.data import download  # noqa: PLC0415 - it brings in the network's modules

    if way.is_offline:
        raise DataError(
            f"release {release}",
            f"none in {home} while {OFFLINE_VARIABLE} is set",
            "a downloaded release",
            f"unset {OFFLINE_VARIABLE}, or name a folder with --data",
        )
    folder = download.pull(release, home, on_progress=way.on_progress, options=options)
    return Source(folder, release, None, "download")


def _from_cache(release: str, home: Path) -> Source | None:
    from jobmajor.data import download  # noqa: PLC0415 - it brings in the network's modules

    folder = download.cached(release, home)
    return None if folder is None else Source(folder, release, None, "cache")


def _one_try(home: Path, way: Way) -> Source:
    """Fetch the default release by a single quick attempt."""
    from jobmajor.data import outbound, transfer  # noqa: PLC0415 - it brings in the network's modules

    options = replace(
        way.options or transfer.Options(),
        tries=1,
        connect_s=_TRY_CONNECT_S,
        read_s=_TRY_READ_S,
        total_s=_TRY_TOTAL_S,
    )
    if not way.is_offline and not outbound.reachable(options.base, _TRY_CONNECT_S):
        raise DataError(options.base, "no connection", f"one within {_TRY_CONNECT_S:.0f} s", "check the network")
    return _downloaded(releases.DEFAULT, home, way, options)


def _starter(notice: str | None) -> Source:
    return Source(STARTER_FOLDER, folders.STARTER, notice, "starter")


def _automatic(home: Path, way: Way) -> Source:
    if found := _from_cache(releases.DEFAULT, home):
        return found
    try:
        return _one_try(home, way)
    except (Error, OSError) as error:
        return _starter(
            f"O*NET {releases.DEFAULT} is not at hand ({error}); going on with the bundled starter titles, "
            f"good for a look, not for real work: for O*NET's, run again with a connection, or name a folder "
            f"of its files with --data"
        )


def resolve(request: str, home: Path, *, data: Path | None = None, way: Way | None = None) -> Source:
    """Return the folder for a request: "auto", "starter", or a release such as "28.1".

    A named folder (`data`, else the variable JOBMAJOR_DATA) comes before everything else. Then
    "auto" takes 28.1 from the workspace, else by one quick download unless JOBMAJOR_OFFLINE is set,
    else the starter titles with a notice; a release is taken from the workspace or downloaded, or
    refused.

    Raises:
        InputError: The folder doesn't exist, is none of O*NET's, or holds another release than
            asked for.
        DataError: The release is unknown, of the 2010 taxonomy, or can't be fetched.
    """
    way = way or Way()
    named = str(data) if data is not None else way.variable(FOLDER_VARIABLE)
    if named:
        return _from_folder(request, Path(named))
    if request == folders.STARTER:
        return _starter(None)
    if request == AUTO:
        return _automatic(home, way)
    releases.find(request)
    return _from_cache(request, home) or _downloaded(request, home, way, way.options)
