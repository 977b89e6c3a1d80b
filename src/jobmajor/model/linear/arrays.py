"""The arrays of the linear model, checked against each other, and the weights of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.errors import ArtifactError
from jobmajor.model.linear.features import BUCKETS, WORD_BUCKETS, Bags
from jobmajor.model.linear.network import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Blend:
    """The weights of the model's parts; calibrated on validation, so that the scores are shares that come true.

    Attributes:
        linear: Factor of the linear model's margins inside their sigmoids.
        shift: Added to each margin times its factor.
        counts: Factor of the log shares that the counts give to the major groups.
        across: Sharpness of the counts across all codes.
        network: Factor of the log shares that the network gives to the major groups.
        within: Sharpness of the counts within one major group, when combined with the network.
        deeper: Sharpness of the network within one major group, when combined with the counts.
        within_alone: Sharpness of the counts within one major group, when used alone.
        deeper_alone: Sharpness of the network within one major group, when used alone.
        counts_share: The part of a major group's share that is split by the counts alone.
        network_share: The part that is split by the network alone; the rest is split by both combined.
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
    """The arrays of a trained model. Rows are the pieces seen in training; row 0 represents every other piece.

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
        word_parts: int8, (words, roles, hidden); what each adds to the network's hidden layer, in units of
        word_scales: float32, (roles, hidden); the roles are: one of the title's words, the last, the first.
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
        """Check types, shapes, indices and values of the arrays, and return them as one value.

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
            "word_parts": self.word_parts.shape == (words, ROLES, hidden),
            "word_scales": self.word_scales.shape == (ROLES, hidden),
            "outputs": self.outputs.shape == (hidden, codes),
            "output_bias": self.output_bias.shape == (codes,),
        }

    def tables(self) -> Tables:
        """Return the tables that say what the model knows of a bucket."""
        rows = np.zeros(BUCKETS, np.int32)
        rows[self.buckets[1:]] = np.arange(1, len(self.buckets), dtype=np.int32)
        words = np.full(BUCKETS - WORD_BUCKETS, -1, np.int32)
        words[self.word_buckets - WORD_BUCKETS] = np.arange(len(self.word_buckets), dtype=np.int32)
        return Tables(rows, words, self.word_checks)

    def to_mapping(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {name: np.ascontiguousarray(getattr(self, name)) for name in _TYPES}


@dataclass(frozen=True, slots=True)
class Tables:
    """The rows of the model's arrays by bucket.

    `rows`, shape (BUCKETS,), is the row of each, 0 where training never saw it; `words`, of the upper half of the
    buckets, the word of each, -1 where it has no meaning; `checks`, shape (words,), are those words' own.
    """

    rows: NDArray[np.int32]
    words: NDArray[np.int32]
    checks: NDArray[np.uint32]

    def meanings(self, pieces: Bags) -> NDArray[np.int32]:
        """Return the row of the meaning of each word, -1 where it has none; shape (words of the titles,).

        A check tells words apart that share a bucket.
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
class Learned:
    """Everything that compiled code needs for scores; `major_of`, shape (detailed,), gives each code's major group."""

    arrays: Arrays
    tables: Tables
    blend: Blend
    major_of: NDArray[np.int64]
