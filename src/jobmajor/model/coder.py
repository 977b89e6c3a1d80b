"""Answers to many titles as arrays: what `Classifier.answer` returns, without a Python object for each.

The coder asks `answer` itself where there is no compiled code: for other recipes than the linear one, and for titles
that a file of the user names. A property test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jobmajor import arguments, soc
from jobmajor.model import answers
from jobmajor.model.answers import NO_ANSWER, Answer, Coded
from jobmajor.model.rules import abstain, confidence, overrides
from jobmajor.model.rules.abstain import NO_CODE
from jobmajor.model.rules.classes import CLASS
from jobmajor.tables.packed import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.kernels.pipeline import Compiled
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.soc import Level
    from jobmajor.tables.packed import Packed

REASONS = (
    abstain.ANSWERED,
    abstain.UNSURE,
    abstain.NOT_A_TITLE,
    abstain.UNKNOWN_LANGUAGE,
    abstain.CONTRADICTED,
    abstain.NOT_ENGLISH,
)
SOURCES = (overrides.OVERRIDE, answers.EXACT, overrides.MODEL, answers.NAMED, CLASS)
_IS_NO_TITLE = np.array([reason in abstain.NO_TITLES for reason in REASONS])
_IS_LISTED = np.array([source in (answers.EXACT, answers.NAMED) for source in SOURCES])
_SLICE = 4096  # titles that Python answers at a time


class Codes(NamedTuple):
    """Answers to titles.

    Attributes:
        labels: int16, (titles, levels, k); indices in the level's `Coder.classes`, best first, `NO_CODE` where there
            are fewer.
        scores: float32, likewise; 0 where there are fewer.
        reasons: uint8, (titles, levels); indices in `REASONS`, 0 where the best code can be taken.
        sources: uint8, (titles,); indices in `SOURCES`.
    """

    labels: NDArray[np.int16]
    scores: NDArray[np.float32]
    reasons: NDArray[np.uint8]
    sources: NDArray[np.uint8]

    @classmethod
    def empty(cls, titles: int, levels: int, k: int) -> Codes:
        """Return arrays of these sizes, with no values yet."""
        labels, scores = np.empty((titles, levels, k), np.int16), np.empty((titles, levels, k), np.float32)
        return cls(labels, scores, np.empty((titles, levels), np.uint8), np.empty(titles, np.uint8))


class Spread(NamedTuple):
    """Answers to titles with one code at each level, and the shares of all detailed codes.

    `shares`, float32, (titles, codes), has the columns of the detailed level's `Coder.classes`; a title that gets no
    code has none.
    """

    codes: Codes
    shares: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked about each title.

    Attributes:
        codes: The detailed codes that the model answers, and those that were added to it.
        levels: The levels of the codes asked for.
        k: Codes for each title and level, at most.
        overrides: The user's titles with their codes.
        exact: Whether a title that training lists is answered by the codes that it is listed under.
        longest: Characters of a title that are read.
        name: What gives the name of a code of any level.
    """

    codes: Sequence[str]
    levels: tuple[Level, ...] = ("major",)
    k: int = 1
    overrides: Overrides | None = None
    exact: bool = True
    longest: int = LONGEST
    name: Callable[[str], str] = soc.name

    def __post_init__(self) -> None:
        overrides.check(self.overrides)


