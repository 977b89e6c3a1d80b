"""The memo's hash table: hash titles, look up answers and spread them over rows, in about 100 ns a row.

`memo.c` does it where there is compiled code; the functions here do it elsewhere, and a test compares the two. A title
is identified by a hash of 128 bits. Titles made to collide would share an answer; by chance, two in 10^18 do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.native import library
from jobmajor.native.library import Struct, address

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.tables.packed import Packed

    Words = NDArray[np.uint64]

_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Lookup(Struct):
    """Some rows, and the table in which their titles are looked up.

    Attributes:
        keys: Shape (rows, 2), of `hash_titles`.
        table: Shape (slots, 2 + words): a key, 0 where none is, and its answer.
        answers: Shape (rows, words): receives those of known titles.
        seen: Shape (a power of two above the rows,), all -1; scratch.
        indices: Shape (rows,): receives which of the unknown titles each row has, -1 where it is known.
        firsts: Shape (rows,): receives the first row of each unknown title.
        words: The length of an answer.
    """

    keys: Words
    table: Words
    answers: Words
    seen: NDArray[np.int32]
    indices: NDArray[np.int32]
    firsts: NDArray[np.int32]
    words: int


def hash_titles(titles: Packed) -> Words:
    """Return the key of each title, shape (titles, 2); the first half is never 0.

    Words of 8 bytes go through the two halves of MurmurHash3's 128 bits.
    Source: Appleby, A., MurmurHash3 (public domain), MurmurHash3_x64_128.
    """
    keys = np.empty((len(titles), 2), np.uint64)
    compiled = library.load()
    if compiled is not None:
        compiled.jm_hash_titles(address(titles.data), address(titles.starts), len(titles), address(keys))
        return keys
    starts = titles.starts.tolist()
    for index in range(len(titles)):
        keys[index] = _key(titles.data[starts[index] : starts[index + 1]].tobytes())
    return keys


def _key(title: bytes) -> tuple[int, int]:
    first, second = 0x87C37B91114253D5, 0x4CF5AD432745937F
    one, two = 0x9368E53C2F6AF274, 0x586DCD208F7CD3FD
    for at in range(0, len(title), 8):
        word = int.from_bytes(title[at : at + 8], "little")
        one ^= _turned(word * first & _MASK, 31) * second & _MASK
        one = (_turned(one, 27) + two) * 5 + 0x52DCE729 & _MASK
        two ^= _turned(word * second & _MASK, 33) * first & _MASK
        two = (_turned(two, 31) + one) * 5 + 0x38495AB5 & _MASK
    one, two = one ^ len(title), two ^ len(title)
    one = one + two & _MASK
    two = two + one & _MASK
    one, two = _finished(one), _finished(two)
    one = one + two & _MASK
    return one | 1, two + one & _MASK


def _turned(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & _MASK


def _finished(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33


def find(rows: Lookup) -> int:
    """Look up the titles of all rows; return how many different titles the table does not know."""
    compiled = library.load()
    if compiled is not None:
        count: int = compiled.jm_find(rows)
        return count
    unknown = dict[tuple[int, int], int]()
    for row, (one, two) in enumerate(rows.keys.tolist()):
        slot = _slot(rows.table, one, two)
        if rows.table[slot, 0]:
            rows.indices[row], rows.answers[row] = -1, rows.table[slot, 2:]
            continue
        if (one, two) not in unknown:
            rows.firsts[len(unknown)] = row
        rows.indices[row] = unknown.setdefault((one, two), len(unknown))
    return len(unknown)


def _slot(table: Words, one: int, two: int) -> int:
    """Return the slot of a key, or the empty slot where it would go."""
    slot = (one >> 32) * len(table) >> 32
    while table[slot, 0] and table[slot, :2].tolist() != [one, two]:
        slot = (slot + 1) % len(table)
    return slot


def insert(rows: Lookup, fresh: Words, count: int) -> None:
    """Insert the first `count` of the answers `fresh`, shape (titles, words), of the titles in `rows.firsts`."""
    compiled = library.load()
    if compiled is not None:
        compiled.jm_insert(rows, address(fresh), count)
        return
    for title in range(count):
        one, two = rows.keys[rows.firsts[title]].tolist()
        slot = _slot(rows.table, one, two)
        rows.table[slot, :2], rows.table[slot, 2:] = (one, two), fresh[title]


def spread(rows: Lookup, fresh: Words) -> None:
    """Write the answers of the unknown titles to their rows."""
    compiled = library.load()
    if compiled is not None:
        compiled.jm_spread_answers(rows, address(fresh))
        return
    unknown = rows.indices >= 0
    rows.answers[unknown] = fresh[rows.indices[unknown]]


def pick(titles: Packed, rows: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the text of some rows' titles, one after another, and where each begins."""
    rows = np.ascontiguousarray(rows, np.int64)
    begins = np.append(0, np.cumsum(titles.starts[rows + 1] - titles.starts[rows]))
    picked = np.empty(int(begins[-1]), np.uint8)
    compiled = library.load()
    if compiled is not None:
        data, starts = address(titles.data), address(titles.starts)
        compiled.jm_pick(data, starts, address(rows), len(rows), address(picked), address(begins))
        return picked, begins
    for index, row in enumerate(rows.tolist()):
        picked[begins[index] : begins[index + 1]] = titles.data[titles.starts[row] : titles.starts[row + 1]]
    return picked, begins
