"""The commonest titles of a long stream, counted in bounded memory and without a Python object for each row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from jobmajor.tables import memo_table
from jobmajor.tables.memo import picked
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

_MOST: Final = 100_000  # different titles that are kept


@dataclass(frozen=True, slots=True)
class _Counted:
    """Some titles with their rows and the labels of their answers; `keys` may repeat."""

    titles: Packed
    keys: NDArray[np.uint64]
    rows: Counts
    labels: Counts

    @classmethod
    def joined(cls, parts: list[_Counted]) -> _Counted:
        """Return all titles of several parts, in order."""
        columns = ([getattr(part, name) for part in parts] for name in ("keys", "rows", "labels"))
        return cls(Packed.joined([part.titles for part in parts]), *map(np.concatenate, columns))

    def distinct(self, most: int) -> _Counted:
        """Return each title once, the `most` with the most rows, in the order of their first occurrence."""
        keys, firsts, index = np.unique(self.keys, return_index=True, return_inverse=True)
        rows = np.bincount(index, self.rows, len(keys)).astype(np.int64)
        chosen = np.lexsort((firsts, -rows))[:most]
        chosen = chosen[np.argsort(firsts[chosen])]
        kept = firsts[chosen]
        return _Counted(picked(self.titles, kept), keys[chosen], rows[chosen], self.labels[kept])


@dataclass(slots=True)
class Commonest:
    """Counts titles.

    Counts are exact for up to 100,000 different titles. Beyond, the rarest are forgotten from time to time, and what
    they had is lost.
    """

    _parts: list[_Counted] = field(default_factory=list)
    _waiting: int = 0

    def add(self, titles: Packed, rows: Counts, labels: Counts) -> None:
        """Count titles, each with so many rows, and with the label of its answer."""
        part = _Counted(titles, memo_table.hash_titles(titles)[:, 0], rows, labels).distinct(len(titles))
        self._parts.append(part)
        self._waiting += len(part.keys)
        if self._waiting > _MOST:
            self._parts, self._waiting = [self._kept()], 0

    def _kept(self) -> _Counted:
        return _Counted.joined(self._parts).distinct(_MOST)

    def most(self, count: int) -> list[tuple[str, int, int]]:
        """Return the titles with the most rows, their rows and labels, the commonest first; of equal ones by text."""
        if not self._parts:
            return []
        kept = self._kept()
        least = np.partition(kept.rows, -count)[-count] if len(kept.rows) > count else 0
        chosen = np.flatnonzero(kept.rows >= least).tolist()
        rows, labels = kept.rows.tolist(), kept.labels.tolist()
        found = [(kept.titles.title(index), rows[index], labels[index]) for index in chosen]
        return sorted(found, key=lambda each: (-each[1], each[0]))[:count]
