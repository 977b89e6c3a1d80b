"""The SOC's Direct Match Title File: titles that belong to one code by the word of the standard.

The Bureau of Labor Statistics publishes it as a workbook. This reads it as a CSV file, `dmtf_2018.csv`, with the
columns `soc_code` and `title`; others are ignored.
Source: U.S. Bureau of Labor Statistics, 2018 SOC Direct Match Title File (public domain).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from jobmajor.errors import DataError
from jobmajor.soc import detailed_codes
from jobmajor.tables import formats

if TYPE_CHECKING:
    from pathlib import Path

CODE, TITLE = "soc_code", "title"
_SCHEMA = {"code": pl.String, "title": pl.String}


def none() -> pl.DataFrame:
    """Return a table without any title."""
    return pl.DataFrame(schema=_SCHEMA)


def read(path: Path) -> pl.DataFrame:
    """Return the titles with their codes, columns `code` and `title`, in the order of the file.

    Raises:
        InputError: The file is missing or damaged, or lacks a column.
        DataError: A row can't be used; names the row and its code.
    """
    rows: list[tuple[str, str]] = []
    for block in formats.rows(path, (TITLE, CODE)):
        if block.bad:
            raise DataError(path, f"{block.bad} damaged rows", "none", "fetch the file again")
        rows += [(code.strip(), title.strip()) for title, code in block.cells if title.strip() or code.strip()]
    valid = detailed_codes()
    for number, (code, title) in enumerate(rows, start=2):
        if code not in valid or not title:
            found = f"the code {code[:40]!r} of the title {title[:40]!r} in row {number}"
            raise DataError(path, found, "a title with a detailed code of SOC 2018", "correct the row")
    if not rows:
        raise DataError(path, "no rows below a header", "a row for every title", "fetch the file again")
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
