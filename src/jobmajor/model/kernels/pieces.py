"""Words → pieces, compiled: what `features.bags` says in numpy, in the same order.

That stays the rule; a property test holds this file to it.
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
_OF_WORD, _OF_PAIR = 6, 7  # their places in _KINDS; a run's is its length


class _Scratch(NamedTuple):
    """Memory for one title: an entry for each of its bytes."""

    hashes: Hashes
    values: Hashes
    places: Buckets
    reach: NDArray[np.int64]


@inner
def _hash(text: Bytes, begin: int, end: int) -> Any:
    value = np.uint64(0)
    for place in range(end - begin):
        value += np.uint64(text[begin + place]) * POWERS[place]
    return value


@inner
def _mixed(value: Any, kind: int) -> Any:
    """As `features._mixed`."""
    mixed = value + _KINDS[kind]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@inner
def _bucket(value: Any, kind: int) -> Any:
    """As `features._bucket`, but for the place where the words' buckets begin."""
    return np.int32(_mixed(value, kind) & np.uint64(WORD_BUCKETS - 1))


@inner
def _check(mixed: Any) -> Any:
    return np.uint32(mixed >> np.uint64(32))


@inner
def _longer(text: Bytes, length: int, values: Hashes, places: Buckets) -> None:
    """Runs of that length in place of those one byte shorter, and their buckets."""
    for place in range(len(values)):
        values[place] = values[place] * BASE + np.uint64(text[place])
        places[place] = _bucket(values[place], length)


@inner
def _reach(bounds: Bounds, reach: NDArray[np.int64]) -> None:
    """How long a run from each place on may be: up to its word's blank, and with both blanks not the whole word."""
    base = bounds[0, 0] - 1
    for word in range(len(bounds)):
        begin, end = bounds[word, 0] - base, bounds[word, 1] - base
        reach[begin - 1] = end + 1 - begin
        for place in range(begin, end):
            reach[place] = end + 1 - place


@inner
def _runs(text: Bytes, bounds: Bounds, scratch: _Scratch, buckets: Buckets, at: int) -> int:
    """The runs of bytes inside each word with its blanks, the shorter ones first; returns where they end.

    Those that no word holds are hashed too, then overwritten: that is faster than asking before.
    """
    first, end = bounds[0, 0] - 1, bounds[-1, 1]
    values, places, reach = scratch.values[: end - first], scratch.places[: end - first], scratch.reach[: end - first]
    _reach(bounds, reach)
    letters = text[first:end]
    for place in range(len(values)):
        values[place] = np.uint64(letters[place])
    for length in RUN_LENGTHS:
        _longer(text[first + length - 1 : end + length - 1], length, values, places)
        for place in range(len(places)):
            buckets[at] = places[place]
            at += reach[place] >= length
    return at


@inner
def _say(text: Bytes, bounds: Bounds, scratch: _Scratch, block: Block, title: int) -> None:
    """Put a title's pieces into the block: runs, words, pairs of neighbours; and its words alone."""
    at, said, count = block.starts[title], block.word_starts[title], len(bounds)
    if count:
        at = _runs(text, bounds, scratch, block.buckets, at)
    for word in range(count):
        scratch.hashes[word] = _hash(text, bounds[word, 0], bounds[word, 1])
        mixed = _mixed(scratch.hashes[word], _OF_WORD)
        bucket = np.int32(mixed & np.uint64(WORD_BUCKETS - 1)) + WORD_BUCKETS
        block.buckets[at + word] = block.words[said + word] = bucket
        block.word_checks[said + word] = _check(mixed)
    at += count
    for word in range(count - 1):
        pair = scratch.hashes[word] * _PAIR + scratch.hashes[word + 1]
        block.buckets[at + word] = _bucket(pair, _OF_PAIR) + WORD_BUCKETS
    block.starts[title + 1] = at + max(count - 1, 0)
    block.word_starts[title + 1] = said + count


@entry
def _fill(count: int, read: Any, memory: Any, into: Any) -> None:
    """The pieces of all titles of a block of words."""
    words, scratch, block = Words(*read), _Scratch(*memory), Block(*into)
    for title in range(count):
        bounds = words.bounds[words.spans[title, 0] : words.spans[title, 1]]
        _say(words.text, bounds, scratch, block, title)


def cut(count: int, buffers: Buffers) -> None:
    """Put the pieces of the so many titles of `buffers.words` into `buffers.pieces`."""
    _fill(count, tuple(buffers.words), buffers.scratch, tuple(buffers.pieces))
