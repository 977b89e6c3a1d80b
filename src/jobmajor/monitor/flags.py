"""What monitoring counts: for each row, which of some forty statements are true of its title and of its answer.

All statements are true or false, so the share of rows is the one kind of figure to compare, whether it is about a code,
a reason for abstaining or the letters of a title. A row's flags are the bits of one integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from jobmajor import soc
from jobmajor.model.coder import REASONS
from jobmajor.model.rules import abstain, confidence
from jobmajor.model.rules.abstain import NO_CODE
from jobmajor.model.rules.listed import among
from jobmajor.tables.packed import Bytes, hashes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.model.classifier import Classifier
    from jobmajor.model.coder import Codes
    from jobmajor.tables.packed import Packed

    Bools = NDArray[np.bool_]

Kind = Literal["prediction", "data quality", "text"]
MOST: Final = 64  # bits
_LONG: Final = 40  # characters
_WORDS: Final = 6
_UNSURE: Final = (abstain.UNSURE, abstain.CONTRADICTED)
_EMPTY: Final = "empty"


class Flag(NamedTuple):
    """A statement about a row: its name, what it is about, and a sentence for people."""

    name: str
    kind: Kind
    meaning: str


_QUALITY: Final = (
    Flag(_EMPTY, "data quality", "the cell of the title is empty"),
    Flag(abstain.NOT_A_TITLE, "data quality", "the text is no title"),
    Flag(abstain.UNKNOWN_LANGUAGE, "data quality", "the text is in letters that the model was never taught"),
    Flag(abstain.NOT_ENGLISH, "data quality", "the text is in another language"),
)
_ANSWERS: Final = (
    Flag("unsure", "prediction", "the answer is not sure"),
    Flag("confidence below 0.5", "prediction", "the best answer is more likely wrong than right"),
)
_TEXT: Final = (
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


@dataclass(frozen=True)
class Flags:
    """The statements about titles that a classifier answers at the major level.

    Attributes:
        classes: The codes of the level, in the order of the coder's labels.
        words: uint64; the hashes of the words that training has seen, ascending.
    """

    classes: tuple[str, ...]
    words: NDArray[np.uint64]

    @classmethod
    def of(cls, classifier: Classifier) -> Flags:
        """Return the statements for a classifier."""
        return cls(classifier.coder(("major",)).classes[0], classifier.knowledge.listed.words)

    @cached_property
    def all(self) -> tuple[Flag, ...]:
        """Return the statements, in the order of their bits."""
        groups = (Flag(code, "prediction", f"the answer is {soc.name(code)}") for code in self.classes)
        return (*groups, *_QUALITY, *_ANSWERS, *_TEXT)

    def mark(self, titles: Packed, codes: Codes) -> NDArray[np.uint64]:
        """Return the flags of each row as the bits of an integer, bit i for the i-th statement; shape (titles,)."""
        labels, reasons = codes.labels[:, 0, 0].astype(np.int64), codes.reasons[:, 0]
        marks = np.where(labels == NO_CODE, 0, np.uint64(1) << np.maximum(labels, 0).astype(np.uint64))
        sure = confidence.of(codes.scores[:, 0, 0], "major")
        shape = _shape(titles, self.words)
        is_empty = shape.pop()
        columns = [
            is_empty,
            *((reasons == REASONS.index(flag.name)) & ~is_empty for flag in _QUALITY[1:]),
            np.isin(reasons, [REASONS.index(reason) for reason in _UNSURE]),
            (labels != NO_CODE) & (sure < 0.5),
            *shape,
        ]
        for bit, column in enumerate(columns, len(self.classes)):
            marks |= column.astype(np.uint64) << np.uint64(bit)
        found: NDArray[np.uint64] = marks.astype(np.uint64)
        return found


def table(marks: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Return bits as columns of 0 and 1, shape (marks, count).

    >>> table(np.array([5], np.uint64), 3).tolist()
    [[1, 0, 1]]
    """
    bits = marks[:, None] >> np.arange(count, dtype=np.uint64) & np.uint64(1)
    return bits.astype(np.int64)


def _shape(titles: Packed, known: NDArray[np.uint64]) -> list[Bools]:
    """Return what the bytes of titles say: a column for each of `_TEXT`, and which are empty."""
    begin, end = int(titles.starts[0]), int(titles.starts[-1])
    data, starts = titles.data[begin:end], titles.starts - begin
    lower = _LOWER[data]
    total = _Totals(starts)
    letters = total((lower >= ord("a")) & (lower <= ord("z")))
    words = _words(lower, starts)
    is_unknown = ~among(hashes(lower, words.begins, words.ends), known)
    unknown = np.bincount(words.titles[is_unknown], minlength=len(titles)) * (len(known) > 0)
    counts = np.bincount(words.titles, minlength=len(titles))
    return [
        unknown > 0,
        total(~_USUAL[data]) > 0,
        (letters > 0) & (total((data >= ord("a")) & (data <= ord("z"))) == 0),
        total((data >= ord("0")) & (data <= ord("9"))) > 0,
        total((data & 0xC0) != 0x80) > _LONG,
        counts > _WORDS,
        counts == 1,
        total(data > ord(" ")) == 0,
    ]


class _Totals:
    """Counts bytes by title."""

    def __init__(self, starts: NDArray[np.int64]) -> None:
        self._starts = starts

    def __call__(self, is_counted: Bools) -> NDArray[np.int64]:
        sums = np.concatenate([[0], np.cumsum(is_counted)])
        found: NDArray[np.int64] = sums[self._starts[1:]] - sums[self._starts[:-1]]
        return found


class _Words(NamedTuple):
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    titles: NDArray[np.int64]


def _words(lower: Bytes, starts: NDArray[np.int64]) -> _Words:
    """Find the words of titles: runs of letters and digits."""
    inside = np.concatenate([_IN_WORD[lower], [False]])
    before = np.concatenate([[False], inside[:-1]])
    before[starts] = False  # a title ends the word of the title before it
    begins = np.flatnonzero(inside & ~before)
    is_end = ~inside
    is_end[starts] = True
    ends = np.flatnonzero(is_end)
    return _Words(
        begins, ends[np.searchsorted(ends, begins, side="right")], np.searchsorted(starts, begins, "right") - 1
    )


def names(flags: Sequence[Flag]) -> tuple[str, ...]:
    """Return the names of statements."""
    return tuple(flag.name for flag in flags)
