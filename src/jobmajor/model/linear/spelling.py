"""One slip of the finger: an unknown word that is one edit from a word of the training titles is read as that word.

Without it, one swapped or dropped letter changed the answer of 23 in 100 titles; with it, of 4 (docs/experiments.md).
No list of words is kept: a word counts as one of training's if training saw its bucket and those of all its runs of
letters, which no other word does by chance.
Source of the edits: Damerau, F. (1964), Commun. ACM 7(3), 171-176; a letter replaced by another is left out, since it
makes other words ("belt" and "bell") too easily.
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
        gains: The model's, shape (rows,): the commonest word has the least.
        tables: The model's.

    Returns:
        The pieces of the texts as they are read, and these texts. A text with a mended word loses its words of rank.
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
    for place in np.flatnonzero(strange).tolist():
        title = int(title_of[place])
        own = words[title]
        at = place - int(found.word_starts[title])
        if own[at] not in nearest:
            nearest[own[at]] = _nearest(own[at], *model)
        own[at] = nearest[own[at]]
        read[title] = " ".join(own)
    return read


def _strange(found: Bags, tables: Tables) -> NDArray[np.bool_]:
    """Which words neither training saw nor a meaning is known of; shape (words,)."""
    strange: NDArray[np.bool_] = (tables.rows[found.words] == 0) & (tables.meanings(found) < 0)
    return strange


def _nearest(word: str, gains: NDArray[np.float32], tables: Tables) -> str:
    """The commonest word of training that is one edit away, the first of equals; the word itself where none is."""
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
    places = range(len(word))
    yield from (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places[:-1])
    yield from (word[:at] + word[at + 1 :] for at in places)
    yield from (word[:at] + letter + word[at:] for at in (*places, len(word)) for letter in LETTERS)
