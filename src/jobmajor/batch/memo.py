"""What titles got before, within bounds: a title that stands in a file a thousand times is scored once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.batch import memo_table
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

_FULL = 0.85  # of the slots: beyond, looking for a title that isn't there takes long
_MOST_SLOTS = 2_400_000  # 115 MB of answers at all four levels: two million titles, of shorter answers no more
_KEY_WORDS, _WORD_BYTES = 2, 8


@dataclass(frozen=True, slots=True)
class Match:
    """The titles of some rows, told apart.

    Attributes:
        answers: uint64, (rows, words); those of titles that were known.
        places: int32, (rows,); which of the unknown titles a row has, -1 where it is known.
        firsts: int32, (unknown,); the first row of each unknown title, ascending.
        keys: uint64, (rows, 2).
    """

    answers: Words
    places: NDArray[np.int32]
    firsts: NDArray[np.int32]
    keys: Words

    def unknown_keys(self) -> bytes:
        """What the unknown titles are known by, in their order."""
        return self.keys[self.firsts].tobytes()


class Memo:
    """Answers of fixed size by title; when it is full it keeps what it has.

    What it holds changes no answer, only how often one is made.
    """

    def __init__(self, words: int, size_bytes: int) -> None:
        """`words` are those of 8 bytes of an answer; the table, which is most of it, takes at most `size_bytes`."""
        self._words = words
        slots = min(_MOST_SLOTS, max(2, size_bytes // ((words + _KEY_WORDS) * _WORD_BYTES)))
        self._table = np.zeros((slots, words + _KEY_WORDS), np.uint64)
        self._room = int(slots * _FULL)
        self._seen = np.empty(0, np.int32)

    @property
    def size_bytes(self) -> int:
        """Of its table."""
        return self._table.nbytes

    def match(self, titles: Packed) -> Match:
        """Which titles it knows, and which of the others are alike."""
        rows = len(titles)
        keys = np.empty((rows, _KEY_WORDS), np.uint64)
        memo_table.hash_titles(titles.data, titles.starts, keys)
        answers = np.empty((rows, self._words), np.uint64)
        places, firsts = np.empty(rows, np.int32), np.empty(rows, np.int32)
        if len(self._seen) < 2 * rows:
            self._seen = np.empty(1 << (2 * rows).bit_length(), np.int32)
        self._seen.fill(-1)
        count = memo_table.find(keys, self._table, answers, self._seen, places, firsts)
        return Match(answers, places, firsts[:count], keys)

    def settle(self, match: Match, fresh: Words) -> Words:
        """The answers of all rows, once those of the unknown titles are there, shape (unknown, words); keeps them."""
        self._room -= memo_table.insert(match.keys, match.firsts, fresh, self._table, self._room)
        memo_table.spread(fresh, match.places, match.answers)
        return match.answers


def picked(titles: Packed, rows: NDArray[Any]) -> Packed:
    """Return the titles of some rows."""
    sizes = titles.starts[rows + 1] - titles.starts[rows]
    found = np.empty(int(sizes.sum()), np.uint8)
    begins = np.empty(len(rows) + 1, np.int64)
    memo_table.pick(titles.data, titles.starts, rows, found, begins)
    return Packed(found, begins)