class Coder:
    """Answers titles as asked; several threads may ask at once. `Classifier.coder` makes it.

    Attributes:
        levels: The levels of the answered codes.
        k: Codes for each title and level, at most.
    """

    def __init__(
        self, wanted: Wanted, compiled: Compiled | None, ask: Callable[[list[str], list[int]], list[list[Coded]]]
    ) -> None:
        """Take `compiled` for what it can answer; `ask` answers other titles, with so many codes at each level."""
        self.levels, self.k = wanted.levels, wanted.k
        self._wanted, self._compiled, self._ask = wanted, compiled, ask
        if compiled:
            overridden = wanted.overrides.codes if wanted.overrides else ()
            self._plan = compiled.plan(wanted.levels, overridden, exact=wanted.exact)

    @cached_property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """Return for each level the codes that may be answered; labels are indices in them.

        Codes that only the user's titles have are among them.
        """
        overridden, codes = self._wanted.overrides, tuple(self._wanted.codes)
        codes = tuple(overridden.columns(codes)) if overridden else codes
        return tuple(_ancestors(codes, level) for level in self.levels)

    @property
    def name(self) -> Callable[[str], str]:
        """Return what gives the name of a code in `classes`."""
        return self._wanted.name

    @cached_property
    def _label_of(self) -> tuple[dict[str, int], ...]:
        return tuple({code: index for index, code in enumerate(codes)} for codes in self.classes)

    def code(self, titles: Packed) -> Codes:
        """Return the answers to packed titles."""
        found = Codes.empty(len(titles), len(self.levels), self.k)
        if self._compiled is None:
            self._fill(titles, np.arange(len(titles)), found)
            return found
        excluded = self._compiled.fill(titles, self._plan, found)
        self._complete(titles, excluded, found)
        return found

    def spread(self, titles: Packed) -> Spread:
        """Return the best code of each level, and the shares of all detailed codes, which must be asked for."""
        levels, detailed = len(self.levels), self.levels.index("detailed")
        columns = self.classes[detailed]
        found = Spread(Codes.empty(len(titles), levels, 1), np.zeros((len(titles), len(columns)), np.float32))
        if self._compiled is None:
            self._fill(titles, np.arange(len(titles)), *found)
            return found
        is_wide = len(columns) > len(self._wanted.codes)
        shares = np.empty((len(titles), len(self._wanted.codes)), np.float32) if is_wide else found.shares
        excluded = self._compiled.fill(titles, self._plan, found.codes, shares)
        shares[_IS_NO_TITLE[found.codes.reasons[:, detailed]]] = 0
        if is_wide:
            found.shares[:, [self._label_of[detailed][code] for code in self._wanted.codes]] = shares
        self._complete(titles, excluded, *found)
        return found

    def _complete(
        self, titles: Packed, excluded: NDArray[np.intp], found: Codes, shares: NDArray[np.float32] | None = None
    ) -> None:
        """Add to what compiled code answered: what is no title has no code, and the user's answers stand."""
        is_none = _IS_NO_TITLE[found.reasons]
        found.labels[is_none], found.scores[is_none] = NO_CODE, 0
        if self._wanted.overrides:
            self._widen(found)
            self._fill(titles, excluded, found, shares)

    def _widen(self, found: Codes) -> None:
        """Turn labels among the model's codes into labels among all codes."""
        for index, level in enumerate(self.levels):
            labels = [self._label_of[index][code] for code in _ancestors(tuple(self._wanted.codes), level)]
            found.labels[:, index] = np.array([*labels, NO_CODE], np.int16)[found.labels[:, index]]

    def _fill(
        self, titles: Packed, rows: NDArray[np.intp], into: Codes, shares: NDArray[np.float32] | None = None
    ) -> None:
        """Fill in the answers of some titles by Python, and their shares if they are wanted."""
        is_spread = [shares is not None and level == "detailed" for level in self.levels]
        counts = [len(self.classes[index]) if spread else self.k for index, spread in enumerate(is_spread)]
        for first in range(0, len(rows), _SLICE):
            chosen: list[int] = rows[first : first + _SLICE].tolist()
            texts = [titles.title(row, self._wanted.longest) for row in chosen]
            for index, answered in enumerate(self._ask(texts, counts)):
                for row, coded in zip(chosen, answered, strict=True):
                    self._put(coded, (row, index), into)
                    if shares is not None and is_spread[index]:
                        self._put_shares(coded, index, shares[row])

    def _put(self, coded: Coded, at: tuple[int, int], into: Codes) -> None:
        row, index = at
        kept = [each for each in coded.answers[: into.labels.shape[2]] if each.label]
        label_of = self._label_of[index]
        into.labels[row, index], into.scores[row, index] = NO_CODE, 0
        into.labels[row, index, : len(kept)] = [label_of[answer.label] for answer in kept]
        into.scores[row, index, : len(kept)] = [answer.score for answer in kept]
        into.reasons[row, index] = REASONS.index(coded.reason)
        into.sources[row] = SOURCES.index(coded.source)

    def _put_shares(self, coded: Coded, index: int, into: NDArray[np.float32]) -> None:
        found = {self._label_of[index][each.label]: each.score for each in coded.answers if each.label}
        into[:] = 0
        into[list(found)] = list(found.values())


def most(k: object) -> int:
    """Return how many codes of a level are looked for if a caller asks for k: no level has more than one less.

    Raises:
        InputError: k is no whole number, or below 1.
    """
    return min(arguments.count("k", k), len(soc.codes("detailed")) + 1)


def coded(codes: Codes, at: tuple[int, Level], classes: Sequence[str], k: int) -> tuple[list[Coded], list[int]]:
    """Return the answers at one level, and the indices of those that `codes` does not hold completely.

    Args:
        codes: Answers with at least k + 1 codes for each title.
        at: The index of the level in `codes`, and the level.
        classes: The level's codes; labels are indices in them.
        k: Codes for each title. A title that training lists may have more codes with the score of the k-th.
    """
    index, level = at
    parts = codes.labels[:, index, :k], codes.scores[:, index, :k], codes.reasons[:, index], codes.sources
    columns = [part.tolist() for part in (*parts, confidence.of(codes.scores[:, index, 0], level))]
    found = [
        Coded(
            tuple(
                Answer(classes[label], soc.name(classes[label]), score)
                for label, score in zip(labels, scores, strict=True)
                if label != NO_CODE
            )
            or (NO_ANSWER,),
            reason != 0,
            REASONS[reason],
            SOURCES[source],
            confidence=sure,
        )
        for labels, scores, reason, source, sure in zip(*columns, strict=True)
    ]
    best = codes.scores[:, index]
    tied = _IS_LISTED[codes.sources] & (codes.labels[:, index, k] != NO_CODE) & (best[:, k] >= best[:, k - 1])
    return found, np.flatnonzero(tied).tolist()


@lru_cache(maxsize=64)  # a coder is made for each call of `Classifier.answer`, mostly for the same codes
def _ancestors(codes: tuple[str, ...], level: Level) -> tuple[str, ...]:
    return tuple(sorted({soc.place(code, level) for code in codes}))
