"""Clean words to the words that a model reads by `mend.c`: what `titles.without_rank` and `spelling.read` do in Python.

A property test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.native import library
from jobmajor.native.library import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jobmajor.model.kernels.buffers import Words


@dataclass(frozen=True, slots=True)
class Vocabulary(Struct):
    """The buckets that the model has rows for: `arrays.Tables`, and the gain of each row."""

    rows: NDArray[np.int32]
    words: NDArray[np.int32]
    checks: NDArray[np.uint32]
    gains: NDArray[np.float32]


def mend(count: int, words: Words, vocabulary: Vocabulary) -> None:
    """Mend the words of a block of titles in `words`, and drop the words of rank."""
    library.load().jm_mend(count, words, vocabulary)
