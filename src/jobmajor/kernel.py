"""Raw titles → shares, compiled: what `scoring.evidence` and `scoring.blended` say in numpy, for large batches.

Those two stay the rule, and serve a few titles at once; a property test holds the kernels to them. Importing this
file loads Numba, which takes half a second. One thread works: who has more processors shares the titles out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.blending_kernel import Factors, blend
from jobmajor.cleaning_kernel import BLOCK_TITLES
from jobmajor.evidence_kernel import Evidence, fill, ordered
from jobmajor.pieces_kernel import Known, pieces
from jobmajor.raw import LONGEST, source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.pieces_kernel import Block
    from jobmajor.scoring import Arrays, Blend, Tables

    Floats = NDArray[np.float32]

_F = np.float32
_MOST = 7 * 4 * LONGEST  # pieces of one title


class Kernel:
    """A model, ready to score raw titles."""

    def __init__(self, arrays: Arrays, tables: Tables, factors: Blend, major_of: NDArray[np.int64]) -> None:
        self._model = ordered(arrays, tables)
        self._known = Known(self._model.rows, tables.words, self._model.gains)
        self._outputs, self._output_bias = arrays.outputs, arrays.output_bias
        self._factors = tuple(_F(getattr(factors, name)) for name in Factors._fields)
        self._major_starts = np.searchsorted(major_of, np.arange(len(arrays.bias) + 1))

    def shares(self, titles: Sequence[str], starts: NDArray[np.int64]) -> Floats:
        """The share of each code, shape (titles, codes of the level); each row sums to 1.

        Args:
            titles: As people write them.
            starts: Where each code's own detailed codes begin, shape (codes of the level,): all of a level's codes,
                which is the major groups or below them.
        """
        codes, lanes = len(self._output_bias), len(self._model.bias)
        found = Evidence(
            np.empty((BLOCK_TITLES, lanes), _F),
            np.empty((BLOCK_TITLES, codes), _F),
            np.empty((BLOCK_TITLES, len(self._model.hidden_bias)), _F),
        )
        scores, room = np.empty((BLOCK_TITLES, codes), _F), (np.empty(_MOST, np.int32), np.empty(_MOST, _F))
        majors = len(self._major_starts) - 1
        rooms = np.empty((4, codes), _F), np.empty((3, majors), _F), np.empty(majors, _F)
        groups = self._major_starts, np.append(starts, codes)
        shares = np.empty((len(titles), len(starts)), _F)
        first = 0
        for block in pieces(source(titles), self._known):
            count = len(block.starts) - 1
            self._say(block, room, found)
            np.matmul(found.hidden[:count], self._outputs, out=scores[:count])
            said = found.margins, found.likelihoods, scores, self._output_bias
            blend(said, self._factors, groups, rooms, shares[first : first + count])
            first += count
        return shares

    def _say(self, block: Block, room: Any, found: Evidence) -> None:
        starts, said = (block.starts, block.word_starts), (block.buckets, block.words)
        fill(starts, said, tuple(self._model), room, tuple(found))
