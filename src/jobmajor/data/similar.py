"""Find titles that resemble another, with their codes, among the starter titles that the package carries.

A model keeps only hashes of its training titles, so it can't show those. Similar titles change no answer.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING

from jobmajor.data import source, textfile
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FILE = "Alternate Titles.txt"
_SHORTEST_BEGINNING = 3  # letters; fewer begin too many words
_LEAST = 0.2  # alike; less is one common word


@dataclass(frozen=True, slots=True)
class Similar:
    """A title as written, its detailed codes ascending, and its similarity to the title asked for, 0 to 1."""

    title: str
    codes: tuple[str, ...]
    alike: float


class Titles:
    """An index of titles by their words; a word weighs more if fewer titles have it."""

    def __init__(self, codes: Mapping[str, Iterable[str]]) -> None:
        """Index titles; `codes` holds the codes of each title as written."""
        self._titles = [(title, tuple(sorted(set(found)))) for title, found in codes.items()]
        self._words = [frozenset(normalise(title).split()) for title, _ in self._titles]
        self._titles_with: defaultdict[str, list[int]] = defaultdict(list)
        for index, words in enumerate(self._words):
            for word in words:
                self._titles_with[word].append(index)
        self._vocabulary = sorted(self._titles_with)

    def find(self, title: str, k: int = 5) -> list[Similar]:
        """Return the k most similar titles, best first, equal ones in alphabetical order.

        The similarity of two titles is the weight of the words that both have, as a share of the weight of all their
        words. The last word may be incomplete: it matches each word that begins with it.
        """
        asked = [self._meant(word, is_last=is_last) for word, is_last in _each(normalise(title).split())]
        shared: defaultdict[int, float] = defaultdict(float)
        for words in asked:
            for index, weight in self._best(words).items():
                shared[index] += weight
        total = sum(max(map(self._weight, words)) for words in asked)
        alike = ((index, weight / (total + self._total(index) - weight)) for index, weight in shared.items())
        found = sorted((-share, self._titles[index]) for index, share in alike if share >= _LEAST)
        return [Similar(text, codes, -share) for share, (text, codes) in found[:k]]

    def _meant(self, word: str, *, is_last: bool) -> list[str]:
        if word in self._titles_with or not is_last or len(word) < _SHORTEST_BEGINNING:
            return [word]
        first = bisect_left(self._vocabulary, word)
        return list(takewhile(lambda each: each.startswith(word), self._vocabulary[first:])) or [word]

    def _best(self, words: Iterable[str]) -> dict[int, float]:
        """Return the titles with one of the words, each with the largest weight of those that it has."""
        found: dict[int, float] = {}
        for word in sorted(words, key=self._weight):
            found |= dict.fromkeys(self._titles_with.get(word, ()), self._weight(word))
        return found

    def _weight(self, word: str) -> float:
        return 1 + math.log(len(self._titles) / max(len(self._titles_with.get(word, ())), 1))

    def _total(self, index: int) -> float:
        return sum(map(self._weight, self._words[index]))


def _each(words: list[str]) -> list[tuple[str, bool]]:
    """Return each distinct word, and whether it is the last one."""
    return [(word, word == words[-1]) for word in dict.fromkeys(words)]


@cache
def starter() -> Titles:
    """Return the starter titles."""
    codes: defaultdict[str, list[str]] = defaultdict(list)
    rows = textfile.rows(source.STARTER_FOLDER / _FILE)
    next(rows)
    for _, (code, title, *_rest) in rows:
        codes[str(title)].append(str(code).partition(".")[0])
    return Titles(codes)
