"""Shares → the best codes of each level and why not to take them, compiled: what `answers.coded` says of many titles.

That stays the rule; a property test holds this file to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry, inner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_F = np.float32
NONE = -1  # a label's place where no code is left
_UNSURE, _STRANGE = 1, 1  # a reason, and the mark that becomes it; stronger marks are their own reasons


class Levels(NamedTuple):
    """The levels asked for, fine to coarse, of which level i has the codes `bounds[i]` to `bounds[i + 1] - 1`.

    Code c begins at `starts[c]`, which is a column of the shares on the first level and a code of the level before on
    the others, and ends where the next one of its level begins, the last one with `sizes[i]`. Its answers stand at
    `places[i]`, and are taken from `thresholds[i]` on.
    """

    bounds: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    places: NDArray[np.int64]
    thresholds: Floats


class Listings(NamedTuple):
    """As in `listed.Listed`; `codes` are columns of the shares."""

    starts: NDArray[np.int32]
    codes: NDArray[np.int16]
    shares: Floats


class Ranked(NamedTuple):
    """As `coding.Codes`, without the sources."""

    labels: NDArray[np.int16]
    scores: Floats
    reasons: NDArray[np.uint8]


@inner
def _put(shares: Floats, listings: Listings, title: int) -> None:
    """What training lists for that title, in place of the model's shares."""
    for column in range(len(shares)):
        shares[column] = 0
    for place in range(listings.starts[title], listings.starts[title + 1]):
        shares[listings.codes[place]] += listings.shares[place]


@inner
def _insert(label: int, score: Any, labels: NDArray[np.int16], scores: Floats) -> None:
    """Among the best so far, before those with lower scores; the last one falls out."""
    place = len(labels) - 1
    while place > 0 and scores[place - 1] < score:
        labels[place], scores[place] = labels[place - 1], scores[place - 1]
        place -= 1
    labels[place], scores[place] = label, score


@inner
def _sum_up(shares: Floats, starts: NDArray[np.int64], size: int) -> None:
    """The shares of codes, in place of the shares of what is below them."""
    for code in range(len(starts)):
        end = starts[code + 1] if code + 1 < len(starts) else size
        total = _F(0)
        for column in range(starts[code], end):
            total += shares[column]
        shares[code] = total


@inner
def _best(shares: Floats, labels: NDArray[np.int16], scores: Floats) -> None:
    """The best codes, in the classification's order where they are equal; only the first one may have a share of 0."""
    for place in range(len(labels)):
        labels[place], scores[place] = NONE, 0
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
    places, marks = listed
    for title in range(len(shares)):
        is_listed = places[title] >= 0
        if is_listed:
            _put(shares[title], listings, places[title])
        for level in range(len(levels.places)):
            place, count = levels.places[level], levels.bounds[level + 1] - levels.bounds[level]
            if count < levels.sizes[level]:
                starts = levels.starts[levels.bounds[level] : levels.bounds[level + 1]]
                _sum_up(shares[title], starts, levels.sizes[level])
            _best(shares[title, :count], ranked.labels[title, place], ranked.scores[title, place])
            reason = np.uint8(0) if is_listed else marks[title]
            if reason <= _STRANGE and ranked.scores[title, place, 0] < levels.thresholds[level]:
                reason = np.uint8(_UNSURE)
            ranked.reasons[title, place] = reason


def rank(
    shares: Floats,
    listed: tuple[NDArray[np.int64], NDArray[np.uint8]],
    listings: Listings,
    levels: Levels,
    into: Ranked,
) -> None:
    """Fill in the answers of some titles.

    Args:
        shares: Shape (titles, columns); they are used up.
        listed: The place of each title among the listed ones, or -1, and its mark of `kernels.judge`.
        listings: What is listed.
        levels: What is asked.
        into: Where the answers go.
    """
    _rank(shares, listed, tuple(listings), tuple(levels), tuple(into))
