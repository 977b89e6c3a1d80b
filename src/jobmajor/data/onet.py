"""Read the tables of a data folder, and check every row.

A wrong row is an error that names the row; it is not repaired. A title under a wrong code would teach the model
something false, and nothing could detect that later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from jobmajor import soc
from jobmajor.data import direct_match, own, releases, textfile
from jobmajor.data import folder as folders
from jobmajor.errors import DataError
from jobmajor.tables import workbook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from jobmajor.data.releases import Edition
    from jobmajor.data.source import TitleSource

_TASKS = {"onet_code": pl.String, "text": pl.String}
_CODE = re.compile(r"([0-9]{2}-[0-9]{4})\.[0-9]{2}")
_NOTHING = ("", "n/a")  # an empty cell of the workbook, and how the text edition writes it
_A_FEW = 4  # up to as many codes outside SOC 2018 are typing errors; more are another taxonomy


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a release, with the rows in the order of its files.

    Attributes:
        release: A version such as "28.1", "starter", "unknown", or "own texts", whose `onet_code` is the label.
        occupations: Columns onet_code, title, description.
        titles: Columns onet_code, title, short_title and sources; the last two are null where there is none. `sources`
            are O*NET's numbers of where a title was read, such as "02,04".
        reported: Columns onet_code, title; no rows where the folder has no such file.
        direct_match: Columns code, title: the SOC's Direct Match titles; no rows where the folder has no such file.
        tasks: Columns onet_code, text: O*NET's task statements; no rows where the folder has no such file.
    """

    release: str
    edition: Edition
    occupations: pl.DataFrame
    titles: pl.DataFrame
    reported: pl.DataFrame
    direct_match: pl.DataFrame = field(default_factory=direct_match.none)
    tasks: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_TASKS))


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: `header` is its name in the file, `name` that in our frame.

    Cells of a `sparse` column may be empty; an `optional` column may be missing.
    """

    header: str
    name: str
    sparse: bool = False
    optional: bool = False


_CODE_COLUMN = _Column(releases.CODE, "onet_code")


def _raw_rows(path: Path) -> Iterator[tuple[int, Sequence[object]]]:
    return workbook.rows(path, path.stem) if path.suffix == ".xlsx" else textfile.rows(path)


def _positions(path: Path, header: Sequence[object], columns: Sequence[_Column]) -> list[int | None]:
    """Return the index of each column in the file; None for an optional column that isn't there."""
    names = [cell.strip() if isinstance(cell, str) else cell for cell in header]
    found = ", ".join(repr(name) for name in names if name not in _NOTHING)[:300]
    for column in columns:
        if names.count(column.header) > 1:
            raise DataError(path, f"the column {column.header!r} twice", "it once", "remove one of them")
        if column.header not in names and not column.optional:
            raise DataError(
                path,
                f"the columns {found}",
                f"a column {column.header!r}",
                "give the file as O*NET publishes it",
            )
    return [names.index(column.header) if column.header in names else None for column in columns]


def _texts(path: Path, column: _Column, rows: Sequence[int], cells: Sequence[object]) -> list[str | None]:
    """Return the column's cells as written, and None for empty ones; `rows` are their numbers in the file."""
    for row, cell in zip(rows, cells, strict=True):
        if not isinstance(cell, str):
            kind = "a number" if isinstance(cell, (int, float)) else f"a {type(cell).__name__}"
            found = f"{kind} ({cell}) as {column.header!r} in row {row}"
            raise DataError(path, found, "text", "correct the row")
        if cell.strip() in _NOTHING and not column.sparse:
            raise DataError(path, f"no {column.header!r} in row {row}", "one in every row", "correct the row")
    return [cell if isinstance(cell, str) and cell.strip() not in _NOTHING else None for cell in cells]


