"""Raw titles to shares by compiled code: what `scoring.evidence` and `scoring.blended` compute in numpy.

A property test holds the kernels to those two, which serve where there is no compiled code. A kernel works in one
thread; callers split the titles among threads.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.model.kernels import evidence, sums
from jobmajor.model.kernels.blend import Blender, Blending, Evidence, Factors
from jobmajor.model.kernels.buffers import BLOCK_TITLES, Words
from jobmajor.model.kernels.clean import clean
from jobmajor.model.kernels.evidence import BlockEvidence
from jobmajor.model.kernels.mend import Vocabulary, mend
from jobmajor.model.kernels.sums import Summing, WordSums
from jobmajor.model.kernels.text import batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jobmajor.model.linear.arrays import Learned
    from jobmajor.tables.packed import Packed

    Floats = NDArray[np.float32]

_F = np.float32


@dataclass(frozen=True, slots=True)
class Scoring:
    """The buffers of one thread, for one block of titles at a time; `summing` is for one title, `active` for some."""

    words: Words
    summing: Summing
    parts: BlockEvidence
    active: NDArray[np.int64]
    blender: Blender


class Kernel:
    """A model, compiled, that scores raw titles; several threads may use it at once."""

    def __init__(self, learned: Learned) -> None:
        arrays, tables = learned.arrays, learned.tables
        self._model = evidence.model(arrays, tables)
        self._width = sums.width(len(arrays.bias), len(arrays.code_totals))
        self._kept = WordSums.make(sums.ENTRIES, self._width)
        self._vocabulary = Vocabulary(tables.rows, tables.words, tables.checks, self._model.gains)
        self._outputs, self._output_bias = evidence.panels(arrays.outputs), arrays.output_bias
        self._factors = Factors(*(float(getattr(learned.blend, field.name)) for field in fields(Factors)))
        self._major_starts = np.searchsorted(learned.major_of, np.arange(len(arrays.bias) + 1))
        self._idle: list[Scoring] = []  # kept for later calls: to make them takes longer than to score one title

    def shares(self, titles: Packed, starts: NDArray[np.int64]) -> Floats:
        """Return the share of each code, shape (titles, codes of the level); each row sums to 1.

        Args:
            titles: As people write them.
            starts: Where each code's detailed codes begin, shape (codes of a level,). The codes are all of one level,
                which is that of the major groups or a finer one.
        """
        ends = self.ends(starts)
        shares = np.empty((len(titles), len(starts)), _F)
        with self.buffers() as buffers:
            for first, last in self._mended(titles, buffers):
                self.score(last - first, buffers, ends, shares[first:last])
        return shares

    def ends(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the codes of a level as `score` takes them: where each begins, and where the last one ends."""
        return np.append(starts, len(self._output_bias))

    def _mended(self, titles: Packed, buffers: Scoring) -> Iterator[tuple[int, int]]:
        """Yield the first title of each block and the one after its last, once its words are in the buffers."""
        raw, first = batch(titles), 0
        while first < len(titles):
            count = clean(raw, first, buffers.words)
            self.mend(count, buffers)
            yield first, first + count
            first += count

    def mend(self, count: int, buffers: Scoring) -> None:
        """Mend the words of `count` cleaned titles, and drop the words of rank."""
        mend(count, buffers.words, self._vocabulary)

    @contextmanager
    def buffers(self) -> Iterator[Scoring]:
        """Lend the buffers for one thread."""
        try:
            found = self._idle.pop()
        except IndexError:  # all are in use by other threads
            found = self._made()
        yield found
        self._idle.append(found)

    def _made(self) -> Scoring:
        codes, majors, units = len(self._output_bias), len(self._model.bias), len(self._model.hidden_bias)
        margins, hidden = np.empty((BLOCK_TITLES, majors), _F), np.empty((BLOCK_TITLES, units), _F)
        likelihoods, scores = np.empty((BLOCK_TITLES, codes), _F), np.empty((BLOCK_TITLES, codes), _F)
        return Scoring(
            Words.make(),
            Summing.make(self._width, units),
            BlockEvidence(margins, likelihoods, hidden),
            evidence.listing(units),
            Blender(
                self._factors,
                Evidence(margins, likelihoods, scores, self._output_bias, self._major_starts),
                Blending(np.empty((3, codes), _F), np.empty((3, majors), _F), np.empty(majors, _F)),
            ),
        )

    def score(self, count: int, buffers: Scoring, ends: NDArray[np.int64], shares: Floats) -> None:
        """Fill `shares` for `count` mended titles; `ends` is what `self.ends` returned for the level."""
        parts, scores = buffers.parts, buffers.blender.evidence.scores[:count]
        evidence.fill(count, buffers.words, (self._model, self._kept, buffers.summing), parts)
        evidence.spread(count, parts.hidden, self._outputs, buffers.active, scores)
        buffers.blender.blend(count, ends, shares)
