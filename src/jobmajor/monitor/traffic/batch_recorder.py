"""Recorded rows of a file that was coded, in the same layout as traffic: so many rows are one request.

Rows are kept in a file beside the captures until the run has ended, and only then recorded. So a run that was killed
and started again records no row twice.
"""

from __future__ import annotations

import csv
import io
import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from jobmajor.errors import InputError
from jobmajor.monitor.traffic.recorder import Bounds, Event, Recorder, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.random import Generator

_ROWS: Final = 200  # of an event
_KEPT: Final = ".recording-"  # begins the name of the file of a run in progress
_OLD_S: Final = 7 * 24 * 3600.0  # after which such a file is one of a killed run


@dataclass(frozen=True, slots=True)
class Rows:
    """Coded rows: how many, the title of each, and the columns of the answers with their cells."""

    count: int
    title: Callable[[int], str]
    names: Sequence[str]
    cells: Callable[[int], Sequence[object]]


@dataclass(slots=True)
class BatchRecorder:
    """Records a random sample of rows; use it in a `with` statement. After an error it records nothing.

    Attributes:
        folder: The folder of captures.
        share: The share of rows, above 0 to 1.
        rng: What draws them.
        bounds: What the folder may hold.
        recorded: The rows that were recorded, after the end.
    """

    folder: Path
    share: float
    rng: Generator
    bounds: Bounds = field(default_factory=Bounds)
    recorded: int = 0
    _drawn: int = 0
    _file: IO[bytes] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no share, or no folder."""
        if not 0 < self.share <= 1:
            raise InputError(f"the share of captured rows is {self.share:g}: expected above 0, and at most 1")
        self.folder = prepare(self.folder, "--capture")

    def __enter__(self) -> BatchRecorder:
        for left in self.folder.glob(f"{_KEPT}*"):
            if time.time() - left.stat().st_mtime > _OLD_S:
                left.unlink(missing_ok=True)
        path = self.folder / f"{_KEPT}{secrets.token_hex(6)}"
        path.touch(0o600)
        self._file = path.open("r+b")
        return self

    def add(self, rows: Rows) -> None:
        """Draw from some rows."""
        if self._file is None:
            raise ValueError("the recorder is not open")
        chosen = np.flatnonzero(self.rng.random(rows.count) < self.share).tolist()
        for first in range(0, len(chosen), _ROWS):
            some = chosen[first : first + _ROWS]
            body = json.dumps({"instances": [rows.title(row) for row in some]}).encode()
            answer = io.StringIO()
            csv.writer(answer, lineterminator="\n").writerows([rows.names, *map(rows.cells, some)])
            event = Event(datetime.now(UTC), "application/json", body, "text/csv", answer.getvalue().encode())
            line = event.line()
            if len(line) <= self.bounds.file_bytes:
                self._file.write(line)
                self._drawn += len(some)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        path = self.folder / str(self._file.name)
        try:
            if kind is None:
                self._record(self._file)
        finally:
            self._file.close()
            path.unlink(missing_ok=True)

    def _record(self, file: IO[bytes]) -> None:
        recorder, now = Recorder(self.folder, self.bounds), datetime.now(UTC)
        file.seek(0)
        try:
            for line in file:
                recorder.write(line, now)
        finally:
            recorder.close()
        self.recorded = self._drawn
