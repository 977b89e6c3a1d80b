"""Answers in another classification, by the official crosswalks: what `--to` does.

The shares of the detailed codes are mapped, in equal parts where a code has several counterparts, and then summed up to
the level asked for. A broader code of SOC 2018 can't be mapped, as its occupations may lie far apart elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from jobmajor import soc
from jobmajor.model import coder, columns, frames
from jobmajor.model.answers import NO_ANSWER, Answer, Coded
from jobmajor.model.coder import REASONS, SOURCES
from jobmajor.model.kernels import rank
from jobmajor.model.rules import abstain, confidence
from jobmajor.model.rules import overrides as own
from jobmajor.model.rules.abstain import ANSWERED, NO_CODE, UNSURE
from jobmajor.model.rules.overrides import MOST, OVERRIDE
from jobmajor.native import library
from jobmajor.soc import classifications
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.coder import Codes, Spread
    from jobmajor.model.rules.knowledge import Knowledge
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.soc import Level
    from jobmajor.soc.classifications import Classification

_BELOW: tuple[Level, ...] = ("minor", "broad", "detailed")  # the levels below the major groups
_SLICE = 1024  # titles at a time: some 4 MB of shares
_ANSWERED, _UNSURE = REASONS.index(ANSWERED), REASONS.index(UNSURE)
_IS_NO_TITLE = np.array([reason in abstain.NO_TITLES for reason in REASONS])
_OVERRIDE = SOURCES.index(OVERRIDE)


class Translated(NamedTuple):
    """Answers in another classification: the arrays of `coder.Codes`, and `ambiguous`, bool, (titles, levels).

    An answer is ambiguous if the title's best detailed code of SOC 2018 has several counterparts at the level.
    """

    labels: NDArray[np.int16]
    scores: NDArray[np.float32]
    reasons: NDArray[np.uint8]
    sources: NDArray[np.uint8]
    ambiguous: NDArray[np.bool_]


class Answers(Protocol):
    """A coder of SOC 2018: `coder.Coder`."""

    def spread(self, titles: Packed) -> Spread:
        """Return the best code of each level, and the shares of all detailed codes."""
        ...


class Model(Protocol):
    """What a translation needs of a `Classifier`."""

    knowledge: Knowledge

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the detailed codes of SOC 2018 that the model can answer."""
        ...

    def coder(
        self, levels: Sequence[Level], k: int, *, overrides: Overrides | None = None, exact: bool = True
    ) -> Answers:
        """Return a coder for some levels of SOC 2018."""
        ...


@dataclass(frozen=True, slots=True)
class _Level:
    """A level of the other classification.

    Attributes:
        classes: Its codes, ascending.
        links: How detailed codes of SOC 2018 reach them.
        several: For each detailed code, whether it reaches several of them.
    """

    classes: tuple[str, ...]
    links: rank.Links
    several: NDArray[np.bool_]


@lru_cache(maxsize=16)
def _level(target: str, codes: tuple[str, ...], level: Level) -> _Level:
    other, found = classifications.of(target), dict[tuple[str, int], float]()
    for column, code in enumerate(codes):
        for counterpart, share in other.counterparts(code).items():
            link = other.ancestor(counterpart, level), column
            found[link] = found.get(link, 0.0) + share
    links = sorted(found)
    classes, starts = np.unique([code for code, _ in links], return_index=True)
    reached = np.array([column for _, column in links])
    weights = np.array([found[link] for link in links], np.float32)
    made = rank.Links(np.append(starts, len(links)), reached, weights)
    return _Level(tuple(classes.tolist()), made, np.bincount(reached, minlength=len(codes)) > 1)


