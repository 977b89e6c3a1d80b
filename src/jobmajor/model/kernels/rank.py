"""Shares to the best codes of each level and the reasons to abstain, compiled: what `answers.coded` computes in Python.

A property test holds this file to `coded`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry, inner
from jobmajor.model.rules.abstain import NO_CODE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_F = np.float32
_UNSURE, _STRANGE = 1, 1  # a reason, and the mark that turns into it; higher marks are reasons as they are


class Levels(NamedTuple):
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


class Listings(NamedTuple):
    """Arrays of `listed.Listed`; `codes` are columns of the shares."""

    starts: NDArray[np.int32]
    codes: NDArray[np.int16]
    shares: Floats


class Ranked(NamedTuple):
    """Arrays of `coder.Codes`, without the sources."""

    labels: NDArray[np.int16]
    scores: Floats
    reasons: NDArray[np.uint8]


@inner
def _put(shares: Floats, listings: Listings, title: int) -> None:
    """Replace the model's shares with the shares that training lists for a title."""
    for column in range(len(shares)):
        shares[column] = 0
    for listing in range(listings.starts[title], listings.starts[title + 1]):
        shares[listings.codes[listing]] += listings.shares[listing]


@inner
def _insert(label: int, score: Any, labels: NDArray[np.int16], scores: Floats) -> None:
    """Insert a label before those with lower scores; the last label drops out."""
    rank = len(labels) - 1
    while rank > 0 and scores[rank - 1] < score:
        labels[rank], scores[rank] = labels[rank - 1], scores[rank - 1]
        rank -= 1
    labels[rank], scores[rank] = label, score


@inner
def _sum_up(shares: Floats, starts: NDArray[np.int64], size: int) -> None:
    """Replace the shares of a level's codes with the shares of the codes above them."""
    for code in range(len(starts)):
        end = starts[code + 1] if code + 1 < len(starts) else size
        total = _F(0)
        for column in range(starts[code], end):
            total += shares[column]
        shares[code] = total


@inner
def _best(shares: Floats, labels: NDArray[np.int16], scores: Floats) -> None:
    """Find the best codes, equal ones in the classification's order; only the first may have a share of 0."""
    for rank in range(len(labels)):
        labels[rank], scores[rank] = NO_CODE, 0
    last = len(labels) - 1
    lowest = _F(0)
    for code in range(len(shares)):
        if shares[code] > lowest:
            _insert(code, shares[code], labels, scores)
            lowest = scores[last]
    labels[0] = max(labels[0], 0)


@entry
def _rank(shares: Floats, listed: Any, learned: Any, asked: Any, into: Any) -> None:
    listings, levels, ranked = Listings(*learned), Levels(*asked), Ranked(*into)
    rows, marks = listed
    for title in range(len(shares)):
        is_listed = rows[title] >= 0
        if is_listed:
            _put(shares[title], listings, rows[title])
        for level in range(len(levels.indices)):
            index, count = levels.indices[level], levels.bounds[level + 1] - levels.bounds[level]
            if count < levels.sizes[level]:
                starts = levels.starts[levels.bounds[level] : levels.bounds[level + 1]]
                _sum_up(shares[title], starts, levels.sizes[level])
            _best(shares[title, :count], ranked.labels[title, index], ranked.scores[title, index])
            reason = np.uint8(0) if is_listed else marks[title]
            if reason <= _STRANGE and ranked.scores[title, index, 0] < levels.thresholds[level]:
                reason = np.uint8(_UNSURE)
            ranked.reasons[title, index] = reason


def rank(
    shares: Floats,
    listed: tuple[NDArray[np.int64], NDArray[np.uint8]],
    listings: Listings,
    levels: Levels,
    into: Ranked,
) -> None:
    """Fill in the answers of some titles.

    Args:
        shares: Shape (titles, columns); the kernel overwrites them.
        listed: The index of each title among the listed ones, or -1, and its mark of `kernels.judge`.
        listings: The listed titles.
        levels: The levels asked for.
        into: Where the answers go.
    """
    _rank(shares, listed, tuple(listings), tuple(levels), tuple(into))
