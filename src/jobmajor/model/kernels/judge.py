"""Texts → whether they are titles that the model can read, compiled: what `abstain` and `listed` say of many.

Those stay the rule; a property test holds this file to them. What only Python can tell (whether a text is an address,
and what script its letters are of) is asked here and answered there, for the few titles for which it is a question.
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


class Index(NamedTuple):
    """What training has seen and what is no title.

    `words` are as in `listed.Listed`; its runs are spread over `slots`, 0 where none is. The others are hashes,
    ascending, and the runs of keys that are hit at random.
    """

    words: Hashes
    slots: NDArray[np.uint32]
    placeholders: Hashes
    fillers: Hashes
    keys: NDArray[np.uint32]


class Signs(NamedTuple):
    """Of the titles of a block: their clean text as it stands in the words' text, and what is in it.

    Attributes:
        bounds: Where each begins and ends, (titles, 2).
        letters: As in `abstain`, (titles,).
        digits: Likewise.
        marks: `PLAIN` or `NO_TITLE` at first, then any of them.
        asks: Bits of what Python has to answer.
        hashes: Of the clean texts, (titles,).
    """

    bounds: NDArray[np.int64]
    letters: NDArray[np.int64]
    digits: NDArray[np.int64]
    marks: NDArray[np.uint8]
    asks: NDArray[np.uint8]
    hashes: Hashes


def signs(titles: int) -> Signs:
    """Make signs for so many titles."""
    (letters, digits), (marks, asks) = np.empty((2, titles), np.int64), np.empty((2, titles), np.uint8)
    return Signs(np.empty((titles, 2), np.int64), letters, digits, marks, asks, np.empty(titles, np.uint64))


def index(listed: Listed) -> Index:
    """What is known of a training."""
    slots = np.zeros(1 << max((4 * len(listed.runs)).bit_length(), 4), np.uint32)
    _scatter(listed.runs, slots)
    keys = sorted(int.from_bytes(run.encode(), "big") for run in abstain.KEYS.pattern.split("|"))
    return Index(listed.words, slots, _sorted(abstain.PLACEHOLDERS), _sorted(abstain.LOREM), np.array(keys, np.uint32))


def _sorted(texts: Iterable[str]) -> Hashes:
    """Return the hashes of the texts, ascending."""
    return np.sort(Packed.of(list(texts)).hashes())


@inner
def _slot(run: Any, slots: NDArray[np.uint32]) -> Any:
    mixed = np.uint32(np.uint32(run) * _SPREAD)
    return np.int64(mixed ^ (mixed >> np.uint32(15))) & (len(slots) - 1)


@entry
def _scatter(runs: NDArray[np.uint32], slots: NDArray[np.uint32]) -> None:
    for place in range(len(runs)):
        slot = _slot(runs[place], slots)
        while slots[slot] != 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = runs[place]


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
    for place in range(end - begin):
        value += np.uint64(text[begin + place]) * POWERS[place]
    return value


@inner
def _is_placeholder(text: Bytes, begin: int, end: int, digits: int, known: Hashes) -> Any:
    while digits > 0 and end > begin and (text[end - 1] == _BLANK or _ZERO <= text[end - 1] < _LETTERS_FROM):
        end -= 1
    return end > begin and _is_among(_hash(text, begin, end), known)


@inner
def _is_asked_for_address(titles: Batch, title: int) -> Any:
    """Whether it may be nothing but an address: those hold no space, but other spaces than ASCII's may stand around."""
    begin, end = titles.starts[title], titles.starts[title + 1]
    has_sign, is_ascii = False, True
    for place in range(begin, min(end, begin + 4 * LONGEST)):
        sign = titles.data[place]
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
    """Its letters and digits in bytes, whether a letter stands there three times running, and whether all is ASCII."""
    letters = digits = 0
    is_thrice, is_ascii = False, True
    for place in range(begin, end):
        sign = text[place]
        is_letter = sign >= _LETTERS_FROM
        letters += is_letter
        digits += not is_letter and sign >= _ZERO
        is_ascii &= sign < _NOT_ASCII
        if is_letter and place >= begin + 2 and sign == text[place - 1] and sign == text[place - 2]:
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


def look(count: int, titles: tuple[Batch, int], words: Words, known: Index, into: Signs) -> None:
    """What can be said of so many titles of a block before their words are mended; `titles` from which one on."""
    _look(tuple(titles[0]), (titles[1], count), tuple(words), known.placeholders, tuple(into))


@inner
def _seen(text: Bytes, begin: int, end: int, known: Index) -> tuple[int, int]:
    """How many of a text's words and runs training has seen, and how many there are."""
    seen, count, first = 0, 0, begin
    run, value = np.uint32(_BLANK), np.uint64(0)
    for place in range(begin, end + (end > begin)):
        is_end = place == end or text[place] == _BLANK
        run = np.uint32(run << np.uint32(8)) | np.uint32(_BLANK if is_end else text[place])
        if place >= first + _RUN - 2:  # with the blank before the word, so many bytes are there
            count += 1
            seen += _is_run(run, known.slots)
        if is_end:
            count += 1
            seen += _is_among(value, known.words)
            first, run, value = place + 1, np.uint32(_BLANK), np.uint64(0)
        else:
            value += np.uint64(text[place]) * POWERS[place - first]
    return seen, count


@inner
def _is_filler(text: Bytes, begin: int, end: int, known: Index) -> bool:
    """As `abstain._is_filler`."""
    run, words, fillers, first = np.uint32(0), 0, 0, begin
    for place in range(begin, end + 1):
        sign = text[place] if place < end else _BLANK
        run = np.uint32(run << np.uint32(8)) | np.uint32(sign)
        if _is_among(run, known.keys):
            return True
        if sign == _BLANK:
            words += 1
            fillers += _is_among(_hash(text, first, place), known.fillers)
            first = place + 1
    return 2 * fillers >= max(words, 1)


@entry
def _judge(count: int, read: Any, index: Any, least: Any, into: Any) -> None:
    words, known, signs = Words(*read), Index(*index), Signs(*into)
    for title in range(count):
        begin, end = words.mended[title, 0], words.mended[title, 1]
        if begin == end:
            begin, end = signs.bounds[title, 0], signs.bounds[title, 1]
        seen, whole = _seen(words.text, begin, end, known)
        share = _F(1) if len(known.words) == 0 else _F(seen / max(whole, 1))
        if share < least[0] and signs.marks[title] < NO_TITLE:
            signs.marks[title] = NO_TITLE if signs.letters[title] >= least[2] else STRANGE
        if share < least[1] and _is_filler(words.text, signs.bounds[title, 0], signs.bounds[title, 1], known):
            signs.marks[title] = NO_TITLE


def judge(count: int, words: Words, known: Index, into: Signs) -> None:
    """Mark so many mended titles by how much of them training has seen."""
    least = _F(abstain.LEAST_KNOWN), _F(abstain.WELL_KNOWN), abstain.LEAST_LETTERS
    _judge(count, tuple(words), tuple(known), least, tuple(into))
