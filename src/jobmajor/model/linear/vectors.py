"""What words mean: vectors of 37,000 English words, so that the model understands a word that no training title holds.

They were made once, from a language model that has read much more than job titles (tools/make_vectors.py;
docs/decisions/0007); near vectors belong to words of near meaning. Without them such a word says no more than its
letters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SIZE = 128  # numbers of a vector
_FINE = 64  # the first ones, of most weight, are kept in fours, the others in eights
PARTS = (
    *(slice(start, start + 4) for start in range(0, _FINE, 4)),
    *(slice(start, start + 8) for start in range(_FINE, SIZE, 8)),
)
WORDS = Path(__file__).with_name("vectors.txt")
ARRAYS = Path(__file__).with_name("vectors.safetensors")
_SHORTEST = 3  # letters of a part of a compound


@dataclass(frozen=True, slots=True)
class Vectors:
    """`places` holds the row of each word in `values`, float32 of shape (words, SIZE), mean length about sqrt(SIZE)."""

    places: Mapping[str, int]
    values: NDArray[np.float32]

    def of(self, word: str) -> NDArray[np.float32] | None:
        """Return the vector of a word, else of its singular or plural, else the mean of its two parts.

        >>> known().of("pipelayers") is not None
        True
        """
        if (same := self._same(word)) is not None:
            return same
        cuts = range(_SHORTEST, len(word) - _SHORTEST + 1)
        pairs = [(word[:cut], word[cut:]) for cut in sorted(cuts, key=lambda cut: abs(2 * cut - len(word)))]
        for first, last in pairs:
            if first in self.places and (end := self._same(last)) is not None:
                mean: NDArray[np.float32] = (self.values[self.places[first]] + end) / np.float32(2)
                return mean
        return None

    def _same(self, word: str) -> NDArray[np.float32] | None:
        for form in (word, word.removesuffix("s"), word.removesuffix("es"), word + "s"):
            if form in self.places:
                vector: NDArray[np.float32] = self.values[self.places[form]]
                return vector
        return None

    def among(self, words: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
        """Return those of the words that have a vector, and the vectors, shape (such words, SIZE)."""
        found = [(word, vector) for word in words if (vector := self.of(word)) is not None]
        values = np.array([vector for _, vector in found], np.float32).reshape(-1, SIZE)
        return [word for word, _ in found], values


@cache
def known() -> Vectors:
    """Return the vectors that the package ships, in the order of its list of words."""
    words = WORDS.read_text("utf-8").split()
    arrays = load_file(ARRAYS)
    codes = arrays["codes"]
    parts = [arrays[f"centres_{place:02d}"].astype(np.float32)[codes[:, place]] for place in range(len(PARTS))]
    return Vectors({word: place for place, word in enumerate(words)}, np.concatenate(parts, axis=1))
