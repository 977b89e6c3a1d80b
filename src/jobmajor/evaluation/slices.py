"""Which test rows have what in common, so that one good average can't hide a kind of title that fails.

The rules read the title as text, by plain patterns that anybody can check: they say "ends like a
plural", not "is a plural".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from jobmajor.data.examples import COUNTED

if TYPE_CHECKING:
    from collections.abc import Mapping

_SENIORITY = r"\b(senior|junior|lead|head|chief|principal|deputy|trainee|apprentice|intern|entry level)\b"
_ABBREVIATION = r"\b[A-Z]{2,5}\b"


def majors_listed() -> pl.Expr:
    """The major groups of all codes listed for each row's text, distinct and sorted."""
    return pl.col("codes").list.eval(pl.element().str.slice(0, 2) + "-0000").list.unique().list.sort()


def headline() -> pl.Expr:
    """The rows that the headline figures count; the other forms of a row stand beside, as slices."""
    return pl.col("source") == COUNTED


def rules() -> Mapping[str, pl.Expr]:
    """What puts a headline row into each slice, by the slice's name."""
    words = pl.col("text").str.count_matches(" ") + 1
    ambiguous = majors_listed().list.len() > 1
    written = pl.col("title")
    return {
        "ambiguous": ambiguous,
        "unambiguous": ~ambiguous,
        "one word": words == 1,
        "four words or more": words >= 4,
        "plural ending": pl.col("text").str.contains(r"[^aious]s$"),
        "abbreviation": written.str.contains(_ABBREVIATION) & written.str.contains("[a-z]"),
        "parenthesised": written.str.contains(r"\("),
        "seniority word": pl.col("text").str.contains(_SENIORITY),
    }
