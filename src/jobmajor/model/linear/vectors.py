"""Vectors of 37,000 English words, so that the model understands words that no training title contains.

Words of similar meaning have similar vectors. tools/make_vectors.py made them once from a language model that has read
much more than job titles (docs/decisions/0007). Without them, the model knows only the letters of such a word.
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
    """Vectors of words.

    Attributes:
        row_of: The row of each word in `values`.
        values: float32, (words, SIZE); their mean length is about sqrt(SIZE).
    """

    row_of: Mapping[str, int]
    values: NDArray[np.float32]

    def of(self, word: str) -> NDArray[np.float32] | None:
        """Return the vector of a word, else of its singular or plural, else the mean of its two parts.

        >>> shipped().of("pipelayers") is not None
        True
        """
        if (vector := self._of_form(word)) is not None:
            return vector
        cuts = range(_SHORTEST, len(word) - _SHORTEST + 1)
        pairs = [(word[:cut], word[cut:]) for cut in sorted(cuts, key=lambda cut: abs(2 * cut - len(word)))]
        for first, last in pairs:
            if first in self.row_of and (end := self._of_form(last)) is not None:
                mean: NDArray[np.float32] = (self.values[self.row_of[first]] + end) / np.float32(2)
                return mean
        return None

    def _of_form(self, word: str) -> NDArray[np.float32] | None:
        for form in (word, word.removesuffix("s"), word.removesuffix("es"), word + "s"):
            if form in self.row_of:
                vector: NDArray[np.float32] = self.values[self.row_of[form]]
                return vector
        return None

    def among(self, words: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
        """Return those of the words that have a vector, and the vectors, shape (such words, SIZE)."""
        found = [(word, vector) for word in words if (vector := self.of(word)) is not None]
        values = np.array([vector for _, vector in found], np.float32).reshape(-1, SIZE)
        return [word for word, _ in found], values


@cache
def shipped() -> Vectors:
    """Return the vectors that the package ships, in the order of its list of words."""
    words = WORDS.read_text("utf-8").split()
    arrays = load_file(ARRAYS)
    codes = arrays["codes"]
    parts = [arrays[f"centres_{index:02d}"].astype(np.float32)[codes[:, index]] for index in range(len(PARTS))]
    return Vectors({word: index for index, word in enumerate(words)}, np.concatenate(parts, axis=1))
