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

    def __len__(self) -> int:
        return len(self.starts) - 1

    def title(self, place: int) -> str:
        """Return the first `LONGEST` characters of one text; bytes that are not UTF-8 become U+FFFD."""
        begin = int(self.starts[place])
        found = self.data[begin : min(int(self.starts[place + 1]), begin + 4 * LONGEST)].tobytes()
        try:
            return found.decode("utf-8", "surrogatepass")[:LONGEST]
        except UnicodeDecodeError:  # cut within a character, or not UTF-8
            return found.decode("utf-8", "replace")[:LONGEST]
