"""Answers as a table of the library that the titles came in: pandas, polars or Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.model import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.model.answers import Coded


def frame(titles: object, coded: Sequence[Coded], level: str, *, ranked: bool, translated: bool = False) -> Any:
    """Return a table with a row for the best answer of each title; if `ranked`, with a row for every answer.

    Returns:
        A pandas frame with the index of the titles' Series, a polars frame (also for what is no column), or an Arrow
        table. Columns code, name, score (0 to 1), confidence (of the title's best answer), level, abstain, reason and
        source, and ambiguous if `translated`; where `ranked`, before them row (of the title, from 0 on) and rank (from
        1 on).
    """
    rows = np.repeat(np.arange(len(coded)), [len(each.answers) if ranked else 1 for each in coded])
    values = {**(_ranks(coded) if ranked else {}), **_values(coded, level, ranked=ranked)}
    if translated:
        values["ambiguous"] = np.array([coded[row].ambiguous for row in rows.tolist()], np.bool_)
    given: Any = titles
    match columns.library(given):
        case "pandas":
            import pandas as pd  # noqa: PLC0415 - the caller has it

            found = pd.DataFrame(values, index=given.index.take(rows))
            text = pd.Series([""]).dtype  # what pandas gives columns of text, which it can't see where there is no row
            return found.astype({name: text for name, value in values.items() if isinstance(value, list)})
        case "pyarrow":
            import pyarrow as pa  # noqa: PLC0415 - the caller has it

            text = {name: pa.string() for name, value in values.items() if isinstance(value, list)}
            return pa.table({name: pa.array(value, text.get(name)) for name, value in values.items()})
        case _:
            import polars as pl  # noqa: PLC0415 - heavy, and only here

            kinds = {name: pl.String for name, value in values.items() if isinstance(value, list)}
            return pl.DataFrame(values, schema_overrides=kinds)


def _ranks(coded: Sequence[Coded]) -> dict[str, Any]:
    counts = [len(each.answers) for each in coded]
    ranks = [rank for count in counts for rank in range(1, count + 1)]
    return {"row": np.repeat(np.arange(len(coded)), counts), "rank": np.array(ranks, np.int64)}


def _values(coded: Sequence[Coded], level: str, *, ranked: bool) -> dict[str, Any]:
    """Return the columns by name: text as a list, other values as an array."""
    pairs = [(each, answer) for each in coded for answer in (each.answers if ranked else each.answers[:1])]
    return {
        "code": [answer.label for _, answer in pairs],
        "name": [answer.name for _, answer in pairs],
        "score": np.array([answer.score for _, answer in pairs], np.float32),
        "confidence": np.array([each.confidence for each, _ in pairs], np.float32),
        "level": [each.level or level for each, _ in pairs],
        "abstain": np.array([each.abstain for each, _ in pairs], np.bool_),
        "reason": [each.reason for each, _ in pairs],
        "source": [each.source for each, _ in pairs],
    }
