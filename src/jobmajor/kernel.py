"""Raw titles → shares, compiled: what `scoring.evidence` and `scoring.blended` say in numpy, for large batches.

Those two stay the rule, and serve who has no compiled code at hand; a property test holds the kernels to them.
Importing this file loads Numba, which takes half a second. One thread works: who has more processors shares the
titles out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.blending_kernel import Factors, blend
from jobmajor.cleaning_kernel import clean
from jobmajor.evidence_kernel import Evidence, fill, ordered, spread
from jobmajor.mending_kernel import Known, mend
from jobmajor.pieces_kernel import cut
from jobmajor.raw import LONGEST, source
from jobmajor.rooms import BLOCK_TITLES, Room

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jobmajor.columns import Packed
    from jobmajor.scoring import Arrays, Blend, Tables

    Floats = NDArray[np.float32]

_F = np.float32
_MOST = 7 * 4 * LONGEST  # pieces of one title
_FEW = 3  # titles: for more, a product of matrices is the faster way


@dataclass(frozen=True, slots=True)
class _Rooms:
    """For one batch at a time; `found` is for one title, as `blending` is."""

    block: Room
    found: tuple[NDArray[np.int32], Floats]
    evidence: Evidence
    scores: Floats
    blending: tuple[Floats, Floats, Floats]


class Kernel:
    """A model, ready to score raw titles; several threads may ask it at once."""

    def __init__(self, arrays: Arrays, tables: Tables, factors: Blend, major_of: NDArray[np.int64]) -> None:
        self._model = ordered(arrays, tables)
        self._known = Known(self._model.rows, tables.words, tables.checks, self._model.gains)
        self._outputs, self._output_bias = arrays.outputs, arrays.output_bias
        self._factors = tuple(_F(getattr(factors, name)) for name in Factors._fields)
        self._major_starts = np.searchsorted(major_of, np.arange(len(arrays.bias) + 1))
        self._idle: list[_Rooms] = []  # made when first needed, then used again: a single title takes less than that

    def shares(self, titles: Sequence[str] | Packed, starts: NDArray[np.int64]) -> Floats:
        """The share of each code, shape (titles, codes of the level); each row sums to 1.

        Args:
            titles: As people write them.
            starts: Where each code's own detailed codes begin, shape (codes of a level,): all of a level's codes,
                which is the major groups or below them.
        """
        ends = np.empty(len(starts) + 1, np.int64)
        ends[:-1], ends[-1] = starts, len(self._output_bias)
        shares = np.empty((len(titles), len(starts)), _F)
        rooms = self._taken()
        for first, last in self._mended(titles, rooms):
            self._score(last - first, rooms, ends, shares[first:last])
        self._idle.append(rooms)
        return shares

    def read(self, titles: Sequence[str]) -> list[str | None]:
        """Each title as `spelling.mended` reads it where that is not as it is written; else None."""
        rooms, found = self._taken(), list[str | None]()
        words = rooms.block.words
        for first, last in self._mended(titles, rooms):
            for begin, end in words.mended[: last - first].tolist():
                found.append(words.text[begin:end].tobytes().decode() if begin < end else None)
        self._idle.append(rooms)
        return found

    def _mended(self, titles: Sequence[str] | Packed, rooms: _Rooms) -> Iterator[tuple[int, int]]:
        """The titles in blocks, each as its first and the one after its last, when their words are in the rooms."""
        raw, first = source(titles), 0
        while first < len(titles):
            count = clean(raw, first, rooms.block)
            mend(count, rooms.block.words, self._known)
            yield first, first + count
            first += count

    def _taken(self) -> _Rooms:
        try:
            return self._idle.pop()
        except IndexError:  # all are in use by other threads
            return self._rooms()

    def _rooms(self) -> _Rooms:
        codes, lanes, majors = len(self._output_bias), len(self._model.bias), len(self._major_starts) - 1
        hidden = np.empty((BLOCK_TITLES, len(self._model.hidden_bias)), _F)
        return _Rooms(
            Room.make(),
            (np.empty(_MOST, np.int32), np.empty(_MOST, _F)),
            Evidence(np.empty((BLOCK_TITLES, lanes), _F), np.empty((BLOCK_TITLES, codes), _F), hidden),
            np.empty((BLOCK_TITLES, codes), _F),
            (np.empty((3, codes), _F), np.empty((3, majors), _F), np.empty(majors, _F)),
        )

    def _score(self, count: int, rooms: _Rooms, starts: NDArray[np.int64], shares: Floats) -> None:
        cut(count, rooms.block)
        said, scores = rooms.evidence, rooms.scores[:count]
        fill(count, tuple(rooms.block.pieces), tuple(self._model), rooms.found, tuple(said))
        if count <= _FEW:
            spread(count, said.hidden, self._outputs, scores)
        else:
            np.matmul(said.hidden[:count], self._outputs, out=scores)
        evidence = said.margins, said.likelihoods, scores, self._output_bias
        blend(evidence, self._factors, (self._major_starts, starts), rooms.blending, shares)
