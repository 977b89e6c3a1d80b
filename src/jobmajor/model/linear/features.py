"""Titles to numbers: the hashed pieces of a title, identical in training and in serving.

A title's pieces are its words, its pairs of neighbouring words, and the runs of 2 to 5 bytes inside each word
(blank-bounded, so that " nur" differs from "nur"). Each piece becomes a bucket of a fixed hash; no vocabulary has to
be kept, and a batch of titles is one pass over one buffer of bytes, with no Python loop per title.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.tables import packed
from jobmajor.tables.packed import BASE
from jobmajor.titles import without_rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    _Found = tuple[NDArray[np.int64], NDArray[np.int32]]  # where pieces begin, and their buckets

BUCKETS = 1 << 21  # 94,000 distinct pieces in a release: 4 in 100 share a bucket
WORD_BUCKETS = BUCKETS // 2  # from here on: words and pairs; below: runs of bytes
RUN_LENGTHS = (2, 3, 4, 5)  # bytes

_BLANK, _END = 0x20, 0x0A
_PAIR = np.uint64(0xC2B2AE3D27D4EB4F)
_WORD_KINDS = _WORD, _WORD_PAIR = 101, 102  # beside the run lengths, which are the other kinds


@dataclass(frozen=True, slots=True)
class Bags:
    """The pieces of a batch: `buckets[starts[i]:starts[i + 1]]` are those of title i, repeats included.

    `starts` has shape (titles + 1,), and `buckets` shape (pieces,) with values below `BUCKETS`. `word_starts` and
    `words` are the same for the words alone, in the order of the title. `word_checks`, shape (words,), distinguishes
    words that share a bucket: it has those bits of a word's hash that the bucket does not use.
    """

    starts: NDArray[np.int64]
    buckets: NDArray[np.int32]
    word_starts: NDArray[np.int64]
    words: NDArray[np.int32]
    word_checks: NDArray[np.uint32]

    def part(self, first: int, last: int) -> Bags:
        """Return the pieces of titles `first` to `last - 1`."""
        begin, end = self.starts[[first, last]]
        word_begin, word_end = self.word_starts[[first, last]]
        return Bags(
            self.starts[first : last + 1] - begin,
            self.buckets[begin:end],
            self.word_starts[first : last + 1] - word_begin,
            self.words[word_begin:word_end],
            self.word_checks[word_begin:word_end],
        )


def bags(texts: Sequence[str]) -> Bags:
    """Return the pieces of normalised titles; an empty text has none, and neither has a word of rank ("senior", "ii").

    >>> np.diff(bags(["nurse", ""]).starts).tolist()
    [19, 0]
    """
    if not texts:
        return Bags(*(np.zeros(1, np.int64), np.empty(0, np.int32)) * 2, np.empty(0, np.uint32))
    buffer = np.frombuffer("".join(f" {without_rank(text)} \n" for text in texts).encode(), dtype=np.uint8)
    title_of = np.cumsum(buffer == _END) - (buffer == _END)  # (bytes,) the title that a byte belongs to
    begins, hashes = _words(buffer)
    words, pairs = (begins, _bucket(hashes, _WORD)), _pairs(begins, hashes, title_of)
    found = [*_runs(buffer), words, pairs]
    titles = np.concatenate([title_of[positions] for positions, _ in found])
    order = np.argsort(titles, kind="stable")
    buckets = np.concatenate([buckets for _, buckets in found])[order]
    checks = (_mixed(hashes, _WORD) >> np.uint64(32)).astype(np.uint32)
    return Bags(_starts(titles, len(texts)), buckets, _starts(title_of[begins], len(texts)), words[1], checks)


def _starts(titles: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return where each title's pieces begin, shape (count + 1,), given the title of each piece."""
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(titles, minlength=count), out=starts[1:])
    return starts


def _mixed(hashes: NDArray[np.uint64], kind: int) -> NDArray[np.uint64]:
    """Apply the finaliser of splitmix64. Source: Steele, Lea, Flood (2014), OOPSLA, fig. 16."""
    mixed = hashes + np.uint64(kind * int(BASE) % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _bucket(hashes: NDArray[np.uint64], kind: int) -> NDArray[np.int32]:
    """Return the lowest bits of the mixed hashes; a word's check is their upper half."""
    bucket = _mixed(hashes, kind) & np.uint64(WORD_BUCKETS - 1)
    return bucket.astype(np.int32) + np.int32(WORD_BUCKETS if kind in _WORD_KINDS else 0)


def _runs(buffer: NDArray[np.uint8]) -> Iterator[_Found]:
    """Yield for each length where its runs begin, and their buckets; a run may hold a blank only at its ends."""
    values = buffer.astype(np.uint64)
    outside = (buffer == _BLANK) | (buffer == _END)
    blanks = np.concatenate([[0], np.cumsum(outside)])
    hashes = values
    for length in RUN_LENGTHS:
        count = len(buffer) - length + 1
        if count <= 0:
            return
        hashes = hashes[:count] * BASE + values[length - 1 :]
        whole = blanks[length - 1 :][:count] == blanks[1 : count + 1]  # (runs,) no blank between the two ends
        some = ~(outside[:count] & outside[length - 1 :])
        positions = np.flatnonzero(whole & some & (buffer[length - 1 :] != _END) & (buffer[:count] != _END))
        yield positions, _bucket(hashes[positions], length)


def _words(buffer: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return where words begin, and their hashes."""
    inside = np.pad((buffer != _BLANK) & (buffer != _END), 1)
    begins, ends = (np.flatnonzero(inside[1:] & ~inside[:-1]), np.flatnonzero(inside[:-1] & ~inside[1:]))
    return begins, packed.hashes(buffer, begins, ends)


def _pairs(begins: NDArray[np.int64], hashes: NDArray[np.uint64], title_of: NDArray[np.int64]) -> _Found:
    """Return where pairs of neighbouring words begin, and their buckets."""
    together = np.flatnonzero(title_of[begins[:-1]] == title_of[begins[1:]])
    return begins[together], _bucket(hashes[together] * _PAIR + hashes[together + 1], _WORD_PAIR)
