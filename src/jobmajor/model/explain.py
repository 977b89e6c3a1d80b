"""Explain why a title gets its code: how much each of its words contributes, for every recipe, and what is listed.

The worth of a word is how much it adds to the share of the code, on average over the orders in which the words can be
added to an empty title (its Shapley value), computed by the model that answers. So the share of a title without words
and the worths of its words add up to the model's share. What lists and the like change is the difference to the answer.

Source: Shapley, L. S. (1953), A Value for n-Person Games; for the sampled orders, Castro, J., Gómez, D. and Tejada, J.
(2009), Computers & Operations Research 36(5), 1726-1730.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.model.rules.listed import MOST_SOURCES, NAMED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.rules.listed import Listed

MOST_WORDS = 64  # that are explained; O*NET's longest title has fewer than half of them
_ALL_ORDERS = 6  # words, up to which every order is taken: 64 texts are scored
_ORDERS = 4  # drawn for more words, and each of them backwards
MOST_TEXTS = 2 * _ORDERS * MOST_WORDS  # that are scored for one title and level


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the normalised title; `worth`, -1 to 1, is what it adds to the code's share."""

    text: str
    worth: float


@dataclass(frozen=True, slots=True)
class Listing:
    """A detailed code that training lists for a title, and what that changes.

    Attributes:
        code: The code.
        sources: How many of O*NET's own sources list it.
        official: Whether the SOC itself names the title so.
        model: The share of the code by the model alone.
        share: Its share of the answer.
    """

    code: str
    sources: int
    official: bool
    model: float
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """How much the words of a title contribute to its best code, and what training lists for it.

    Attributes:
        label: The code that `Classifier.answer` puts first; empty where it gives none.
        name: The official title of the code.
        score: The share of the code by the model alone: `base` and the worths of all words.
        source: As in `answers.Coded`.
        read: The title as the model reads it: normalised, its spelling mended.
        words: The words in the order of the title, 64 at most.
        listed: The codes that training lists for the title, best first; none without `exact`.
        base: The share of the code for a title without these words, 0 to 1.
        answer: The score of the code in the answer: `score`, changed by lists, by a mix of occupations or by the user.
    """

    label: str
    name: str
    score: float
    source: str
    read: str
    words: tuple[Word, ...]
    listed: tuple[Listing, ...] = ()
    base: float = 0.0
    answer: float = 0.0


def listings(text: str, codes: Sequence[str], shares: NDArray[np.float32], listed: Listed) -> tuple[Listing, ...]:
    """Return what training lists for a normalised title.

    Args:
        text: The title.
        codes: The model's detailed codes.
        shares: Its shares of them, shape (1, codes).
        listed: The titles of training.
    """
    titles = listed.find([text])[1]
    if not len(titles):
        return ()
    (weighed,) = listed.weigh(titles, shares)
    cells = range(listed.starts[titles[0]], listed.starts[titles[0] + 1])
    found = [(int(listed.codes[cell]), int(listed.marks[cell])) for cell in cells]
    parts = [
        Listing(
            codes[column], mark & MOST_SOURCES, bool(mark & NAMED), float(shares[0, column]), float(weighed[column])
        )
        for column, mark in found
    ]
    return tuple(sorted(parts, key=lambda part: -part.share))


def by_word(text: str, share: Callable[[Sequence[str]], NDArray[np.floating]]) -> tuple[float, float, tuple[Word, ...]]:
    """Return the share without words, the share of a normalised title, and what each of its words is worth.

    The first and all worths add up to the second.

    Args:
        text: As `titles.normalise` gives it.
        share: Returns the share of the code for each of some titles.
    """
    words = text.split()
    explained, rest = words[:MOST_WORDS], words[MOST_WORDS:]
    orders = _orders(len(explained))
    sets = list(dict.fromkeys(each for order in orders for each in _growing(order)))
    texts = [" ".join([word for at, word in enumerate(explained) if each >> at & 1] + rest) for each in sets]
    value = dict(zip(sets, share(texts).tolist(), strict=True))
    worths = np.zeros(len(explained))
    for order in orders:
        for at, (before, after) in zip(order, pairwise(_growing(order)), strict=True):
            worths[at] += value[after] - value[before]
    found = tuple(Word(word, worth) for word, worth in zip(explained, (worths / len(orders)).tolist(), strict=True))
    return value[0], value[(1 << len(explained)) - 1], found


def _orders(count: int) -> list[tuple[int, ...]]:
    """Return all orders of some words; of many words, a few orders, each also backwards, and always the same ones."""
    if count <= _ALL_ORDERS:
        return list(permutations(range(count)))
    rng = np.random.default_rng(count)
    drawn = [tuple(rng.permutation(count).tolist()) for _ in range(_ORDERS)]
    return [*drawn, *(order[::-1] for order in drawn)]


def _growing(order: Sequence[int]) -> list[int]:
    """Return the sets of words, as bits, while one after another is added in this order; the first one is empty."""
    found = [0]
    for at in order:
        found.append(found[-1] | 1 << at)
    return found
