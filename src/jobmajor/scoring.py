"""What a model has learned, and how its parts make one score: numpy only, so that serving needs nothing else.

Two parts speak: a linear model over the major groups, and counts of which pieces stood in titles of which detailed
code. The counts also say how a major group's share is split among its codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.errors import ArtifactError
from jobmajor.features import BUCKETS, Bags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray


_BLOCK_PIECES, _BLOCK_TITLES = 8192, 256  # scored at a time: some 50 MB
TINY = 1e-9  # a share that stands for none: its log is finite


@dataclass(frozen=True, slots=True)
class Blend:
    """How strongly each part speaks; fitted on validation, so that the scores are shares that come true.

    Attributes:
        linear: Factor of the linear model's margins inside their sigmoids.
        shift: What is added to each of them: where a margin means an even chance.
        counts: Factor of the log shares that the counts give to the major groups.
        across: Sharpness of the counts across all codes.
        within: Sharpness of the counts within one major group.
    """

    linear: float = 3.5
    shift: float = 0.5
    counts: float = 0.15
    across: float = 1.3
    within: float = 0.5


@dataclass(frozen=True, slots=True)
class Arrays:
    """What was learned. Rows are the pieces seen in training, and row 0 stands for every other piece.

    Attributes:
        buckets: int32, (rows,); the bucket of each row, ascending from row 1 on; -1 for row 0.
        gains: float32, (rows,); what one occurrence of a piece adds to a title's vector, 0 in row 0.
        weights: float32, (rows, majors); the linear model.
        bias: float32, (majors,).
        entry_starts: int32, (rows + 1,); each row's part of the next two.
        entry_codes: int16, (entries,); columns of the detailed codes.
        entry_values: float32, (entries,); how much more a piece speaks for a code than one never seen with it.
        code_totals: float32, (detailed,); what each unit of a vector's sum takes from each detailed code.
    """

    buckets: NDArray[np.int32]
    gains: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    entry_starts: NDArray[np.int32]
    entry_codes: NDArray[np.int16]
    entry_values: NDArray[np.float32]
    code_totals: NDArray[np.float32]

    @classmethod
    def from_mapping(cls, arrays: Mapping[str, NDArray[Any]], codes: int, majors: int) -> Arrays:
        """The arrays by name, their types, shapes, indices and values checked against each other.

        Raises:
            ArtifactError: They can't be a model for so many detailed codes and major groups; says which is wrong.
        """
        found = {name: (str(array.dtype), array.ndim) for name, array in arrays.items()}
        if found != _TYPES:
            wrong = sorted(name for name in found.keys() | _TYPES.keys() if found.get(name) != _TYPES.get(name))
            raise ArtifactError(f"the model's arrays {wrong} are missing, foreign or of another type: train it again")
        model = cls(**arrays)
        if wrong := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
            raise ArtifactError(f"the model's arrays {wrong} hold what is no number: train it again")
        if wrong := [name for name, fits in model._fits(codes, majors).items() if not fits]:
            raise ArtifactError(f"the model's arrays {wrong} don't fit the others: train it again")
        return model

    def _fits(self, codes: int, majors: int) -> dict[str, bool]:
        rows, entries = len(self.gains), len(self.entry_codes)
        return {
            "buckets": self.buckets.shape == (rows,)
            and self.buckets[:1].tolist() == [-1]
            and bool((np.diff(self.buckets) > 0).all() and self.buckets[-1] < BUCKETS),
            "gains": bool((self.gains[1:] > 0).all()),  # a vector of length 0 can't be made one of length 1
            "weights": self.weights.shape == (rows, majors),
            "bias": self.bias.shape == (majors,),
            "entry_starts": self.entry_starts.shape == (rows + 1,)
            and self.entry_starts[0] == 0
            and self.entry_starts[-1] == entries
            and bool((np.diff(self.entry_starts) >= 0).all()),
            "entry_codes": bool(((self.entry_codes >= 0) & (self.entry_codes < codes)).all()),
            "entry_values": self.entry_values.shape == (entries,),
            "code_totals": self.code_totals.shape == (codes,),
        }

    def table(self) -> NDArray[np.int32]:
        """The row of each bucket, shape (BUCKETS,)."""
        table = np.zeros(BUCKETS, np.int32)
        table[self.buckets[1:]] = np.arange(1, len(self.buckets), dtype=np.int32)
        return table

    def to_mapping(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {name: np.ascontiguousarray(getattr(self, name)) for name in _TYPES}


_TYPES = {  # each array's type and number of dimensions
    "buckets": ("int32", 1),
    "gains": ("float32", 1),
    "weights": ("float32", 2),
    "bias": ("float32", 1),
    "entry_starts": ("int32", 1),
    "entry_codes": ("int16", 1),
    "entry_values": ("float32", 1),
    "code_totals": ("float32", 1),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the two parts say of a batch, before they are blended.

    `margins` has shape (titles, majors), `likelihoods` shape (titles, detailed); neither is normalised.
    """

    margins: NDArray[np.float32]
    likelihoods: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Known:
    """The pieces of a batch that the model knows, in the order of the titles; each array has shape (pieces,).

    `titles` are positions in the batch, `rows` positions in the model, `values` make vectors of length 1.
    """

    titles: NDArray[np.int64]
    rows: NDArray[np.int32]
    values: NDArray[np.float32]


