"""A batch of packed titles, as the kernels read it: without a Python object for each title."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.native import library
from jobmajor.native.library import Struct
from jobmajor.tables.packed import LONGEST, Bytes, Packed
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NONE = Packed.of(())


@dataclass(frozen=True, slots=True)
class Batch(Struct):
    """Some titles: title i is `data[starts[i]:starts[i + 1]]`, or the clean title `clean_of[i]` where that is >= 0."""

    data: Bytes
    starts: NDArray[np.int64]
    clean: Bytes
    clean_starts: NDArray[np.int64]
    clean_of: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Marks(Struct):
    data: Bytes
    starts: NDArray[np.int64]
    found: NDArray[np.bool_]


def batch(titles: Packed) -> Batch:
    """Return the titles as a batch, in which those beyond ASCII are already clean."""
    data, starts = titles.data, titles.starts
    clean_of = np.empty(len(titles), np.int64)
    clean_of.fill(-1)
    if data[starts[0] : starts[-1]].max(initial=0) < 128:
        return Batch(data, starts, _NONE.data, _NONE.starts, clean_of)
    marked = np.zeros(len(titles), np.bool_)
    library.load().jm_mark_foreign(_Marks(data, starts, marked))
    foreign = np.flatnonzero(marked)
    clean_of[foreign] = np.arange(len(foreign))
    clean = Packed.of([normalise(titles.title(index))[:LONGEST] for index in foreign.tolist()])
    return Batch(data, starts, clean.data, clean.starts, clean_of)
