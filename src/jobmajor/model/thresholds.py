"""Train a classifier, and choose the thresholds below which it abstains."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from jobmajor import soc
from jobmajor.data import prepare
from jobmajor.data.examples import COUNTED
from jobmajor.model import transformer
from jobmajor.model.classifier import Classifier
from jobmajor.model.linear.fit import fit as fit_linear
from jobmajor.model.rules import abstain, confidence, listed, weights
from jobmajor.model.rules.knowledge import Knowledge
from jobmajor.settings import Linear

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.model.rules.listed import Listed
    from jobmajor.model.scorer import Scorer
    from jobmajor.settings import Transformer
    from jobmajor.soc import Level

_log = logging.getLogger(__name__)


def fit(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    settings: Linear | Transformer,
    about: Mapping[str, Any] | None = None,
    *,
    checkpoints: Path | None = None,
) -> Classifier:
    """Train a classifier by the recipe of the settings.

    Args:
        train: Columns `text`, `code` and `source`, as `prepare` writes them.
        validation: A table with these columns.
        settings: The settings of the recipe.
        about: What the model should say of its origin; a key "settings" replaces the settings of the training.
        checkpoints: As for `transformer.fit`; the linear recipe has none.
    """
    if isinstance(settings, Linear):
        scorer: Scorer = fit_linear(train, validation, settings)
    else:
        scorer = transformer.fit(train, validation, settings, about, checkpoints)
    origin = {"settings": asdict(settings), **(about or {}), "recipe": scorer.recipe}
    return classifier(scorer, train, validation, origin)


def classifier(
    scorer: Scorer, train: pl.DataFrame, validation: pl.DataFrame, about: Mapping[str, Any] | None = None
) -> Classifier:
    """Return a classifier with what `answer` needs: a threshold for each level, and the titles of training.

    A threshold is the one that validation asks for, and at least the score whose confidence is enough outside O*NET.

    Args:
        scorer: A model trained on `train` and calibrated on `validation`.
        train: Columns `text` and `code`; codes that the scorer can't answer are left out.
        validation: Columns `text`, `code` and `source`; see `choose`.
        about: What the model should say of its origin.
    """
    plain = Classifier(scorer, about or {})
    chosen: dict[Level, float] = {
        level: max(found, confidence.least(level)) for level, found in choose(plain, validation).items()
    }
    _log.info("thresholds %s", chosen)
    return Classifier(scorer, plain.about, Knowledge(chosen, listings(plain, train)))


def listings(plain: Classifier, train: pl.DataFrame) -> Listed:
    """Return the titles of training with what is added to the model's shares for them.

    Args:
        plain: The model, trained on `train`.
        train: As for `classifier`.
    """
    codes = plain.scorer.codes
    rows = prepare.titles(train).filter(pl.col("code").is_in(codes))
    titles = listed.learn(rows["text"].to_list(), np.searchsorted(codes, rows["code"].to_list()))
    model = weights.Model(tuple(codes), partial(plain.predict_proba, level="detailed"))
    return weights.weigh(titles, rows, model)


def choose(model: Classifier, validation: pl.DataFrame) -> dict[Level, float]:
    """Return for each level the lowest score at which answers reach the precision `abstain.PRECISION`.

    Each distinct text of the counted rows counts once. An answer is right if any row of the text, counted or not, lists
    it.
    """
    texts = validation.filter(validation["source"] == COUNTED)["text"].unique().sort().to_list()
    codes: dict[str, set[str]] = {text: set() for text in texts}
    for text, code in zip(validation["text"], validation["code"], strict=True):
        codes.get(text, set()).add(code)
    detailed = model.scorer.shares(texts)
    chosen: dict[Level, float] = {}
    for level in soc.LEVELS:
        shares = model.sum_up(detailed, level)
        best = np.array(model.classes(level))[shares.argmax(axis=1)]
        right = [
            answer in {soc.ancestor(code, level) for code in codes[text]}
            for answer, text in zip(best.tolist(), texts, strict=True)
        ]
        chosen[level] = abstain.choose(shares.max(axis=1), right)
    return chosen
