"""Raw titles → shares, compiled: what `scoring.evidence` and `scoring.blended` say in numpy, for large batches.

Those two stay the rule, and serve a few titles at once; a property test holds this file to them. Here everything is
32 bits wide, since only so it keeps up with the titles. One thread works: who has more processors shares the titles
out among processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np

from jobmajor.cleaning_kernel import BLOCK_TITLES, LONGEST, entry, inner, source
from jobmajor.features import WORD_BUCKETS
from jobmajor.pieces_kernel import Known, pieces
from jobmajor.scoring import TINY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.pieces_kernel import Block
    from jobmajor.scoring import Arrays, Blend, Tables

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int32]

_LANES = 8  # the weights of a piece are padded to so many, which one instruction adds
_MOST = 7 * 4 * LONGEST  # pieces of one title
_F = np.float32
_LOG2E, _LN2, _LN2_REST = _F(1.44269504), _F(0.693359375), _F(-2.12194440e-4)
_LOWEST = _F(-87)  # exp of less is no normal number
_SQRT2, _HALF, _ONE, _TINY = _F(1.41421356), _F(0.5), _F(1), _F(TINY)
_MANTISSA, _ONE_BITS = np.int32(0x7FFFFF), np.int32(0x3F800000)
# Sums and maxima may be taken in any order, and no value is "not a number".
_vectorised = numba.njit(nogil=True, boundscheck=False, _nrt=False, fastmath={"contract", "reassoc", "nsz", "nnan"})


class _Model(NamedTuple):
    """As `scoring.Arrays` and `scoring.Tables`; `weights` has shape (rows, majors / lanes, lanes)."""

    rows: Rows
    gains: Floats
    weights: Floats
    bias: Floats
    entry_starts: Rows
    entry_codes: NDArray[np.int16]
    entry_values: Floats
    code_totals: Floats
    words: Rows
    word_parts: NDArray[np.int8]
    word_scales: Floats
    hidden_bias: Floats


class _Evidence(NamedTuple):
    """Of a block: `scoring.Evidence`, but the network's hidden layer for its scores, and `margins` in lanes."""

    margins: Floats
    likelihoods: Floats
    hidden: Floats


class _Found(NamedTuple):
    """Room for the known pieces of one title, as in `scoring.Known`."""

    rows: Rows
    values: Floats


class _Factors(NamedTuple):
    """`scoring.Blend`."""

    linear: np.float32
    shift: np.float32
    counts: np.float32
    across: np.float32
    network: np.float32
    within: np.float32
    deeper: np.float32
    within_alone: np.float32
    deeper_alone: np.float32
    counts_share: np.float32
    network_share: np.float32


@_vectorised
def _exp(value: Any) -> Any:
    """For values up to 88, to 2 parts in 10 million. Source: Moshier, S., Cephes, expf."""
    value = max(value, _LOWEST)
    whole = np.floor(value * _LOG2E + _HALF)
    rest = value - whole * _LN2 - whole * _LN2_REST
    power = _F(1.9875691500e-4) * rest + _F(1.3981999507e-3)
    power = power * rest + _F(8.3334519073e-3)
    power = power * rest + _F(4.1665795894e-2)
    power = power * rest + _F(1.6666665459e-1)
    power = power * rest + _F(5.0000001201e-1)
    power = power * rest * rest + rest + _ONE
    return power * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@_vectorised
