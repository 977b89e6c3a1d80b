"""Texts packed as UTF-8 in one buffer, as Arrow keeps them: what readers, scorer and memo pass to each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
LONGEST = 1000  # characters of a title that are read, before cleaning and after
BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no power of it vanishes modulo 2**64


@dataclass(frozen=True, slots=True)
class Packed:
    """Texts as UTF-8 in one buffer: text i is `data[starts[i]:starts[i + 1]]`, empty where there is none.

    `data` may be the memory of an Arrow array, so treat it as read-only. `starts` has shape (texts + 1,). It need not
    begin with 0, since a slice of an Arrow array shares the memory of the whole array.

    >>> Packed.of(["é", ""]).starts.tolist()
    [0, 2, 2]
    """

    data: Bytes
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Packed:
        """Pack texts; a lone surrogate, which UTF-8 does not have, takes three bytes."""
        data = np.frombuffer("".join(texts).encode("utf-8", "surrogatepass"), np.uint8)
        starts = np.fromiter(accumulate(map(len, texts), initial=0), np.int64, len(texts) + 1)
        if starts[-1] < len(data):  # some characters take several bytes
            begins = np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data))
            starts = begins[starts]
        return cls(data, starts)

    @classmethod
    def joined(cls, parts: Sequence[Packed]) -> Packed:
        """Return the texts of several parts, in order.

        >>> Packed.joined([Packed.of(["a", "b"]), Packed.of(["cd"])]).starts.tolist()
        [0, 1, 2, 4]
        """
        lengths = np.concatenate([np.diff(part.starts) for part in parts])
        data = np.concatenate([part.data[part.starts[0] : part.starts[-1]] for part in parts])
        return cls(data, np.append(0, np.cumsum(lengths)))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def cut(self, longest: int = LONGEST) -> Packed:
        """Return the first characters of each text, as `title` does; mostly, that is these texts themselves."""
        if np.diff(self.starts).max(initial=0) <= longest:
            return self
        return Packed.of([self.title(index, longest) for index in range(len(self))])

    def hashes(self) -> NDArray[np.uint64]:
        """Return the hash of each text, shape (texts,)."""
        return hashes(self.data, self.starts[:-1], self.starts[1:])

    def title(self, index: int, longest: int = LONGEST) -> str:
        """Return the first characters of one text; bytes that are not UTF-8 become U+FFFD."""
        begin = int(self.starts[index])
        found = self.data[begin : min(int(self.starts[index + 1]), begin + 4 * longest)].tobytes()
        try:
            return found.decode("utf-8", "surrogatepass")[:longest]
        except UnicodeDecodeError:  # cut within a character, or not UTF-8
            return found.decode("utf-8", "replace")[:longest]


def hashes(data: Bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the hash of each text `data[begins[i]:ends[i]]`: byte j times `BASE` ** (j + 1), summed modulo 2**64.

    Words, titles and tables of forms all use this hash; compiled code computes it, too. Among a million different
    titles, two share a hash with a probability of 1 in 37 million. The hash does not withstand an attacker, who could
    construct a nonsense text that gets the answer of a listed title.

    >>> hashes(np.frombuffer(b"nurse", np.uint8), np.array([0, 2]), np.array([0, 3])).tolist()
    [0, 8409404243176014170]
    """
    lengths = ends - begins
    offsets = np.cumsum(lengths) - lengths
    positions = np.arange(lengths.sum()) - np.repeat(offsets, lengths)  # of each byte in its text
    powers = np.cumprod(np.full(lengths.max(initial=0), BASE, np.uint64))
    values = data[np.repeat(begins, lengths) + positions].astype(np.uint64) * powers[positions]
    found = np.zeros(len(lengths), np.uint64)
    if len(values):
        found[lengths > 0] = np.add.reduceat(values, offsets[lengths > 0])
    return found


def among(values: NDArray[Any], ascending: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which values are among others, which are in ascending order."""
    if not len(ascending):
        return np.zeros(len(values), np.bool_)
    found: NDArray[np.bool_] = ascending[np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)] == values
    return found
