"""The memo's hash table, compiled: hash titles, look up answers and spread them over rows, in about 100 ns a row.

A title is identified by a hash of 128 bits. Titles made to collide would share an answer; by chance, two in 10^18 do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jobmajor.jit import entry, inner

_U = np.uint64
_EIGHT, _HALF, _ONE = _U(8), _U(32), _U(1)
_LOW = _U(0xFFFFFFFF)
_FIRST, _SECOND = _U(0x87C37B91114253D5), _U(0x4CF5AD432745937F)
_MIX, _MIX_AGAIN = _U(0xFF51AFD7ED558CCD), _U(0xC4CEB9FE1A85EC53)
_33, _27, _31, _37 = _U(33), _U(27), _U(31), _U(37)
_5, _A, _B = _U(5), _U(0x52DCE729), _U(0x38495AB5)


@inner
def _turned(value: np.uint64, by: np.uint64) -> np.uint64:
    return (value << by) | (value >> (_U(64) - by))


@inner
def _final(value: np.uint64) -> np.uint64:
    value ^= value >> _33
    value *= _MIX
    value ^= value >> _33
    value *= _MIX_AGAIN
    return value ^ (value >> _33)


@entry
def hash_titles(data: Any, starts: Any, keys: Any) -> None:
    """Write the key of each title, uint64, (titles, 2); the first half is never 0.

    Words of 8 bytes go through the two halves of MurmurHash3's 128 bits.
    Source: Appleby, A., MurmurHash3 (public domain), MurmurHash3_x64_128.
    """
    for title in range(len(starts) - 1):
        begin, end = starts[title], starts[title + 1]
        one, two = _U(0x9368E53C2F6AF274), _U(0x586DCD208F7CD3FD)
        at = begin
        while at < end:
            word, shift = _U(0), _U(0)
            for step in range(min(8, end - at)):
                word |= _U(data[at + step]) << shift
                shift += _EIGHT
            at += 8
            one ^= _turned(word * _FIRST, _31) * _SECOND
            one = (_turned(one, _27) + two) * _5 + _A
            two ^= _turned(word * _SECOND, _33) * _FIRST
            two = (_turned(two, _31) + one) * _5 + _B
        size = _U(end - begin)
        one, two = one ^ size, two ^ size
        one += two
        two += one
        one, two = _final(one), _final(two)
        one += two
        two += one
        keys[title, 0], keys[title, 1] = one | _ONE, two


@inner
def _slot(table: Any, key: np.uint64) -> Any:
    return np.int64(((key >> _HALF) * _U(len(table))) >> _HALF)


@entry
def find(keys: Any, table: Any, answers: Any, seen: Any, indices: Any, firsts: Any) -> int:
    """Return how many different titles the table does not know.

    Args:
        keys: Shape (rows, 2).
        table: Shape (slots, 2 + words): a key, 0 where none is, and its answer.
        answers: Shape (rows, words): receives those of known titles.
        seen: Shape (a power of two above the rows,), all -1; scratch.
        indices: Shape (rows,): receives which of the unknown titles each row has, -1 where it is known.
        firsts: Shape (rows,): receives the first row of each unknown title.
    """
    slots, words, mask, count = len(table), answers.shape[1], len(seen) - 1, 0
    for row in range(len(keys)):
        one, two = keys[row, 0], keys[row, 1]
        slot = _slot(table, one)
        while table[slot, 0] != 0 and (table[slot, 0] != one or table[slot, 1] != two):
            slot = slot + 1 if slot + 1 < slots else 0
        if table[slot, 0] != 0:
            indices[row] = -1
            for word in range(words):
                answers[row, word] = table[slot, 2 + word]
            continue
        local = np.int64(two & _U(mask))
        while seen[local] >= 0:
            other = firsts[seen[local]]
            if keys[other, 0] == one and keys[other, 1] == two:
                break
            local = (local + 1) & mask
        if seen[local] < 0:
            seen[local] = count
            firsts[count] = row
            count += 1
        indices[row] = seen[local]
    return count


@entry
def insert(keys: Any, firsts: Any, fresh: Any, table: Any, free: int) -> int:
    """Insert the answers `fresh`, shape (titles, words), of the titles in the rows `firsts`; return how many fitted."""
    slots, words = len(table), fresh.shape[1]
    count = min(free, len(fresh))
    for title in range(count):
        one, two = keys[firsts[title], 0], keys[firsts[title], 1]
        slot = _slot(table, one)
        while table[slot, 0] != 0:
            slot = slot + 1 if slot + 1 < slots else 0
        table[slot, 0], table[slot, 1] = one, two
        for word in range(words):
            table[slot, 2 + word] = fresh[title, word]
    return count


@entry
def spread(fresh: Any, indices: Any, answers: Any) -> None:
    """Write the answers of the unknown titles to their rows."""
    for row in range(len(indices)):
        index = indices[row]
        if index >= 0:
            for word in range(fresh.shape[1]):
                answers[row, word] = fresh[index, word]


@entry
def pick(data: Any, starts: Any, rows: Any, picked: Any, picked_starts: Any) -> None:
    """Copy the titles of some rows, one after another."""
    at = 0
    picked_starts[0] = 0
    for title in range(len(rows)):
        row = rows[title]
        for source in range(starts[row], starts[row + 1]):
            picked[at] = data[source]
            at += 1
        picked_starts[title + 1] = at
