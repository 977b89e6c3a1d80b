"""Words to the evidence of a model's parts by `evidence.c`: `scoring.evidence` without the network's second layer."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.native import library
from jobmajor.native.library import Struct, address

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.model.kernels.buffers import Words
    from jobmajor.model.kernels.sums import Summing, WordSums
    from jobmajor.model.linear.arrays import Arrays, Tables

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Model(Struct):
    """Arrays of `arrays.Arrays` and `arrays.Tables`."""

    rows: Rows
    gains: Floats
    weights: Floats
    bias: Floats
    entry_starts: Rows
    entry_codes: NDArray[np.int16]
    entry_values: Floats
    code_totals: Floats
    words: Rows
    checks: NDArray[np.uint32]
    word_parts: NDArray[np.int8]
    word_scales: Floats
    hidden_bias: Floats


@dataclass(frozen=True, slots=True)
class BlockEvidence(Struct):
    """`scoring.Evidence` of a block, with the network's hidden layer instead of its scores."""

    margins: Floats
    likelihoods: Floats
    hidden: Floats


def fill(count: int, words: Words, summing: tuple[Model, WordSums, Summing], evidence: BlockEvidence) -> None:
    """Fill `evidence` for the first `count` titles of a block of words."""
    library.load().jm_fill(count, words, *summing, evidence)


def spread(count: int, hidden: Floats, outputs: Floats, scores: Floats) -> None:
    """Compute the network's second layer, `hidden @ outputs`, for a few titles.

    Half of the hidden layer is 0. This skips the zeros; a product of matrices would read them.
    """
    units, codes = outputs.shape
    library.load().jm_spread(count, address(hidden), units, address(outputs), codes, address(scores))


def model(arrays: Arrays, tables: Tables) -> Model:
    """Return what C reads of a model."""
    given = [getattr(tables if hasattr(tables, each.name) else arrays, each.name) for each in fields(Model)]
    return Model(*map(np.ascontiguousarray, given))
