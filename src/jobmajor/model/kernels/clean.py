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
_ENDINGS = np.frombuffer(b"womanpersonwomenpeoplepersons", np.uint8)  # two become "man", the others "men"
_ENDING_STARTS = np.array([0, 5, 11, 16, 22, 29])
_WOMEN = 2  # the index of "women"; the endings after it stay as they are if they are the whole word
_MAN = np.frombuffer(b"manmen", np.uint8)


def _folded_signs() -> Bytes:
    """Return what each byte becomes before words are split: lower case, a blank, or a sign with a meaning."""
    folded = np.full(256, _BLANK)
    for sign in b"abcdefghijklmnopqrstuvwxyz0123456789_&.+#":
        folded[sign] = sign
    folded[65:91] = np.arange(97, 123)
    folded[[0x27, 0x60]] = _NOTHING
    return folded


_FOLDED = _folded_signs()
_IN_WORD = np.array([0x30 <= sign <= 0x39 or 0x61 <= sign <= 0x7A for sign in range(256)])


class Table(NamedTuple):
    """A hash table from texts to texts: entry e has the key `keys[starts[e]:starts[e + 1]]`, its value likewise."""

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
    for index in range(end - begin):
        value += np.uint64(text[begin + index]) * POWERS[index]
    return value


@inner
def _are_equal(one: Bytes, begin: int, other: Bytes, other_begin: int, length: int) -> bool:
    position = 0
    while position < length and one[begin + position] == other[other_begin + position]:
        position += 1
    return position == length


@inner
def _find(text: Bytes, begin: int, end: int, value: np.uint64, table: Table) -> Any:
    """Return the entry whose key is `text[begin:end]`, which has the hash `value`; -1 if there is none."""
    slot = np.int64(value >> np.uint64(40)) & (len(table.slots) - 1)
    while table.slots[slot] >= 0:
        entry = np.int64(table.slots[slot])
        key = table.starts[entry]
        if table.starts[entry + 1] - key == end - begin and _are_equal(text, begin, table.keys, key, end - begin):
            return entry
        slot = (slot + 1) & (len(table.slots) - 1)
    return -1


