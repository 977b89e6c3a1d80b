"""How much a title speaks for codes that training never saw, by their names and descriptions.

Three things say so: the counts of pieces, as if forms of the name and phrases of the description were titles of
training; how near the meanings of the title's words are to those of the name; and to those of the description. Their
weights were fitted on held-out occupations (docs/experiments.md).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.special import logsumexp

from jobmajor.data.examples import split_phrases
from jobmajor.model.linear import spelling, vectors
from jobmajor.model.linear.scoring import TINY, evidence, known_pieces
from jobmajor.settings import Linear
from jobmajor.titles import normalise, without_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.model.linear.arrays import Learned
    from jobmajor.model.linear.features import Bags

    Floats = NDArray[np.float64]

_BIAS, _COUNTS, _NAME, _DESCRIPTION = -4.9, 0.306, 5.07, 3.24  # fitted so that shares come true if each code is alike
_OFTEN = 2.0  # a class is added because titles of it are there: so much more often than those of another code
_PHRASE = 0.3  # of a title of training
_LARGEST = 30.0  # of a logarithm of odds
_SAY_NOTHING = re.compile(
    "a|an|and|are|as|be|by|etc|for|from|have|in|includes?|is|may|not|of|on|or|others?|such|than|that|the|their|these|"
    "they|this|to|using|who|with"
)


class Described:
    """The odds of classes against all that a model knows."""

    def __init__(self, learned: Learned, names: Sequence[Sequence[str]], descriptions: Sequence[str]) -> None:
        """Read the classes; without a description, the name stands for it.

        Args:
            learned: The model.
            names: The forms of each class's name, normalised.
            descriptions: What people in each class do.
        """
        self._learned = learned
        self._unknown = float(learned.arrays.gains.max())  # the gain of a word that training never saw
        phrases = [list(filter(None, map(normalise, split_phrases(text)))) for text in descriptions]
        described = [said or named for said, named in zip(phrases, names, strict=True)]
        self._names, self._descriptions = self._meanings(_lines(names)), self._meanings(_lines(described))
        smoothing, rows = Linear().smoothing, len(learned.arrays.gains)
        seen = csr_array(self._summed(names) + _PHRASE * self._summed(phrases))  # (classes, rows)
        self._totals = np.log(seen.sum(axis=1) + smoothing * rows)
        self._values = csr_array((np.log1p(seen.data / smoothing), seen.indices, seen.indptr), shape=seen.shape)

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the odds of each class for normalised titles, shape (titles, classes)."""
        arrays, tables = self._learned.arrays, self._learned.tables
        pieces, read = self._read(texts)
        known = evidence(pieces, arrays, tables).likelihoods.astype(np.float64)
        meanings = self._meanings(read)
        logs = _BIAS + np.log(_OFTEN) + _COUNTS * (self._likelihoods(pieces) - logsumexp(known, axis=1, keepdims=True))
        logs += _NAME * (meanings @ self._names.T) + _DESCRIPTION * (meanings @ self._descriptions.T)
        odds: NDArray[np.float32] = np.exp(np.minimum(logs, _LARGEST)).astype(np.float32)
        return odds

    def _likelihoods(self, pieces: Bags) -> Floats:
        """Return what `scoring.Evidence` has of the model's codes, of the classes: shape (titles, classes)."""
        titles = self._vectors(pieces)
        found: Floats = (titles @ self._values.T).toarray() - np.outer(titles.sum(axis=1), self._totals)
        return found

    def _vectors(self, pieces: Bags) -> csr_array:
        """Return the vectors of texts, shape (texts, rows), each of length 1."""
        found = known_pieces(pieces, self._learned.tables.rows, self._learned.arrays.gains)
        shape = len(pieces.starts) - 1, len(self._learned.arrays.gains)
        return csr_array((found.values.astype(np.float64), (found.titles, found.rows)), shape=shape)

    def _read(self, texts: Sequence[str]) -> tuple[Bags, Sequence[str]]:
        return spelling.read(texts, self._learned.arrays.gains, self._learned.tables)

    def _summed(self, texts: Sequence[Sequence[str]]) -> csr_array:
        """Return the sum of the vectors of each class's texts, shape (classes, rows)."""
        flat, owners = list(chain.from_iterable(texts)), np.repeat(np.arange(len(texts)), list(map(len, texts)))
        members = csr_array((np.ones(len(flat)), (owners, np.arange(len(flat)))), shape=(len(texts), len(flat)))
        return csr_array(members @ self._vectors(self._read(flat)[0]))

    def _meanings(self, texts: Sequence[str]) -> Floats:
        """Return the mean meaning of each text's words, rare ones counting more, as a vector of length 1 or 0."""
        pieces, read = self._read(texts)
        words = [word for text in read for word in without_rank(text).split()]
        distinct, inverse = np.unique(np.array(words, np.str_), return_inverse=True)
        meanings = np.array([_meaning(word) for word in distinct.tolist()]).reshape(-1, vectors.SIZE)
        rows = self._learned.tables.rows[pieces.words]
        gains = np.where(rows > 0, self._learned.arrays.gains[rows], self._unknown).astype(np.float64)
        owners = np.repeat(np.arange(len(texts)), np.diff(pieces.word_starts))
        found = csr_array((gains, (owners, inverse)), shape=(len(texts), len(distinct))) @ meanings
        scaled: NDArray[np.float64] = found / np.maximum(np.linalg.norm(found, axis=1), TINY)[:, None]
        return scaled


def _lines(texts: Sequence[Sequence[str]]) -> list[str]:
    return [" ".join(each) for each in texts]


@cache
def _mean() -> NDArray[np.float32]:
    mean: NDArray[np.float32] = vectors.shipped().values.mean(axis=0)
    return mean


@lru_cache(maxsize=2**14)
def _meaning(word: str) -> NDArray[np.float32]:
    """Return the vector of a word less the mean of all; zeros for one that has none or says nothing."""
    vector = None if _SAY_NOTHING.fullmatch(word) else vectors.shipped().of(word)
    return np.zeros(vectors.SIZE, np.float32) if vector is None else vector - _mean()
