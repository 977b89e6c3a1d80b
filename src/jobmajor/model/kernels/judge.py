"""Tell by `judge.c` which texts are titles that the model can read: what `abstain` and `listed` compute in Python.

A property test compares them. Only Python can tell whether a text is an address and which script its letters belong
to. So the few titles for which that matters are marked, and `pipeline` asks Python about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.model.rules import abstain, languages
from jobmajor.native import library
from jobmajor.native.library import Struct, address
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from jobmajor.model.kernels.buffers import Words
    from jobmajor.model.kernels.text import Batch
    from jobmajor.model.rules.listed import Listed

    Hashes = NDArray[np.uint64]

PLAIN, STRANGE, NO_TITLE, FOREIGN, OTHER_LANGUAGE = 0, 1, 2, 3, 5  # from `NO_TITLE` on, indices in `coder.REASONS`
IS_ADDRESS, IS_FOREIGN = 1, 2  # bits of what is asked of Python


@dataclass(frozen=True, slots=True)
class TrainingIndex(Struct):
    """What training has seen, and texts that are no titles.

    `words` are as in `listed.Listed`. `slots` is a hash table of its runs, 0 where a slot is empty. `placeholders` and
    `fillers` are hashes, ascending, and so are `foreign` and `links`, the words of `languages`. `keys` are the runs of
    keys that people hit at random.
    """

    words: Hashes
    slots: NDArray[np.uint32]
    placeholders: Hashes
    fillers: Hashes
    foreign: Hashes
    links: Hashes
    keys: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Signs(Struct):
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


@dataclass(frozen=True, slots=True)
class _Least(Struct):
    """The thresholds of `abstain`."""

    known: float
    well_known: float
    letters: int


def signs(titles: int) -> Signs:
    """Return empty arrays for a number of titles."""
    (letters, digits), (marks, asks) = np.empty((2, titles), np.int64), np.empty((2, titles), np.uint8)
    return Signs(np.empty((titles, 2), np.int64), letters, digits, marks, asks, np.empty(titles, np.uint64))


def make_index(listed: Listed) -> TrainingIndex:
    """Return what the kernels look up about the training titles."""
    slots = np.zeros(1 << max((4 * len(listed.runs)).bit_length(), 4), np.uint32)
    runs = np.ascontiguousarray(listed.runs, np.uint32)
    library.load().jm_scatter(address(runs), len(runs), address(slots), len(slots))
    keys = sorted(int.from_bytes(run.encode(), "big") for run in abstain.KEYS.pattern.split("|"))
    return TrainingIndex(
        listed.words,
        slots,
        _sorted(abstain.PLACEHOLDERS),
        _sorted(abstain.LOREM),
        _sorted(languages.WORDS),
        _sorted(languages.LINKS),
        np.array(keys, np.uint32),
    )


def _sorted(texts: Iterable[str]) -> Hashes:
    """Return the hashes of the texts, ascending."""
    return np.sort(Packed.of(list(texts)).hashes())


def look(count: int, titles: tuple[Batch, int], words: Words, index: TrainingIndex, into: Signs) -> None:
    """Fill `into` with what can be told of a block's titles before their words are mended.

    Args:
        count: How many titles.
        titles: The batch, and the index of the block's first title in it.
        words: The block's words.
        index: What `make_index` returned.
        into: Where the answers go.
    """
    batch, first = titles
    library.load().jm_look(batch, first, count, words, index, into)


def judge(count: int, words: Words, index: TrainingIndex, into: Signs) -> None:
    """Mark mended titles by how much of each training has seen."""
    library.load().jm_judge(count, words, index, _least(), into)


def unless_empty(count: int, signs: Signs) -> NDArray[np.uint8]:
    """Return the marks of texts that are no job titles: every one that holds a word can be read."""
    bounds = signs.bounds[:count]
    return np.where(bounds[:, 0] < bounds[:, 1], PLAIN, NO_TITLE).astype(np.uint8)


@cache
def _least() -> _Least:
    return _Least(abstain.LEAST_KNOWN, abstain.WELL_KNOWN, abstain.LEAST_LETTERS)