def known(pieces: Bags, table: NDArray[np.int32], gains: NDArray[np.float32]) -> Known:
    """What the model knows of each title; a title without a known piece has none."""
    count = len(pieces.starts) - 1
    titles = np.repeat(np.arange(count), np.diff(pieces.starts))
    rows = table[pieces.buckets]
    titles, rows = titles[rows > 0], rows[rows > 0]
    gained = gains[rows]
    lengths = np.sqrt(np.bincount(titles, gained * gained, count))
    return Known(titles, rows, (gained / lengths[titles]).astype(np.float32))


def evidence(pieces: Bags, arrays: Arrays, table: NDArray[np.int32]) -> Evidence:
    """What the linear model and the counts say; of a title without known pieces, only the bias speaks.

    Scored in blocks, since each piece brings many numbers: smaller ones stay in the processor's cache, too.
    """
    count = len(pieces.starts) - 1
    margins = np.empty((count, len(arrays.bias)), np.float32)
    likelihoods = np.empty((count, len(arrays.code_totals)), np.float32)
    for first, block in _blocks(pieces):
        size = len(block.starts) - 1
        found = known(block, table, arrays.gains)
        margins[first : first + size] = _margins(found, arrays, size)
        likelihoods[first : first + size] = _likelihoods(found, arrays, size)
    return Evidence(margins, likelihoods)


def _blocks(pieces: Bags) -> Iterator[tuple[int, Bags]]:
    """The batch in parts of whole titles, each with its first title's place; a longer title stands alone."""
    first = 0
    while first < len(pieces.starts) - 1:
        begin = pieces.starts[first]
        last = int(np.searchsorted(pieces.starts, begin + _BLOCK_PIECES, side="right")) - 1
        last = min(max(last, first + 1), first + _BLOCK_TITLES)
        yield first, Bags(pieces.starts[first : last + 1] - begin, pieces.buckets[begin : pieces.starts[last]])
        first = last


def _margins(found: Known, arrays: Arrays, count: int) -> NDArray[np.float32]:
    margins = np.tile(arrays.bias, (count, 1))
    if len(found.titles):
        starts = np.flatnonzero(np.diff(found.titles, prepend=-1))
        weighted = arrays.weights[found.rows] * found.values[:, None]  # (pieces, majors)
        margins[found.titles[starts]] += np.add.reduceat(weighted, starts, axis=0)
    return margins


def _likelihoods(found: Known, arrays: Arrays, count: int) -> NDArray[np.float32]:
    codes = len(arrays.code_totals)
    begins = arrays.entry_starts[found.rows].astype(np.int64)
    lengths = arrays.entry_starts[found.rows + 1] - begins
    skipped = np.cumsum(lengths) - lengths
    entries = np.arange(lengths.sum()) + np.repeat(begins - skipped, lengths)
    cells = np.repeat(found.titles * codes, lengths) + arrays.entry_codes[entries]
    said = np.bincount(cells, np.repeat(found.values, lengths) * arrays.entry_values[entries], count * codes)
    total = np.bincount(found.titles, found.values, count)
    likelihoods: NDArray[np.float32] = said.reshape(count, codes).astype(np.float32)
    return likelihoods - np.outer(total, arrays.code_totals).astype(np.float32)


def blended(found: Evidence, blend: Blend, major_of: NDArray[np.int64]) -> NDArray[np.float32]:
    """The share of each detailed code; shape (titles, detailed), each row sums to 1.

    `major_of`, shape (detailed,), is the column of each code's major group.
    """
    by_major = np.argsort(major_of, kind="stable")
    starts = np.searchsorted(major_of[by_major], np.arange(found.margins.shape[1]))
    likelihoods = found.likelihoods.astype(np.float64)
    shares = np.add.reduceat(softmax(blend.across * likelihoods)[:, by_major], starts, axis=1)
    majors = softmax(chances(found.margins, blend) + blend.counts * np.log(shares + TINY))
    peaks = np.maximum.reduceat(likelihoods[:, by_major], starts, axis=1)
    within = np.exp(blend.within * (likelihoods - peaks[:, major_of]))
    totals = np.add.reduceat(within[:, by_major], starts, axis=1)
    detailed: NDArray[np.float32] = (within * (majors / totals)[:, major_of]).astype(np.float32)
    return detailed


def chances(margins: NDArray[np.float32], blend: Blend) -> NDArray[np.float64]:
    """The log chance that each margin gives its major group, seen alone; shape as `margins`.

    A sigmoid for each group comes true better than one softmax over margins that were learned group by group.
    Source: Platt, J. (1999), Probabilistic outputs for support vector machines.
    """
    logs: NDArray[np.float64] = -np.logaddexp(0.0, -(blend.linear * margins.astype(np.float64) + blend.shift))
    return logs


def softmax(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Shares in proportion to exp(values), each row's sum 1."""
    powers = np.exp(values - values.max(axis=1, keepdims=True), dtype=np.float64)
    scaled: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return scaled
