"""Words to pieces, compiled: what `features.bags` computes in numpy, in the same order.

A property test holds this file to `bags`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry, inner
from jobmajor.model.kernels.buffers import POWERS, Block, Words
from jobmajor.model.linear.features import RUN_LENGTHS, WORD_BUCKETS
from jobmajor.tables.packed import BASE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.model.kernels.buffers import Buffers
    from jobmajor.tables.packed import Bytes

    Hashes = NDArray[np.uint64]
    Buckets = NDArray[np.int32]
    Bounds = NDArray[np.int64]  # (words, 2)

_PAIR = np.uint64(0xC2B2AE3D27D4EB4F)
_KINDS = np.array([kind * int(BASE) % 2**64 for kind in (0, 0, *RUN_LENGTHS, 101, 102)], np.uint64)
_OF_WORD, _OF_PAIR = 6, 7  # the indices of words and pairs in _KINDS; the index of a run is its length


class _Scratch(NamedTuple):
    """Scratch arrays for one title, with one entry for each of its bytes."""

    hashes: Hashes
    values: Hashes
    run_buckets: Buckets
    reach: NDArray[np.int64]


@inner
def _hash(text: Bytes, begin: int, end: int) -> Any:
    value = np.uint64(0)
    for index in range(end - begin):
        value += np.uint64(text[begin + index]) * POWERS[index]
    return value


@inner
def _mixed(value: Any, kind: int) -> Any:
    """Do what `features._mixed` does."""
    mixed = value + _KINDS[kind]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@inner
def _bucket(value: Any, kind: int) -> Any:
    """Do what `features._bucket` does, without the offset of the words' buckets."""
    return np.int32(_mixed(value, kind) & np.uint64(WORD_BUCKETS - 1))


@inner
def _check(mixed: Any) -> Any:
    return np.uint32(mixed >> np.uint64(32))


@inner
def _lengthen(text: Bytes, length: int, values: Hashes, buckets: Buckets) -> None:
    """Turn the hashes of runs of `length - 1` bytes into those of `length` bytes, and fill in their buckets."""
    for index in range(len(values)):
        values[index] = values[index] * BASE + np.uint64(text[index])
        buckets[index] = _bucket(values[index], length)


@inner
def _longest_runs(bounds: Bounds, reach: NDArray[np.int64]) -> None:
    """Fill in the length of the longest run from each byte: up to the blank after its word."""
    base = bounds[0, 0] - 1
    for word in range(len(bounds)):
        begin, end = bounds[word, 0] - base, bounds[word, 1] - base
        reach[begin - 1] = end + 1 - begin
        for position in range(begin, end):
            reach[position] = end + 1 - position


@inner
def _runs(text: Bytes, bounds: Bounds, scratch: _Scratch, buckets: Buckets, at: int) -> int:
    """Write the buckets of the runs of bytes in each word with its blanks, shorter runs first; return where they end.

    Runs that cross words are hashed, too, and then overwritten: that is faster than a check before.
    """
    first, end = bounds[0, 0] - 1, bounds[-1, 1]
    size = end - first
    values, run_buckets, reach = scratch.values[:size], scratch.run_buckets[:size], scratch.reach[:size]
    _longest_runs(bounds, reach)
    letters = text[first:end]
    for index in range(len(values)):
        values[index] = np.uint64(letters[index])
    for length in RUN_LENGTHS:
        _lengthen(text[first + length - 1 : end + length - 1], length, values, run_buckets)
        for index in range(len(run_buckets)):
            buckets[at] = run_buckets[index]
            at += reach[index] >= length
    return at


@inner
def _fill_title(text: Bytes, bounds: Bounds, scratch: _Scratch, block: Block, title: int) -> None:
    """Write a title's pieces to the block: runs, words, pairs of neighbours; then its words alone."""
    at, first_word, count = block.starts[title], block.word_starts[title], len(bounds)
    if count:
        at = _runs(text, bounds, scratch, block.buckets, at)
    for word in range(count):
        scratch.hashes[word] = _hash(text, bounds[word, 0], bounds[word, 1])
        mixed = _mixed(scratch.hashes[word], _OF_WORD)
        bucket = np.int32(mixed & np.uint64(WORD_BUCKETS - 1)) + WORD_BUCKETS
        block.buckets[at + word] = block.words[first_word + word] = bucket
        block.word_checks[first_word + word] = _check(mixed)
    at += count
    for word in range(count - 1):
        pair = scratch.hashes[word] * _PAIR + scratch.hashes[word + 1]
        block.buckets[at + word] = _bucket(pair, _OF_PAIR) + WORD_BUCKETS
    block.starts[title + 1] = at + max(count - 1, 0)
    block.word_starts[title + 1] = first_word + count


@entry
def _fill(count: int, read: Any, memory: Any, into: Any) -> None:
    """Write the pieces of all titles of a block."""
    words, scratch, block = Words(*read), _Scratch(*memory), Block(*into)
    for title in range(count):
        bounds = words.bounds[words.spans[title, 0] : words.spans[title, 1]]
        _fill_title(words.text, bounds, scratch, block, title)


def cut(count: int, buffers: Buffers) -> None:
    """Fill `buffers.pieces` with the pieces of the first `count` titles of `buffers.words`."""
    _fill(count, tuple(buffers.words), buffers.scratch, tuple(buffers.pieces))
