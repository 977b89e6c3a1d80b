"""A folder of anyone's texts with their labels, and the classification that the labels are codes of.

`jobmajor init` writes it, and a run reads it in place of a release of O*NET.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from jobmajor import soc
from jobmajor.arguments import shown
from jobmajor.data.folder import TEXTS
from jobmajor.errors import DataError
from jobmajor.soc import carried, chosen
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from jobmajor.soc.chosen import Chosen

COLUMNS = ("text", "label")


@dataclass(frozen=True, slots=True)
class OwnTables:
    """Both tables, in the columns that `onet.Tables` describes: `titles`, and the named codes as `occupations`."""

    titles: pl.DataFrame
    occupations: pl.DataFrame


def write(folder: Path, rows: Iterable[tuple[str, str]], classification: Chosen) -> None:
    """Write texts with their labels, and the classification."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    publish.write_file(folder / TEXTS, buffer.getvalue().encode("utf-8", "replace"))
    publish.write_file(folder / chosen.FILE, classification.to_json())


def read(folder: Path) -> OwnTables:
    """Return the tables of a folder, and use its classification from here on.

    Raises:
        DataError: A file is missing or damaged, or a label is no code of the finest level.
    """
    carried.activate(folder)
    path = folder / TEXTS
    try:
        found = pl.read_csv(path, infer_schema=False).fill_null("")
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = shown(str(error).partition("\n")[0])
        raise DataError(path, f"no table ({reason})", "a CSV file in UTF-8", "run jobmajor init again") from error
    if tuple(found.columns) != COLUMNS:
        columns = ", ".join(map(repr, found.columns[:6]))
        raise DataError(path, f"the columns {columns}", "text and label", "run jobmajor init again")
    known = soc.detailed_codes()
    strange = found.with_row_index("row", 2).filter(~pl.col("label").is_in(list(known)))
    if len(strange):
        row, _, label = strange.row(0)
        raise DataError(
            path, f"the label {shown(label)} in row {row}", f"a code of {soc.current()} without members", "correct it"
        )
    titles = found.select(
        pl.col("label").alias("onet_code"),
        pl.col("text").alias("title"),
        pl.lit(None, pl.String).alias("short_title"),
        pl.lit(None, pl.String).alias("sources"),
    )
    named = [(code, entry.title, None) for code, entry in soc.table().items() if code in known and entry.title != code]
    schema = dict.fromkeys(("onet_code", "title", "description"), pl.String)
    return OwnTables(titles, pl.DataFrame(named, schema=schema, orient="row"))
