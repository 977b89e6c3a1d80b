"""The classifier: titles in, SOC codes with scores out, at any level, whatever recipe the scores come from.

Scores are coherent by construction: a scorer shares every title out among detailed codes, and the score of a code
above them is the sum of what its own detailed codes have.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from jobmajor import soc
from jobmajor.errors import ArtifactError, InputError
from jobmajor.model import answers, columns, explain, frames, transformer
from jobmajor.model import coder as coding
from jobmajor.model.answers import Answer, Asked, Coded
from jobmajor.model.coder import Coder, Wanted
from jobmajor.model.explain import Explanation
from jobmajor.model.linear import model
from jobmajor.model.rules import knowledge as rules
from jobmajor.model.rules.knowledge import Knowledge
from jobmajor.model.rules.listed import POLYNOMIAL, Listed
from jobmajor.tables.packed import LONGEST
from jobmajor.titles import normalise
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.model.kernels.pipeline import Compiled
    from jobmajor.model.kernels.shares import Kernel
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.model.scorer import Scorer
    from jobmajor.soc import Level
    from jobmajor.tables.packed import Packed

_MODEL = "model.json"  # a scorer's description, which names its recipe
_TRANSFORMER = "transformer"
_BATCH = 4096  # titles scored at a time, each up to
_COMPILED_FROM = 20_000  # titles: fewer are answered before compiled code would be loaded


class Classifier:
    """Titles in, SOC codes out.

    Attributes:
        scorer: What was learned.
        about: Where it comes from: release, split, settings. Says nothing that changes an answer.
        knowledge: What `answer` adds to the plain scores; without it, that is never sure.
    """

    def __init__(self, scorer: Scorer, about: Mapping[str, Any], knowledge: Knowledge | None = None) -> None:
        self.scorer, self.about, self.knowledge = scorer, dict(about), knowledge or Knowledge()
        self._compiled_from = _COMPILED_FROM

    @property
    def codes(self) -> tuple[str, ...]:
        """The detailed codes that it can answer, in the order of the detailed columns."""
        return self.scorer.codes

    @cached_property
    def _starts(self) -> dict[Level, NDArray[np.intp]]:
        """For each level, where each code's own detailed codes begin: they stand side by side."""
        found: dict[Level, NDArray[np.intp]] = {}
        for level in soc.LEVELS:
            _, found[level] = np.unique([soc.ancestor(code, level) for code in self.codes], return_index=True)
        return found

    @cached_property
    def _classes(self) -> dict[Level, tuple[str, ...]]:
        return {level: tuple(sorted({soc.ancestor(code, level) for code in self.codes})) for level in soc.LEVELS}

    @cached_property
    def _labels(self) -> dict[Level, NDArray[np.str_]]:
        return {level: np.array(classes) for level, classes in self._classes.items()}

    def classes(self, level: Level = "major") -> tuple[str, ...]:
        """The codes that can be answered at a level, in the order of `predict_proba`'s columns."""
        return self._classes[level]

    @property
    def classes_(self) -> NDArray[np.str_]:
        """The major groups, as scikit-learn names them."""
        return self._labels["major"].copy()

    def predict_proba(self, titles: Iterable[str | None], level: Level = "major") -> NDArray[np.float32]:
        """The share of each code for each title, by the model alone: no title is looked up (`answer` does that).

        Args:
            titles: As people write them; None and NaN count as an empty title, of a longer one the first 1,000
                characters are read.
            level: Of the codes.

        Returns:
            Shape (titles, codes of the level); each row sums to 1.
        """
        given = columns.held(titles)
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
        """Itself, with compiled code for small batches, too: worth it where many requests come, a second to load.

        Scores are the same within rounding. Recipes other than the linear one have no such code.
        """
        self._compiled_from = 0
        self.predict_proba([""])
        self.answer([""])
        return self

    def sum_up(self, detailed: NDArray[np.float32], level: Level) -> NDArray[np.float32]:
        """Shares of detailed codes, shape (titles, detailed), as shares of the codes at a level above them."""
        if level == "detailed":
            return detailed
        summed: NDArray[np.float32] = np.add.reduceat(detailed, self._starts[level], axis=1)
        return summed

    def predict(self, titles: Iterable[str | None], level: Level = "major") -> Any:
        """The best code of each title by the model alone, however sure it is.

        Returns:
            A pandas or polars Series or an Arrow array for one of those (`columns.like`); else a numpy array of text.
        """
        best = self.predict_proba(titles, level).argmax(axis=1)
        return columns.like(titles, self._labels[level], best)

    def top_k(self, titles: Iterable[str | None], k: int = 5, level: Level = "major") -> list[list[Answer]]:
        """The k best codes of each title by the model alone, best first; equal scores in the classification's order."""
        if k < 1:
            raise InputError(f"top {k} was asked for: expected at least 1")
        classes, shares = self.classes(level), self.predict_proba(titles, level)
        best = np.argsort(-shares, axis=1, kind="stable")[:, :k]
        return [
            [Answer(classes[column], soc.name(classes[column]), float(row[column])) for column in columns]
            for row, columns in zip(shares, best, strict=True)
        ]

    def answer(
        self,
        titles: Iterable[str | None],
        level: Level = "major",
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> list[Coded]:
        """What each title gets, with where it comes from and whether a person should look at it.

        Args:
            titles: As for `predict_proba`.
            level: Of the codes. All levels agree: the score of a code is the sum of what is below it.
            k: How many codes at most; more only where a listed title or an override gives several the same share.
            overrides: A user's own titles with their codes, from `overrides.read`.
            exact: Whether a title that training lists is answered by what it is listed under. Not to be used where
                the model is measured on titles of its own training.

        Raises:
            InputError: k is below 1.
        """
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
        """For each of some levels what `answer` says; compiled code reads each title once for all of them."""
        if k < 1:
            raise InputError(f"k is {k}: expected at least 1")
        given = columns.held(titles)
        if overrides is None and len(given) >= self._compiled_from and self._compiled:
            return self._coded(columns.packed(given), levels, k, exact=exact)
        texts = [(title or "")[:LONGEST] for title in columns.as_list(given)]
        return [self._answered(texts, level, k, overrides=overrides, exact=exact) for level in levels]

    def answer_frame(
        self,
        titles: Iterable[str | None],
        level: Level = "major",
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> Any:
        """What `answer` says as a table of the titles' own kind; a row a title, for k above 1 a row an answer."""
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
        """What answers many titles at once, as arrays: what `answer` says, but for more than k codes of equal share.

        Raises:
            InputError: k is below 1.
        """
        if k < 1:
            raise InputError(f"k is {k}: expected at least 1")

        def ask(titles: list[str], level: Level) -> list[Coded]:
            return self._answered(titles, level, k, overrides=overrides, exact=exact)

        return Coder(Wanted(self.codes, tuple(levels), k, overrides, exact), self._compiled, ask)

    @cached_property
    def _compiled(self) -> Compiled | None:
        """Compiled code that answers, where the recipe has some."""
        if self._kernel is None or self.knowledge.listed.hashed != POLYNOMIAL:
            return None
        from jobmajor.model.kernels.pipeline import Compiled  # noqa: PLC0415 - loads Numba

        return Compiled(self.codes, self.knowledge, self._kernel)

    @cached_property
    def _kernel(self) -> Kernel | None:
        """Compiled code that scores, where the recipe has some."""
        learned = self.scorer.learned
        if learned is None:
            return None
        from jobmajor.model.kernels.shares import Kernel  # noqa: PLC0415 - loads Numba

        return Kernel(learned)

    def _coded(self, titles: Packed, levels: Sequence[Level], k: int, *, exact: bool) -> list[list[Coded]]:
        """As `_answered`, by compiled code; one code more is asked for, which says whether the k-th is as good."""
        codes, found = self.coder(levels, k + 1, exact=exact).code(titles), []
        for place, level in enumerate(levels):
            coded, tied = coding.coded(codes, place, self.classes(level), k)
            texts = [titles.title(row) for row in tied]
            again = self._answered(texts, level, k, exact=exact)
            for row, each in zip(tied, again, strict=True):
                coded[row] = each
            found.append(coded)
        return found

    def _answered(
        self, given: Sequence[str], level: Level, k: int, *, overrides: Overrides | None = None, exact: bool
    ) -> list[Coded]:
        """The rule that compiled code is held to."""
        listed = self.knowledge.listed if exact else Listed.none()
        found: list[Coded] = []
        for block in _blocks(given):
            texts = [_text(title) for title in given[block]]
            shares, read = self.scorer.scored(texts)
            asked = Asked(given[block], texts, read, level, k)
            found += answers.coded(asked, answers.sourced(texts, self.codes, shares, listed, overrides), self.knowledge)
        return found

    def explain(self, title: str | None, level: Level = "major", *, exact: bool = True) -> Explanation:
        """What each word of a title is worth to the code that `answer` puts first, by the model alone."""
        (found,) = self.answer([title], level, exact=exact)
        best, text = found.answers[0], _text(title)
        column = self.classes(level).index(best.label)
        score, words = explain.by_word(text, lambda texts: self.predict_proba(texts, level)[:, column])
        (read,) = self.scorer.scored([text])[1]
        return Explanation(best.label, best.name, score, found.source, read, words)

    def save(self, folder: Path, **lineage: Any) -> manifest.Manifest:
        """Write the model into an empty folder, with its manifest; `lineage` as in `manifest.write`."""
        self.scorer.save(folder)
        self.knowledge.save(folder, self.about)
        return manifest.write(folder, **lineage)


def load(folder: Path) -> Classifier:
    """The classifier in a model folder, after its manifest was verified.

    Raises:
        ArtifactError: A file is missing, foreign, damaged or of another format.
        MissingExtra: The model's recipe needs packages that aren't installed.
    """
    manifest.verify(folder)
    try:
        recipe = json.loads((folder / _MODEL).read_bytes()).get("recipe", model.RECIPE)  # format 1 names none
        scorer = _recipe(recipe)(folder)
        knowledge, about = rules.load(folder, len(scorer.codes))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise ArtifactError(f"{folder} is no model ({error}): train it again") from error
    return Classifier(scorer, about, knowledge)


def _recipe(name: object) -> Callable[[Path], Scorer]:
    if name not in (model.RECIPE, _TRANSFORMER):
        raise ValueError(f"its recipe is {name!r}, expected {model.RECIPE!r} or {_TRANSFORMER!r}")
    return model.load if name == model.RECIPE else transformer.load


def _blocks(texts: Sequence[str]) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, len(texts), _BATCH))


def _text(title: str | None) -> str:
    """Cut before and after, since some signs become many letters and a hostile one must not cost more than its size."""
    return normalise((title or "")[:LONGEST])[:LONGEST]
