"""Combine the parts of a linear model into shares, in numpy only, so that serving needs nothing else.

Three parts speak: a linear model over the major groups, counts of which pieces stood in titles of which detailed
code, and a network over what the words mean. The latter two also say how a major group's share is split among its
codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jobmajor.model.linear.arrays import Arrays, Blend, Tables
    from jobmajor.model.linear.features import Bags


_BLOCK_PIECES, _BLOCK_TITLES = 8192, 256  # scored at a time: some 50 MB
TINY = 1e-9  # a share so small that it counts as 0, but with a finite logarithm


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of the model's three parts for a batch, before they are blended.

    `margins` has shape (titles, majors), `likelihoods` of the counts and `scores` of the network have shape
    (titles, detailed); none is normalised.
    """

    margins: NDArray[np.float32]
    likelihoods: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KnownPieces:
    """The pieces of a batch that the model knows, in the order of the titles; each array has shape (pieces,).

    `titles` are positions in the batch, `rows` positions in the model, `values` make vectors of length 1.
    """

    titles: NDArray[np.int64]
    rows: NDArray[np.int32]
    values: NDArray[np.float32]


def known_pieces(pieces: Bags, table: NDArray[np.int32], gains: NDArray[np.float32]) -> KnownPieces:
    """Return the known pieces of each title."""
    count = len(pieces.starts) - 1
    titles = np.repeat(np.arange(count), np.diff(pieces.starts))
    rows = table[pieces.buckets]
    titles, rows = titles[rows > 0], rows[rows > 0]
    gained = gains[rows]
    lengths = np.sqrt(np.bincount(titles, gained * gained, count))
    return KnownPieces(titles, rows, (gained / lengths[titles]).astype(np.float32))


def evidence(pieces: Bags, arrays: Arrays, tables: Tables) -> Evidence:
    """Return what the three parts say; for a title without known pieces these are their biases.

    Titles are scored in blocks, which bounds memory and keeps the numbers in the cache of the processor.
    """
    count, codes = len(pieces.starts) - 1, len(arrays.code_totals)
    margins = np.empty((count, len(arrays.bias)), np.float32)
    likelihoods = np.empty((count, codes), np.float32)
    scores = np.empty((count, codes), np.float32)
    for first, last in _blocks(pieces):
        block = pieces.part(first, last)
        found = known_pieces(block, tables.rows, arrays.gains)
        margins[first:last] = _margins(found, arrays, last - first)
        likelihoods[first:last] = _likelihoods(found, arrays, last - first)
        # Title by title: one product for the block would give a title other last digits at another place.
        second = np.matmul(hidden(block, arrays, tables)[:, None, :], arrays.outputs)[:, 0]
        scores[first:last] = second + arrays.output_bias
    return Evidence(margins, likelihoods, scores)


def _blocks(pieces: Bags) -> Iterator[tuple[int, int]]:
    """Yield the first title of each part of a batch and the one after its last; a long title is a part of its own."""
    first = 0
    while first < len(pieces.starts) - 1:
        begin = pieces.starts[first]
        last = int(np.searchsorted(pieces.starts, begin + _BLOCK_PIECES, side="right")) - 1
        last = min(max(last, first + 1), first + _BLOCK_TITLES)
        yield first, last
        first = last


def hidden(pieces: Bags, arrays: Arrays, tables: Tables) -> NDArray[np.float32]:
    """Return the hidden layer of the network, shape (titles, hidden), from the words that have a meaning."""
    count = len(pieces.word_starts) - 1
    rows = tables.meanings(pieces)
    titles = np.repeat(np.arange(count), np.diff(pieces.word_starts))[rows >= 0]
    rows = rows[rows >= 0]
    found = np.tile(arrays.hidden_bias, (count, 1))
    if len(rows):
        starts = np.flatnonzero(np.diff(titles, prepend=-1))
        ends = np.append(starts[1:], len(rows))
        each, last, first = arrays.word_scales
        summed = np.add.reduceat(arrays.word_parts[rows, 0].astype(np.float32), starts, axis=0)
        total = summed * (each / (ends - starts)[:, None].astype(np.float32))
        total += arrays.word_parts[rows[ends - 1], 1] * last
        total += arrays.word_parts[rows[starts], 2] * first
        found[titles[starts]] += total
    return np.maximum(found, 0, out=found)


