"""A batch of titles as bytes in one buffer: what the kernels read, without a Python object per title."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry
from jobmajor.model.columns import Packed
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_NONE = np.frombuffer(b"", np.uint8), np.zeros(1, np.int64)  # no text; read-only, as all text is for the kernels
LONGEST = 1000  # characters of a title that are read, before cleaning and after


class Source(NamedTuple):
    """A batch as bytes: title i is `data[starts[i]:starts[i + 1]]`, or where `clean_of[i]` >= 0, that clean title."""

    data: Bytes
    starts: NDArray[np.int64]
    clean: Bytes
    clean_starts: NDArray[np.int64]
    clean_of: NDArray[np.int64]


@entry
def _mark_foreign(data: Bytes, starts: NDArray[np.int64], found: NDArray[np.bool_]) -> None:
    """Whether a title holds other than ASCII, among what is read of it."""
    for title in range(len(found)):
        most = np.uint8(0)
        for place in range(starts[title], min(starts[title + 1], starts[title] + LONGEST)):
            most = max(most, data[place])
        found[title] = most >= 128


def packed(texts: Sequence[str]) -> tuple[Bytes, NDArray[np.int64]]:
    """Texts as UTF-8 in one buffer, and where each begins, shape (texts + 1,); lone surrogates keep three bytes."""
    data = np.frombuffer("".join(texts).encode("utf-8", "surrogatepass"), np.uint8)
    ends = np.fromiter(accumulate(map(len, texts), initial=0), np.int64, len(texts) + 1)
    if ends[-1] < len(data):  # some characters take several bytes
        begins = np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data))
        ends = begins[ends]
    return data, ends


def source(titles: Sequence[str] | Packed) -> Source:
    """A batch of titles as people write them, those beyond ASCII already clean."""
    if isinstance(titles, Packed):
        return view(titles.data, titles.starts)
    return view(*packed([text[:LONGEST] for text in titles] if max(map(len, titles), default=0) > LONGEST else titles))


def view(data: Bytes, starts: NDArray[np.int64]) -> Source:
    """As `source`, of titles that lie in one buffer as UTF-8, title i as `data[starts[i]:starts[i + 1]]`."""
    clean_of = np.empty(len(starts) - 1, np.int64)
    clean_of.fill(-1)
    if data[starts[0] : starts[-1]].max(initial=0) < 128:
        return Source(data, starts, *_NONE, clean_of)
    marked = np.zeros(len(clean_of), np.bool_)
    _mark_foreign(data, starts, marked)
    foreign = np.flatnonzero(marked)
    clean_of[foreign] = np.arange(len(foreign))
    cleaned = [normalise(text(data, starts, title))[:LONGEST] for title in foreign.tolist()]
    return Source(data, starts, *packed(cleaned), clean_of)


def text(data: Bytes, starts: NDArray[np.int64], title: int) -> str:
    """As much of one title as is read."""
    begin = int(starts[title])
    found = data[begin : min(int(starts[title + 1]), begin + 4 * LONGEST)].tobytes()
    try:
        return found.decode("utf-8", "surrogatepass")[:LONGEST]
    except UnicodeDecodeError:  # cut within a character, or no UTF-8
        return found.decode("utf-8", "replace")[:LONGEST]
