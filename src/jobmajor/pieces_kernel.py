"""Clean words → pieces, compiled: what `features.bags` and `spelling.pieces` say in numpy, in the same order.

Those two stay the rule; a property test holds this file to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.cleaning_kernel import BLOCK_BYTES, BLOCK_TITLES, Words, blocks
from jobmajor.compiling import entry, inner
from jobmajor.features import RUN_LENGTHS, WORD_BUCKETS
from jobmajor.raw import LONGEST
from jobmajor.spelling import LONGEST as LONGEST_MENDED
from jobmajor.spelling import SHORTEST as SHORTEST_MENDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jobmajor.raw import Bytes, Source

    Hashes = NDArray[np.uint64]
    Buckets = NDArray[np.int32]
    Bounds = NDArray[np.int64]  # (words, 2)

_BLANK, _A, _Z = np.frombuffer(b" az", np.uint8)
_LETTERS = 26
_RANKS = ("senior", "junior", "i", "ii", "iii", "iv", "v", "1", "2", "3", "4", "5")
_PACKED_RANKS = np.array([int.from_bytes(rank.encode(), "little") for rank in _RANKS], np.uint64)
_LEADING_RANKS = 2  # the first ones, which also stand before what they rank
_LONGEST_RANK = 6

_GOLDEN = 0x9E3779B97F4A7C15
_BASE, _PAIR = np.uint64(_GOLDEN), np.uint64(0xC2B2AE3D27D4EB4F)
_POWERS = np.cumprod(np.full(4 * LONGEST + 2, _BASE, np.uint64))
_KINDS = np.array([kind * _GOLDEN % 2**64 for kind in (0, 0, *RUN_LENGTHS, 101, 102)], np.uint64)
_OF_WORD, _OF_PAIR = 6, 7  # their places in _KINDS; a run's is its length


class Known(NamedTuple):
    """Which buckets the model knows: `scoring.Tables`, and the gain of each row."""

    rows: NDArray[np.int32]
    words: NDArray[np.int32]
    gains: NDArray[np.float32]


class Block(NamedTuple):
    """The pieces of some titles, as in `features.Bags`."""

    starts: NDArray[np.int64]
    buckets: NDArray[np.int32]
    word_starts: NDArray[np.int64]
    words: NDArray[np.int32]


class _Scratch(NamedTuple):
    """Room for one title; the last three have a place for each of its bytes."""

    text: Bytes
    bounds: Bounds
    trial: Bytes
    hashes: Hashes
    values: Hashes
    places: Buckets
    reach: NDArray[np.int64]


@inner
def _hash(text: Bytes, begin: int, end: int) -> Any:
    value = np.uint64(0)
    for place in range(end - begin):
        value += np.uint64(text[begin + place]) * _POWERS[place]
    return value


@inner
def _bucket(value: Any, kind: int) -> Any:
    """As `features._bucket`, but for the place where the words' buckets begin."""
    mixed = value + _KINDS[kind]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int32((mixed ^ (mixed >> np.uint64(31))) & np.uint64(WORD_BUCKETS - 1))


@inner
def _rank(text: Bytes, begin: int, end: int) -> int:
    """Which word of rank stands there, or -1."""
    if end - begin > _LONGEST_RANK:
        return -1
    packed = np.uint64(0)
    for place in range(end - begin):
        packed |= np.uint64(text[begin + place]) << np.uint64(8 * place)
    for rank in range(len(_PACKED_RANKS)):
        if packed == _PACKED_RANKS[rank]:
            return rank
    return -1


@inner
def _between_ranks(text: Bytes, bounds: Bounds, cut: int) -> tuple[int, int]:
    """The first word and the one after the last that `without_rank` leaves; `cut` as in `Words`."""
    first, last = 0, len(bounds)
    while first < last - 1 and 0 <= _rank(text, bounds[first, 0], bounds[first, 1]) < _LEADING_RANKS:
        first += 1
    while last > first + 1 and not cut and _rank(text, bounds[last - 1, 0], bounds[last - 1, 1]) >= 0:
        last -= 1
    return first, last


@inner
def _longer(text: Bytes, length: int, values: Hashes, places: Buckets) -> None:
    """Runs of that length in place of those one byte shorter, and their buckets."""
    for place in range(len(values)):
        values[place] = values[place] * _BASE + np.uint64(text[place])
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
def _is_strange(value: Any, known: Known) -> Any:
    bucket = _bucket(value, _OF_WORD)
    return known.rows[bucket + WORD_BUCKETS] == 0 and known.words[bucket] < 0


@inner
def _edit(text: Bytes, begin: int, end: int, which: int, trial: Bytes) -> int:
    """The edit of that number in the order of `spelling.edits`, from place 1 of `trial` on; returns where it ends."""
    length = end - begin
    is_swap, is_drop = which < length - 1, length - 1 <= which < 2 * length - 1
    at, letter = divmod(max(which - (2 * length - 1), 0), _LETTERS)
    if is_swap or is_drop:
        at = which if is_swap else which - (length - 1)
    filled = 1
    for place in range(length + 1):
        if place == at and is_swap:
            trial[filled], trial[filled + 1] = text[begin + at + 1], text[begin + at]
            filled += 2
        elif place == at and not is_drop:
            trial[filled] = _A + np.uint8(letter)
            filled += 1
        if place < length and not (place == at and (is_swap or is_drop)) and not (place == at + 1 and is_swap):
            trial[filled] = text[begin + place]
            filled += 1
    trial[0] = trial[filled] = _BLANK
    return filled


