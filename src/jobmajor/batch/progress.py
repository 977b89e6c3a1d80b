"""The progress of a run over files, reported from time to time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

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
