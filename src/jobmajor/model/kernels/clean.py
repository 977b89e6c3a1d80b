"""Raw titles to clean words, compiled: what `titles.normalise` does in Python, for large batches.

A property test holds this file to `normalise`. Only titles in ASCII are cleaned here; `normalise` cleans all others.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry, inner
from jobmajor.model.kernels.buffers import BLOCK_TITLES, MENDED_FROM, POWERS, TITLE_BYTES, Words
from jobmajor.model.kernels.text import Batch
from jobmajor.tables.packed import LONGEST, Bytes, Packed
from jobmajor.titles import TITLES, WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from jobmajor.model.kernels.buffers import Buffers

_BLANK, _UNDERSCORE, _AND, _DOT, _PLUS, _HASH = np.frombuffer(b" _&.+#", np.uint8)
_C, _N, _E, _T, _W, _O = np.frombuffer(b"cnetwo", np.uint8)
_NOTHING = np.uint8(0)  # what an apostrophe becomes; a zero in a title becomes a blank
_SIGN_WORDS = np.frombuffer(b"anddotnetcsharpcplusplus", np.uint8)  # what the signs mean
_SIGN_STARTS = np.array([0, 3, 9, 15, 24])
_IS_AND, _IS_DOTNET, _IS_CSHARP, _IS_CPLUSPLUS = range(4)
_ENDINGS = np.frombuffer(b"womanpersonwomenpeoplepersons", np.uint8)  # the first two read as "man", the rest as "men"
_ENDING_STARTS = np.array([0, 5, 11, 16, 22, 29])
_WOMEN = 2  # the place of "women" in them; those after it stay where they are the whole word
_MAN = np.frombuffer(b"manmen", np.uint8)


def _folded_signs() -> Bytes:
    """What each byte becomes before words are told apart: lower case, a blank, or a sign that means something."""
    folded = np.full(256, _BLANK)
    for sign in b"abcdefghijklmnopqrstuvwxyz0123456789_&.+#":
        folded[sign] = sign
    folded[65:91] = np.arange(97, 123)
    folded[[0x27, 0x60]] = _NOTHING
    return folded


_FOLDED = _folded_signs()
_IN_WORD = np.array([0x30 <= sign <= 0x39 or 0x61 <= sign <= 0x7A for sign in range(256)])


class Table(NamedTuple):
    """Words and what stands for each, found by hash: entry e has `keys[starts[e]:starts[e + 1]]`, values likewise."""

    slots: NDArray[np.int16]
    keys: Bytes
    starts: NDArray[np.int64]
    values: Bytes
    value_starts: NDArray[np.int64]
    longest: int


class Forms(NamedTuple):
    """The words of `titles.WORDS` and the whole titles of `titles.TITLES`."""

    words: Table
    titles: Table


@inner
def _hash(text: Bytes, begin: int, end: int) -> np.uint64:
    value = np.uint64(0)
    for place in range(end - begin):
        value += np.uint64(text[begin + place]) * POWERS[place]
    return value


@inner
def _same(one: Bytes, begin: int, other: Bytes, other_begin: int, length: int) -> bool:
    place = 0
    while place < length and one[begin + place] == other[other_begin + place]:
        place += 1
    return place == length


@inner
def _find(text: Bytes, begin: int, end: int, value: np.uint64, table: Table) -> Any:
    """The entry whose key stands there and has that hash, or -1."""
    slot = np.int64(value >> np.uint64(40)) & (len(table.slots) - 1)
    while table.slots[slot] >= 0:
        entry = np.int64(table.slots[slot])
        key = table.starts[entry]
        if table.starts[entry + 1] - key == end - begin and _same(text, begin, table.keys, key, end - begin):
            return entry
        slot = (slot + 1) & (len(table.slots) - 1)
    return -1


def _table(words: Mapping[str, str]) -> Table:
    keys, values = Packed.of(list(words)), Packed.of(list(words.values()))
    starts, hashes = keys.starts, keys.hashes().tolist()
    slots = np.full(1 << (8 * len(words)).bit_length(), -1, np.int16)
    for place in range(len(words)):
        slot = (hashes[place] >> 40) & (len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = place
    return Table(slots, keys.data, starts, values.data, values.starts, int(np.diff(starts).max(initial=0)))


@inner
def _fold(data: Bytes, begin: int, end: int, folded: Bytes) -> int:
    """The title's bytes from place 1 on, blanks before and after, without its apostrophes; returns where they end."""
    size = 1
    folded[0] = _BLANK
    for place in range(begin, min(end, begin + LONGEST)):
        sign = _FOLDED[data[place]]
        folded[size] = sign
        size += sign != _NOTHING
    for place in range(size, size + 4):
        folded[place] = _BLANK
    return size


@inner
def _is_wordlike(sign: np.uint8) -> Any:
    return _IN_WORD[sign] or sign == _UNDERSCORE


@inner
def _sign(folded: Bytes, place: int) -> tuple[int, int]:
    """The word that a sign there stands for, or -1, and where the sign ends; no other letter follows the first."""
    first = folded[place]
    if first == _AND:
        return _IS_AND, place + 1
    if first == _DOT and not _is_wordlike(folded[place - 1]) and not _is_wordlike(folded[place + 4]):
        if folded[place + 1] == _N and folded[place + 2] == _E and folded[place + 3] == _T:
            return _IS_DOTNET, place + 4
    elif first == _C and folded[place - 1] != _UNDERSCORE:
        if folded[place + 1] == _HASH:
            return _IS_CSHARP, place + 2
        if folded[place + 1] == _PLUS and folded[place + 2] == _PLUS:
            return _IS_CPLUSPLUS, place + 3
    return -1, place