def _check_codes(path: Path, first_rows: Mapping[str | None, int]) -> None:
    """Raise DataError for codes that are not in SOC 2018; each comes with the first row that has it."""
    valid, strange = soc.detailed_codes(), []
    for code, row in first_rows.items():
        match = _CODE.fullmatch(code or "")
        if match is None:
            found = f"{(code or '')[:40]!r} as {releases.CODE!r} in row {row}"
            raise DataError(path, found, "a code like 29-1141.00", "correct the row")
        if match[1] not in valid:
            strange.append((code, row))
    if len(strange) > _A_FEW:
        some = ", ".join(f"{code}" for code, _ in strange[:3])
        found = f"{len(strange)} codes of the O*NET-SOC 2010 taxonomy or another one ({some}, …)"
        raise DataError(path, found, "codes of SOC 2018", "use release 25.1 or later")
    for code, row in strange:
        found = f"{code!r} in row {row}, no code of SOC 2018"
        raise DataError(path, found, "a code like 29-1141.00", "correct it (O*NET-SOC 2010 has others)")


def _frame(path: Path, columns: Sequence[_Column]) -> pl.DataFrame:
    """Return the file's columns, the code first, with all rows checked."""
    (_, header), *body = list(_raw_rows(path)) or [(0, ())]
    if not body:
        raise DataError(path, "no rows below a header", "a row for every title", "fetch the file again")
    wanted = (_CODE_COLUMN, *columns)
    rows = [row for row, _ in body]
    values: dict[str, list[str | None]] = {}
    for column, position in zip(wanted, _positions(path, header, wanted), strict=True):
        cells = [""] * len(body) if position is None else [fields[position] for _, fields in body]
        values[column.name] = _texts(path, column, rows, cells)
    first_rows: dict[str | None, int] = {}
    for code, row in zip(values[_CODE_COLUMN.name], rows, strict=True):
        first_rows.setdefault(code, row)
    _check_codes(path, first_rows)
    return pl.DataFrame(values, schema=dict.fromkeys(values, pl.String))


def _title_columns(titles: Path) -> tuple[_Column, ...]:
    # Whether 30.3 and later keep the short titles was not seen, so only the older layout insists on them.
    renamed = titles.stem != "Alternate Titles"
    short = _Column(releases.SHORT, "short_title", sparse=True, optional=renamed)
    sources = _Column(releases.SOURCES, "sources", sparse=True, optional=True)
    return _Column(releases.TITLE_COLUMNS[titles.stem], "title"), short, sources


def read(folder: Path) -> Tables:
    """Return the folder's tables, in either edition and in the layout before or since 30.3, or those of `own`.

    From here on, the process uses the classification that the folder's codes are of.

    Raises:
        InputError: There is no such folder.
        DataError: A file is missing, of another kind, damaged or too large, lacks a column or a sheet, is of the
            O*NET-SOC 2010 taxonomy, or has a row that can't be used; names file, row and value.
        ArtifactError: The folder has a manifest and is not as recorded there.
    """
    layout = folders.describe(folder)
    if layout.release == folders.OWN:
        found = own.read(folder)
        return Tables(layout.release, layout.edition, found.occupations, found.titles, _no_reports())
    soc.use(None)
    title, description = releases.OCCUPATION_COLUMNS
    reported = _no_reports()
    if layout.reported is not None:
        reported = _frame(layout.reported, (_Column(releases.REPORTED_COLUMN, "title"),))
    return Tables(
        release=layout.release,
        edition=layout.edition,
        occupations=_frame(layout.occupations, (_Column(title, "title"), _Column(description, "description"))),
        titles=_frame(layout.titles, _title_columns(layout.titles)),
        reported=reported,
        direct_match=direct_match.read(layout.direct_match) if layout.direct_match else direct_match.none(),
        tasks=tasks(layout.tasks),
    )


def _no_reports() -> pl.DataFrame:
    return pl.DataFrame(schema={"onet_code": pl.String, "title": pl.String})


def tasks(path: Path | None) -> pl.DataFrame:
    """Return the task statements in a file, columns onet_code and text; no rows without a file."""
    return _frame(path, (_Column(releases.TASK_COLUMN, "text"),)) if path else pl.DataFrame(schema=_TASKS)


def read_source(source: TitleSource) -> Tables:
    """Return what `read` returns, with the Direct Match titles and the task statements of other folders.

    Raises:
        InputError, DataError, ArtifactError: As `read`.
    """
    found = read(source.folder)
    if source.direct_match and source.direct_match.parent != source.folder:
        found = replace(found, direct_match=direct_match.read(source.direct_match))
    if source.tasks and source.tasks.parent != source.folder:
        found = replace(found, tasks=tasks(source.tasks))
    return found
