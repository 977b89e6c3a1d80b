"""The buffers for a block of titles: each kernel writes to them, and the next one reads from them.

A block is small, so that everything about it stays in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.native.library import Struct
from jobmajor.tables.packed import LONGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.tables.packed import Bytes

BLOCK_TITLES = 128
TITLE_BYTES = 4 * LONGEST + 2  # of a clean title with its blanks, at most
BLOCK_BYTES = 32_768 + TITLE_BYTES
MENDED_FROM = BLOCK_BYTES + TITLE_BYTES  # where mended titles begin in a block's text


@dataclass(frozen=True, slots=True)
class Words(Struct):
    """The words of some titles, each with a blank before and after it.

    Attributes:
        text: All titles, one after the other.
        bounds: Word w is `text[bounds[w, 0]:bounds[w, 1]]`.
        spans: Title i has the words `spans[i, 0]` to `spans[i, 1] - 1`, which are adjacent in the text.
        cut: Whether the title was cut after a blank; then `without_rank` keeps its last word.
        mended: If a word of title i was mended, the whole title is `text[mended[i, 0]:mended[i, 1]]`; empty if not.
    """

    text: Bytes
    bounds: NDArray[np.int64]
    spans: NDArray[np.int64]
    cut: NDArray[np.bool_]
    mended: NDArray[np.int64]

    @classmethod
    def make(cls) -> Words:
        """Return new buffers of about 1 MB; a few titles touch only a part of them."""
        text, bounds = np.zeros(MENDED_FROM + 2 * BLOCK_BYTES, np.uint8), np.empty((BLOCK_BYTES, 2), np.int64)
        spans, mended = np.empty((2, BLOCK_TITLES, 2), np.int64)
        return cls(text, bounds, spans, np.zeros(BLOCK_TITLES, np.bool_), mended)
