"""Pieces to the evidence of a model's parts by `evidence.c`: `scoring.evidence` without the network's second layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.native import library
from jobmajor.native.library import Struct, address

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.model.kernels.buffers import Block
    from jobmajor.model.linear.arrays import Arrays, Tables

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int32]

_PADDING = 8  # the weights of a piece are padded to a multiple of it, the number that the processor adds at once


@dataclass(frozen=True, slots=True)
class Model(Struct):
    """Arrays of `arrays.Arrays` and `arrays.Tables`; the majors of `weights` and `bias` are padded with zeros."""

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
    """`scoring.Evidence` of a block, with padded `margins`, and the network's hidden layer instead of its scores."""

    margins: Floats
    likelihoods: Floats
    hidden: Floats


@dataclass(frozen=True, slots=True)
class Found(Struct):
    """Scratch arrays for the known pieces of one title, as in `scoring.KnownPieces`."""

    rows: Rows
    values: Floats


def fill(count: int, pieces: Block, model: Model, found: Found, evidence: BlockEvidence) -> None:
    """Fill `evidence` for the first `count` titles of a block of pieces."""
    library.load().jm_fill(count, pieces, model, found, evidence)


def spread(count: int, hidden: Floats, outputs: Floats, scores: Floats) -> None:
    """Compute the network's second layer, `hidden @ outputs`, for a few titles.

    Half of the hidden layer is 0. This skips the zeros; a product of matrices would read them.
    """
    units, codes = outputs.shape
    library.load().jm_spread(count, address(hidden), units, address(outputs), codes, address(scores))


def ordered(arrays: Arrays, tables: Tables) -> Model:
    """Return the model with its common pieces first, so that what most titles need is adjacent in memory."""
    order = np.append(0, 1 + np.argsort(arrays.gains[1:], kind="stable"))
    row_of = np.empty(len(order), np.int32)
    row_of[order] = np.arange(len(order), dtype=np.int32)
    lengths = np.diff(arrays.entry_starts)[order]
    starts = np.append(0, np.cumsum(lengths)).astype(np.int32)
    entries = np.arange(starts[-1]) + np.repeat(arrays.entry_starts[order] - starts[:-1], lengths)
    majors = len(arrays.bias)
    missing = -majors % _PADDING
    return Model(
        rows=row_of[tables.rows],
        gains=arrays.gains[order],
        weights=np.pad(arrays.weights[order], ((0, 0), (0, missing))),
        bias=np.pad(arrays.bias, (0, missing)),
        entry_starts=starts,
        entry_codes=arrays.entry_codes[entries],
        entry_values=arrays.entry_values[entries],
        code_totals=arrays.code_totals,
        words=tables.words,
        checks=tables.checks,
        word_parts=arrays.word_parts,
        word_scales=arrays.word_scales,
        hidden_bias=arrays.hidden_bias,
    )
