"""How good the answers are at each level of the classification, from 23 major groups to 867 detailed codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobmajor import soc

if TYPE_CHECKING:
    import polars as pl

    from jobmajor.model.classifier import Classifier


def by_level(counted: pl.DataFrame, model: Classifier) -> dict[str, dict[str, float]]:
    """How often the code itself is the answer, and among the best five, at each level of the classification.

    Args:
        counted: The rows to count, as in `evaluate`.
        model: A `Classifier`.
    """
    found: dict[str, dict[str, float]] = {}
    detailed = model.predict_proba(counted["title"], "detailed")
    for level in soc.LEVELS:
        classes, shares = model.classes(level), model.sum_up(detailed, level)
        column = {code: place for place, code in enumerate(classes)}
        truth = [column.get(soc.ancestor(code, level), -1) for code in counted["code"]]
        best = np.argsort(-shares, axis=1, kind="stable")[:, :5]  # (titles, 5)
        hits = best == np.array(truth)[:, None]
        found[level] = {"accuracy": float(hits[:, 0].mean()), "top_5": float(hits.any(axis=1).mean())}
    return found
