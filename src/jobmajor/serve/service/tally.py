"""Numbers in memory that the service's processes share: each process writes to its own row, and all read the sums.

Memory is shared with the processes that are forked later. No lock is needed, since a cell has one writer. What a worker
has counted stays when it crashes, and the worker in its place counts on.
"""

from __future__ import annotations

import mmap
import threading

_NAMED, _NAME_BYTES = 512, 120  # cells with a name in each row, and the bytes of a name
HASHED = 1024  # cells for clients, of which there are any number
_USED = 0  # the cell that holds how many names a row has
_ROW = 1 + _NAMED


class Tally:
    """Rows of numbers: first those with a name, then `groups` times `HASHED` numbers for hashed names."""

    def __init__(self, rows: int = 1, groups: int = 0) -> None:
        self.rows, self.row = rows, 0
        self._width = _ROW + groups * HASHED
        self._cells = memoryview(mmap.mmap(-1, 8 * rows * self._width)).cast("d")
        self._names = mmap.mmap(-1, rows * _NAMED * _NAME_BYTES)
        self._cell_of: dict[str, int] = {}
        self._naming = threading.Lock()

    def enter(self, row: int, *, volatile: tuple[str, ...] = ()) -> None:
        """Write to another row from now on. Its `volatile` numbers and hashed ones, which a crash left, become 0."""
        self.row = row
        first = row * self._width
        self._cell_of = {name: first + cell for cell, name in enumerate(self._names_of(row), 1)}
        for name in volatile:
            self.set(name, 0.0)
        for cell in range(first + _ROW, first + self._width):
            self._cells[cell] = 0.0

    def add(self, name: str, amount: float = 1.0) -> None:
        """Add to this process's number of that name."""
        cell = self._cell_of.get(name) or self._named(name)
        self._cells[cell] += amount

    def set(self, name: str, value: float) -> None:
        """Set this process's number of that name."""
        self._cells[self._cell_of.get(name) or self._named(name)] = value

    def of(self, name: str, row: int) -> float:
        """Return a row's number of that name; 0 if it has none."""
        names = self._names_of(row)
        return self._cells[row * self._width + 1 + names.index(name)] if name in names else 0.0

    def sums(self) -> dict[str, float]:
        """Return the sum over all rows of each named number."""
        found: dict[str, float] = {}
        for row in range(self.rows):
            for cell, name in enumerate(self._names_of(row), row * self._width + 1):
                found[name] = found.get(name, 0.0) + self._cells[cell]
        return found

    def hold(self, group: int, holder: str, amount: float) -> None:
        """Add to this process's number for a holder."""
        self._cells[self.row * self._width + _ROW + _hashed(group, holder)] += amount

    def held(self, group: int, holder: str) -> float:
        """Return the sum over all rows for a holder; holders with the same hash share their number."""
        cell = _ROW + _hashed(group, holder)
        return sum(self._cells[cell + row * self._width] for row in range(self.rows))

    def _names_of(self, row: int) -> list[str]:
        first, used = row * _NAMED * _NAME_BYTES, int(self._cells[row * self._width + _USED])
        raw = self._names[first : first + used * _NAME_BYTES]
        starts = range(0, len(raw), _NAME_BYTES)
        return [raw[start : start + _NAME_BYTES].rstrip(b"\0").decode() for start in starts]

    def _named(self, name: str) -> int:
        """Return the cell of a new name. The name is written first, so that nobody reads half of it."""
        with self._naming:
            if name in self._cell_of:  # another thread was faster
                return self._cell_of[name]
            first = self.row * self._width
            used, raw = int(self._cells[first + _USED]), name.encode()
            if used >= _NAMED or len(raw) > _NAME_BYTES:
                raise ValueError(f"no cell is left for {name!r}: names must be few and short")
            start = (self.row * _NAMED + used) * _NAME_BYTES
            self._names[start : start + len(raw)] = raw
            self._cells[first + _USED] = used + 1
            self._cell_of[name] = first + 1 + used
            return self._cell_of[name]


def _hashed(group: int, holder: str) -> int:
    """Return the cell of a holder; the empty name, for all holders together, has the first one to itself."""
    return group * HASHED + (1 + hash(holder) % (HASHED - 1) if holder else 0)
