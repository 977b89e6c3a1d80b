"""Typing errors: an unknown word that is one edit from a word of the training titles is read as that word.

Without this, one swapped or dropped letter changes the answer to 23 of 100 titles; with it, to 4 (docs/experiments.md).
The model has no list of words. A word counts as a training word if training saw its bucket and the buckets of all its
runs of letters; other words practically never meet that by chance.
Source of the edits: Damerau, F. (1964), Commun. ACM 7(3), 171-176. Replaced letters are left out, because they too
often make another word ("belt" and "bell").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobmajor.model.linear.features import bags
from jobmajor.titles import without_rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.linear.arrays import Tables
    from jobmajor.model.linear.features import Bags

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHORTEST, LONGEST = 4, 24  # letters, before and after; of shorter words too many are one edit apart


def read(texts: Sequence[str], gains: NDArray[np.float32], tables: Tables) -> tuple[Bags, Sequence[str]]:
    """Read each unknown word as the nearest of training's words, if one is near.

    Args:
        texts: As `titles.normalise` gives them.
        gains: The gains of the model, shape (rows,); the most common word has the smallest.
        tables: The tables of the model.

    Returns:
        The pieces of the mended texts, and these texts. A text with a mended word loses its words of rank.
    """
    found = bags(texts)
    strange = _strange(found, tables)
    if not strange.any():
        return found, texts
    mended = _mended(texts, found, strange, (gains, tables))
    return bags(mended), mended


def _mended(
    texts: Sequence[str], found: Bags, strange: NDArray[np.bool_], model: tuple[NDArray[np.float32], Tables]
) -> list[str]:
    title_of = np.repeat(np.arange(len(texts)), np.diff(found.word_starts))
    read = list(texts)
    words = {title: without_rank(texts[title]).split() for title in np.unique(title_of[strange]).tolist()}
    nearest: dict[str, str] = {}
    for index in np.flatnonzero(strange).tolist():
        title = int(title_of[index])
        title_words = words[title]
        at = index - int(found.word_starts[title])
        if title_words[at] not in nearest:
            nearest[title_words[at]] = _nearest(title_words[at], *model)
        title_words[at] = nearest[title_words[at]]
        read[title] = " ".join(title_words)
    return read


def _strange(found: Bags, tables: Tables) -> NDArray[np.bool_]:
    """Return which words training has not seen and the model has no vector for, shape (words,)."""
    strange: NDArray[np.bool_] = (tables.rows[found.words] == 0) & (tables.meanings(found) < 0)
    return strange


def _nearest(word: str, gains: NDArray[np.float32], tables: Tables) -> str:
    """Return the most common training word that is one edit away, the first of equals; the word itself if none is."""
    if not (SHORTEST <= len(word) <= LONGEST and word.isascii() and word.isalpha()):
        return word
    candidates = [edit for edit in edits(word) if len(edit) >= SHORTEST]
    found = bags(candidates)
    all_known = np.logical_and.reduceat(tables.rows[found.buckets] > 0, found.starts[:-1])
    if not all_known.any():
        return word
    return candidates[int(np.where(all_known, gains[tables.rows[found.words]], np.inf).argmin())]


def edits(word: str) -> Iterator[str]:
    """Yield every word that is one swap of neighbours, one letter less or one letter more away, in this order.

    >>> "nurse" in edits("nusre"), "nurse" in edits("nrse"), "nurse" in edits("nursse")
    (True, True, True)
    """
    positions = range(len(word))
    yield from (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in positions[:-1])
    yield from (word[:at] + word[at + 1 :] for at in positions)
    yield from (word[:at] + letter + word[at:] for at in (*positions, len(word)) for letter in LETTERS)
