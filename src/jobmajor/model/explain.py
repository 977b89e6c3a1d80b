"""Explain why a title gets its code: how much each of its words contributes, for every recipe.

The worth of a word is how much the share of the code falls without the word, computed by the model that answers. Worths
don't add up to the score: two words with one meaning are each worth little, and two words that mean something only
together are each worth everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

MOST_WORDS = 64  # are left out, one at a time; O*NET's longest title has fewer than half of them


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the normalised title; `worth`, -1 to 1, is how much the code's share falls without it."""

    text: str
    worth: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """How much the words of a title contribute to its best code.

    Attributes:
        label: The code that `Classifier.answer` puts first; empty where it gives none.
        name: The official title of the code.
        score: The share of the code by the model alone, even if the answer has another source.
        source: As in `answers.Coded`.
        read: The title as the model reads it: normalised, its spelling mended.
        words: The words in the order of the title, 64 at most.
    """

    label: str
    name: str
    score: float
    source: str
    read: str
    words: tuple[Word, ...]


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
