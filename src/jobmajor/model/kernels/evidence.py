"""Words to the evidence of a model's parts by `evidence.c`: what `scoring.evidence` computes."""

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

_PANEL, _AT_ONCE = 32, 16  # columns of the second layer, and titles; as in evidence.c


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


def panels(outputs: Floats) -> Floats:
    """Return the network's second layer, shape (units, codes), as `spread` reads it: shape (panels, units, columns)."""
    units, codes = outputs.shape
    filled = np.pad(outputs, ((0, 0), (0, -codes % _PANEL)))
    return np.ascontiguousarray(filled.reshape(units, -1, _PANEL).transpose(1, 0, 2))


def listing(units: int) -> NDArray[np.int64]:
    """Return memory for `spread` in a thread."""
    return np.empty((_AT_ONCE, units + 1), np.int64)


def spread(count: int, hidden: Floats, second: Floats, memory: NDArray[np.int64], scores: Floats) -> None:
    """Compute the network's second layer, `hidden @ outputs`; a title's scores do not depend on the others.

    Args:
        count: How many titles there are.
        hidden: Shape (titles, units), at least 0 everywhere.
        second: What `panels` returned.
        memory: What `listing` returned.
        scores: What is filled, shape (titles, codes).
    """
    given = count, address(hidden), hidden.shape[1], address(second), scores.shape[1]
    library.load().jm_spread(*given, address(memory), len(memory), address(scores))


def model(arrays: Arrays, tables: Tables) -> Model:
    """Return what C reads of a model."""
    given = [getattr(tables if hasattr(tables, each.name) else arrays, each.name) for each in fields(Model)]
    return Model(*map(np.ascontiguousarray, given))
