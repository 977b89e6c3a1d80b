"""Clean words to the words that a model reads, compiled: what `titles.without_rank` and `spelling.read` do in Python.

A property test holds this file to both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry, inner
from jobmajor.model.kernels.buffers import MENDED_FROM, POWERS, Words
from jobmajor.model.linear.features import RUN_LENGTHS, WORD_BUCKETS
from jobmajor.model.linear.spelling import LONGEST as LONGEST_MENDED
from jobmajor.model.linear.spelling import SHORTEST as SHORTEST_MENDED
from jobmajor.tables.packed import BASE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.tables.packed import Bytes

    Hashes = NDArray[np.uint64]
    Bounds = NDArray[np.int64]  # (words, 2)

_BLANK, _A, _Z = np.frombuffer(b" az", np.uint8)
_LETTERS = 26
_RANKS = ("senior", "junior", "i", "ii", "iii", "iv", "v", "1", "2", "3", "4", "5")
_PACKED_RANKS = np.array([int.from_bytes(rank.encode(), "little") for rank in _RANKS], np.uint64)
_LEADING_RANKS = 2  # the first ones, which may also begin a title
_LONGEST_RANK = 6

_INVERSE = np.uint64(pow(int(BASE), -1, 2**64))
_KINDS = np.array([kind * int(BASE) % 2**64 for kind in (0, 0, *RUN_LENGTHS, 101)], np.uint64)
_OF_WORD = 6  # a word's index in _KINDS; the index of a run is its length


class Vocabulary(NamedTuple):
    """The buckets that the model has rows for: `arrays.Tables`, and the gain of each row."""

    rows: NDArray[np.int32]
    words: NDArray[np.int32]
    checks: NDArray[np.uint32]
    gains: NDArray[np.float32]


class _Scratch(NamedTuple):
    """Memory for one word: an edit of it with its blanks, and hashes of its beginnings."""

    trial: Bytes
    before: Hashes


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
def _rank(text: Bytes, begin: int, end: int) -> int:
    """Return the index of a word in `_RANKS`, or -1."""
    if end - begin > _LONGEST_RANK:
        return -1
    packed = np.uint64(0)
    for index in range(end - begin):
        packed |= np.uint64(text[begin + index]) << np.uint64(8 * index)
    for rank in range(len(_PACKED_RANKS)):
        if packed == _PACKED_RANKS[rank]:
            return rank
    return -1


@inner
def _between_ranks(text: Bytes, bounds: Bounds, cut: int) -> tuple[int, int]:
    """Return the first word that `without_rank` keeps, and the one after the last; `cut` is as in `Words`."""
    first, last = 0, len(bounds)
    while first < last - 1 and 0 <= _rank(text, bounds[first, 0], bounds[first, 1]) < _LEADING_RANKS:
        first += 1
    while last > first + 1 and not cut and _rank(text, bounds[last - 1, 0], bounds[last - 1, 1]) >= 0:
        last -= 1
    return first, last


@inner
def _is_strange(value: Any, vocabulary: Vocabulary) -> Any:
    mixed = _mixed(value, _OF_WORD)
    bucket = np.int32(mixed & np.uint64(WORD_BUCKETS - 1))
    if vocabulary.rows[bucket + WORD_BUCKETS] > 0:
        return False
    word = vocabulary.words[bucket]
    return word < 0 or vocabulary.checks[word] != _check(mixed)


@inner
def _edit(text: Bytes, begin: int, end: int, which: int, trial: Bytes) -> int:
    """Write edit number `which`, in the order of `spelling.edits`, to `trial[1:]`; return where it ends."""
    length = end - begin
    is_swap, is_drop = which < length - 1, length - 1 <= which < 2 * length - 1
    at, letter = divmod(max(which - (2 * length - 1), 0), _LETTERS)
    if is_swap or is_drop:
        at = which if is_swap else which - (length - 1)
    filled = 1
    for position in range(length + 1):
        if position == at and is_swap:
            trial[filled], trial[filled + 1] = text[begin + at + 1], text[begin + at]
            filled += 2
        elif position == at and not is_drop:
            trial[filled] = _A + np.uint8(letter)
            filled += 1
        if position < length and not (position == at and (is_swap or is_drop)) and not (position == at + 1 and is_swap):
            trial[filled] = text[begin + position]
            filled += 1
    trial[0] = trial[filled] = _BLANK
    return filled


@inner
def _edited(text: Bytes, begin: int, before: Hashes, which: int) -> Any:
    """Return the hash of the word after edit number `which`; `before[i]` is the hash of its first i letters."""
    length = len(before) - 1
    whole = before[length]
    if which < length - 1:
        one, other = np.uint64(text[begin + which]), np.uint64(text[begin + which + 1])
        return whole + (other - one) * (POWERS[which] - POWERS[which + 1])
    which -= length - 1
    if which < length:
        return before[which] + (whole - before[which + 1]) * _INVERSE
    at, letter = divmod(which - length, _LETTERS)
    return before[at] + np.uint64(_A + letter) * POWERS[at] + (whole - before[at]) * BASE


@inner
def _is_built_of_known_runs(trial: Bytes, end: int, vocabulary: Vocabulary) -> bool:
    """Tell whether training saw all runs of the word in `trial[1:end]`."""
    for length in RUN_LENGTHS:
        if length == end + 1:
            break
        for start in range(end + 2 - length):
            value = np.uint64(trial[start])
            for position in range(start + 1, start + length):
                value = value * BASE + np.uint64(trial[position])
            if vocabulary.rows[_bucket(value, length)] == 0:
                return False
    return True


@inner
def _is_mendable(text: Bytes, begin: int, end: int) -> bool:
    if not SHORTEST_MENDED <= end - begin <= LONGEST_MENDED:
        return False
    letters = 0
    for position in range(begin, end):
        letters += _A <= text[position] <= _Z
    return letters == end - begin


@inner
def _nearest(text: Bytes, begin: int, end: int, vocabulary: Vocabulary, scratch: _Scratch) -> int:
    """Return the number of the edit that gives the most common training word, or -1."""
    if not _is_mendable(text, begin, end):
        return -1
    length = end - begin
    before = scratch.before[: length + 1]
    before[0] = 0
    for index in range(length):
        before[index + 1] = before[index] + np.uint64(text[begin + index]) * POWERS[index]
    best, least = -1, np.float32(np.inf)
    for which in range(2 * length - 1 + _LETTERS * (length + 1)):
        row = vocabulary.rows[_bucket(_edited(text, begin, before, which), _OF_WORD) + WORD_BUCKETS]
        if row == 0 or vocabulary.gains[row] >= least:
            continue
        stop = _edit(text, begin, end, which, scratch.trial)
        if stop > SHORTEST_MENDED and _is_built_of_known_runs(scratch.trial, stop, vocabulary):
            best, least = which, vocabulary.gains[row]
    return best


@inner
def _copy(source: Bytes, begin: int, end: int, into: Bytes, at: int) -> int:
    for index in range(end - begin):
        into[at + index] = source[begin + index]
    return at + end - begin


@inner
def _is_any_strange(text: Bytes, bounds: Bounds, vocabulary: Vocabulary) -> bool:
    word = 0
    while word < len(bounds) and not _is_strange(_hash(text, bounds[word, 0], bounds[word, 1]), vocabulary):
        word += 1
    return word < len(bounds)


@inner
def _mended(words: Words, span: tuple[int, int], at: int, vocabulary: Vocabulary, scratch: _Scratch) -> int:
    """Write words to the text from `at` on, each strange one as its nearest word; return where they end."""
    text, bounds = words.text, words.bounds
    text[at] = _BLANK
    at += 1
    for word in range(span[0], span[1]):
        first, end = bounds[word, 0], bounds[word, 1]
        is_strange = _is_strange(_hash(text, first, end), vocabulary)
        which = _nearest(text, first, end, vocabulary, scratch) if is_strange else -1
        bounds[word, 0] = at
        if which >= 0:
            end = _edit(text, first, end, which, scratch.trial)
            at = _copy(scratch.trial, 1, end, text, at)
        else:
            at = _copy(text, first, end, text, at)
        bounds[word, 1] = at
        text[at] = _BLANK
        at += 1
    return at


@entry
def _fill(count: int, read: Any, model: Any, scratch_of: Any) -> None:
    """Mend the words of each title, and narrow its span to those that are no rank."""
    words, vocabulary, scratch = Words(*read), Vocabulary(*model), _Scratch(*scratch_of)
    at = MENDED_FROM
    for title in range(count):
        begin, stop = words.spans[title, 0], words.spans[title, 1]
        first, last = _between_ranks(words.text, words.bounds[begin:stop], int(words.cut[title]))
        stop, begin = begin + last, begin + first
        words.mended[title, 0] = words.mended[title, 1] = at
        if _is_any_strange(words.text, words.bounds[begin:stop], vocabulary):
            at = _mended(words, (begin, stop), at, vocabulary, scratch)
            words.mended[title, 0], words.mended[title, 1] = words.mended[title, 0] + 1, at - 1
            first, last = _between_ranks(words.text, words.bounds[begin:stop], 0)
            stop, begin = begin + last, begin + first
        words.spans[title, 0], words.spans[title, 1] = begin, stop


def mend(count: int, words: Words, vocabulary: Vocabulary) -> None:
    """Mend the words of a block of titles in `words`, and drop the words of rank."""
    scratch = np.empty(LONGEST_MENDED + 3, np.uint8), np.empty(LONGEST_MENDED + 1, np.uint64)
    _fill(count, tuple(words), tuple(vocabulary), scratch)
