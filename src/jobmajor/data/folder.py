"""Find out what a data folder holds, from its files' names, before any table is parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.data import releases
from jobmajor.errors import DataError, InputError
from jobmajor.soc import chosen
from jobmajor.soc.chosen import OWN_TEXTS
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.data.releases import Edition

STARTER = "starter"
UNKNOWN = "unknown"
OWN = OWN_TEXTS
TEXTS = "texts.csv"  # its texts, beside its classification
DIRECT_MATCH = "dmtf_2018.csv"  # the SOC's Direct Match Title File, as a table with the columns of `direct_match`
TASKS = "Task Statements"  # of O*NET, which a release's folder may have or not
STARTER_MARK = "# Starter titles"  # the first line of the bundled README.md

_READ_ME = "Read Me.txt"
_READ_ME_LINE = re.compile(r"O\*NET(?:®)? ([0-9]{1,3}\.[0-9]{1,2}) Database")
_SEEN_NAMES = 6  # how many of a wrong folder's names an error lists


@dataclass(frozen=True, slots=True)
class Layout:
    """A folder whose tables can be read; `reported`, `direct_match` and `tasks` are None if there is no such file.

    `release` is a version such as "28.1", "starter", "unknown", or "own texts".
    """

    release: str
    edition: Edition
    titles: Path
    occupations: Path
    reported: Path | None
    direct_match: Path | None
    tasks: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a run reads."""
        found = (self.titles, self.occupations, self.reported, self.direct_match, self.tasks)
        return tuple(path for path in found if path)


def _title_files(folder: Path) -> list[Path]:
    candidates = [folder / f"{stem}{suffix}" for suffix in releases.SUFFIXES for stem in releases.TITLE_COLUMNS]
    return [path for path in candidates if path.is_file()]


def _titles(folder: Path) -> Path:
    """Return the one titles file of the folder."""
    found = _title_files(folder)
    if len(found) > 1:
        raise DataError(
            folder,
            " and ".join(path.name for path in found),
            "the titles of one release in one edition",
            "keep one of them in the folder",
        )
    if not found:
        seen = sorted(path.name for path in folder.iterdir())
        more = f" and {len(seen) - _SEEN_NAMES} more" if len(seen) > _SEEN_NAMES else ""
        raise DataError(
            folder,
            (", ".join(seen[:_SEEN_NAMES]) + more) or "an empty folder",
            "Alternate Titles or Job Titles as .xlsx or .txt",
            "name the folder that holds O*NET's files",
        )
    return found[0]


def _first_line(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.readline(200).decode("utf-8-sig", "replace").strip()


def _recorded(folder: Path) -> str | None:
    """Return the release that the folder's manifest names, after a check of the folder against it."""
    if not (folder / manifest.NAME).is_file():
        return None
    release = manifest.verify(folder).source.get("release")
    return release if isinstance(release, str) else None


def _release(folder: Path, titles: Path) -> str:
    if recorded := _recorded(folder):
        return recorded
    if read_me := _READ_ME_LINE.match(_first_line(folder / _READ_ME)):
        return read_me[1]
    if _first_line(folder / "README.md") == STARTER_MARK:
        return STARTER
    return releases.PINNED.get(manifest.hash_file(titles), (UNKNOWN, ""))[0]


def _own(folder: Path) -> Layout:
    table = folder / chosen.FILE
    if not table.is_file():
        raise DataError(folder, f"{TEXTS} alone", f"{table.name} beside it", "run jobmajor init again")
    if (folder / manifest.NAME).is_file():
        manifest.verify(folder)
    return Layout(OWN, "text", folder / TEXTS, table, None, None)


def holds_direct_match_only(folder: Path) -> bool:
    """Tell whether a folder holds the Direct Match titles, and no titles of O*NET."""
    return (folder / DIRECT_MATCH).is_file() and not _title_files(folder)


def holds_tasks_only(folder: Path) -> bool:
    """Tell whether a folder holds O*NET's task statements, and no titles."""
    return tasks(folder) is not None and not _title_files(folder)


def tasks(folder: Path) -> Path | None:
    """Return the folder's file of task statements, of either edition."""
    files = (folder / f"{TASKS}{suffix}" for suffix in releases.SUFFIXES)
    return next((path for path in files if path.is_file()), None)


def describe(folder: Path) -> Layout:
    """Return which release and edition the folder holds, and where its tables are.

    The release comes from the folder's manifest, else from O*NET's `Read Me.txt`, else from the
    mark of the starter titles, else from the checksum of a file that we know.

    Raises:
        InputError: There is no such folder.
        DataError: A table is missing, the titles are there twice, or the release is of the 2010
            taxonomy.
        ArtifactError: The folder has a manifest and is not as recorded there.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name one that holds O*NET's files, or leave --data out")
    if (folder / TEXTS).is_file():
        return _own(folder)
    titles = _titles(folder)
    release = _release(folder, titles)
    if release not in (STARTER, UNKNOWN):
        releases.refuse_2010(folder, release)
    occupations = titles.with_name(releases.OCCUPATIONS + titles.suffix)
    reported = titles.with_name(releases.REPORTED + titles.suffix)
    if not occupations.is_file():
        raise DataError(folder, f"{titles.name} alone", f"{occupations.name} beside it", "add it from the same release")
    edition = releases.SUFFIXES[titles.suffix]
    direct_match = folder / DIRECT_MATCH
    return Layout(
        release,
        edition,
        titles,
        occupations,
        reported if reported.is_file() else None,
        direct_match if direct_match.is_file() else None,
        tasks(folder),
    )