def _table(words: Mapping[str, str]) -> Table:
    keys, values = Packed.of(list(words)), Packed.of(list(words.values()))
    starts, hashes = keys.starts, keys.hashes().tolist()
    slots = np.full(1 << (8 * len(words)).bit_length(), -1, np.int16)
    for index in range(len(words)):
        slot = (hashes[index] >> 40) & (len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = index
    return Table(slots, keys.data, starts, values.data, values.starts, int(np.diff(starts).max(initial=0)))


@inner
def _fold(data: Bytes, begin: int, end: int, folded: Bytes) -> int:
    """Write a title's folded bytes to `folded[1:]`, with blanks around them; return where they end."""
    size = 1
    folded[0] = _BLANK
    for position in range(begin, min(end, begin + LONGEST)):
        sign = _FOLDED[data[position]]
        folded[size] = sign
        size += sign != _NOTHING
    for position in range(size, size + 4):
        folded[position] = _BLANK
    return size


@inner
def _is_wordlike(sign: np.uint8) -> Any:
    return _IN_WORD[sign] or sign == _UNDERSCORE


@inner
def _sign(folded: Bytes, position: int) -> tuple[int, int]:
    """Return which word a sign at `position` stands for, or -1, and where the sign ends."""
    first = folded[position]
    if first == _AND:
        return _IS_AND, position + 1
    if first == _DOT and not _is_wordlike(folded[position - 1]) and not _is_wordlike(folded[position + 4]):
        if folded[position + 1] == _N and folded[position + 2] == _E and folded[position + 3] == _T:
            return _IS_DOTNET, position + 4
    elif first == _C and folded[position - 1] != _UNDERSCORE:
        if folded[position + 1] == _HASH:
            return _IS_CSHARP, position + 2
        if folded[position + 1] == _PLUS and folded[position + 2] == _PLUS:
            return _IS_CPLUSPLUS, position + 3
    return -1, position


@inner
def _copy(source: Bytes, begin: int, end: int, text: Bytes, at: int) -> int:
    for position in range(begin, end):
        text[at + position - begin] = source[position]
    return at + end - begin


@inner
def _ending(text: Bytes, begin: int, end: int) -> int:
    """Return which of the endings the word has, or -1; "people" and "persons" alone have none."""
    for which in range(len(_ENDING_STARTS) - 1):
        stop = _ENDING_STARTS[which + 1]
        if text[end - 1] != _ENDINGS[stop - 1] or text[end - 2] != _ENDINGS[stop - 2]:
            continue
        length = stop - _ENDING_STARTS[which]
        if length <= end - begin and _are_equal(text, end - length, _ENDINGS, stop - length, length):
            return -1 if which > _WOMEN and length == end - begin else which
    return -1


@inner
def _replace_word(text: Bytes, begin: int, end: int, value: np.uint64, words: Table) -> int:
    """Replace a word by the form that the normaliser gives it; return where that ends."""
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
def _copy_word(folded: Bytes, position: int, text: Bytes, at: int) -> tuple[int, np.uint64]:
    """Copy the letters and digits from `position` on, if any; return how many, and their hash."""
    count = 0
    value = np.uint64(0)
    while _IN_WORD[folded[position + count]]:
        text[at + count] = folded[position + count]
        value += np.uint64(folded[position + count]) * POWERS[count]
        count += 1
    return count, value


@inner
def _split_words(folded: Bytes, size: int, text: Bytes, words: Table) -> int:
    """Write a title's words to `text[1:]`, with a blank after each; return where the last one ends."""
    at = position = 1
    while position < size and at <= LONGEST + 1:
        count, value = _copy_word(folded, position, text, at)
        which, after = _sign(folded, position) if count <= 1 else (-1, position)
        if which >= 0:
            at = _copy(_SIGN_WORDS, _SIGN_STARTS[which], _SIGN_STARTS[which + 1], text, at) + 1
        elif count:
            at, after = _replace_word(text, at, at + count, value, words) + 1, position + count
        else:
            position += 1
            continue
        text[at - 1] = _BLANK
        position = after
    return max(at - 1, 1)


@inner
def _clean(titles: Batch, title: int, folded: Bytes, forms: Forms, text: Bytes) -> int:
    """Write the clean title to `text[1:]`, with a blank before and after it; return where it ends."""
    text[0] = _BLANK
    clean = titles.clean_of[title]
    if clean >= 0:
        end = _copy(titles.clean, titles.clean_starts[clean], titles.clean_starts[clean + 1], text, 1)
    else:
        size = _fold(titles.data, titles.starts[title], titles.starts[title + 1], folded)
        end = _split_words(folded, size, text, forms.words)
        if end <= forms.titles.longest + 1:
            entry = _find(text, 1, end, _hash(text, 1, end), forms.titles)
            if entry >= 0:
                values, starts = forms.titles.values, forms.titles.value_starts
                end = _copy(values, starts[entry], starts[entry + 1], text, 1)
        end = min(end, LONGEST + 1)
    text[end] = _BLANK
    return end


@inner
def _find_words(text: Bytes, begin: int, end: int, bounds: NDArray[np.int64], at: int) -> int:
    """Write where each word begins and ends to `bounds[at:]`; return the index after the last word."""
    for position in range(begin, end):
        if text[position] != _BLANK and text[position - 1] == _BLANK:
            bounds[at, 0] = position
        if text[position] != _BLANK and text[position + 1] == _BLANK:
            bounds[at, 1] = position + 1
            at += 1
    return at


@entry
def _fill(titles: Any, first: int, forms: Any, folded: Bytes, into: Any) -> int:
    """Write the words of titles from `first` on, as many as fit into a block; return the number of titles."""
    source, words = Batch(*titles), Words(*into)
    tables = Forms(Table(*forms[0]), Table(*forms[1]))
    at = done = word = 0
    limit = min(BLOCK_TITLES, len(source.clean_of) - first)
    while done < limit and at + 2 * TITLE_BYTES <= MENDED_FROM:
        end = at + _clean(source, first + done, folded, tables, words.text[at:])
        words.spans[done, 0] = word
        word = _find_words(words.text, at + 1, end, words.bounds, word)
        words.spans[done, 1] = word
        words.cut[done] = end > at + 1 and words.text[end - 1] == _BLANK
        at = end
        done += 1
    return done


@cache
def _forms() -> tuple[Any, Any]:
    """Return `Forms` as plain tuples."""
    return tuple(_table(WORDS)), tuple(_table(TITLES))


def clean(titles: Batch, first: int, buffers: Buffers) -> int:
    """Fill `buffers.words` with the words of titles from `first` on; return how many titles fit."""
    return _fill(tuple(titles), first, _forms(), buffers.folded, tuple(buffers.words))
