"""Numbers of a workbook, and those that are written into one: no digit is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from jobmajor.tables import formats
from jobmajor.tables.block import Column, Reading

if TYPE_CHECKING:
    from pathlib import Path

VALUES = [*np.random.default_rng(0).random(20).tolist(), 0.1 + 0.2, 1e300, -1e-7, 1e15 + 0.5, 12.0, float(2**53), 1e20]


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_floats_keep_all_digits_in_a_workbook(ending: str, tmp_path: Path) -> None:
    source, target = tmp_path / f"in.{ending}", tmp_path / "out.xlsx"
    if ending == "parquet":
        parquet.write_table(pa.table({"title": ["nurse"] * len(VALUES), "n": VALUES}), source)
    else:
        book = openpyxl.Workbook()
        for row in [("title", "n"), *(("nurse", value) for value in VALUES)]:
            book.worksheets[0].append(row)
        book.save(source)
    made = formats.format_of(target)
    reader = formats.reader(source, Reading("title"), made)
    writer = formats.writer(target, made, reader.head(), [Column("code", "text", ("11",))], safe_cells=False)

    for block in reader.blocks(100):
        writer.write(block, [np.zeros(len(block), np.int16)])
    writer.close()
    reader.close()

    expected = VALUES if ending == "parquet" else [row[1] for row in _rows(source)]
    assert [row[1] for row in _rows(target)] == expected


def _rows(path: Path) -> list[tuple[object, ...]]:
    return list(openpyxl.load_workbook(path).worksheets[0].iter_rows(min_row=2, values_only=True))
