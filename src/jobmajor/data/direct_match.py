"""Titles with codes beside O*NET's: the SOC's Direct Match Title File, and a table of our own.

Direct Match titles belong to one code by the word of the standard. The Bureau of Labor Statistics publishes them as a
workbook. This reads them as a CSV file, `dmtf_2018.csv`, with the columns `soc_code` and `title`; others are ignored.
Source: U.S. Bureau of Labor Statistics, 2018 SOC Direct Match Title File (public domain).

Our own table has titles of the last ten years, and the names that everybody has for large occupations. O*NET's analysts
add titles late, and the model cannot guess what a word means that it has never seen: "streamer" was one typing error
away from "steamer", who works in a textile mill. O*NET also lists an everyday name under every occupation that anybody
has called so: "maintenance worker" is none of them for sure then.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from jobmajor.errors import DataError
from jobmajor.soc import detailed_codes
from jobmajor.tables import formats

CODE, TITLE = "soc_code", "title"
CURRENT_TABLE = Path(__file__).with_name("current.tsv")
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


def current() -> pl.DataFrame:
    """Return the titles of our own table with their codes, columns `code` and `title`."""
    rows = [line.split("\t") for line in CURRENT_TABLE.read_text("utf-8").splitlines()[1:]]
    return pl.DataFrame([(code, title) for title, code in rows], schema=_SCHEMA, orient="row")
