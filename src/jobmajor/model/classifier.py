"""The classifier: titles in, SOC codes with scores out, at any level, for every recipe.

Scores are coherent by construction: a scorer gives each detailed code its share of a title, and the score of a code at
a higher level is the sum of the shares of its detailed codes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from jobmajor import arguments, soc
from jobmajor.errors import ArtifactError, InputError
from jobmajor.model import answers, coder, columns, contextual, explain, frames, recipes, translate
from jobmajor.model.answers import Answer, Asked, Coded
from jobmajor.model.coder import Coder, Wanted
from jobmajor.model.contextual import Contextual
from jobmajor.model.explain import Explanation
from jobmajor.model.linear import context as contexts
from jobmajor.model.rules import knowledge as knowledge_files
from jobmajor.model.rules import overrides as own_titles
from jobmajor.model.rules.knowledge import Knowledge
from jobmajor.model.rules.listed import POLYNOMIAL, Listed
from jobmajor.model.rules.prior import Prior
from jobmajor.native import library
from jobmajor.tables.packed import LONGEST
from jobmajor.titles import normalise
from sagelocal.storage import manifest, publish

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.model.kernels.pipeline import Compiled
    from jobmajor.model.kernels.shares import Kernel
    from jobmajor.model.linear.context import Context
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.model.scorer import Scorer
    from jobmajor.model.translate import Translator
    from jobmajor.soc import Level
    from jobmajor.tables.packed import Packed

_BATCH = 4096  # titles scored at a time, each up to
_COMPILED_FROM = 200  # titles: fewer are answered by numpy before the model's arrays are ordered for compiled code


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
        self._compiled_from = _COMPILED_FROM

    def __repr__(self) -> str:
        release = dict(self.about.get("source") or {}).get("release")
        parts = [f"{self.scorer.recipe} recipe", f"{len(self.codes)} detailed codes"]
        return f"<jobmajor.Classifier: {', '.join([*parts, *([f'trained on {release}'] if release else [])])}>"

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the detailed codes that the model can answer, in the order of the detailed columns."""
        return self.scorer.codes

    @cached_property
    def _starts(self) -> dict[Level, NDArray[np.intp]]:
        """Return for each level the column where each code's detailed codes begin; they are adjacent."""
        ancestors = {level: [soc.ancestor(code, level) for code in self.codes] for level in soc.LEVELS}
        return {level: np.unique(codes, return_index=True)[1] for level, codes in ancestors.items()}

    @cached_property
    def _classes(self) -> dict[Level, tuple[str, ...]]:
        return {level: tuple(sorted({soc.ancestor(code, level) for code in self.codes})) for level in soc.LEVELS}

    @cached_property
    def _labels(self) -> dict[Level, NDArray[np.str_]]:
        return {level: np.array(classes) for level, classes in self._classes.items()}

    def classes(self, level: Level = "major") -> tuple[str, ...]:
        """Return the codes that can be answered at a level, in the order of the columns of `predict_proba`."""
        return self._classes[soc.parse_level(level)]

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Return the major groups, by the name that scikit-learn uses."""
        return self._labels["major"].copy()

    def predict_proba(self, titles: Iterable[str | None], level: Level = "major") -> NDArray[np.float32]:
        """Return the share of each code for each title, by the model alone: only `answer` looks titles up.

        Args:
            titles: As people write them. None and NaN count as an empty title; the first 1,000 characters are read.
            level: The level of the codes.

        Returns:
            Shape (titles, codes of the level); each row sums to 1.
        """
        given, level = columns.held(titles), soc.parse_level(level)
        if len(given) >= self._compiled_from and self._kernel:
            return self._kernel.shares(columns.packed(given), self._starts[level])
        texts = [_text(title) for title in columns.as_list(given)]
        if len(texts) <= _BATCH:
            return self.sum_up(self.scorer.shares(texts), level)
        found = np.empty((len(texts), len(self.classes(level))), np.float32)
        for block in _blocks(texts):
            found[block] = self.sum_up(self.scorer.shares(texts[block]), level)
        return found

    def compile(self) -> Classifier:
        """Prepare compiled code now, so that small batches are fast, too; return this classifier.

        Takes about a tenth of a second; useful for services and where you make many small calls. Scores are equal
        within rounding. Without effect for other recipes than the linear one, and where no compiled code was built.
        """
        self._compiled_from = 0
        self.predict_proba([""])
        self.answer([""])
        return self

    @property
    def is_compiled(self) -> bool:
        """Return whether compiled code can answer for this model, at whatever size of a batch."""
        return self._compiled is not None

    def sum_up(self, detailed: NDArray[np.float32], level: Level) -> NDArray[np.float32]:
        """Sum shares of detailed codes, shape (titles, detailed), up to the codes at a level."""
        if level == "detailed":
            return detailed
        summed: NDArray[np.float32] = np.add.reduceat(detailed, self._starts[soc.parse_level(level)], axis=1)
        return summed

    def training_mix(self, level: Level) -> NDArray[np.float64]:
        """Return how many titles of training each code has, shape (codes of the level,); none of a bare scorer.

        A title that is listed under several codes is divided among them.
        """
        summed: NDArray[np.float64] = np.add.reduceat(
            self.knowledge.listed.titles_of(len(self.codes)), self._starts[soc.parse_level(level)]
        )
        return summed

    def predict(self, titles: Iterable[str | None], level: Level = "major") -> Any:
        """Return the best code of each title by the model alone, however sure it is.

        Returns:
            A pandas or polars Series or an Arrow array for one of those (`columns.like`); else a numpy array of text.
        """
        best = self.predict_proba(titles, level).argmax(axis=1)
        return columns.like(titles, self._labels[level], best)

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
        levels, k = soc.as_levels(levels), coder.most(k)
        own_titles.check(overrides)
        given = columns.held(titles)
        is_compiled = len(given) >= self._compiled_from and self._compiled is not None
        if is_compiled and overrides is None:
            return self._coded(columns.packed(given), levels, k, exact=exact)
        texts = [(title or "")[:LONGEST] for title in columns.as_list(given)]
        ask = partial(self._answered, k=k, overrides=overrides, exact=exact)
        if not is_compiled or overrides is None:
            return [ask(texts, level) for level in levels]
        is_own = [_text(title) in overrides.codes for title in texts]
        own, others = ([title for title, mine in zip(texts, is_own, strict=True) if mine is of] for of in (True, False))
        rest = self._coded(columns.packed(others), levels, k, exact=exact)
        return [_woven(is_own, ask(own, level), plain) for level, plain in zip(levels, rest, strict=True)]

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
        k = coder.most(k)
        ask = partial(self._answered, overrides=overrides, exact=exact)
        wanted = Wanted(self.codes, soc.as_levels(levels), k, overrides, exact)
        return Coder(
            wanted,
            self._compiled,
            lambda texts, counts: [ask(texts, *each) for each in zip(wanted.levels, counts, strict=True)],
        )

    @property
    def contextual(self) -> Contextual:
        """Return this classifier for titles that are joined with a second text (`contextual.joined`).

        Raises:
            InputError: The model can use no context.
        """
        if self.context is None:
            raise InputError(
                "context was given, but the model has learned none: leave it out, or train on a release whose folder "
                "has O*NET's Task Statements"
            )
        return Contextual(self.scorer, self.knowledge, self.context)

    @cached_property
    def _compiled(self) -> Compiled | None:
        """Return the compiled code that answers, None if the recipe has none."""
        if self._kernel is None or self.knowledge.listed.hashed != POLYNOMIAL:
            return None
        from jobmajor.model.kernels.pipeline import Compiled  # noqa: PLC0415 - only where there is compiled code

        return Compiled(self.codes, self.knowledge, self._kernel)

    @cached_property
    def _kernel(self) -> Kernel | None:
        """Return the compiled code that scores, None if the recipe has none or none was built."""
        learned = self.scorer.learned
        if learned is None or library.load() is None:
            return None
        from jobmajor.model.kernels.shares import Kernel  # noqa: PLC0415 - only where there is compiled code

        return Kernel(learned)

    def _coded(self, titles: Packed, levels: Sequence[Level], k: int, *, exact: bool) -> list[list[Coded]]:
        """Do what `_answered` does, by compiled code; titles with a tie at the k-th code are answered by Python."""
        codes, found = self.coder(levels, k + 1, exact=exact).code(titles), []
        for index, level in enumerate(levels):
            coded, tied = coder.coded(codes, (index, level), self.classes(level), k)
            texts = [titles.title(row) for row in tied]
            again = self._answered(texts, level, k, exact=exact)
            for row, each in zip(tied, again, strict=True):
                coded[row] = each
            found.append(coded)
        return found

    def _answered(
        self, given: Sequence[str], level: Level, k: int = 1, *, overrides: Overrides | None = None, exact: bool
    ) -> list[Coded]:
        """Answer without compiled code; tests hold compiled code to this."""
        known = self.knowledge if exact else replace(self.knowledge, listed=Listed.none())
        found: list[Coded] = []
        for block in _blocks(given):
            texts = [_text(title) for title in given[block]]
            shares, read = self.scorer.scored(texts)
            asked = Asked(given[block], texts, read, level, k)
            found += answers.coded(asked, answers.sourced(texts, self.codes, shares, known, overrides), self.knowledge)
        return found

    def adapted(self, prior: Prior | None) -> Classifier:
        """Return this classifier with answers that are moved toward a mix of occupations (`pipeline.adapt`).

        `predict_proba`, `predict` and `top_k`, which are the model's alone, stay as they are.
        """
        if prior is not None:
            arguments.instance("prior", prior, Prior, "such as jobmajor.adapt returns")
        return Classifier(self.scorer, self.about, replace(self.knowledge, prior=prior), self.context)

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
        best, text = found.answers[0], _text(title)
        if best.label not in self.classes(level):
            return Explanation(best.label, best.name, 0.0, found.source, text, (), answer=best.score)
        column = self.classes(level).index(best.label)
        base, score, words = explain.by_word(text, lambda texts: self.predict_proba(texts, level)[:, column])
        shares, (read,) = self.scorer.scored([text])
        listed = explain.listings(text, self.codes, shares, self.knowledge.listed) if exact else ()
        return Explanation(best.label, best.name, score, found.source, read, words, listed, base, best.score)

    def save(self, folder: str | Path, **lineage: Any) -> manifest.Manifest:
        """Write the model into an empty folder, with its manifest; `lineage` as in `manifest.write`."""
        folder = arguments.path("folder", folder)
        with publish.naming(folder):
            self.scorer.save(folder)
            self.knowledge.save(folder, self.about)
            if self.context:
                self.context.save(folder)
        return manifest.write(folder, **lineage)


def load(folder: str | Path, *, is_mapped: bool = False) -> Classifier:
    """Verify the manifest of a model folder, and return the classifier in it.

    With `is_mapped`, large arrays are mapped from their file, so that processes share them; nobody may write to it.

    Raises:
        InputError: `folder` is no path.
        ArtifactError: A file is missing, foreign, damaged or of another format.
        MissingExtra: The model's recipe needs packages that aren't installed.
    """
    folder = arguments.path("folder", folder)
    manifest.verify(folder)
    try:
        scorer = recipes.load(folder, is_mapped=is_mapped)
        knowledge, about = knowledge_files.load(folder, len(scorer.codes))
        learned = contexts.load(folder, len(scorer.codes))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise ArtifactError(f"{folder} is no model ({error}): train it again") from error
    return Classifier(scorer, about, knowledge, learned)


def _woven(is_first: Sequence[bool], first: list[Coded], second: list[Coded]) -> list[Coded]:
    """Return answers from two lists, each next one from the first where `is_first` says so."""
    sources = iter(second), iter(first)
    return [next(sources[is_mine]) for is_mine in is_first]


def _blocks(texts: Sequence[str]) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, len(texts), _BATCH))


def _text(title: str | None) -> str:
    """Normalise a title, and cut it before and after: a hostile title may have signs that become many letters."""
    return normalise((title or "")[:LONGEST])[:LONGEST]
