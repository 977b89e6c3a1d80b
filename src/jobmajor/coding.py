"""Titles as bytes in, codes as numbers out: what the batch scorer asks of a classifier.

A file of ten million titles has no room for an object per title. So titles come as Arrow keeps them, one buffer of
UTF-8 and where each begins, and answers go as arrays of places in the classification; text is made of them only once
for each code.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from jobmajor import abstain, answers, overrides, soc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.answers import Coded
    from jobmajor.classifier import Classifier
    from jobmajor.overrides import Overrides
    from jobmajor.soc import Level

REASONS: Final = (abstain.ANSWERED, abstain.UNSURE, abstain.NOT_A_TITLE, abstain.UNKNOWN_LANGUAGE)
SOURCES: Final = (overrides.OVERRIDE, answers.EXACT, overrides.MODEL)


class Codes(NamedTuple):
    """What some titles get.

    Attributes:
        labels: int16, (titles, levels, k), best first: places in the level's codes, -1 where there are no more.
        scores: float32, (titles, levels, k); shares, 0 where there is no label.
        reasons: uint8, (titles, levels): places in `REASONS`; 0 is an answer to take.
        sources: uint8, (titles,): places in `SOURCES`.
    """

    labels: NDArray[np.int16]
    scores: NDArray[np.float32]
    reasons: NDArray[np.uint8]
    sources: NDArray[np.uint8]

    @classmethod
    def empty(cls, titles: int, levels: int, k: int) -> Codes:
        """Room for so many titles, without any answer."""
        shape = (titles, levels, k)
        return cls(
            np.full(shape, -1, np.int16),
            np.zeros(shape, np.float32),
            np.zeros(shape[:2], np.uint8),
            np.full(titles, SOURCES.index(overrides.MODEL), np.uint8),
        )


class Coder:
    """A classifier with what is asked of it; several threads may ask it at once.

    Attributes:
        levels: Of the codes.
        k: Codes of each title and level at most; never more than a level has.
        classes: For each level its codes in order: what `Codes.labels` counts in. An override's code that the model
            does not answer is among them.
    """

    def __init__(
        self,
        classifier: Classifier,
        levels: Sequence[Level],
        k: int,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> None:
        self._classifier, self._overrides, self._exact = classifier, overrides, exact
        detailed = overrides.columns(classifier.codes) if overrides else classifier.codes
        self.levels = tuple(levels)
        self.classes = tuple(tuple(sorted({soc.ancestor(code, level) for code in detailed})) for level in levels)
        self.k = min(k, max(map(len, self.classes)))

    @cached_property
    def _places(self) -> tuple[dict[str, int], ...]:
        return tuple({code: place for place, code in enumerate(codes)} for codes in self.classes)

    def code(self, data: NDArray[np.uint8], starts: NDArray[np.int64]) -> Codes:
        """What the titles get.

        Args:
            data: UTF-8.
            starts: Shape (titles + 1,): title i is `data[starts[i]:starts[i + 1]]`.
        """
        ends = starts.tolist()
        text = data[ends[0] : ends[-1]].tobytes()
        titles = [text[begin - ends[0] : end - ends[0]].decode() for begin, end in pairwise(ends)]
        found = Codes.empty(len(titles), len(self.levels), self.k)
        asked: dict[str, Any] = {"overrides": self._overrides, "exact": self._exact}
        for column, level in enumerate(self.levels):
            for row, coded in enumerate(self._classifier.answer(titles, level, self.k, **asked)):
                self._put(found, row, column, coded)
        return found

    def _put(self, found: Codes, row: int, column: int, coded: Coded) -> None:
        given = coded.answers[: self.k]  # there are more where several have the same share
        found.labels[row, column, : len(given)] = [self._places[column][item.label] for item in given]
        found.scores[row, column, : len(given)] = [item.score for item in given]
        found.reasons[row, column] = REASONS.index(coded.reason)
        found.sources[row] = SOURCES.index(coded.source)
