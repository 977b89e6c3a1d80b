"""What a model has learned, and how its parts make one score: numpy only, so that serving needs nothing else.

Three parts speak: a linear model over the major groups, counts of which pieces stood in titles of which detailed
code, and a network over what the words mean. The latter two also say how a major group's share is split among its
codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.errors import ArtifactError
from jobmajor.model.linear.features import BUCKETS, WORD_BUCKETS, Bags
from jobmajor.model.linear.network import PLACES

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
        network: Factor of the log shares that the network gives to the major groups.
        within: Sharpness of the counts within one major group, where both speak together.
        deeper: Sharpness of the network there.
        within_alone: Sharpness of the counts within one major group, where they speak alone.
        deeper_alone: Sharpness of the network, likewise.
        counts_share: How much of a major group's share is split as the counts alone would.
        network_share: How much of it as the network alone would; the rest is split as both together would.
    """

    linear: float = 3.5
    shift: float = 0.5
    counts: float = 0.1
    across: float = 1.3
    network: float = 0.4
    within: float = 0.5
    deeper: float = 0.3
    within_alone: float = 0.6
    deeper_alone: float = 0.4
    counts_share: float = 0.3
    network_share: float = 0.2


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
        word_buckets: int32, (words,); the bucket of each word that has a meaning, ascending.
        word_checks: uint32, (words,); its check, by which it is told from other words of its bucket.
        word_parts: int8, (words, places, hidden); what each adds to the network's hidden layer, in units of
        word_scales: float32, (places, hidden); the places are: one of the title's words, the last, the first.
        hidden_bias: float32, (hidden,).
        outputs: float32, (hidden, detailed); the network's second layer.
        output_bias: float32, (detailed,).
    """

    buckets: NDArray[np.int32]
    gains: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    entry_starts: NDArray[np.int32]
    entry_codes: NDArray[np.int16]
    entry_values: NDArray[np.float32]
    code_totals: NDArray[np.float32]
    word_buckets: NDArray[np.int32]
    word_checks: NDArray[np.uint32]
    word_parts: NDArray[np.int8]
    word_scales: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    outputs: NDArray[np.float32]
    output_bias: NDArray[np.float32]

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
            **self._network_fits(codes),
        }

    def _network_fits(self, codes: int) -> dict[str, bool]:
        words, hidden = len(self.word_buckets), len(self.hidden_bias)
        return {
            "word_buckets": bool((np.diff(self.word_buckets) > 0).all())
            and (words == 0 or (self.word_buckets[0] >= WORD_BUCKETS and self.word_buckets[-1] < BUCKETS)),
            "word_checks": self.word_checks.shape == (words,),
            "word_parts": self.word_parts.shape == (words, PLACES, hidden),
            "word_scales": self.word_scales.shape == (PLACES, hidden),
            "outputs": self.outputs.shape == (hidden, codes),
            "output_bias": self.output_bias.shape == (codes,),
        }

    def tables(self) -> Tables:
        """Where to find what the model knows of a bucket."""
        rows = np.zeros(BUCKETS, np.int32)
        rows[self.buckets[1:]] = np.arange(1, len(self.buckets), dtype=np.int32)
        words = np.full(BUCKETS - WORD_BUCKETS, -1, np.int32)
        words[self.word_buckets - WORD_BUCKETS] = np.arange(len(self.word_buckets), dtype=np.int32)
        return Tables(rows, words, self.word_checks)

    def to_mapping(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {name: np.ascontiguousarray(getattr(self, name)) for name in _TYPES}


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the model keeps what it knows of a bucket.

    `rows`, shape (BUCKETS,), is the row of each, 0 where training never saw it; `words`, of the upper half of the
    buckets, the word of each, -1 where it has no meaning; `checks`, shape (words,), are those words' own.
    """

    rows: NDArray[np.int32]
    words: NDArray[np.int32]
    checks: NDArray[np.uint32]

    def meanings(self, pieces: Bags) -> NDArray[np.int32]:
        """The word that each word of the titles is, -1 where it has no meaning; shape (words of the titles,).

        A word that has a meaning gives it to no other that shares its bucket.
        """
        if len(self.checks) == 0:
            return np.full(len(pieces.words), -1, np.int32)
        words = self.words[pieces.words - WORD_BUCKETS]
        return np.where(self.checks[words] == pieces.word_checks, words, -1)


_TYPES = {  # each array's type and number of dimensions
    "buckets": ("int32", 1),
    "gains": ("float32", 1),
    "weights": ("float32", 2),
    "bias": ("float32", 1),
    "entry_starts": ("int32", 1),
    "entry_codes": ("int16", 1),
    "entry_values": ("float32", 1),
    "code_totals": ("float32", 1),
    "word_buckets": ("int32", 1),
    "word_checks": ("uint32", 1),
    "word_parts": ("int8", 3),
    "word_scales": ("float32", 2),
    "hidden_bias": ("float32", 1),
    "outputs": ("float32", 2),
    "output_bias": ("float32", 1),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the three parts say of a batch, before they are blended.

    `margins` has shape (titles, majors), `likelihoods` of the counts and `scores` of the network have shape
    (titles, detailed); none is normalised.
    """

    margins: NDArray[np.float32]
    likelihoods: NDArray[np.float32]
    scores: NDArray[np.float32]


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


def evidence(pieces: Bags, arrays: Arrays, tables: Tables) -> Evidence:
    """What the three parts say; of a title without known pieces, only their biases speak.

    Scored in blocks, since each piece brings many numbers: smaller ones stay in the processor's cache, too.
    """
    count, codes = len(pieces.starts) - 1, len(arrays.code_totals)
    margins = np.empty((count, len(arrays.bias)), np.float32)
    likelihoods = np.empty((count, codes), np.float32)
    scores = np.empty((count, codes), np.float32)
    for first, last in _blocks(pieces):
        block = pieces.part(first, last)
        found = known(block, tables.rows, arrays.gains)
        margins[first:last] = _margins(found, arrays, last - first)
        likelihoods[first:last] = _likelihoods(found, arrays, last - first)
        scores[first:last] = hidden(block, arrays, tables) @ arrays.outputs + arrays.output_bias
    return Evidence(margins, likelihoods, scores)


def _blocks(pieces: Bags) -> Iterator[tuple[int, int]]:
    """The batch in parts of whole titles, each as its first title and the one after its last; a long one is alone."""
    first = 0
    while first < len(pieces.starts) - 1:
        begin = pieces.starts[first]
        last = int(np.searchsorted(pieces.starts, begin + _BLOCK_PIECES, side="right")) - 1
        last = min(max(last, first + 1), first + _BLOCK_TITLES)
        yield first, last
        first = last


def hidden(pieces: Bags, arrays: Arrays, tables: Tables) -> NDArray[np.float32]:
    """The network's hidden layer, shape (titles, hidden), from those words that have a meaning."""
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
        said = summed * (each / (ends - starts)[:, None].astype(np.float32))
        said += arrays.word_parts[rows[ends - 1], 1] * last
        said += arrays.word_parts[rows[starts], 2] * first
        found[titles[starts]] += said
    return np.maximum(found, 0, out=found)


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
    """How each major group's share is split among its codes: (titles, detailed), each group's sum is 1.

    A mixture of three opinions, since their product alone is too sure of itself (docs/experiments.md).
    Source: Genest, C., Zidek, J. V. (1986), Combining probability distributions, Statistical Science 1(1), 114-135.
    """
    # In float64: a small step of a weight, by which the weights are fitted, is lost in float32.
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
