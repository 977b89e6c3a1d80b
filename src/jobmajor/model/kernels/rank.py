"""Shares to the best codes of each level and the reasons to abstain, by `rank.c`.

It is what `answers.coded` computes in Python; a property test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.native import library
from jobmajor.native.library import Struct, address

if TYPE_CHECKING:
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
    """Arrays of `listed.Listed`, and a mix of occupations; `codes` are columns of the shares.

    `named` tells which titles the SOC itself names. All others are moved by `weights`, of shape (columns,): what
    `Prior.weights` returns, empty if there is no prior.
    """

    starts: NDArray[np.int32]
    codes: NDArray[np.int16]
    shares: Floats
    kept: Floats
    named: NDArray[np.bool_]
    weights: Floats


@dataclass(frozen=True, slots=True)
class Ranked(Struct):
    """Arrays of `coder.Codes`, without the sources.

    Attributes:
        labels: See there.
        scores: See there.
        reasons: See there.
        shares: What `coder.Spread` has, among the columns of the finest level; of no title if it isn't wanted.
        k: The number of codes of a title at a level.
    """

    labels: NDArray[np.int16]
    scores: Floats
    reasons: NDArray[np.uint8]
    shares: Floats
    k: int


@dataclass(frozen=True, slots=True)
class Links(Struct):
    """How detailed codes reach the codes of a level of another classification.

    Attributes:
        starts: Where the links of each code begin, and where the last one's end.
        columns: The column of each link's detailed code.
        weights: Its share of that code.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: Floats


@dataclass(frozen=True, slots=True)
class Listed(Struct):
    """The index of each title among the listed ones, or -1, and its mark of `kernels.judge`."""

    rows: NDArray[np.int64]
    marks: NDArray[np.uint8]


def rank(shares: Floats, listed: Listed, listings: Listings, levels: Levels, into: Ranked) -> None:
    """Fill in the answers of some titles; `shares`, shape (titles, columns), is overwritten."""
    count, columns = shares.shape
    library.load().jm_rank(count, address(shares), columns, listed, listings, levels, into)


def mapped(shares: Floats, links: Links, k: int) -> tuple[NDArray[np.int16], Floats]:
    """Return the labels and scores of the k best codes of each title in another classification."""
    (count, columns), codes = shares.shape, len(links.starts) - 1
    labels, scores = np.empty((count, k), np.int16), np.empty((count, k), np.float32)
    into = Ranked(labels, scores, np.empty(0, np.uint8), np.empty((0, columns), np.float32), k)
    parts = np.empty(codes, np.float32)
    library.load().jm_map(count, address(shares), columns, links, address(parts), into)
    return labels, scores
