"""What the bytes of titles say, which no model is needed for: their length, their signs, and words that are new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from jobmajor import soc
from jobmajor.tables.packed import Bytes, Packed, hashes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

Kind = Literal["prediction", "data quality", "text"]
EMPTY: Final = "empty"
_LONG: Final = 40  # characters
_WORDS: Final = 6


class Flag(NamedTuple):
    """A statement about a row: its name, what it is about, and a sentence for people."""

    name: str
    kind: Kind
    meaning: str


NO_TITLE: Final = Flag(EMPTY, "data quality", "the cell of the title is empty")
TEXT: Final = (
    Flag("unknown word", "text", "a word stands in no title of training"),
    Flag("new character", "text", "a character is neither an ASCII letter or digit nor usual punctuation"),
    Flag("no lower case", "text", "all letters are upper case"),
    Flag("digit", "text", "there is a digit"),
    Flag(f"over {_LONG} characters", "text", f"the title is longer than {_LONG} characters"),
    Flag(f"over {_WORDS} words", "text", f"the title has more than {_WORDS} words"),
    Flag("one word", "text", "the title is one word"),
)
_USUAL: Final = np.zeros(256, np.bool_)
_USUAL[[ord(sign) for sign in " \t&'()+,-./:;#\"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"]] = True
_LOWER: Final = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += 32
_IN_WORD: Final = np.zeros(256, np.bool_)
_IN_WORD[[ord(sign) for sign in "0123456789abcdefghijklmnopqrstuvwxyz"]] = True
_IN_WORD[128:] = True  # the bytes of letters beyond ASCII


def table(marks: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Return bits as columns of 0 and 1, shape (marks, count).

    >>> table(np.array([5], np.uint64), 3).tolist()
    [[1, 0, 1]]
    """
    bits = marks[:, None] >> np.arange(count, dtype=np.uint64) & np.uint64(1)
    return bits.astype(np.int64)


class Words(NamedTuple):
    """The words of titles, runs of letters and digits: a hash of each in lower case, and the number of its title."""

    hashes: NDArray[np.uint64]
    titles: NDArray[np.int64]


def words(titles: Packed) -> Words:
    """Find the words of titles."""
    data, starts = _bytes(titles)
    lower = _LOWER[data]
    inside = np.concatenate([_IN_WORD[lower], [False]])
    before = np.concatenate([[False], inside[:-1]])
    before[starts] = False  # a title ends the word of the title before it
    begins = np.flatnonzero(inside & ~before)
    is_end = ~inside
    is_end[starts] = True
    ends = np.flatnonzero(is_end)
    ends = ends[np.searchsorted(ends, begins, side="right")]
    return Words(hashes(lower, begins, ends), np.searchsorted(starts, begins, "right") - 1)


def columns(titles: Packed, found: Words, is_unknown: Bools) -> list[Bools]:
    """Return a column for each of `TEXT`, and then one that tells which titles are empty.

    Args:
        titles: The titles.
        found: Their words, as `words` returns them.
        is_unknown: Shape (words,); which of these words are new.
    """
    data, starts = _bytes(titles)
    lower = _LOWER[data]
    total = _Totals(starts)
    letters = total((lower >= ord("a")) & (lower <= ord("z")))
    unknown = np.bincount(found.titles[is_unknown], minlength=len(titles))
    counts = np.bincount(found.titles, minlength=len(titles))
    return [
        unknown > 0,
        total(~_USUAL[data]) > 0,
        (letters > 0) & (total((data >= ord("a")) & (data <= ord("z"))) == 0),
        total((data >= ord("0")) & (data <= ord("9"))) > 0,
        characters(titles) > _LONG,
        counts > _WORDS,
        counts == 1,
        total(data > ord(" ")) == 0,
    ]


def characters(titles: Packed) -> NDArray[np.int64]:
    """Return the length of each title.

    >>> characters(Packed.of(["é", "", "abc"])).tolist()
    [1, 0, 3]
    """
    data, starts = _bytes(titles)
    return _Totals(starts)((data & 0xC0) != 0x80)


def _bytes(titles: Packed) -> tuple[Bytes, NDArray[np.int64]]:
    """Return the bytes of titles, and where each begins in them."""
    begin, end = int(titles.starts[0]), int(titles.starts[-1])
    return titles.data[begin:end], titles.starts - begin


class _Totals:
    """Counts bytes by title."""

    def __init__(self, starts: NDArray[np.int64]) -> None:
        self._starts = starts

    def __call__(self, is_counted: Bools) -> NDArray[np.int64]:
        sums = np.concatenate([[0], np.cumsum(is_counted)])
        found: NDArray[np.int64] = sums[self._starts[1:]] - sums[self._starts[:-1]]
        return found


def with_bits(marks: NDArray[np.uint64], columns: Sequence[Bools], first: int) -> NDArray[np.uint64]:
    """Return marks with the bits from `first` on set where the columns say so; `marks` change."""
    for bit, column in enumerate(columns, first):
        marks |= column.astype(np.uint64) << np.uint64(bit)
    return marks


def names(flags: Sequence[Flag]) -> tuple[str, ...]:
    """Return the names of statements."""
    return tuple(flag.name for flag in flags)


def is_group(name: str) -> bool:
    """Tell whether a flag is a code."""
    return name in soc.table()
