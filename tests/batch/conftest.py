"""Tables with many titles, of which parts are new in every part of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORDS = ["nurse", "welder", "cook", "driver", "teacher", "clerk", "engineer", "analyst", "guard", "painter"]


@pytest.fixture
def table() -> Callable[[Path, int, int], Path]:
    """Writes so many rows, each title so many times in a row, as the path's ending says."""

    def written(path: Path, rows: int, times: int) -> Path:
        titles = [f"senior {WORDS[row // times % 10]} {row // times}" for row in range(rows)]
        frame = pl.DataFrame({"id": [f"{row:07d}" for row in range(rows)], "title": titles})
        if path.suffix == ".parquet":
            frame.write_parquet(path)
        else:
            frame.write_csv(path)
        return path

    return written
