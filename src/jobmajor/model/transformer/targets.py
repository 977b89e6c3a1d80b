"""The titles and codes of training and validation as numbers, each distinct title once.

A title that stands under several codes is one example whose truth is shared among them, in proportion to the rows
that list it; given once per row instead, it would contradict itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from jobmajor import soc
from jobmajor.data.examples import COUNTED
from jobmajor.errors import DataError

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Lessons:
    """Distinct training titles; `shares` has shape (texts, codes), each row sums to 1."""

    texts: tuple[str, ...]
    codes: tuple[str, ...]
    shares: csr_array


@dataclass(frozen=True, slots=True)
class Trial:
    """The counted rows of validation.

    `row_text` is the index of each row in the distinct `texts`, `truth` that of its code in the codes of training, and
    `major` that of its major group; one past the last for a code that training never saw. All have shape (rows,).
    """

    texts: tuple[str, ...]
    row_text: NDArray[np.int64]
    truth: NDArray[np.int64]
    major: NDArray[np.int64]


def lessons(train: pl.DataFrame) -> Lessons:
    """Return the distinct titles of `train` with the codes that list them.

    Raises:
        DataError: Titles of fewer than two codes.
    """
    codes = tuple(sorted(train["code"].unique()))
    if len(codes) < 2:
        raise DataError("the training titles", f"{len(codes)} codes", "two or more", "use more titles")
    texts = train["text"].unique().sort()
    coordinates = texts.search_sorted(train["text"]).to_numpy(), np.searchsorted(codes, train["code"].to_numpy())
    listed = csr_array((np.ones(len(train)), coordinates), shape=(len(texts), len(codes)))  # rows that list each pair
    listed.data /= np.repeat(listed.sum(axis=1), np.diff(listed.indptr))
    return Lessons(tuple(texts), codes, listed)


def trial(validation: pl.DataFrame, codes: tuple[str, ...]) -> Trial:
    """Return the rows that decide between epochs.

    Raises:
        DataError: There is none.
    """
    # In order, because the temperatures' sums over the rows round differently in another one.
    counted = validation.filter(validation["source"] == COUNTED).sort("text", "code")
    if counted.is_empty():
        raise DataError("the validation table", "no row to count", f"rows with source {COUNTED!r}", "run prepare again")
    texts = counted["text"].unique().sort()
    column = {code: index for index, code in enumerate(codes)}
    groups = {major: index for index, major in enumerate(majors(codes))}
    return Trial(
        tuple(texts),
        texts.search_sorted(counted["text"]).to_numpy().astype(np.int64),
        np.array([column.get(code, len(codes)) for code in counted["code"]]),
        np.array([groups.get(soc.ancestor(code, "major"), len(groups)) for code in counted["code"]]),
    )


def majors(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the major groups of the codes, in order."""
    return tuple(sorted({soc.ancestor(code, "major") for code in codes}))


def group_sizes(codes: tuple[str, ...]) -> list[int]:
    """Return how many of the codes each major group has; the codes of a group are side by side."""
    _, sizes = np.unique([soc.ancestor(code, "major") for code in codes], return_counts=True)
    return [int(size) for size in sizes]


def digest(learned: Lessons, judged: Trial) -> str:
    """Return the sha256 of all data, 64 hex digits: training resumes from a checkpoint of the same data only."""
    total = hashlib.sha256()
    for texts in (learned.texts, learned.codes, judged.texts):
        total.update("\n".join((*texts, "\0")).encode("utf-8", "surrogatepass"))
    shares = learned.shares
    for array in (shares.indptr, shares.indices, judged.row_text, judged.truth):
        total.update(array.astype("<i8").tobytes())
    total.update(shares.data.astype("<f8").tobytes())
    return total.hexdigest()
