"""What a release says differently from another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from jobmajor.monitor.release_changes import difference

if TYPE_CHECKING:
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
