"""Judge a model by labelled titles from outside of its training: what `jobmajor evaluate --titles` does.

The report on a user's own titles says what to expect of a file like them. Figures on O*NET's titles don't: people write
other titles than its analysts list, and a few common ones make up most rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor import arguments
from jobmajor.data import labelled
from jobmajor.evaluation import outcomes
from jobmajor.evaluation.hits import Answered
from jobmajor.registry import loading
from jobmajor.soc import chosen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jobmajor.data.labelled import TitleFile
    from jobmajor.model.answers import Coded
    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level


@dataclass(frozen=True, slots=True)
class Judging:
    """How titles are judged.

    Attributes:
        exact: Whether a title that training lists gets the codes that it is listed under.
        seed: For the intervals that resample titles.
    """

    exact: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        arguments.check(self)
        arguments.count("seed", self.seed, 0)


def evaluate(
    file: TitleFile,
    judging: Judging | None = None,
    *,
    model: Classifier | str | Path | None = None,
    home: str | Path | None = None,
) -> dict[str, Any]:
    """Return the report on a model's answers to a table of labelled titles, as plain data that fits into JSON.

    `by_row` counts rows by their weight. `by_title` counts each distinct title once, and any code that a row gives it
    is right. `ceiling` is the share that a perfect model of one answer per title would get right. Intervals are of
    95 %: by title Wilson's, by row from resampled titles.

    Args:
        file: The table.
        judging: The options; their defaults when None.
        model: A classifier, a model's folder or `model.tar.gz`; None takes the champion.
        home: The champion's workspace.

    Raises:
        InputError: The table can't be used, or there is no such model.
    """
    wanted = Judging() if judging is None else judging
    arguments.instance("judging", wanted, Judging)
    classifier = loading.classifier_of(model, home)  # first, as it brings the classification of the codes
    given = labelled.read(file)
    answers, sources = answered(classifier, given.titles, exact=wanted.exact)
    return {
        "file": str(file.path),
        "model": {name: classifier.about[name] for name in ("recipe", "source", "split") if name in classifier.about},
        "exact": wanted.exact,
        **outcomes.figures(given, answers, sources, seed=wanted.seed),
    }


def answered(
    classifier: Classifier, titles: Sequence[str], *, exact: bool
) -> tuple[Mapping[Level, Answered], Sequence[str]]:
    """Return the best answers at each level that differs from the others, and what decided each."""
    levels = chosen.now().levels
    found = classifier.answer_at(levels, titles, exact=exact)
    answers = {level: _best(coded, classifier.classes(level)) for level, coded in zip(levels, found, strict=True)}
    return answers, [each.source for each in found[0]]


def _best(coded: Sequence[Coded], classes: Sequence[str]) -> Answered:
    best = [(each.answers[0].label, each.answers[0].score) if each.answers else ("", 0.0) for each in coded]
    return Answered(
        codes=[code for code, _ in best],
        scores=np.array([score for _, score in best], np.float32),
        accepted=np.array([not each.abstain for each in coded], np.bool_),
        classes=classes,
    )
