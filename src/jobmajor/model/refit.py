"""Train an accepted model again on all rows, those of the test included.

A model that was judged on held-out rows has never seen them; one that learned them, too, answers new titles better. Its
own figures can't be measured any more, so its settings, its calibration and its thresholds are those of the judged one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobmajor import settings
from jobmajor.errors import ArtifactError
from jobmajor.model import thresholds
from jobmajor.model.classifier import Classifier
from jobmajor.model.linear.fit import refit as refit_linear
from jobmajor.model.linear.model import LinearModel
from jobmajor.model.rules.knowledge import Knowledge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.model.linear.context import Context


def refit(judged: Classifier, tables: Sequence[pl.DataFrame], digest: str) -> Classifier:
    """Return a classifier that learned all rows, with the settings, calibration and thresholds of the judged one.

    Args:
        judged: A linear model, trained on one of the tables.
        tables: Train, validation and test, as `prepare` writes them.
        digest: Of the judged model; the new one names it as `judged`.

    Raises:
        ArtifactError: The model is of another recipe, which can't be refitted.
    """
    if not isinstance(judged.scorer, LinearModel):
        raise ArtifactError(f"a model of the recipe {judged.scorer.recipe} can't be refitted: set train.refit = false")
    used: settings.Linear = settings.build(settings.Linear, judged.about["settings"], "linear.")
    rows = pl.concat(tables)
    plain = Classifier(refit_linear(rows, used, judged.scorer.blend), {**judged.about, "judged": digest})
    known = Knowledge(judged.knowledge.thresholds, thresholds.listings(plain, rows))
    return Classifier(plain.scorer, plain.about, known, _context(judged, plain.codes))


def _context(judged: Classifier, codes: Sequence[str]) -> Context | None:
    """Return what the judged model knows of second texts; a code that only the other rows have gets nothing of it."""
    if judged.context is None:
        return None
    columns = np.searchsorted(codes, judged.codes)[judged.context.columns]
    return replace(judged.context, columns=columns.astype(np.int16))
