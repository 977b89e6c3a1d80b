"""Raw titles to clean words by `clean.c`: what `titles.normalise` does in Python.

A property test compares the two. Only titles in ASCII are cleaned there; `normalise` cleans all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.native import library
from jobmajor.native.library import Struct
from jobmajor.tables.packed import Bytes, Packed
from jobmajor.titles import TITLES, WORDS, is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from jobmajor.model.kernels.buffers import Words
    from jobmajor.model.kernels.text import Batch


@dataclass(frozen=True, slots=True)
class Table(Struct):
    """A hash table from texts to texts: entry e has the key `keys[starts[e]:starts[e + 1]]`, its value likewise."""

    slots: NDArray[np.int16]
    keys: Bytes
    starts: NDArray[np.int64]
    values: Bytes
    value_starts: NDArray[np.int64]
    longest: int


@dataclass(frozen=True, slots=True)
class Forms(Struct):
    """The words of `titles.WORDS`, the whole titles of `titles.TITLES`, and whether no word is replaced at all."""

    words: Table
    titles: Table
    is_plain: int


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


@cache
def _forms(*, plain: bool) -> Forms:
    return Forms(_table({} if plain else WORDS), _table({} if plain else TITLES), int(plain))


def clean(titles: Batch, first: int, words: Words) -> int:
    """Fill `words` with the words of titles from `first` on; return how many titles fit."""
    found: int = library.load().jm_clean(titles, first, _forms(plain=is_plain()), words)
    return found
