"""The texts that say what people in an occupation do: O*NET's task statements, and its descriptions of occupations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from jobmajor.data.onet import Tables

TASK, DESCRIPTION = "task", "description"
COLUMNS = ("code", "text", "source")


def duties(tables: Tables) -> pl.DataFrame | None:
    """Return the distinct texts of each detailed code, sorted; columns `code`, `text` and `source`.

    Returns:
        None if the release has no task statements: descriptions alone are one text for each code, so no weight could
        be fitted on a text that the code's other texts don't contain.
    """
    if tables.tasks.is_empty():
        return None
    parts = (tables.tasks, TASK), (tables.occupations.rename({"description": "text"}), DESCRIPTION)
    found = [
        table.select(pl.col("onet_code").str.head(7).alias("code"), "text", pl.lit(source).alias("source"))
        for table, source in parts
    ]
    return pl.concat(found).unique().sort(COLUMNS)