def _mapped(shares: NDArray[np.float32], links: rank.Links, k: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Return labels and scores of the k best codes; equal ones are in the classification's order."""
    if library.load() is not None:
        return rank.mapped(shares, links, k)
    parts = np.add.reduceat(shares[:, links.columns] * links.weights, links.starts[:-1], axis=1)  # (titles, codes)
    labels, scores = np.full((len(shares), k), NO_CODE, np.int16), np.zeros((len(shares), k), np.float32)
    order = np.argsort(-parts, axis=1, kind="stable")[:, :k]
    labels[:, : order.shape[1]], scores[:, : order.shape[1]] = order, np.take_along_axis(parts, order, axis=1)
    labels[:, 1:][scores[:, 1:] == 0] = NO_CODE
    return labels, scores


class TranslatingCoder:
    """Answers titles in another classification, as `coder.Coder` does in SOC 2018.

    Attributes:
        levels: The levels of the answered codes.
        k: Codes for each title and level, at most.
        target: The classification.
    """

    def __init__(
        self, levels: Sequence[Level], k: int, model: Model, target: Classification, asked: tuple[Any, bool]
    ) -> None:
        """Take a model, and its `overrides` and `exact` as `asked`."""
        model.knowledge.check_crosswalk(target.name)
        self.levels, self.k, self.target = tuple(levels), k, target
        overrides, exact = asked
        own.check(overrides)
        overrides = replace(overrides, is_spread=True) if overrides else None
        self._thresholds = [np.float32(model.knowledge.thresholds[level]) for level in self.levels]
        self._codes = overrides.columns(model.codes) if overrides else model.codes
        self._coder = model.coder(_BELOW, 1, overrides=overrides, exact=exact)

    @cached_property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """Return for each level the codes that may be answered; labels are indices in them."""
        return tuple(each.classes for each in self._all_levels)

    @property
    def name(self) -> Callable[[str], str]:
        """Return what gives the name of a code in `classes`."""
        return self.target.titles.__getitem__

    @cached_property
    def _all_levels(self) -> list[_Level]:
        return [_level(self.target.name, self._codes, level) for level in self.levels]

    def code(self, titles: Packed) -> Translated:
        """Return the answers to packed titles."""
        starts = titles.starts
        slices = range(0, max(len(titles), 1), _SLICE)
        found = [self._coded(Packed(titles.data, starts[start : start + _SLICE + 1])) for start in slices]
        return Translated(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _coded(self, titles: Packed) -> Translated:
        codes, shares = self._coder.spread(titles)
        is_override = codes.sources == _OVERRIDE
        # (titles, levels): whether SOC 2018 is answered at each; major groups always count as answered
        answered = np.ones((len(titles), len(soc.LEVELS)), np.bool_)
        answered[:, 1:] = codes.reasons == _ANSWERED
        is_sure = answered[:, 1:].any(axis=1)
        has_code = (codes.scores[:, -1, 0] > 0) & (is_sure | self.target.is_kin)
        has_code &= ~_IS_NO_TITLE[codes.reasons[:, -1]]
        found = [self._of_level(index, shares, codes) for index in range(len(self.levels))]
        labels, scores, reasons, ambiguous = (np.stack(part, axis=1) for part in zip(*found, strict=True))
        asked = [soc.LEVELS.index(level) for level in self.levels]
        has_none = ~has_code[:, None] | (is_override[:, None] & ~answered[:, asked])  # (titles, levels)
        labels[has_none], scores[has_none], ambiguous[has_none] = NO_CODE, 0, False
        reasons[has_none] = np.where(reasons[has_none] == _ANSWERED, np.uint8(_UNSURE), reasons[has_none])
        return Translated(labels, scores, reasons, codes.sources, ambiguous)

    def _of_level(self, index: int, shares: NDArray[np.float32], codes: Codes) -> tuple[NDArray[Any], ...]:
        """Return labels, scores, reasons, and whether each is ambiguous."""
        level = self._all_levels[index]
        labels, scores = _mapped(shares, level.links, self.k)
        taken = np.where(codes.sources == _OVERRIDE, scores[:, 0] > MOST, scores[:, 0] >= self._thresholds[index])
        usual, given = np.where(taken, np.uint8(_ANSWERED), np.uint8(_UNSURE)), codes.reasons[:, -1]
        reasons = np.where((given == _ANSWERED) | (given == _UNSURE), usual, given)
        return labels, scores, reasons, level.several[codes.labels[:, -1, 0]]


@dataclass(frozen=True)
class Translator:
    """A classifier whose answers are in another classification; `Classifier.to` returns it.

    Levels are those of the classification (for ISCO-08 "1" to "4", digits), or those of SOC 2018 by depth.
    """

    model: Model
    target: Classification

    def coder(
        self,
        levels: Sequence[Level] = ("major",),
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> TranslatingCoder:
        """Return a coder, which answers many titles as arrays.

        Raises:
            InputError: k is below 1, or there is no such level.
        """
        depths = self.target.as_levels(levels)
        return TranslatingCoder(depths, coder.most(k), self.model, self.target, (overrides, exact))

    def answer(
        self,
        titles: Iterable[str | None],
        level: str = "major",
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> list[Coded]:
        """Return the answers to each title, at most k of them; arguments as for `Classifier.answer`.

        What is no title has no code, and its answer is `answers.NO_ANSWER`; so is, in ISCO-08, that of a title that is
        sure of no more than its major group of SOC 2018.
        """
        asked = (self.target.parse_level(level),)
        return self.answer_at(asked, titles, k, overrides=overrides, exact=exact)[0]

    def answer_at(
        self,
        levels: Sequence[Level],
        titles: Iterable[str | None],
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> list[list[Coded]]:
        """Return for each level what `answer` returns."""
        given, made = columns.packed(titles), self.coder(levels, k, overrides=overrides, exact=exact)
        found: list[list[Coded]] = [[] for _ in made.levels]
        for start in range(0, len(given), _SLICE):
            codes = made.code(Packed(given.data, given.starts[start : start + _SLICE + 1]))
            for index, each in enumerate(zip(made.levels, made.classes, strict=True)):
                found[index] += self._coded(codes, index, *each)
        return found

    def answer_frame(
        self,
        titles: Iterable[str | None],
        level: str = "major",
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> Any:
        """Return what `answer` returns as a table; a row for each title, for each answer if k is above 1."""
        held, depth = columns.held(titles), self.target.parse_level(level)
        found = self.answer(held, level, k, overrides=overrides, exact=exact)
        return frames.frame(held, found, self.target.level_name(depth), ranked=k > 1, translated=True)

    def _coded(self, codes: Translated, index: int, level: Level, classes: Sequence[str]) -> list[Coded]:
        titles = self.target.titles
        sure = np.where(codes.sources == _OVERRIDE, 1.0, confidence.of(codes.scores[:, index, 0], level))
        parts = codes.labels[:, index], codes.scores[:, index], codes.reasons[:, index], codes.ambiguous[:, index]
        rows = zip(*(part.tolist() for part in (*parts, codes.sources, sure)), strict=True)
        return [
            Coded(
                tuple(
                    Answer(classes[label], titles[classes[label]], score)
                    for label, score in zip(labels, scores, strict=True)
                    if label != NO_CODE
                )
                or (NO_ANSWER,),
                reason != _ANSWERED,
                REASONS[reason],
                SOURCES[source],
                is_ambiguous,
                confidence=sure_of_it,
            )
            for labels, scores, reason, is_ambiguous, source, sure_of_it in rows
        ]


def to(model: Model, name: str) -> Translator:
    """Return a model with answers in the classification of that name.

    Raises:
        InputError: There is none, or it is SOC 2018, in which the model answers.
    """
    return Translator(model, classifications.of(name))