def _log(value: Any) -> Any:
    """For normal numbers above 0. Source: Moshier, S., Cephes, logf."""
    bits = np.float32(value).view(np.int32)
    rest = np.int32((bits & _MANTISSA) | _ONE_BITS).view(np.float32)
    is_upper = rest > _SQRT2
    exponent = _F((bits >> np.int32(23)) - np.int32(127)) + (_ONE if is_upper else _F(0))
    rest = (rest * _HALF if is_upper else rest) - _ONE
    power = _F(7.0376836292e-2) * rest - _F(1.1514610310e-1)
    power = power * rest + _F(1.1676998740e-1)
    power = power * rest - _F(1.2420140846e-1)
    power = power * rest + _F(1.4249322787e-1)
    power = power * rest - _F(1.6668057665e-1)
    power = power * rest + _F(2.0000714765e-1)
    power = power * rest - _F(2.4999993993e-1)
    power = power * rest + _F(3.3333331174e-1)
    power = power * rest * rest * rest + exponent * _LN2_REST - _HALF * rest * rest
    return rest + power + exponent * _LN2


@inner
def _known(buckets: Rows, model: _Model, found: _Found) -> int:
    """The rows and values of a title's known pieces; returns how many there are."""
    count = 0
    for bucket in buckets:
        row = model.rows[bucket]
        found.rows[count] = row
        count += row > 0
    total = 0.0
    for piece in range(count):
        gain = model.gains[found.rows[piece]]
        found.values[piece] = gain
        total += gain * gain
    length = np.sqrt(total)
    for piece in range(count):
        found.values[piece] = _F(found.values[piece] / length)
    return count


@_vectorised
def _linear(rows: Rows, values: Floats, weights: Floats, bias: Floats, margins: Floats) -> None:
    for part in range(margins.shape[0]):
        for lane in range(_LANES):
            margins[part, lane] = bias[part * _LANES + lane]
    for piece in range(len(rows)):
        value, row = values[piece], weights[rows[piece]]
        for part in range(margins.shape[0]):
            for lane in range(_LANES):
                margins[part, lane] += value * row[part, lane]


@_vectorised
def _counted(rows: Rows, values: Floats, model: _Model, likelihoods: Floats) -> None:
    total = _F(0)
    for value in values:
        total += value
    for code in range(len(likelihoods)):
        likelihoods[code] = -total * model.code_totals[code]
    for piece in range(len(rows)):
        value, row = values[piece], rows[piece]
        begin, end = np.int64(model.entry_starts[row]), np.int64(model.entry_starts[row + 1])
        codes, said = model.entry_codes[begin:end], model.entry_values[begin:end]
        for place in range(len(codes)):
            likelihoods[np.uint16(codes[place])] += value * said[place]


@_vectorised
def _add(parts: NDArray[np.int8], scales: Floats, factor: Any, hidden: Floats) -> None:
    for unit in range(len(hidden)):
        hidden[unit] += _F(parts[unit]) * (scales[unit] * factor)


@_vectorised
def _understood(words: Rows, model: _Model, hidden: Floats) -> None:
    for unit in range(len(hidden)):
        hidden[unit] = model.hidden_bias[unit]
    count, first, last = 0, -1, -1
    for bucket in words:
        row = model.words[bucket - WORD_BUCKETS]
        if row >= 0:
            first = row if count == 0 else first
            last = row
            count += 1
    for bucket in words:
        row = model.words[bucket - WORD_BUCKETS]
        if row >= 0:
            _add(model.word_parts[row, 0], model.word_scales[0], _ONE / _F(count), hidden)
    if count:
        _add(model.word_parts[last, 1], model.word_scales[1], _ONE, hidden)
        _add(model.word_parts[first, 2], model.word_scales[2], _ONE, hidden)
    for unit in range(len(hidden)):
        hidden[unit] = max(hidden[unit], _F(0))


@entry
def _evidence(starts: Any, block: Any, learned: Any, room: Any, into: Any) -> None:
    """What the parts say of each title of a block; `starts` and `block` are those of its pieces and of its words."""
    model, found, evidence = _Model(*learned), _Found(*room), _Evidence(*into)
    for title in range(len(starts[0]) - 1):
        count = _known(block[0][starts[0][title] : starts[0][title + 1]], model, found)
        rows, values = found.rows[:count], found.values[:count]
        _linear(rows, values, model.weights, model.bias, evidence.margins[title])
        _counted(rows, values, model, evidence.likelihoods[title])
        _understood(block[1][starts[1][title] : starts[1][title + 1]], model, evidence.hidden[title])


