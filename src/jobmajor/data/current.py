"""Titles of the last ten years, and the names that everybody has for large occupations; a table of our own.

O*NET's analysts add titles late, and the model cannot guess what a word means that it has never seen: "streamer" was
one typing error away from "steamer", who works in a textile mill. O*NET also lists an everyday name under every
occupation that anybody has called so: "maintenance worker" is none of them for sure then.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from jobmajor.data import direct_match

TABLE = Path(__file__).with_name("current.tsv")


def read() -> pl.DataFrame:
    """Return the titles with their codes, columns `code` and `title`."""
    rows = [line.split("\t") for line in TABLE.read_text("utf-8").splitlines()[1:]]
    return pl.DataFrame([(code, title) for title, code in rows], schema=direct_match.none().schema, orient="row")