@inner
def _copy(source: Bytes, begin: int, end: int, text: Bytes, at: int) -> int:
    for place in range(begin, end):
        text[at + place - begin] = source[place]
    return at + end - begin


@inner
def _ending(text: Bytes, begin: int, end: int) -> int:
    """Which of the endings the word has, or -1; "people" and "persons" alone have none."""
    for which in range(len(_ENDING_STARTS) - 1):
        stop = _ENDING_STARTS[which + 1]
        if text[end - 1] != _ENDINGS[stop - 1] or text[end - 2] != _ENDINGS[stop - 2]:
            continue
        length = stop - _ENDING_STARTS[which]
        if length <= end - begin and _same(text, end - length, _ENDINGS, stop - length, length):
            return -1 if which > _WOMEN and length == end - begin else which
    return -1


@inner
def _settled(text: Bytes, begin: int, end: int, value: np.uint64, words: Table) -> int:
    """Put what is read for it in place of the word that stands there; returns where that ends."""
    entry = _find(text, begin, end, value, words)
    if entry >= 0:
        end = _copy(words.values, words.value_starts[entry], words.value_starts[entry + 1], text, begin)
    which = _ending(text, begin, end)
    if which < 0:
        return end
    end -= _ENDING_STARTS[which + 1] - _ENDING_STARTS[which]
    while end - begin >= 2 and text[end - 2] == _W and text[end - 1] == _O:
        end -= 2
    return _copy(_MAN, 3 * (which >= _WOMEN), 3 * (which >= _WOMEN) + 3, text, end)


@inner
def _taken(folded: Bytes, place: int, text: Bytes, at: int) -> tuple[int, np.uint64]:
    """Copies the letters and digits that stand there, if any; returns how many, and their hash."""
    count = 0
    value = np.uint64(0)
    while _IN_WORD[folded[place + count]]:
        text[at + count] = folded[place + count]
        value += np.uint64(folded[place + count]) * POWERS[count]
        count += 1
    return count, value


@inner
def _spell(folded: Bytes, size: int, text: Bytes, words: Table) -> int:
    """The words of a title from place 1 of `text` on, each with one blank after it; returns where the last one ends."""
    at = place = 1
    while place < size and at <= LONGEST + 1:
        count, value = _taken(folded, place, text, at)
        which, after = _sign(folded, place) if count <= 1 else (-1, place)
        if which >= 0:
            at = _copy(_SIGN_WORDS, _SIGN_STARTS[which], _SIGN_STARTS[which + 1], text, at) + 1
        elif count:
            at, after = _settled(text, at, at + count, value, words) + 1, place + count
        else:
            place += 1
            continue
        text[at - 1] = _BLANK
        place = after
    return max(at - 1, 1)


@inner
def _clean(titles: Batch, title: int, folded: Bytes, forms: Forms, text: Bytes) -> int:
    """The clean title from place 1 of `text` on, with a blank before and after; returns where it ends."""
    text[0] = _BLANK
    clean = titles.clean_of[title]
    if clean >= 0:
        end = _copy(titles.clean, titles.clean_starts[clean], titles.clean_starts[clean + 1], text, 1)
    else:
        size = _fold(titles.data, titles.starts[title], titles.starts[title + 1], folded)
        end = _spell(folded, size, text, forms.words)
        if end <= forms.titles.longest + 1:
            entry = _find(text, 1, end, _hash(text, 1, end), forms.titles)
            if entry >= 0:
                values, starts = forms.titles.values, forms.titles.value_starts
                end = _copy(values, starts[entry], starts[entry + 1], text, 1)
        end = min(end, LONGEST + 1)
    text[end] = _BLANK
    return end


@inner
def _bound(text: Bytes, begin: int, end: int, bounds: NDArray[np.int64], at: int) -> int:
    """Where each word begins and ends; returns where the next title's words will stand."""
    for place in range(begin, end):
        if text[place] != _BLANK and text[place - 1] == _BLANK:
            bounds[at, 0] = place
        if text[place] != _BLANK and text[place + 1] == _BLANK:
            bounds[at, 1] = place + 1
            at += 1
    return at


@entry
def _fill(titles: Any, first: int, forms: Any, folded: Bytes, into: Any) -> int:
    """The words of titles from `first` on, as many as fit into a block; returns how many titles that were."""
    source, words = Batch(*titles), Words(*into)
    known = Forms(Table(*forms[0]), Table(*forms[1]))
    at = done = said = 0
    limit = min(BLOCK_TITLES, len(source.clean_of) - first)
    while done < limit and at + 2 * TITLE_BYTES <= MENDED_FROM:
        end = at + _clean(source, first + done, folded, known, words.text[at:])
        words.spans[done, 0] = said
        said = _bound(words.text, at + 1, end, words.bounds, said)
        words.spans[done, 1] = said
        words.cut[done] = end > at + 1 and words.text[end - 1] == _BLANK
        at = end
        done += 1
    return done


@cache
def _forms() -> tuple[Any, Any]:
    """`Forms`, as plain tuples."""
    return tuple(_table(WORDS)), tuple(_table(TITLES))


def clean(titles: Batch, first: int, buffers: Buffers) -> int:
    """Put the words of a block of titles, from `first` on, into `buffers.words`; return how many titles that are."""
    return _fill(tuple(titles), first, _forms(), buffers.folded, tuple(buffers.words))