@_vectorised
def _largest(values: Floats) -> Any:
    largest = values[0]
    for value in values:
        largest = max(largest, value)
    return largest


@_vectorised
def _sum(values: Floats) -> Any:
    total = _F(0)
    for value in values:
        total += value
    return total


@_vectorised
def _powers(values: Floats, factor: Any, shift: Any, powers: Floats) -> None:
    for place in range(len(values)):
        powers[place] = _exp(factor * values[place] - shift)


@_vectorised
def _add_log_shares(values: Floats, factors: Any, starts: NDArray[np.int64], powers: Floats, logs: Floats) -> None:
    """Add to `logs`, (groups,), `factors[1]` times the log share of each group in the powers of `factors[0]` times them."""
    _powers(values, factors[0], factors[0] * _largest(values), powers)
    scale = _ONE / _sum(powers)
    for group in range(len(logs)):
        share = _sum(powers[starts[group] : starts[group + 1]]) * scale
        logs[group] += factors[1] * _log(share + _TINY)


@_vectorised
def _chances(margins: Floats, factors: _Factors, logs: Floats) -> None:
    """As `scoring.chances`."""
    for group in range(len(logs)):
        value = factors.linear * margins[group // _LANES, group % _LANES] + factors.shift
        logs[group] = min(value, _F(0)) - _log(_ONE + _exp(-abs(value)))


@_vectorised
def _softmax(values: Floats) -> None:
    _powers(values, _ONE, _largest(values), values)
    scale = _ONE / _sum(values)
    for place in range(len(values)):
        values[place] *= scale


@_vectorised
def _add_opinion(evidence: Any, factors: Any, groups: Any, powers: Floats, detailed: Floats) -> None:
    """Add to `detailed` the third factor's part of each major group's share, split by the evidence times the others."""
    likelihoods, scores = evidence
    starts, majors = groups
    for code in range(len(powers)):
        powers[code] = factors[0] * likelihoods[code] + factors[1] * scores[code]
    for group in range(len(majors)):
        own, said = powers[starts[group] : starts[group + 1]], detailed[starts[group] : starts[group + 1]]
        _powers(own, _ONE, _largest(own), own)
        scale = factors[2] * majors[group] / _sum(own)
        for place in range(len(own)):
            said[place] += scale * own[place]


@_vectorised
def _split(evidence: Any, blend: _Factors, groups: Any, powers: Floats, detailed: Floats) -> None:
    """As `scoring.split`, times the major groups' shares."""
    for code in range(len(detailed)):
        detailed[code] = _F(0)
    both = _ONE - blend.counts_share - blend.network_share
    _add_opinion(evidence, (blend.within, blend.deeper, both), groups, powers, detailed)
    _add_opinion(evidence, (blend.within_alone, _F(0), blend.counts_share), groups, powers, detailed)
    _add_opinion(evidence, (_F(0), blend.deeper_alone, blend.network_share), groups, powers, detailed)


@_vectorised
def _summed(detailed: Floats, starts: NDArray[np.int64], shares: Floats) -> None:
    if len(shares) == len(detailed):
        for code in range(len(shares)):
            shares[code] = detailed[code]
    else:
        for code in range(len(shares)):
            shares[code] = _sum(detailed[starts[code] : starts[code + 1]])


@entry
def _blend(found: Any, factors: Any, starts: Any, room: Any, shares: Floats) -> None:
    """As `scoring.blended`, summed up to the codes that begin at `starts[1]`; `starts[0]` are the major groups'."""
    margins, likelihoods, scores, bias = found
    powers, detailed, majors = room
    blend = _Factors(*factors)
    for title in range(len(shares)):
        for code in range(len(bias)):
            scores[title, code] += bias[code]
        _chances(margins[title], blend, majors)
        _add_log_shares(likelihoods[title], (blend.across, blend.counts), starts[0], powers, majors)
        _add_log_shares(scores[title], (_ONE, blend.network), starts[0], powers, majors)
        _softmax(majors)
        if len(majors) == shares.shape[1]:
            _summed(majors, starts[1], shares[title])
        else:
            _split((likelihoods[title], scores[title]), blend, (starts[0], majors), powers, detailed)
            _summed(detailed, starts[1], shares[title])


def _ordered(arrays: Arrays, tables: Tables) -> _Model:
    """The model with its common pieces first, so that what most titles need lies side by side in memory."""
    order = np.append(0, 1 + np.argsort(arrays.gains[1:], kind="stable"))
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    lengths = np.diff(arrays.entry_starts)[order]
    starts = np.append(0, np.cumsum(lengths)).astype(np.int32)
    entries = np.arange(starts[-1]) + np.repeat(arrays.entry_starts[order] - starts[:-1], lengths)
    majors = len(arrays.bias)
    missing = -majors % _LANES
    return _Model(
        rows=place[tables.rows],
        gains=arrays.gains[order],
        weights=np.pad(arrays.weights[order], ((0, 0), (0, missing))).reshape(len(order), -1, _LANES),
        bias=np.pad(arrays.bias, (0, missing)),
        entry_starts=starts,
        entry_codes=arrays.entry_codes[entries],
        entry_values=arrays.entry_values[entries],
        code_totals=arrays.code_totals,
        words=tables.words,
        word_parts=arrays.word_parts,
        word_scales=arrays.word_scales,
        hidden_bias=arrays.hidden_bias,
    )


class Kernel:
    """A model, ready to score raw titles."""

    def __init__(self, arrays: Arrays, tables: Tables, blend: Blend, major_of: NDArray[np.int64]) -> None:
        self._model = _ordered(arrays, tables)
        self._known = Known(self._model.rows, tables.words, self._model.gains)
        self._outputs, self._output_bias = arrays.outputs, arrays.output_bias
        self._factors = tuple(_F(getattr(blend, name)) for name in _Factors._fields)
        self._major_starts = np.searchsorted(major_of, np.arange(len(arrays.bias) + 1))

    def shares(self, titles: Sequence[str], starts: NDArray[np.int64]) -> Floats:
        """The share of each code, shape (titles, codes of the level); each row sums to 1.

        Args:
            titles: As people write them.
            starts: Where each code's own detailed codes begin, shape (codes of the level,): all of a level's codes,
                which is the major groups or below them.
        """
        codes, lanes = len(self._output_bias), self._model.weights.shape[1:]
        found = _Evidence(
            np.empty((BLOCK_TITLES, *lanes), _F),
            np.empty((BLOCK_TITLES, codes), _F),
            np.empty((BLOCK_TITLES, len(self._model.hidden_bias)), _F),
        )
        scores, room = np.empty((BLOCK_TITLES, codes), _F), (np.empty(_MOST, np.int32), np.empty(_MOST, _F))
        powers = np.empty(codes, _F), np.empty(codes, _F), np.empty(len(self._major_starts) - 1, _F)
        groups = self._major_starts, np.append(starts, codes)
        shares = np.empty((len(titles), len(starts)), _F)
        first = 0
        for block in pieces(source(titles), self._known):
            count = len(block.starts) - 1
            self._say(block, room, found)
            np.matmul(found.hidden[:count], self._outputs, out=scores[:count])
            said = found.margins, found.likelihoods, scores, self._output_bias
            _blend(said, self._factors, groups, powers, shares[first : first + count])
            first += count
        return shares

    def _say(self, block: Block, room: Any, found: _Evidence) -> None:
        starts, said = (block.starts, block.word_starts), (block.buckets, block.words)
        _evidence(starts, said, tuple(self._model), room, tuple(found))