@inner
def _gain(trial: Bytes, end: int, known: Known) -> Any:
    """The gain of the word at place 1 if training saw it, with all its runs, else infinity."""
    row = known.rows[_bucket(_hash(trial, 1, end), _OF_WORD) + WORD_BUCKETS]
    if row == 0:
        return np.float32(np.inf)
    for length in RUN_LENGTHS:
        if length == end + 1:
            break
        for start in range(end + 2 - length):
            value = np.uint64(trial[start])
            for place in range(start + 1, start + length):
                value = value * _BASE + np.uint64(trial[place])
            if known.rows[_bucket(value, length)] == 0:
                return np.float32(np.inf)
    return known.gains[row]


@inner
def _nearest(text: Bytes, begin: int, end: int, known: Known, trial: Bytes) -> int:
    """The number of the edit that gives the commonest word of training, or -1."""
    length = end - begin
    if not SHORTEST_MENDED <= length <= LONGEST_MENDED:
        return -1
    for place in range(begin, end):
        if not _A <= text[place] <= _Z:
            return -1
    best, least = -1, np.float32(np.inf)
    for which in range(2 * length - 1 + _LETTERS * (length + 1)):
        gain = _gain(trial, _edit(text, begin, end, which, trial), known)
        if gain < least:
            best, least = which, gain
    return best


@inner
def _copy(source: Bytes, begin: int, end: int, into: Bytes, at: int) -> int:
    for place in range(end - begin):
        into[at + place] = source[begin + place]
    return at + end - begin


@inner
def _mended(text: Bytes, bounds: Bounds, known: Known, scratch: _Scratch) -> None:
    """The words again, each strange one read as the nearest, in `scratch.text` and the first of `scratch.bounds`."""
    at = 1
    scratch.text[0] = _BLANK
    for word in range(len(bounds)):
        begin, end = bounds[word, 0], bounds[word, 1]
        which = _nearest(text, begin, end, known, scratch.trial) if _is_strange(_hash(text, begin, end), known) else -1
        scratch.bounds[word, 0] = at
        if which >= 0:
            end = _edit(text, begin, end, which, scratch.trial)
            at = _copy(scratch.trial, 1, end, scratch.text, at)
        else:
            at = _copy(text, begin, end, scratch.text, at)
        scratch.bounds[word, 1] = at
        scratch.text[at] = _BLANK
        at += 1


@inner
def _is_any_strange(text: Bytes, bounds: Bounds, known: Known) -> bool:
    strange = False
    for word in range(len(bounds)):
        strange |= _is_strange(_hash(text, bounds[word, 0], bounds[word, 1]), known)
    return strange


@inner
def _say(text: Bytes, bounds: Bounds, scratch: _Scratch, block: Block, title: int) -> None:
    """Put a title's pieces into the block: runs, words, pairs of neighbours; and its words alone."""
    at, said, count = block.starts[title], block.word_starts[title], len(bounds)
    if count:
        at = _runs(text, bounds, scratch, block.buckets, at)
    for word in range(count):
        scratch.hashes[word] = _hash(text, bounds[word, 0], bounds[word, 1])
        bucket = _bucket(scratch.hashes[word], _OF_WORD) + WORD_BUCKETS
        block.buckets[at + word] = block.words[said + word] = bucket
    at += count
    for word in range(count - 1):
        pair = scratch.hashes[word] * _PAIR + scratch.hashes[word + 1]
        block.buckets[at + word] = _bucket(pair, _OF_PAIR) + WORD_BUCKETS
    block.starts[title + 1] = at + max(count - 1, 0)
    block.word_starts[title + 1] = said + count


@entry
def _fill(read: Any, model: Any, room: Any, into: Any) -> None:
    """The pieces of all titles of a block of words."""
    words, known, scratch, block = Words(*read), Known(*model), _Scratch(*room), Block(*into)
    for title in range(len(words.cut)):
        bounds = words.bounds[words.starts[title] : words.starts[title + 1]]
        begin, stop = _between_ranks(words.text, bounds, int(words.cut[title]))
        if _is_any_strange(words.text, bounds[begin:stop], known):
            _mended(words.text, bounds[begin:stop], known, scratch)
            begin, stop = _between_ranks(scratch.text, scratch.bounds[: stop - begin], 0)
            _say(scratch.text, scratch.bounds[begin:stop], scratch, block, title)
        else:
            _say(words.text, bounds[begin:stop], scratch, block, title)


def pieces(titles: Source, known: Known) -> Iterator[Block]:
    """The pieces of a batch, some hundred titles at a time; each block is overwritten by the next one."""
    size = 2 * 4 * LONGEST  # bytes of one title, of which each mended word has one more
    text, bounds, trial = np.zeros(size, np.uint8), np.empty((size, 2), np.int64), np.empty(size, np.uint8)
    hashes, values = np.empty((2, size), np.uint64)
    scratch = text, bounds, trial, hashes, values, np.empty(size, np.int32), np.empty(size, np.int64)
    most = 7 * BLOCK_BYTES  # fewer than 6 pieces a byte, and some bytes that mending adds
    starts, word_starts = np.zeros((2, BLOCK_TITLES + 1), np.int64)
    room = Block(starts, np.empty(most, np.int32), word_starts, np.empty(BLOCK_BYTES, np.int32))
    for words in blocks(titles):
        _fill(tuple(words), tuple(known), scratch, tuple(room))
        count = len(words.cut) + 1
        ends = room.starts[count - 1], room.word_starts[count - 1]
        yield Block(room.starts[:count], room.buckets[: ends[0]], room.word_starts[:count], room.words[: ends[1]])
