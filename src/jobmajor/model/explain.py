"""Explain why a title gets its code: how much each of its words contributes, for every recipe, and what is listed.

The worth of a word is how much the share of the code falls without the word, computed by the model that answers. Worths
don't add up to the score: two words with one meaning are each worth little, and two words that mean something only
together are each worth everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.model.rules.listed import MOST_SOURCES, NAMED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jobmajor.model.rules.listed import Listed

MOST_WORDS = 64  # are left out, one at a time; O*NET's longest title has fewer than half of them


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the normalised title; `worth`, -1 to 1, is how much the code's share falls without it."""

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
        score: The share of the code by the model alone, even if the answer has another source.
        source: As in `answers.Coded`.
        read: The title as the model reads it: normalised, its spelling mended.
        words: The words in the order of the title, 64 at most.
        listed: The codes that training lists for the title, best first; none without `exact`.
    """

    label: str
    name: str
    score: float
    source: str
    read: str
    words: tuple[Word, ...]
    listed: tuple[Listing, ...] = ()


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


def variants(text: str) -> list[str]:
    """Return a normalised title, then the same without its first word, without its second, and so on.

    >>> variants("licensed practical nurse")
    ['licensed practical nurse', 'practical nurse', 'licensed nurse', 'licensed practical']
    """
    words = text.split()
    left_out = range(min(len(words), MOST_WORDS))
    return [text, *(" ".join(words[:index] + words[index + 1 :]) for index in left_out)]


def by_word(text: str, share: Callable[[Sequence[str]], NDArray[np.floating]]) -> tuple[float, tuple[Word, ...]]:
    """Return the share of a normalised title, and what each of its words is worth.

    Args:
        text: As `titles.normalise` gives it.
        share: Returns the share of the code for each of some titles.
    """
    whole, *without = share(variants(text)).tolist()
    pairs = zip(text.split(), without, strict=False)  # of a very long title, only the first words were left out
    return whole, tuple(Word(word, whole - rest) for word, rest in pairs)
