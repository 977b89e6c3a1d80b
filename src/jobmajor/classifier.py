"""The classifier: titles in, SOC codes with scores out, at any level, whatever recipe the scores come from.

Scores are coherent by construction: a scorer shares every title out among detailed codes, and the score of a code
above them is the sum of what its own detailed codes have.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from safetensors import SafetensorError

from jobmajor import answers, explain, linear, soc, transformer
from jobmajor.answers import Answer, Asked, Coded, Knowledge
from jobmajor.errors import ArtifactError, InputError
from jobmajor.explain import Explanation
from jobmajor.listed import Listed
from jobmajor.titles import normalise
from sagelocal import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.overrides import Overrides
    from jobmajor.soc import Level

_MODEL = "model.json"  # a scorer's description, which names its recipe
_TRANSFORMER = "transformer"
_BATCH = 4096  # titles scored at a time, each up to
_COMPILED_FROM = 20_000  # titles: fewer are answered before compiled code would be loaded
_MAX_CHARACTERS = 1000  # of it: with the scorer's own batches they bound memory whatever the input


class Scorer(Protocol):
    """What a recipe learns: normalised titles in, shares of detailed codes out."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The detailed codes that it can answer, ascending: the order of its columns."""
        ...

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The share of each code, shape (titles, codes); each row sums to 1. Texts are as `normalise` gives them."""
        ...

    def read(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts as it understands them, where it mends their spelling."""
        ...

    def save(self, folder: Path) -> None:
        """Write its files, of which `model.json` has a key `recipe`, into an empty folder."""
        ...


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
        given = _as_list(titles)
        if len(given) >= self._compiled_from and isinstance(self.scorer, linear.LinearModel):
            return self.scorer.compiled_shares([title or "" for title in given], self._starts[level])
        texts = [_text(title) for title in given]
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
            A pandas or polars Series for one of those, with its index; else a numpy array of text.
        """
        best = self.predict_proba(titles, level).argmax(axis=1)
        return _like(titles, self._labels[level][best])

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
        if k < 1:
            raise InputError(f"k is {k}: expected at least 1")
        given = [(title or "")[:_MAX_CHARACTERS] for title in _as_list(titles)]
        listed = self.knowledge.listed if exact else Listed.none()
        found: list[Coded] = []
        for block in _blocks(given):
            texts = [_text(title) for title in given[block]]
            shares, read = self._shared(given[block], texts)
            asked = Asked(given[block], texts, read, level, k)
            found += answers.coded(asked, answers.sourced(texts, self.codes, shares, listed, overrides), self.knowledge)
        return found

    def explain(self, title: str | None, level: Level = "major", *, exact: bool = True) -> Explanation:
        """What each word of a title is worth to the code that `answer` puts first, by the model alone."""
        (found,) = self.answer([title], level, exact=exact)
        best, text = found.answers[0], _text(title)
        column = self.classes(level).index(best.label)
        score, words = explain.by_word(text, lambda texts: self.predict_proba(texts, level)[:, column])
        (read,) = self.scorer.read([text])
        return Explanation(best.label, best.name, score, found.source, read, words)

    def _shared(self, titles: Sequence[str], texts: Sequence[str]) -> tuple[NDArray[np.float32], Sequence[str]]:
        """The shares of the detailed codes, and the texts as the scorer reads them."""
        if self._compiled_from == 0 and isinstance(self.scorer, linear.LinearModel):
            shares = self.scorer.compiled_shares(titles, self._starts["detailed"])
            return shares, self.scorer.compiled_read(titles, texts)
        return self.scorer.shares(texts), self.scorer.read(texts)

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
        recipe = json.loads((folder / _MODEL).read_bytes()).get("recipe", linear.RECIPE)  # format 1 names none
        scorer = _recipe(recipe)(folder)
        knowledge, about = answers.load(folder, len(scorer.codes))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise ArtifactError(f"{folder} is no model ({error}): train it again") from error
    return Classifier(scorer, about, knowledge)


def _recipe(name: object) -> Callable[[Path], Scorer]:
    if name not in (linear.RECIPE, _TRANSFORMER):
        raise ValueError(f"its recipe is {name!r}, expected {linear.RECIPE!r} or {_TRANSFORMER!r}")
    return linear.load if name == linear.RECIPE else transformer.load


def _blocks(texts: Sequence[str]) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, len(texts), _BATCH))


def _text(title: str | None) -> str:
    """Cut before and after, since some signs become many letters and a hostile one must not cost more than its size."""
    return normalise((title or "")[:_MAX_CHARACTERS])[:_MAX_CHARACTERS]


def _as_list(titles: Iterable[str | None]) -> list[str | None]:
    if isinstance(titles, str):
        raise InputError("one text was given where titles are expected: put it into a list")
    values = list(titles)
    return values if {*map(type, values)} == {str} else [_title(value) for value in values]


def _title(value: Any) -> str | None:
    """Text as it is; None for what tables put where no title is (None, and NaN, which does not equal itself)."""
    if isinstance(value, str):
        return value
    try:
        is_missing = value is None or bool(value != value)  # noqa: PLR0124 - see above
    except (TypeError, ValueError):  # of pandas' NA, and of a whole column, this can't be said
        is_missing = not hasattr(value, "__len__")
    if is_missing:
        return None
    shown = repr(value).partition("\n")[0][:60]
    raise InputError(f"a title is {type(value).__name__} {shown}: expected text or None")


def _like(titles: object, answers: NDArray[np.str_]) -> Any:
    """The answers in the caller's own kind of column."""
    library = type(titles).__module__.partition(".")[0]
    if library == "polars" and hasattr(titles, "alias"):
        return type(titles)("code", answers.tolist())  # type: ignore[call-arg]  # a polars Series
    if library == "pandas" and hasattr(titles, "index"):
        return type(titles)(answers, index=titles.index, name="code")  # type: ignore[call-arg]  # a pandas Series
    return answers