def _margins(found: KnownPieces, arrays: Arrays, count: int) -> NDArray[np.float32]:
    margins = np.tile(arrays.bias, (count, 1))
    if len(found.titles):
        starts = np.flatnonzero(np.diff(found.titles, prepend=-1))
        weighted = arrays.weights[found.rows] * found.values[:, None]  # (pieces, majors)
        margins[found.titles[starts]] += np.add.reduceat(weighted, starts, axis=0)
    return margins


def _likelihoods(found: KnownPieces, arrays: Arrays, count: int) -> NDArray[np.float32]:
    codes = len(arrays.code_totals)
    begins = arrays.entry_starts[found.rows].astype(np.int64)
    lengths = arrays.entry_starts[found.rows + 1] - begins
    skipped = np.cumsum(lengths) - lengths
    entries = np.arange(lengths.sum()) + np.repeat(begins - skipped, lengths)
    cells = np.repeat(found.titles * codes, lengths) + arrays.entry_codes[entries]
    sums = np.bincount(cells, np.repeat(found.values, lengths) * arrays.entry_values[entries], count * codes)
    total = np.bincount(found.titles, found.values, count)
    likelihoods: NDArray[np.float32] = sums.reshape(count, codes).astype(np.float32)
    return likelihoods - np.outer(total, arrays.code_totals).astype(np.float32)


def blended(found: Evidence, blend: Blend, major_of: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the share of each detailed code; shape (titles, detailed), each row sums to 1.

    `major_of`, shape (detailed,), is the column of each code's major group, ascending.
    """
    starts = np.searchsorted(major_of, np.arange(found.margins.shape[1]))
    counted = np.add.reduceat(softmax(blend.across * found.likelihoods), starts, axis=1)
    understood = np.add.reduceat(softmax(found.scores), starts, axis=1)
    logs = blend.counts * np.log(counted + TINY) + blend.network * np.log(understood + TINY)
    majors = softmax(chances(found.margins, blend) + logs)
    within = split(found.likelihoods, found.scores, blend, starts)
    detailed: NDArray[np.float32] = (within * majors.repeat(np.diff(starts, append=len(major_of)), axis=1)).astype(
        np.float32
    )
    return detailed


def split(
    likelihoods: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    blend: Blend,
    starts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return how the share of each major group is split among its codes: (titles, detailed), 1 for each group.

    A mixture of three opinions, since their product alone is too sure of itself (docs/experiments.md).
    Source: Genest, C., Zidek, J. V. (1986), Combining probability distributions, Statistical Science 1(1), 114-135.
    """
    # In float64: calibration changes the weights by small steps, which float32 would lose.
    counted, understood = likelihoods.astype(np.float64), scores.astype(np.float64)
    opinions = (
        (1 - blend.counts_share - blend.network_share, blend.within * counted + blend.deeper * understood),
        (blend.counts_share, blend.within_alone * counted),
        (blend.network_share, blend.deeper_alone * understood),
    )
    found = np.zeros(likelihoods.shape)
    sizes = np.diff(starts, append=likelihoods.shape[1])
    for share, opinion in opinions:
        powers = np.exp(opinion - np.maximum.reduceat(opinion, starts, axis=1).repeat(sizes, axis=1))
        found += share * powers / np.add.reduceat(powers, starts, axis=1).repeat(sizes, axis=1)
    return found


def chances(margins: NDArray[np.float32], blend: Blend) -> NDArray[np.float64]:
    """Return the log chance that each margin alone gives its major group; shape as `margins`.

    A sigmoid for each group comes true better than one softmax over margins that were learned group by group.
    Source: Platt, J. (1999), Probabilistic outputs for support vector machines.
    """
    logs: NDArray[np.float64] = -np.logaddexp(0.0, -(blend.linear * margins.astype(np.float64) + blend.shift))
    return logs


def softmax(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return shares in proportion to exp(values); each row sums to 1."""
    powers = np.exp(values - values.max(axis=1, keepdims=True), dtype=np.float64)
    scaled: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return scaled
