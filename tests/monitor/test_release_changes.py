"""What a release says differently from another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from jobmajor.errors import InputError
from jobmajor.monitor.release_changes import difference, write
from jobmajor.tables import formats

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.data.onet import Tables


def release(tables: Tables, name: str, titles: list[tuple[str, str]]) -> Tables:
    frame = pl.DataFrame(titles, schema=["title", "onet_code"], orient="row")
    return replace(tables, release=name, titles=frame)


def test_titles_that_came_went_and_moved_are_told_apart(tables: Tables) -> None:
    old = release(tables, "1.0", [("Cook", "35-2014.00"), ("Clerk", "43-4051.00"), ("Typist", "43-9022.00")])
    new = release(
        tables,
        "2.0",
        [("COOK", "35-2014.00"), ("Clerk", "43-4051.00"), ("Clerk", "43-9061.00"), ("Coder", "15-1251.00")],
    )

    found = difference(old, new)

    assert found.releases == ("1.0", "2.0")
    assert found.titles == (3, 3)
    assert [tuple(row) for row in found.added] == [("Coder", (), ("15-1251",))]
    assert [tuple(row) for row in found.gone] == [("Typist", ("43-9022",), ())]
    assert [tuple(row) for row in found.moved] == [("Clerk", ("43-4051",), ("43-4051", "43-9061"))]
    assert found.codes_added == ("15-1251", "43-9061")
    assert found.codes_gone == ("43-9022",)


def test_details_of_a_code_are_no_difference(tables: Tables) -> None:
    old = release(tables, "1.0", [("Cook", "35-2014.00")])
    new = release(tables, "2.0", [("Cook", "35-2014.01")])

    assert difference(old, new).moved == ()


def test_changed_titles_become_a_table_that_other_commands_read(tables: Tables, tmp_path: Path) -> None:
    old = release(tables, "1.0", [("Cook", "35-2014.00"), ("Clerk", "43-4051.00"), ("Typist", "43-9022.00")])
    new = release(tables, "2.0", [("Cook, Line", "35-2014.00"), ("Clerk", "43-4051.00"), ("Clerk", "43-9061.00")])
    path = tmp_path / "changed.csv"

    assert write(difference(old, new), path) == 4

    (block,) = formats.rows(path, ["title", "change", "before", "after"])
    assert [tuple(cells) for cells in block.cells] == [
        ("Clerk", "moved", "43-4051", "43-4051 43-9061"),
        ("Cook, Line", "added", "", "35-2014"),
        ("Cook", "gone", "35-2014", ""),
        ("Typist", "gone", "43-9022", ""),
    ]
    with pytest.raises(InputError, match="there already"):
        write(difference(old, new), path)
    with pytest.raises(InputError, match="in no folder"):
        write(difference(old, new), tmp_path / "none" / "changed.csv")
