"""Tell which texts are titles that the model can read, compiled: what `abstain` and `listed` compute in Python.

A property test holds this file to both. Only Python can tell whether a text is an address and which script its letters
belong to. So the kernel marks the few titles for which that matters, and `pipeline` asks Python about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry, inner
from jobmajor.model.kernels.buffers import POWERS, Words
from jobmajor.model.kernels.text import Batch
from jobmajor.model.rules import abstain
from jobmajor.tables.packed import LONGEST, Packed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from jobmajor.model.rules.listed import Listed
    from jobmajor.tables.packed import Bytes

    Hashes = NDArray[np.uint64]

_F = np.float32
_BLANK, _ZERO, _I, _W, _DOT, _AT, _COLON = np.frombuffer(b" 0iw.@:", np.uint8)
_LETTERS_FROM, _NOT_ASCII = np.uint8(58), np.uint8(128)  # in a clean text all signs above the digits are letters
_RUN = 4  # bytes, as in `listed`
_SPREAD = np.uint32(0x9E3779B1)
_SPACES = np.array([chr(sign).isspace() for sign in range(128)])

PLAIN, STRANGE, NO_TITLE, FOREIGN = range(4)  # marks, in the order of their strength
IS_ADDRESS, IS_FOREIGN = 1, 2  # bits of what is asked of Python


class TrainingIndex(NamedTuple):
    """What training has seen, and texts that are no titles.

    `words` are as in `listed.Listed`. `slots` is a hash table of its runs, 0 where a slot is empty. `placeholders` and
    `fillers` are hashes, ascending. `keys` are the runs of keys that people hit at random.
    """

    words: Hashes
    slots: NDArray[np.uint32]
    placeholders: Hashes
    fillers: Hashes
    keys: NDArray[np.uint32]


class Signs(NamedTuple):
    """What the clean texts of a block's titles contain.

    Attributes:
        bounds: Where each text begins and ends in the text of `Words`, (titles, 2).
        letters: The number of letters, as in `abstain`, (titles,).
        digits: The number of digits, likewise.
        marks: `PLAIN` or `NO_TITLE` after `look`, any mark after `judge`, (titles,).
        asks: Bits of what Python has to answer, (titles,).
        hashes: The hashes of the clean texts, (titles,).
    """

    bounds: NDArray[np.int64]
    letters: NDArray[np.int64]
    digits: NDArray[np.int64]
    marks: NDArray[np.uint8]
    asks: NDArray[np.uint8]
    hashes: Hashes


def signs(titles: int) -> Signs:
    """Return empty arrays for a number of titles."""
    (letters, digits), (marks, asks) = np.empty((2, titles), np.int64), np.empty((2, titles), np.uint8)
    return Signs(np.empty((titles, 2), np.int64), letters, digits, marks, asks, np.empty(titles, np.uint64))


def make_index(listed: Listed) -> TrainingIndex:
    """Return what the kernels look up about the training titles."""
    slots = np.zeros(1 << max((4 * len(listed.runs)).bit_length(), 4), np.uint32)
    _scatter(listed.runs, slots)
    keys = sorted(int.from_bytes(run.encode(), "big") for run in abstain.KEYS.pattern.split("|"))
    return TrainingIndex(
        listed.words, slots, _sorted(abstain.PLACEHOLDERS), _sorted(abstain.LOREM), np.array(keys, np.uint32)
    )


def _sorted(texts: Iterable[str]) -> Hashes:
    """Return the hashes of the texts, ascending."""
    return np.sort(Packed.of(list(texts)).hashes())


@inner
def _slot(run: Any, slots: NDArray[np.uint32]) -> Any:
    mixed = np.uint32(np.uint32(run) * _SPREAD)
    return np.int64(mixed ^ (mixed >> np.uint32(15))) & (len(slots) - 1)


@entry
def _scatter(runs: NDArray[np.uint32], slots: NDArray[np.uint32]) -> None:
    for index in range(len(runs)):
        slot = _slot(runs[index], slots)
        while slots[slot] != 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = runs[index]


@inner
def _is_run(run: Any, slots: NDArray[np.uint32]) -> Any:
    slot = _slot(run, slots)
    while slots[slot] != 0 and slots[slot] != run:
        slot = (slot + 1) & (len(slots) - 1)
    return slots[slot] == run


@inner
def _is_among(value: Any, ascending: Any) -> Any:
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < len(ascending) and ascending[low] == value


@inner
def _hash(text: Bytes, begin: int, end: int) -> Any:
    value = np.uint64(0)
    for index in range(end - begin):
        value += np.uint64(text[begin + index]) * POWERS[index]
    return value


@inner
def _is_placeholder(text: Bytes, begin: int, end: int, digits: int, placeholders: Hashes) -> Any:
    while digits > 0 and end > begin and (text[end - 1] == _BLANK or _ZERO <= text[end - 1] < _LETTERS_FROM):
        end -= 1
    return end > begin and _is_among(_hash(text, begin, end), placeholders)


@inner
def _is_asked_for_address(titles: Batch, title: int) -> Any:
    """Tell whether a title may be nothing but an address, so that Python has to check it.

    An address holds no space. If the title is not ASCII, spaces that this function does not know may surround it.
    """
    begin, end = titles.starts[title], titles.starts[title + 1]
    has_sign, is_ascii = False, True
    for position in range(begin, min(end, begin + 4 * LONGEST)):
        sign = titles.data[position]
        has_sign |= sign in (_DOT, _AT, _COLON)
        is_ascii &= sign < _NOT_ASCII
    if not has_sign or not is_ascii:
        return has_sign
    while begin < end and _SPACES[titles.data[begin]]:
        begin += 1
    while begin < end and _SPACES[titles.data[end - 1]]:
        end -= 1
    while begin < end and not _SPACES[titles.data[begin]]:
        begin += 1
    return begin == end


@inner
def _counted(text: Bytes, begin: int, end: int) -> tuple[int, int, bool, bool]:
    """Return the bytes of letters and of digits, whether a letter comes three times in a row, and if all is ASCII."""
    letters = digits = 0
    is_thrice, is_ascii = False, True
    for position in range(begin, end):
        sign = text[position]
        is_letter = sign >= _LETTERS_FROM
        letters += is_letter
        digits += not is_letter and sign >= _ZERO
        is_ascii &= sign < _NOT_ASCII
        if is_letter and position >= begin + 2 and sign == text[position - 1] and sign == text[position - 2]:
            is_thrice |= sign not in (_I, _W)
    return letters, digits, is_thrice, is_ascii


@entry
def _look(titles: Any, block: tuple[int, int], read: Any, placeholders: Hashes, into: Any) -> None:
    source, words, signs = Batch(*titles), Words(*read), Signs(*into)
    first, count = block
    for title in range(count):
        begin, end = 0, 0
        if words.spans[title, 0] < words.spans[title, 1]:
            begin, end = words.bounds[words.spans[title, 0], 0], words.bounds[words.spans[title, 1] - 1, 1]
        signs.bounds[title, 0], signs.bounds[title, 1] = begin, end
        letters, digits, is_thrice, is_ascii = _counted(words.text, begin, end)
        signs.letters[title], signs.digits[title] = letters, digits
        signs.hashes[title] = _hash(words.text, begin, end)
        is_none = letters < 2 or letters <= digits or is_thrice
        is_none |= _is_placeholder(words.text, begin, end, digits, placeholders)
        signs.marks[title] = NO_TITLE if is_none else PLAIN
        asked = IS_ADDRESS if _is_asked_for_address(source, first + title) else 0
        signs.asks[title] = asked if is_ascii else asked | IS_FOREIGN


def look(count: int, titles: tuple[Batch, int], words: Words, index: TrainingIndex, into: Signs) -> None:
    """Fill `into` with what can be told of a block's titles before their words are mended.

    Args:
        count: How many titles.
        titles: The batch, and the index of the block's first title in it.
        words: The block's words.
        index: What `make_index` returned.
        into: Where the answers go.
    """
    _look(tuple(titles[0]), (titles[1], count), tuple(words), index.placeholders, tuple(into))


@inner
def _seen(text: Bytes, begin: int, end: int, index: TrainingIndex) -> tuple[int, int]:
    """Return how many of a text's words and runs training has seen, and how many there are."""
    seen, count, first = 0, 0, begin
    run, value = np.uint32(_BLANK), np.uint64(0)
    for position in range(begin, end + (end > begin)):
        is_end = position == end or text[position] == _BLANK
        run = np.uint32(run << np.uint32(8)) | np.uint32(_BLANK if is_end else text[position])
        if position >= first + _RUN - 2:  # with the blank before the word, so many bytes are there
            count += 1
            seen += _is_run(run, index.slots)
        if is_end:
            count += 1
            seen += _is_among(value, index.words)
            first, run, value = position + 1, np.uint32(_BLANK), np.uint64(0)
        else:
            value += np.uint64(text[position]) * POWERS[position - first]
    return seen, count


