"""Words to sums of what their pieces say, by `sums.c`; they are kept, since the same words come again and again.

The pieces of a word are the same in every title. So the evidence for a title is the sum over its words and pairs of
words, and the sums are equal whether a word was met before or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.model.kernels.buffers import TITLE_BYTES
from jobmajor.native.library import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.tables.packed import Bytes

    Floats = NDArray[np.float32]

ENTRIES = 8192  # words: 98 of 100 words of titles; 30 MB when all are there
_PIECES = 7  # of a word for each of its bytes, more than there can be
_HEAD = 8  # numbers before the margins
_KEY_BYTES = 24


@dataclass(frozen=True, slots=True)
class WordSums(Struct):
    """The sums of words that training knows, in the order in which they were met; threads share them.

    Attributes:
        slots: A hash table of entries, from 1 on; 0 where a slot is empty.
        keys: The length and the letters of each word, shape (entries, 24). Longer words are not kept.
        meanings: The row of each word in the arrays of the network, or -1.
        sums: What the pieces of each word sum up to, shape (entries, `width`).
        count: How many entries are taken, shape (1,).
    """

    slots: NDArray[np.int32]
    keys: Bytes
    meanings: NDArray[np.int32]
    sums: Floats
    count: NDArray[np.int64]

    @classmethod
    def make(cls, entries: int, width: int) -> WordSums:
        """Return a table without words; memory is taken as it fills up."""
        return cls(
            np.zeros(1 << (2 * entries).bit_length(), np.int32),
            np.zeros((entries, _KEY_BYTES), np.uint8),
            np.zeros(entries, np.int32),
            np.empty((entries, width), np.float32),
            np.zeros(1, np.int64),
        )


@dataclass(frozen=True, slots=True)
class Scratch(Struct):
    """Arrays for one title, with an entry for each of its bytes."""

    values: NDArray[np.uint64]
    buckets: NDArray[np.int32]
    reach: NDArray[np.int64]

    @classmethod
    def make(cls) -> Scratch:
        """Return new arrays."""
        size = 2 * TITLE_BYTES  # bytes of one title, of which each mended word has one more
        return cls(np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.int64))


@dataclass(frozen=True, slots=True)
class Block(Struct):
    """The pieces of some titles, in the arrays of `features.Bags`."""

    starts: NDArray[np.int64]
    buckets: NDArray[np.int32]
    word_starts: NDArray[np.int64]
    words: NDArray[np.int32]
    word_checks: NDArray[np.uint32]

    @classmethod
    def make(cls, titles: int, size: int) -> Block:
        """Return new arrays for so many titles of `size` bytes in all."""
        starts, word_starts = np.zeros((2, titles + 1), np.int64)
        checks = np.empty(size, np.uint32)
        return cls(starts, np.empty(_PIECES * size, np.int32), word_starts, np.empty(size, np.int32), checks)


@dataclass(frozen=True, slots=True)
class Summing(Struct):
    """Memory for one title.

    Attributes:
        scratch: For the pieces of a word.
        pieces: Of one word.
        word: The sums of a word that is not kept, shape (`width`,).
        title: The sums of a title, likewise.
        hidden: The sum of what its words add to the hidden layer.
        pairs: For each of its words, the bucket of the pair that it ends.
        hashes: The hashes of its words.
        entries: The entries of its words in the table, or -1.
    """

    scratch: Scratch
    pieces: Block
    word: Floats
    title: Floats
    hidden: Floats
    pairs: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    entries: NDArray[np.int64]

    @classmethod
    def make(cls, width: int, hidden: int) -> Summing:
        """Return new buffers of less than 1 MB."""
        word, title = np.empty((2, width), np.float32)
        words = TITLE_BYTES // 2 + 1
        return cls(
            Scratch.make(),
            Block.make(1, 2 * TITLE_BYTES),
            word,
            title,
            np.empty(hidden, np.float32),
            np.empty(words, np.int32),
            np.empty(words, np.uint64),
            np.empty(words, np.int64),
        )


def width(majors: int, codes: int) -> int:
    """Return the length of a row of sums."""
    return _HEAD + _padded(majors) + _padded(codes)


def _padded(size: int) -> int:
    return size + -size % 8
