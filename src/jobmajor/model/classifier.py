"""The classifier: titles in, SOC codes with scores out, at any level, for every recipe.

Scores are coherent by construction: a scorer gives each detailed code its share of a title, and the score of a code at
a higher level is the sum of the shares of its detailed codes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor import arguments, soc
from jobmajor.errors import InputError
from jobmajor.model import answering, coder, columns, contextual, explain, frames, recipes, translate
from jobmajor.model.answering import Answering, Asking, clean
from jobmajor.model.answers import Answer, Coded
from jobmajor.model.contextual import Contextual
from jobmajor.model.explain import Explanation
from jobmajor.model.rules.knowledge import Knowledge
from jobmajor.model.rules.prior import Prior
from jobmajor.soc import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.model.coder import Coder
    from jobmajor.model.linear.context import Context
    from jobmajor.model.rules.classes import Classes
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.model.scorer import Scorer
    from jobmajor.model.translate import Translator
    from jobmajor.soc import Level
    from sagelocal.storage import manifest


class Classifier:
    """Titles in, SOC codes out.

    Attributes:
        scorer: The trained model.
        about: Its origin: release, split, settings. This changes no answer.
        knowledge: What `answer` adds to the plain scores; without it, `answer` always abstains.
        context: What a second text says of the codes; None if the model can use none.
    """

    def __init__(
        self,
        scorer: Scorer,
        about: Mapping[str, Any],
        knowledge: Knowledge | None = None,
        context: Context | None = None,
    ) -> None:
        self.scorer, self.about, self.knowledge = scorer, dict(about), knowledge or Knowledge()
        self.context = context
        self._answering = Answering(scorer, self.knowledge)

    def __repr__(self) -> str:
        release = dict(self.about.get("source") or {}).get("release")
        parts = [f"{self.scorer.recipe} recipe", f"{len(self.codes)} detailed codes"]
        return f"<jobmajor.Classifier: {', '.join([*parts, *([f'trained on {release}'] if release else [])])}>"

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the detailed codes that the model can answer, in the order of the detailed columns."""
        return self.scorer.codes

    @cached_property
    def _levels(self) -> dict[Level, tuple[NDArray[np.str_], NDArray[np.intp]]]:
        """Return for each level its codes, and the column where the detailed codes of each begin; they are adjacent."""
        every = {level: [soc.ancestor(code, level) for code in self.codes] for level in soc.LEVELS}
        return {level: np.unique(codes, return_index=True) for level, codes in every.items()}

    @cached_property
    def _classes(self) -> dict[Level, tuple[str, ...]]:
        return {level: tuple(labels.tolist()) for level, (labels, _) in self._levels.items()}

    def classes(self, level: Level = "major") -> tuple[str, ...]:
        """Return the codes that can be answered at a level, in the order of the columns of `predict_proba`."""
        return self._classes[soc.parse_level(level)]

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Return the major groups, by the name that scikit-learn uses."""
        return self._levels["major"][0].copy()

    def predict_proba(self, titles: Iterable[str | None], level: Level = "major") -> NDArray[np.float32]:
        """Return the share of each code for each title, by the model alone: only `answer` looks titles up.

        Args:
            titles: As people write them. None and NaN count as an empty title; the first 1,000 characters are read.
            level: The level of the codes.

        Returns:
            Shape (titles, codes of the level); each row sums to 1.
        """
        return self._answering.shares(titles, self._levels[soc.parse_level(level)][1])

    def compile(self) -> Classifier:
        """Prepare compiled code now, so that small batches are fast, too; return this classifier.

        Takes about a tenth of a second; useful for services and where you make many small calls. Scores are equal
        within rounding. Without effect for other recipes than the linear one, and where no compiled code was built.
        """
        self._answering.fewest = 0
        self.predict_proba([""])
        self.answer([""])
        return self

    @property
    def is_compiled(self) -> bool:
        """Return whether compiled code can answer for this model, at whatever size of a batch."""
        return self._answering.compiled is not None

    def sum_up(self, detailed: NDArray[np.float32], level: Level) -> NDArray[np.float32]:
        """Sum shares of detailed codes, shape (titles, detailed), up to the codes at a level."""
        if level == "detailed":
            return detailed
        summed: NDArray[np.float32] = np.add.reduceat(detailed, self._levels[soc.parse_level(level)][1], axis=1)
        return summed

    def training_mix(self, level: Level) -> NDArray[np.float64]:
        """Return how many titles of training each code has, shape (codes of the level,); none of a bare scorer.

        A title that is listed under several codes is divided among them.
        """
        summed: NDArray[np.float64] = np.add.reduceat(
            self.knowledge.listed.titles_of(len(self.codes)), self._levels[soc.parse_level(level)][1]
        )
        return summed

    def predict(self, titles: Iterable[str | None], level: Level = "major") -> Any:
        """Return the best code of each title by the model alone, however sure it is.

        Returns:
            A pandas or polars Series or an Arrow array for one of those (`columns.like`); else a numpy array of text.
        """
        best = self.predict_proba(titles, level).argmax(axis=1)
        return columns.like(titles, self._levels[level][0], best)

    def top_k(self, titles: Iterable[str | None], k: int = 5, level: Level = "major") -> list[list[Answer]]:
        """Return the k best codes of each title by the model alone, best first; of equal scores the lower code."""
        k = coder.most(k)
        classes, shares = self.classes(level), self.predict_proba(titles, level)
        best = np.argsort(-shares, axis=1, kind="stable")[:, :k]
        return [
            [Answer(classes[column], soc.name(classes[column]), float(row[column])) for column in columns]
            for row, columns in zip(shares, best, strict=True)
        ]

    def answer(  # noqa: PLR0913 - each is a choice of its own
        self,
        titles: Iterable[str | None],
        level: Level = "major",
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
        context: Iterable[str | None] | None = None,
    ) -> list[Coded]:
        """Return the answers to each title, where they come from, and whether a person should look at the title.

        Args:
            titles: As for `predict_proba`.
            level: The level of the codes. The score of a code is the sum of the scores of the codes below it.
            k: How many codes at most; there are more only if a listed title or an override gives several equal shares.
            overrides: Your titles with their codes, from `overrides.read`.
            exact: Whether a title that training lists is answered by what it is listed under. Pass False when you
                measure a model on titles of its training.
            context: A second text for each title, such as duties or a department; None or empty where there is none.

        Raises:
            InputError: k is below 1, or there is context that does not fit the titles, or that the model can't use.
        """
        if context is not None:
            texts = contextual.joined(columns.as_list(titles), columns.as_list(context))
            return self.contextual.answer_at((level,), texts, k, overrides=overrides, exact=exact)[0]
        return self.answer_at((level,), titles, k, overrides=overrides, exact=exact)[0]

    def answer_at(
        self,
        levels: Sequence[Level],
        titles: Iterable[str | None],
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> list[list[Coded]]:
        """Return for each level what `answer` returns; compiled code reads each title once for all levels."""
        return self._answering.answer_at(soc.as_levels(levels), titles, Asking(k, overrides, exact))

    def answer_frame(
        self,
        titles: Iterable[str | None],
        level: Level = "major",
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> Any:
        """Return what `answer` returns as a table; a row for each title, for each answer if k is above 1."""
        found = self.answer(titles, level, k, overrides=overrides, exact=exact)
        return frames.frame(titles, found, level, ranked=k > 1)

    def coder(
        self,
        levels: Sequence[Level] = ("major",),
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> Coder:
        """Return a coder, which answers many titles as arrays: as `answer` does, but never with more than k codes."""
        return self._answering.coder(soc.as_levels(levels), Asking(k, overrides, exact))

    @property
    def contextual(self) -> Contextual:
        """Return this classifier for titles that are joined with a second text (`contextual.joined`).

        Raises:
            InputError: The model can use no context.
        """
        if self.context is None:
            raise InputError(
                "context was given, but the model has learned none: leave it out"
                + (", or train on a release whose folder has O*NET's Task Statements" if chosen.now().is_soc else "")
            )
        return Contextual(self.scorer, self.knowledge, self.context)

    def adapted(self, prior: Prior | None) -> Classifier:
        """Return this classifier with answers that are moved toward a mix of occupations (`pipeline.adapt`).

        `predict_proba`, `predict` and `top_k`, which are the model's alone, stay as they are.
        """
        if prior is not None:
            arguments.instance("prior", prior, Prior, "such as jobmajor.adapt returns")
        return Classifier(self.scorer, self.about, replace(self.knowledge, prior=prior), self.context)

    def with_classes(self, classes: Classes | Path | str | None) -> Classifier:
        """Return this classifier with answers for codes that training never saw too, by their names and descriptions.

        `predict_proba`, `predict` and `top_k`, which are the model's alone, stay as they are.

        Args:
            classes: A file of them, or what `rules.classes.read` makes of it; None leaves the answers as they are.

        Raises:
            InputError: The model answers one of the codes already, or its recipe has no such answers.
        """
        parts = self.scorer, self.knowledge, self.context
        return Classifier(self.scorer, self.about, *answering.extended(parts, classes)) if classes else self

    def to(self, name: str) -> Translator:
        """Return this classifier with answers in "soc-2010" or "isco-08", by the official crosswalks."""
        return translate.to(self, name)

    def explain(
        self, title: str | None, level: Level = "major", *, overrides: Overrides | None = None, exact: bool = True
    ) -> Explanation:
        """Return how much each word of a title adds to the code that `answer` puts first, by the model alone.

        Nothing is explained where there is no code, or one that the model does not know.
        """
        (title,) = columns.as_list([title])
        (found,) = self.answer([title], level, overrides=overrides, exact=exact)
        best, text = found.answers[0], clean(title)
        if (share := self._share_of(best.label, level)) is None:
            return Explanation(best.label, best.name, 0.0, found.source, text, (), answer=best.score)
        base, score, words = explain.by_word(text, share)
        shares, (read,) = self.scorer.scored([text])
        listed = explain.listings(text, self.codes, shares, self.knowledge.listed) if exact else ()
        return Explanation(best.label, best.name, score, found.source, read, words, listed, base, best.score)

    def _share_of(self, label: str, level: Level) -> Callable[[Sequence[str]], NDArray[np.float32]] | None:
        if label in self.classes(level):
            return lambda texts: self.predict_proba(texts, level)[:, self.classes(level).index(label)]
        return answering.share_of(self.scorer, self.knowledge, label, level)

    def save(self, folder: str | Path, **lineage: Any) -> manifest.Manifest:
        """Write the model into an empty folder, with its manifest; `lineage` as in `manifest.write`."""
        return recipes.write(folder, (self.scorer, self.about, self.knowledge, self.context), lineage)


def load(folder: str | Path, *, is_mapped: bool = False) -> Classifier:
    """Verify the manifest of a model folder, and return the classifier in it.

    With `is_mapped`, large arrays are mapped from their file, so that processes share them; nobody may write to it.

    Raises:
        InputError: `folder` is no path.
        ArtifactError: A file is missing, foreign, damaged or of another format.
        MissingExtra: The model's recipe needs packages that aren't installed.
    """
    return Classifier(*recipes.read(folder, is_mapped=is_mapped))
