"""Pieces to the evidence of a model's parts, compiled: `scoring.evidence` without the network's second layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry, inner, vectorised
from jobmajor.model.kernels.buffers import Block
from jobmajor.model.linear.features import WORD_BUCKETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.model.linear.arrays import Arrays, Tables

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int32]

_PADDING = 8  # the weights of a piece are padded to a multiple of it, the number that the processor adds at once
_F = np.float32
_ONE = _F(1)


class Model(NamedTuple):
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


class BlockEvidence(NamedTuple):
    """`scoring.Evidence` of a block, with padded `margins`, and the network's hidden layer instead of its scores."""

    margins: Floats
    likelihoods: Floats
    hidden: Floats


class _Found(NamedTuple):
    """Scratch arrays for the known pieces of one title, as in `scoring.KnownPieces`."""

    rows: Rows
    values: Floats


@inner
def _find_known(buckets: Rows, model: Model, found: _Found) -> int:
    """Fill in the rows and values of a title's known pieces; return how many there are."""
    count = 0
    for index in range(len(buckets)):
        row = model.rows[buckets[index]]
        found.rows[count] = row
        count += row > 0
    total = 0.0
    for piece in range(count):
        gain = model.gains[found.rows[piece]]
        found.values[piece] = gain
        total += gain * gain
    scale = _F(1 / np.sqrt(total)) if count else _ONE
    for piece in range(count):
        found.values[piece] *= scale
    return count


@vectorised
def _linear(rows: Rows, values: Floats, weights: Floats, bias: Floats, margins: Floats) -> None:
    for major in range(len(margins)):
        margins[major] = bias[major]
    for piece in range(len(rows)):
        value, row = values[piece], weights[rows[piece]]
        for major in range(len(margins)):
            margins[major] += value * row[major]


@vectorised
def _counted(rows: Rows, values: Floats, model: Model, likelihoods: Floats) -> None:
    total = _F(0)
    for piece in range(len(values)):
        total += values[piece]
    for code in range(len(likelihoods)):
        likelihoods[code] = -total * model.code_totals[code]
    for piece in range(len(rows)):
        value, row = values[piece], rows[piece]
        begin, end = np.int64(model.entry_starts[row]), np.int64(model.entry_starts[row + 1])
        codes, values_of_row = model.entry_codes[begin:end], model.entry_values[begin:end]
        for index in range(len(codes)):
            likelihoods[np.uint16(codes[index])] += value * values_of_row[index]


@vectorised
def _add(parts: NDArray[np.int8], scales: Floats, factor: Any, hidden: Floats) -> None:
    for unit in range(len(hidden)):
        hidden[unit] += _F(parts[unit]) * (scales[unit] * factor)


@inner
def _meaning(bucket: Any, check: Any, model: Model) -> Any:
    """Do what `arrays.Tables.meanings` does, for one word."""
    word = model.words[bucket - WORD_BUCKETS]
    return word if word >= 0 and model.checks[word] == check else np.int32(-1)


@vectorised
def _understood(words: Rows, checks: NDArray[np.uint32], model: Model, hidden: Floats) -> None:
    for unit in range(len(hidden)):
        hidden[unit] = model.hidden_bias[unit]
    count, first, last = 0, -1, -1
    for index in range(len(words)):
        row = _meaning(words[index], checks[index], model)
        if row >= 0:
            first = row if count == 0 else first
            last = row
            count += 1
    for index in range(len(words)):
        row = _meaning(words[index], checks[index], model)
        if row >= 0:
            _add(model.word_parts[row, 0], model.word_scales[0], _ONE / _F(count), hidden)
    if count:
        _add(model.word_parts[last, 1], model.word_scales[1], _ONE, hidden)
        _add(model.word_parts[first, 2], model.word_scales[2], _ONE, hidden)
    for unit in range(len(hidden)):
        hidden[unit] = max(hidden[unit], _F(0))


@entry
def fill(count: int, pieces: Any, learned: Any, memory: Any, into: Any) -> None:
    """Fill `into` with the evidence for the first `count` titles of a block of pieces."""
    block, model, found, evidence = Block(*pieces), Model(*learned), _Found(*memory), BlockEvidence(*into)
    for title in range(count):
        pieces_found = _find_known(block.buckets[block.starts[title] : block.starts[title + 1]], model, found)
        rows, values = found.rows[:pieces_found], found.values[:pieces_found]
        _linear(rows, values, model.weights, model.bias, evidence.margins[title])
        _counted(rows, values, model, evidence.likelihoods[title])
        words = slice(block.word_starts[title], block.word_starts[title + 1])
        _understood(block.words[words], block.word_checks[words], model, evidence.hidden[title])


@vectorised
def _spread(hidden: Floats, outputs: Floats, scores: Floats) -> None:
    for code in range(len(scores)):
        scores[code] = 0
    for unit in range(len(hidden)):
        activation = hidden[unit]
        if activation > 0:
            row = outputs[unit]
            for code in range(len(scores)):
                scores[code] += activation * row[code]


@entry
def spread(count: int, hidden: Floats, outputs: Floats, scores: Floats) -> None:
    """Compute the network's second layer for a few titles.

    Half of the hidden layer is 0. This loop skips the zeros; a product of matrices would read them.
    """
    for title in range(count):
        _spread(hidden[title], outputs, scores[title])


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
