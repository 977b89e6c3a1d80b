"""A small network over the meanings of a title's words: one hidden layer, every detailed code an output.

Its inputs are the pretrained vectors of `vectors`, so it can code a title whose words no training title has. It is
trained for the detailed codes and equally for the major groups that they sum up to: a network with an output for each
major group only was 0.03 less accurate (docs/experiments.md).
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.model.linear.vectors import SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from jobmajor.settings import Linear

    Floats = NDArray[np.float32]

_log = logging.getLogger(__name__)
ROLES = 3  # each word counts as one of the title's words; the last and the first count again, with other weights
_BATCH = 512  # titles a step
_WARM = 0.1  # the share of all steps in which the rate rises
_MOMENTS = 0.9, 0.999
_TINY = np.float32(1e-8)


@dataclass(frozen=True, slots=True)
class Network:
    """The weights.

    Attributes:
        inputs: float32, (ROLES * SIZE, hidden).
        hidden_bias: float32, (hidden,).
        outputs: float32, (hidden, codes).
        output_bias: float32, (codes,).
    """

    inputs: Floats
    hidden_bias: Floats
    outputs: Floats
    output_bias: Floats

    def parts(self, vectors: Floats) -> Floats:
        """Return what each word adds to the hidden layer in each role; shape (words, ROLES, hidden)."""
        roles = self.inputs.reshape(ROLES, SIZE, -1)
        return np.ascontiguousarray(np.stack([vectors @ role for role in roles], axis=1))


def read(starts: NDArray[np.int64], vectors: Floats) -> Floats:
    """Return the input of the network for each title: the mean of the vectors of its words, the last and the first.

    Args:
        starts: Shape (titles + 1,); title i has the words `starts[i]` to `starts[i + 1] - 1`.
        vectors: Shape (words, SIZE).

    Returns:
        Shape (titles, ROLES * SIZE); zeros for a title without words.
    """
    found = np.zeros((len(starts) - 1, ROLES, SIZE), np.float32)
    some = np.flatnonzero(np.diff(starts))
    if len(some):
        counts = np.diff(starts)[some, None].astype(np.float32)
        found[some, 0] = np.add.reduceat(vectors, starts[some], axis=0) / counts
        found[some, 1] = vectors[starts[some + 1] - 1]
        found[some, 2] = vectors[starts[some]]
    return found.reshape(len(found), ROLES * SIZE)


def fit(titles: Floats, shares: csr_array, major_of: NDArray[np.int64], settings: Linear) -> Network:
    """Train the network with Adam: cross-entropy of the major groups plus a share of that of the codes.

    Args:
        titles: As `read` gives them, shape (titles, ROLES * SIZE).
        shares: Shape (titles, codes); how a title is shared among its codes, each row's sum 1.
        major_of: Shape (codes,); the column of each code's major group, ascending.
        settings: `hidden`, `epochs`, `rate`, `dropout`, `codes_loss` and `seed` are used.

    Source: Kingma and Ba (2015), Adam, ICLR; the rate rises and falls along a cosine (Smith and Topin (2018),
    Super-convergence, arXiv:1708.07120); Srivastava et al. (2014), Dropout, JMLR 15, 1929-1958.
    """
    rng = np.random.default_rng(settings.seed)
    weights = _drawn(rng, titles.shape[1], settings.hidden, shares.shape[1])
    moments = [(np.zeros_like(part), np.zeros_like(part)) for part in weights]
    starts = np.searchsorted(major_of, np.arange(major_of[-1] + 1))
    batches = _batches(len(titles), settings.epochs, rng)
    total = settings.epochs * -(-len(titles) // _BATCH)
    a_pass = total // settings.epochs
    for step, rows in enumerate(batches, start=1):
        if (step - 1) % a_pass == 0:
            _log.info("epoch %d of %d", (step - 1) // a_pass + 1, settings.epochs)
        dropped = _dropped(rng, (len(rows), settings.hidden), settings.dropout)
        truth = shares[rows].toarray().astype(np.float32)
        slopes = _slopes(weights, titles[rows], dropped, _Wanted(truth, major_of, starts, settings.codes_loss))
        _descend(weights, slopes, moments, (step, _rate(step / total, settings.rate)))
    return Network(*weights)


def _drawn(rng: np.random.Generator, read_size: int, hidden: int, codes: int) -> list[Floats]:
    shapes = ((read_size, hidden), (hidden,)), ((hidden, codes), (codes,))
    return [
        rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(math.sqrt(layer[0][0]))
        for layer in shapes
        for shape in layer
    ]


def _batches(count: int, epochs: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    for _ in range(epochs):
        order = rng.permutation(count)
        yield from (order[start : start + _BATCH] for start in range(0, count, _BATCH))


def _dropped(rng: np.random.Generator, shape: tuple[int, int], share: float) -> Floats:
    kept = rng.random(shape, np.float32) >= share
    return kept.astype(np.float32) / np.float32(1 - share)


def _rate(progress: float, peak: float) -> float:
    if progress < _WARM:
        return peak * (0.04 + 0.96 * (1 - math.cos(math.pi * progress / _WARM)) / 2)
    return peak * (1 + math.cos(math.pi * (progress - _WARM) / (1 - _WARM))) / 2


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a batch is trained to: shares, shape (titles, codes), each code's major group, where each group starts."""

    truth: Floats
    major_of: NDArray[np.int64]
    starts: NDArray[np.int64]
    codes_loss: float


def _slopes(
    weights: list[Floats],
    titles: Floats,
    dropped: Floats,
    wanted: _Wanted,
) -> list[Floats]:
    """Return the derivative of the loss by each weight."""
    truth, starts = wanted.truth, wanted.starts
    inputs, hidden_bias, outputs, output_bias = weights
    before = titles @ inputs + hidden_bias
    hidden = np.maximum(before, 0) * dropped
    scores = hidden @ outputs + output_bias
    scores -= scores.max(axis=1, keepdims=True)
    found = np.exp(scores)
    found /= found.sum(axis=1, keepdims=True)
    # With p the shares found, y the true ones, and P and Y their sums by major group:
    # d/ds (-sum Y log P) = p (1 - Y / P), and d/ds (-sum y log p) = p - y.
    ratios = np.add.reduceat(truth, starts, axis=1) / (np.add.reduceat(found, starts, axis=1) + _TINY)
    errors = found * (1 - ratios[:, wanted.major_of]) + np.float32(wanted.codes_loss) * (found - truth)
    errors /= np.float32(len(titles))
    back = (errors @ outputs.T) * dropped * (before > 0)
    return [titles.T @ back, back.sum(axis=0), hidden.T @ errors, errors.sum(axis=0)]


def _descend(
    weights: list[Floats], slopes: list[Floats], moments: list[tuple[Floats, Floats]], when: tuple[int, float]
) -> None:
    """Take one step of Adam, in place; `when` is the number of the step, from 1 on, and its rate."""
    step, rate = when
    first_decay, second_decay = _MOMENTS
    scale = np.float32(rate * math.sqrt(1 - second_decay**step) / (1 - first_decay**step))
    for part, slope, (first, second) in zip(weights, slopes, moments, strict=True):
        np.add(first, np.float32(1 - first_decay) * (slope - first), out=first)
        np.add(second, np.float32(1 - second_decay) * (slope * slope - second), out=second)
        np.subtract(part, scale * first / (np.sqrt(second) + _TINY), out=part)
