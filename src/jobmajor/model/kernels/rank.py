"""Shares to the best codes of each level and the reasons to abstain, by `rank.c`.

It is what `answers.coded` computes in Python; a property test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.native import library
from jobmajor.native.library import Struct, address

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Levels(Struct):
    """The levels asked for, fine to coarse.

    Attributes:
        bounds: Level i has the codes `bounds[i]` to `bounds[i + 1] - 1`.
        starts: Where each code begins: a column of the shares on the first level, a code of the level before on the
            others. A code ends where the next one of its level begins.
        sizes: Where the last code of each level ends.
        indices: The index of each level in the arrays of answers.
        thresholds: The lowest score of each level at which a code is taken.
    """

    bounds: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    indices: NDArray[np.int64]
    thresholds: Floats


@dataclass(frozen=True, slots=True)
class Listings(Struct):
    """Arrays of `listed.Listed`; `codes` are columns of the shares."""

    starts: NDArray[np.int32]
    codes: NDArray[np.int16]
    shares: Floats
    kept: Floats


@dataclass(frozen=True, slots=True)
class Ranked(Struct):
    """Arrays of `coder.Codes`, without the sources; `k` is the number of codes of a title at a level."""

    labels: NDArray[np.int16]
    scores: Floats
    reasons: NDArray[np.uint8]
    k: int


@dataclass(frozen=True, slots=True)
class Listed(Struct):
    """The index of each title among the listed ones, or -1, and its mark of `kernels.judge`."""

    rows: NDArray[np.int64]
    marks: NDArray[np.uint8]


def rank(shares: Floats, listed: Listed, listings: Listings, levels: Levels, into: Ranked) -> None:
    """Fill in the answers of some titles; `shares`, shape (titles, columns), is overwritten."""
    count, columns = shares.shape
    library.load().jm_rank(count, address(shares), columns, listed, listings, levels, into)