@inner
def _is_filler(text: Bytes, begin: int, end: int, index: TrainingIndex) -> bool:
    """Do what `abstain._is_filler` does."""
    run, words, fillers, first = np.uint32(0), 0, 0, begin
    for position in range(begin, end + 1):
        sign = text[position] if position < end else _BLANK
        run = np.uint32(run << np.uint32(8)) | np.uint32(sign)
        if _is_among(run, index.keys):
            return True
        if sign == _BLANK:
            words += 1
            fillers += _is_among(_hash(text, first, position), index.fillers)
            first = position + 1
    return 2 * fillers >= max(words, 1)


@entry
def _judge(count: int, read: Any, arrays: Any, least: Any, into: Any) -> None:
    words, index, signs = Words(*read), TrainingIndex(*arrays), Signs(*into)
    for title in range(count):
        begin, end = words.mended[title, 0], words.mended[title, 1]
        if begin == end:
            begin, end = signs.bounds[title, 0], signs.bounds[title, 1]
        seen, whole = _seen(words.text, begin, end, index)
        share = _F(1) if len(index.words) == 0 else _F(seen / max(whole, 1))
        if share < least[0] and signs.marks[title] < NO_TITLE:
            signs.marks[title] = NO_TITLE if signs.letters[title] >= least[2] else STRANGE
        if share < least[1] and _is_filler(words.text, signs.bounds[title, 0], signs.bounds[title, 1], index):
            signs.marks[title] = NO_TITLE


def judge(count: int, words: Words, index: TrainingIndex, into: Signs) -> None:
    """Mark mended titles by how much of each training has seen."""
    least = _F(abstain.LEAST_KNOWN), _F(abstain.WELL_KNOWN), abstain.LEAST_LETTERS
    _judge(count, tuple(words), tuple(index), least, tuple(into))
