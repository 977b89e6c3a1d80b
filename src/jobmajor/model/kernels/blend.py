"""The evidence of a model's parts to shares by `blend.c`: `scoring.blended` in 32 bits.

That file and `scoring` hold one formula twice; a property test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.native import library
from jobmajor.native.library import Struct, address

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Factors(Struct):
    """The factors of `arrays.Blend`."""

    linear: float
    shift: float
    counts: float
    across: float
    network: float
    within: float
    deeper: float
    within_alone: float
    deeper_alone: float
    counts_share: float
    network_share: float


@dataclass(frozen=True, slots=True)
class Evidence(Struct):
    """What the parts of a model say of a block of titles.

    Attributes:
        margins: Shape (titles, majors).
        likelihoods: Shape (titles, codes).
        scores: The network's, without their bias, likewise.
        bias: Of the network's second layer, shape (codes,).
        majors: Where each major group's codes begin, and where the last one's end.
    """

    margins: Floats
    likelihoods: Floats
    scores: Floats
    bias: Floats
    majors: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Blending(Struct):
    """Arrays for one title: `powers` has shape (3, codes), `scales` (3, majors) and `majors` (majors,)."""

    powers: Floats
    scales: Floats
    majors: Floats


@dataclass(frozen=True, slots=True)
class Blender(Struct):
    """A model's factors, what its parts say of a block, and arrays for one title."""

    factors: Factors
    evidence: Evidence
    memory: Blending

    def blend(self, count: int, ends: NDArray[np.int64], shares: Floats) -> None:
        """Fill in the shares of `count` titles: what `scoring.blended` returns, summed up to the codes of a level.

        Args:
            count: How many titles.
            ends: Where each code of the level begins, and where the last one ends.
            shares: Shape (titles, codes of the level).
        """
        library.load().jm_blend(count, self, address(ends), len(ends), address(shares))
