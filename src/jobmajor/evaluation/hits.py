"""What is counted of each labelled title at one level, before it becomes a share: see `outcomes`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.data import labelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from jobmajor.data.labelled import Codes, Labelled
    from jobmajor.soc import Level

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answered:
    """The best answers to distinct titles at one level.

    Attributes:
        codes: Each title's code, empty where there is none.
        scores: The score of each, shape (titles,).
        accepted: Whether the answer is to be taken, shape (titles,).
        classes: The codes that can be answered.
    """

    codes: Sequence[str]
    scores: NDArray[np.float32]
    accepted: NDArray[np.bool_]
    classes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted of each title, shape (titles,); 0 and false where its codes are coarser than the level.

    Attributes:
        weight: The weight of the title's rows.
        right: The weight of the rows whose codes hold the answer.
        most: The weight of the rows that the best single answer to the title would get right.
        codes: How many codes are right.
        hit: Whether any row's codes hold the answer.
        commonest: Whether the answer has as much weight as any code of the title.
        reached: Whether a right code is among the codes that can be answered.
    """

    weight: Floats
    right: Floats
    most: Floats
    codes: NDArray[np.int64]
    hit: NDArray[np.bool_]
    commonest: NDArray[np.bool_]
    reached: NDArray[np.bool_]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Whether the title counts at this level."""
        found: NDArray[np.bool_] = self.weight > 0
        return found


@lru_cache(maxsize=2**16)
def _at_level(codes: Codes, level: Level) -> frozenset[str]:
    return labelled.at_level(codes, level)


def truths(truth: Mapping[Codes, float], level: Level) -> list[tuple[frozenset[str], float]]:
    """Return the sets of right codes at a level with their weights, without those that are coarser."""
    found = ((_at_level(codes, level), weight) for codes, weight in truth.items())
    return [(codes, weight) for codes, weight in found if codes]


def count(given: Labelled, answered: Answered, level: Level) -> Counted:
    """Return what is counted of each title at a level."""
    classes = frozenset(answered.classes)
    rows = [
        _title(truths(truth, level), code, classes) for truth, code in zip(given.truths, answered.codes, strict=True)
    ]
    weight, right, most, codes, hit, commonest, reached = map(np.array, zip(*rows, strict=True))
    return Counted(weight, right, most, codes, hit, commonest, reached)


def _title(truths: list[tuple[frozenset[str], float]], code: str, classes: frozenset[str]) -> tuple[Any, ...]:
    """Return the values of `Counted` for one title."""
    votes: dict[str, float] = defaultdict(float)
    for codes, weight in truths:
        for each in codes:
            votes[each] += weight
    right = votes.get(code, 0.0)
    most = max((weight for each, weight in votes.items() if each in classes), default=0.0)
    total = float(sum(weight for _, weight in truths))
    is_commonest = right > 0 and right == max(votes.values())
    return total, right, most, len(votes), right > 0, is_commonest, most > 0
