"""A second text beside the title, such as duties or a department: how much it speaks for each detailed code.

Each code has a centroid: the mean of what O*NET says that people in the occupation do (`centroids` makes it). A text is
compared with all of them by its words, each cut to its first letters. The result is pooled with the title's shares:
shares times context_shares ** weight, made to sum to 1 again.
Source: Genest, C., Zidek, J. V. (1986), Combining probability distributions, Statistical Science 1(1), 114-135.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from jobmajor.errors import ArtifactError
from jobmajor.tables.packed import Packed
from jobmajor.titles import normalise
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LONGEST = 4000  # characters of a context that are read; O*NET's tasks and descriptions have up to 400
_FILE = "context.safetensors"
_STEM = 5  # letters of a word that count: "supervise", "supervisor" and "supervision" are one term
_BATCH = 256  # texts at a time: some 10 MB of scores


def terms(text: str) -> tuple[str, ...]:
    """Return the distinct terms of a context, sorted.

    >>> terms("Supervise nurses; supervised by the nurse's supervisor")
    ('by', 'nurse', 'super', 'the')
    """
    return tuple(sorted({word[:_STEM] for word in normalise(text[:LONGEST]).split()}))


def hashed(found: Iterable[Sequence[str]]) -> NDArray[np.uint64]:
    """Return the hash of each term, of all texts one after another."""
    return Packed.of(list(chain.from_iterable(found))).hashes()


@dataclass(frozen=True, slots=True)
class Context:
    """The centroids of the detailed codes as sparse arrays, and how strongly they speak.

    Attributes:
        names: uint64, (terms,); the hash of each term, ascending.
        gains: float32, (terms,); the weight of each in a text's vector: its inverse document frequency.
        starts: int32, (terms + 1,); each term's part of the next two.
        columns: int16, (entries,); columns of the detailed codes.
        values: float32, (entries,); the term's gain times its part of the code's centroid, a vector of length 1.
        strength: float32, (2,); the weight of the context for a long text, and the length at which it is half of that.
    """

    names: NDArray[np.uint64]
    gains: NDArray[np.float32]
    starts: NDArray[np.int32]
    columns: NDArray[np.int16]
    values: NDArray[np.float32]
    strength: NDArray[np.float32]

    def compared(self, texts: Sequence[str], codes: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return each text's product with each centroid, shape (texts, codes), and its vector's length, shape (texts,).

        Terms that no centroid has are left out; a text without any other has length 0.
        """
        found = [terms(text) for text in texts]
        names = hashed(found)
        rows = np.minimum(np.searchsorted(self.names, names), max(len(self.names) - 1, 0))
        known = self.names[rows] == names
        owners, rows = np.repeat(np.arange(len(texts)), [len(each) for each in found])[known], rows[known]
        lengths = np.sqrt(np.bincount(owners, self.gains[rows].astype(np.float64) ** 2, len(texts)))
        begins = self.starts[rows].astype(np.int64)
        counts = self.starts[rows + 1] - begins
        entries = np.arange(counts.sum()) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
        cells = np.repeat(owners * codes, counts) + self.columns[entries]
        products = np.bincount(cells, self.values[entries], len(texts) * codes).reshape(len(texts), codes)
        return products.astype(np.float32), lengths.astype(np.float32)

    def pooled(self, shares: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the shares of titles, shape (titles, codes), pooled with the context of each.

        A title without context, or whose context has no known term, keeps its shares.
        """
        found = shares.copy()
        for start in range(0, len(texts), _BATCH):
            block = texts[start : start + _BATCH]
            row_of = {text: row for row, text in enumerate(dict.fromkeys(block))}
            products, lengths = self.compared(list(row_of), shares.shape[1])
            rows = np.array([row_of[text] for text in block])
            spoken = np.flatnonzero(lengths[rows])
            rows = rows[spoken]
            found[start + spoken] = pool(shares[start + spoken], products[rows], lengths[rows], self.strength)
        return found

    def widened(self, codes: Sequence[str], texts: Mapping[str, str]) -> Context:
        """Return these centroids, whose columns are `codes`, with those of other codes, each made of one text.

        The columns are all codes, ascending.
        """
        every = sorted({*codes, *texts})
        rows = [np.repeat(np.arange(len(self.names)), np.diff(self.starts))]
        columns, values = [np.searchsorted(every, codes)[self.columns]], [self.values]
        for code, text in texts.items():
            known = np.flatnonzero(np.isin(self.names, hashed([terms(text)])))
            length = np.sqrt((self.gains[known] ** 2).sum())
            rows.append(known)
            columns.append(np.full(len(known), every.index(code)))
            values.append(self.gains[known] ** 2 / max(length, 1.0))
        order = np.lexsort((np.concatenate(columns), np.concatenate(rows)))
        return replace(
            self,
            starts=np.searchsorted(np.concatenate(rows)[order], np.arange(len(self.names) + 1)).astype(np.int32),
            columns=np.concatenate(columns)[order].astype(np.int16),
            values=np.concatenate(values)[order].astype(np.float32),
        )

    def check(self, codes: int) -> Context:
        """Return these arrays if they fit each other and a model of so many codes.

        Raises:
            ArtifactError: They don't.
        """
        count, entries = len(self.names), len(self.columns)
        fits = (
            count > 0
            and bool((self.names[1:] > self.names[:-1]).all())
            and self.gains.shape == (count,)
            and self.starts.shape == (count + 1,)
            and (self.starts[0], self.starts[-1]) == (0, entries)
            and bool((np.diff(self.starts) >= 0).all())
            and self.values.shape == (entries,)
            and bool(((self.columns >= 0) & (self.columns < codes)).all())
            and self.strength.shape == (2,)
            and all(bool(np.isfinite(array).all()) for array in (self.gains, self.values, self.strength))
            and bool((self.gains > 0).all() and (self.strength > 0).all())
        )
        if not fits:
            raise ArtifactError("the model's context does not fit its codes, or is damaged: train it again")
        return self

    def save(self, folder: Path) -> None:
        """Write the arrays into a model's folder."""
        arrays = {item.name: np.ascontiguousarray(getattr(self, item.name)) for item in fields(self)}
        publish.write_file(folder / _FILE, save_arrays(arrays))


def pool(
    shares: NDArray[np.float32],
    products: NDArray[np.float32],
    lengths: NDArray[np.float32],
    strength: NDArray[np.floating[Any]],
) -> NDArray[np.float32]:
    """Return shares times exp(weight * product / (length + half)), each row's sum 1; all of shape (titles, codes).

    `strength` is (weight, half). A short text gets less weight than its cosine alone would give it.
    """
    most, half = (float(value) for value in strength)
    logs = products * (most / (lengths.astype(np.float64) + half))[:, None]
    highest = logs.max(axis=1, keepdims=True, initial=0, where=shares > 0)  # so that a share is left, however strong
    powers = shares * np.exp(np.minimum(logs - highest, 0))
    found: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


_TYPES = {
    "names": "uint64",
    "gains": "float32",
    "starts": "int32",
    "columns": "int16",
    "values": "float32",
    "strength": "float32",
}


def load(folder: Path, codes: int) -> Context | None:
    """Read what `save` wrote; None if the model has no context.

    Raises:
        ArtifactError: The arrays are damaged or foreign.
    """
    if not (folder / _FILE).is_file():
        return None
    arrays = load_arrays((folder / _FILE).read_bytes())
    if {name: str(array.dtype) for name, array in arrays.items() if array.ndim == 1} != _TYPES:
        raise ArtifactError(f"{folder / _FILE} holds other arrays than a model's context: train it again")
    return Context(**arrays).check(codes)
