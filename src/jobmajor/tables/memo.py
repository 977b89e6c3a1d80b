"""A bounded memo of answers by title: a title that a file repeats is scored once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.tables import memo_table
from jobmajor.tables.memo_table import Lookup
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

_MAX_LOAD = 0.85  # share of used slots; above it, the search for a title that is absent gets slow
_MOST_SLOTS = 2_400_000  # two million titles, in 115 MB for answers at all four levels; not more for shorter answers
_KEY_WORDS, _WORD_BYTES = 2, 8


@dataclass(frozen=True, slots=True)
class Match:
    """The different titles of some rows.

    Attributes:
        answers: uint64, (rows, words); filled where the title is known.
        firsts: int32, (unknown,); the first row of each unknown title, ascending.
        keys: uint64, (rows, 2).
        lookup: How the rows were looked up.
    """

    answers: Words
    firsts: NDArray[np.int32]
    keys: Words
    lookup: Lookup

    def unknown_keys(self) -> bytes:
        """Return the keys of the unknown titles, in order, as bytes."""
        return self.keys[self.firsts].tobytes()


class Memo:
    """Keeps answers of fixed size by title; a full memo takes no more.

    What it holds changes no answer, only how often one is computed.
    """

    def __init__(self, words: int, size_bytes: int) -> None:
        """Make a table of at most `size_bytes` for answers of so many `words` of 8 bytes."""
        self._words = words
        slots = min(_MOST_SLOTS, max(2, size_bytes // ((words + _KEY_WORDS) * _WORD_BYTES)))
        self._table = np.zeros((slots, words + _KEY_WORDS), np.uint64)
        self._free_slots = int(slots * _MAX_LOAD)
        self._seen = np.empty(0, np.int32)

    @property
    def size_bytes(self) -> int:
        """Return the size of the memo's table."""
        return self._table.nbytes

    def match(self, titles: Packed) -> Match:
        """Look up titles, and tell the unknown ones apart."""
        rows, keys = len(titles), memo_table.hash_titles(titles)
        answers = np.empty((rows, self._words), np.uint64)
        indices, firsts = np.empty(rows, np.int32), np.empty(rows, np.int32)
        if len(self._seen) < 2 * rows:
            self._seen = np.empty(1 << (2 * rows).bit_length(), np.int32)
        self._seen.fill(-1)
        lookup = Lookup(keys, self._table, answers, self._seen, indices, firsts, self._words)
        count = memo_table.find(lookup)
        return Match(answers, firsts[:count], keys, lookup)

    def settle(self, match: Match, fresh: Words) -> Words:
        """Keep the answers of the unknown titles, shape (unknown, words), and return those of all rows."""
        count = min(self._free_slots, len(fresh))
        fresh = np.ascontiguousarray(fresh)
        memo_table.insert(match.lookup, fresh, count)
        self._free_slots -= count
        memo_table.spread(match.lookup, fresh)
        return match.answers


def picked(titles: Packed, rows: NDArray[Any]) -> Packed:
    """Return the titles of some rows."""
    return Packed(*memo_table.pick(titles, rows))
