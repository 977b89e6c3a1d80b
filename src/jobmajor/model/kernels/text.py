"""A batch of packed titles, as the kernels read it: without a Python object for each title."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jobmajor.jit import entry
from jobmajor.tables.packed import LONGEST, Bytes, Packed
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NONE = Packed.of(())


class Batch(NamedTuple):
    """Some titles: title i is `data[starts[i]:starts[i + 1]]`, or the clean title `clean_of[i]` where that is >= 0."""

    data: Bytes
    starts: NDArray[np.int64]
    clean: Bytes
    clean_starts: NDArray[np.int64]
    clean_of: NDArray[np.int64]


@entry
def _mark_foreign(data: Bytes, starts: NDArray[np.int64], found: NDArray[np.bool_]) -> None:
    """Mark each title that has bytes beyond ASCII in the part that is read."""
    for title in range(len(found)):
        most = np.uint8(0)
        for position in range(starts[title], min(starts[title + 1], starts[title] + LONGEST)):
            most = max(most, data[position])
        found[title] = most >= 128


def batch(titles: Packed) -> Batch:
    """Return the titles as a batch, in which those beyond ASCII are already clean."""
    data, starts = titles.data, titles.starts
    clean_of = np.empty(len(titles), np.int64)
    clean_of.fill(-1)
    if data[starts[0] : starts[-1]].max(initial=0) < 128:
        return Batch(data, starts, _NONE.data, _NONE.starts, clean_of)
    marked = np.zeros(len(titles), np.bool_)
    _mark_foreign(data, starts, marked)
    foreign = np.flatnonzero(marked)
    clean_of[foreign] = np.arange(len(foreign))
    clean = Packed.of([normalise(titles.title(index))[:LONGEST] for index in foreign.tolist()])
    return Batch(data, starts, clean.data, clean.starts, clean_of)
