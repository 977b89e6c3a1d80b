"""The O*NET releases that this project can fetch: their files, columns, addresses and checksums.

The table has only releases on SOC 2018, which are 25.1 and later. Up to 25.0, codes are of the O*NET-SOC 2010 taxonomy,
and mixing the two would mislabel titles without any error. O*NET publishes no checksums, so the checksums here are of
the files as we downloaded them. A file with None is not pinned yet; its folder's manifest records its checksum.
Sources: https://www.onetcenter.org/database.html and https://www.onetcenter.org/db_releases.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jobmajor.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

Edition = Literal["workbook", "text"]
BASE = "https://www.onetcenter.org/dl_files/database"
DEFAULT = "28.1"  # the release of the tutorial, and the one whose files are pinned
FIRST_ON_SOC_2018 = (25, 1)
DIRECT_MATCH = "dmtf-2018"  # no release of O*NET, and none that can be fetched: BLS serves it to browsers only

CODE = "O*NET-SOC Code"
OCCUPATIONS = "Occupation Data"
OCCUPATION_COLUMNS = ("Title", "Description")
REPORTED = "Sample of Reported Titles"
REPORTED_COLUMN = "Reported Job Title"
TASK_COLUMN = "Task"
SHORT = "Short Title"
SOURCES = "Source(s)"
# A titles file's name without suffix (its sheet has the same name) → the column that holds the title.
TITLE_COLUMNS: Mapping[str, str] = {
    "Alternate Titles": "Alternate Title",
    "Job Titles": "Job Title",  # the name of both since 30.3
}
SUFFIXES: Mapping[str, Edition] = {".xlsx": "workbook", ".txt": "text"}

# sha256 → release, for files that do not contain their release number.
PINNED: Mapping[str, tuple[str, str]] = {
    "bc4e716f0b535284d49cd33e6d359e465bccf91bc72fe784ae854067a9791566": (
        "28.1",
        "Alternate Titles.xlsx",
    ),
    "c2692f339e570138118ecf78383968bfcd625813cf0ffa928a7f01d2cefadb45": (
        "28.1",
        "Occupation Data.xlsx",
    ),
    "c3adaa59500f4a18649d6f49ee8798fa6d2c03b7a0f6b0a1a2f064c5c95c9cf5": (
        "27.0",
        "Alternate Titles.txt",
    ),
    "164236c5e0f1d16bfbafe017a16f20a993948cc4b1534d1da631652c81708f0f": (
        "27.0",
        "Occupation Data.txt",
    ),
    "b1f648c97e2ebe3b027a60292833027b55c14b48c2126dc2a546062cccf192b5": (
        "27.0",
        "Sample of Reported Titles.txt",
    ),
}

# Release → the month of its publication (None: not certain), oldest first.
_PUBLISHED: Mapping[str, str | None] = {
    "25.1": "2020-11",
    "25.2": "2021-02",
    "25.3": "2021-05",
    "26.0": "2021-08",
    "26.1": "2021-11",
    "26.2": "2022-02",
    "26.3": "2022-05",
    "27.0": "2022-08",
    "27.1": "2022-11",
    "27.2": "2023-02",
    "27.3": "2023-05",
    "28.0": "2023-08",
    "28.1": "2023-11",
    "28.2": "2024-02",
    "28.3": "2024-05",
    "29.0": "2024-08",
    "29.1": "2024-11",
    "29.2": "2025-02",
    "29.3": "2025-05",
    "30.0": "2025-08",
    "30.1": None,
    "30.2": None,
    "30.3": None,
    "31.0": "2026-08",
}


@dataclass(frozen=True, slots=True)
class Remote:
    """One file to fetch.

    `path` is relative to the base address, with spaces encoded; `sha256` is None if it isn't pinned.
    """

    name: str
    path: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Release:
    """One row of the table; `published` is a month, 2023-11."""

    version: str
    published: str | None
    titles: str

    def names(self, edition: Edition) -> tuple[str, ...]:
        """Return the files that a folder of this release holds: the titles, then the occupations."""
        suffix = ".xlsx" if edition == "workbook" else ".txt"
        return self.titles + suffix, OCCUPATIONS + suffix

    def remotes(self, edition: Edition) -> tuple[Remote, ...]:
        """Return what to fetch: the workbooks one by one, the text edition as one zip of everything."""
        stem = f"db_{self.version.replace('.', '_')}"
        if edition == "text":
            return (Remote(f"{stem}_text.zip", f"{stem}_text.zip", None),)
        return tuple(
            Remote(name, f"{stem}_excel/{name.replace(' ', '%20')}", self._pin(name)) for name in self.names(edition)
        )

    def _pin(self, name: str) -> str | None:
        wanted = (self.version, name)
        return next((digest for digest, file in PINNED.items() if file == wanted), None)


def number(version: str) -> tuple[int, int]:
    """Return a release's version as numbers that sort, e.g. (28, 1).

    Raises:
        DataError: It is no version like 28.1.
    """
    major, dot, minor = version.partition(".")
    if not (dot and major.isascii() and minor.isascii() and major.isdigit() and minor.isdigit()):
        raise DataError("the release", repr(version), f"a number like {DEFAULT}", "name one")
    return int(major), int(minor)


def refuse_2010(where: object, version: str) -> None:
    """Refuse a release before 25.1.

    Raises:
        DataError: The release's codes are of the O*NET-SOC 2010 taxonomy.
    """
    if number(version) < FIRST_ON_SOC_2018:
        raise DataError(
            str(where),
            f"O*NET {version}, of the O*NET-SOC 2010 taxonomy",
            "release 25.1 or later (SOC 2018)",
            "use a later release",
        )


def find(version: str) -> Release:
    """Return the table's row for a version.

    Raises:
        DataError: The table has no such release, or it is of the 2010 taxonomy.
    """
    if version == DIRECT_MATCH:
        raise DataError(
            "the release",
            f"{version}, the SOC's Direct Match titles, which are not fetched",
            "a release of O*NET",
            "get the file from https://www.bls.gov/soc/2018/, save its titles as dmtf_2018.csv (columns soc_code and "
            "title), and name its folder with --data",
        )
    if version not in _PUBLISHED:
        refuse_2010("the release", version)
        raise DataError(
            "the release",
            repr(version),
            f"one of {', '.join(_PUBLISHED)}",
            "name one of these, or fetch its files by hand and name their folder with --data",
        )
    titles = "Job Titles" if number(version) >= (30, 3) else "Alternate Titles"
    return Release(version, _PUBLISHED[version], titles)


def known() -> tuple[Release, ...]:
    """Return every release of the table, oldest first."""
    return tuple(find(version) for version in _PUBLISHED)
