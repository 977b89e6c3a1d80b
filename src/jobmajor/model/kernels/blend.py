"""The evidence of a model's parts to shares, compiled: `scoring.blended` in 32 bits.

This file and `scoring` hold one formula twice; a property test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry, vectorised
from jobmajor.model.linear.scoring import TINY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_F = np.float32
_LOG2E, _LN2, _LN2_REST = _F(1.44269504), _F(0.693359375), _F(-2.12194440e-4)
_LOWEST = _F(-87)  # exp of less is no normal number
_FAR = _F(1e-30)  # in a smaller sum of powers, some may have become 0
_SQRT2, _HALF, _ONE, _TINY = _F(1.41421356), _F(0.5), _F(1), _F(TINY)
_MANTISSA, _ONE_BITS = np.int32(0x7FFFFF), np.int32(0x3F800000)


class Factors(NamedTuple):
    """The factors of `arrays.Blend`."""

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


@vectorised
def _exp(value: Any) -> Any:
    """Return exp(value) for values up to 88, to 2 parts in 10 million. Source: Moshier, S., Cephes, expf."""
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


@vectorised
def _log(value: Any) -> Any:
    """Return log(value) for normal numbers above 0. Source: Moshier, S., Cephes, logf."""
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


@vectorised
def _largest(values: Floats, memory: Floats) -> Any:
    """Return the largest value, by halves: the processor compares many pairs at once, but not a running maximum."""
    size = len(values)
    for index in range(size):
        memory[index] = values[index]
    while size > 1:
        half = size // 2
        lower, upper = memory[:half], memory[size - half : size]
        for index in range(half):
            lower[index] = max(lower[index], upper[index])
        size -= half
    return memory[0]


@vectorised
def _sum(values: Floats) -> Any:
    total = _F(0)
    for index in range(len(values)):
        total += values[index]
    return total


@vectorised
def _powers(values: Floats, factor: Any, shift: Any, powers: Floats) -> None:
    for index in range(len(values)):
        powers[index] = _exp(factor * values[index] - shift)


@vectorised
def _add_log_shares(powers: Floats, factor: Any, starts: NDArray[np.int64], logs: Floats) -> None:
    """Add `factor` times the log share that each group has of the powers."""
    scale = _ONE / _sum(powers)
    for group in range(len(logs)):
        logs[group] += factor * _log(_sum(powers[starts[group] : starts[group + 1]]) * scale + _TINY)


@vectorised
def _chances(margins: Floats, factors: Factors, logs: Floats) -> None:
    """Do what `scoring.chances` does."""
    for group in range(len(logs)):
        value = factors.linear * margins[group] + factors.shift
        logs[group] = min(value, _F(0)) - _log(_ONE + _exp(-abs(value)))


@vectorised
def _softmax(values: Floats, memory: Floats) -> None:
    _powers(values, _ONE, _largest(values, memory), values)
    scale = _ONE / _sum(values)
    for index in range(len(values)):
        values[index] *= scale


@vectorised
def _rescale(evidence: Any, factors: Any, powers: Floats) -> Any:
    """Recompute the powers of a group far below the others, relative to its own largest; return their sum."""
    largest = -_F(np.inf)
    for code in range(len(powers)):
        powers[code] = factors[0] * evidence[0][code] + factors[1] * evidence[1][code]
        largest = max(largest, powers[code])
    _powers(powers, _ONE, largest, powers)
    return _sum(powers)


@vectorised
def _opinion(evidence: Any, factors: Any, starts: NDArray[np.int64], powers: Floats, scales: Floats) -> None:
    """Compute how the evidence splits each group, as powers, and the scales that give each group its share.

    The first two factors weigh the two kinds of evidence. A group's powers times its scale sum to the third factor.
    The fourth is subtracted from the exponents: it is at least as large as each of them, and near the largest.
    """
    likelihoods, scores = evidence
    for code in range(len(powers)):
        powers[code] = _exp(factors[0] * likelihoods[code] + factors[1] * scores[code] - factors[3])
    for group in range(len(scales)):
        begin, end = starts[group], starts[group + 1]
        total = _sum(powers[begin:end])
        if total < _FAR:
            total = _rescale((likelihoods[begin:end], scores[begin:end]), factors, powers[begin:end])
        scales[group] = factors[2] / total


@vectorised
def _split(evidence: Any, largest: Any, blend: Factors, groups: Any, memory: Any) -> None:
    """Do what `scoring.split` does, times the major groups' shares; the result is `powers[0]`, shape (codes,)."""
    starts, majors = groups
    powers, scales = memory
    both, none = _ONE - blend.counts_share - blend.network_share, _F(0)
    together = blend.within * largest[0] + blend.deeper * largest[1]
    one, other = blend.within_alone * largest[0], blend.deeper_alone * largest[1]
    _opinion(evidence, (blend.within, blend.deeper, both, together), starts, powers[0], scales[0])
    _opinion(evidence, (blend.within_alone, none, blend.counts_share, one), starts, powers[1], scales[1])
    _opinion(evidence, (none, blend.deeper_alone, blend.network_share, other), starts, powers[2], scales[2])
    for group in range(len(majors)):
        share = majors[group]
        one, two, three = scales[0, group] * share, scales[1, group] * share, scales[2, group] * share
        for code in range(starts[group], starts[group + 1]):
            powers[0, code] = one * powers[0, code] + two * powers[1, code] + three * powers[2, code]


@vectorised
def _summed(detailed: Floats, starts: NDArray[np.int64], shares: Floats) -> None:
    if len(shares) == len(detailed):
        for code in range(len(shares)):
            shares[code] = detailed[code]
    else:
        for code in range(len(shares)):
            shares[code] = _sum(detailed[starts[code] : starts[code + 1]])


@entry
def blend(found: Any, factors: Any, starts: Any, memory: Any, shares: Floats) -> None:
    """Do what `scoring.blended` does, summed up to the codes that begin at `starts[1]`.

    The major groups begin at `starts[0]`.
    """
    margins, likelihoods, scores, bias = found
    powers, scales, majors = memory
    weights = Factors(*factors)
    for title in range(len(shares)):
        for code in range(len(bias)):
            scores[title, code] += bias[code]
        pair = likelihoods[title], scores[title]
        largest = _largest(pair[0], powers[0]), _largest(pair[1], powers[1])
        _chances(margins[title], weights, majors)
        _powers(pair[0], weights.across, weights.across * largest[0], powers[0])
        _add_log_shares(powers[0], weights.counts, starts[0], majors)
        _powers(pair[1], _ONE, largest[1], powers[0])
        _add_log_shares(powers[0], weights.network, starts[0], majors)
        _softmax(majors, powers[0])
        if len(majors) == shares.shape[1]:
            _summed(majors, starts[1], shares[title])
        else:
            _split(pair, largest, weights, (starts[0], majors), (powers, scales))
            _summed(powers[0], starts[1], shares[title])
