"""What a run over files tells: its progress from time to time, and each note about its files once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_INTERVAL_S = 0.2  # between two reports of progress


@dataclass(frozen=True, slots=True)
class Progress:
    """A run's progress: rows so far, share of the input (0 to 1), rows a second, and seconds left (None at first)."""

    rows: int
    share: float
    rows_per_s: float
    left_s: float | None


class Reporter:
    """Reports the progress of a run from time to time."""

    def __init__(self, tell: Callable[[Progress], None] | None, count: int) -> None:
        self._tell, self._jobs = tell, count
        self._began = self._last = time.monotonic()

    def of(self, number: int) -> Callable[[int, float], None]:
        """Return the function to call for a job, with all rows so far and the share of that job."""

        def told(rows: int, share: float) -> None:
            now = time.monotonic()
            if self._tell and now - self._last >= _INTERVAL_S:
                self._last, spent = now, now - self._began
                whole = (number + share) / self._jobs
                left = spent * (1 - whole) / whole if whole > 0 else None
                self._tell(Progress(rows, whole, rows / spent, left))

        return told


class Notes:
    """Collects notes."""

    def __init__(self, said: Iterable[str] = ()) -> None:
        """Begin with what is to be said of the run as a whole."""
        self._said = list(said)
        self._files: dict[str, list[str]] = {}

    def say(self, note: str) -> None:
        """Add what is to be said of the run as a whole."""
        self._said.append(note)

    def add(self, path: Path, notes: Iterable[str]) -> None:
        """Take what is to be said of one file."""
        for note in notes:
            self._files.setdefault(note, []).append(str(path))

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each note, with the first file that it is true of.

        >>> from pathlib import Path
        >>> notes = Notes()
        >>> notes.add(Path("a.csv"), ["read as Windows-1252"])
        >>> notes.add(Path("b.csv"), ["read as Windows-1252"])
        >>> notes.lines
        ('a.csv and 1 more: read as Windows-1252',)
        """
        of_files = (
            f"{files[0]}{f' and {len(files) - 1} more' if len(files) > 1 else ''}: {note}"
            for note, files in self._files.items()
        )
        return (*self._said, *of_files)
