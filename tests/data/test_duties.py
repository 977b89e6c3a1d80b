"""The texts that say what people in an occupation do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from jobmajor.data import examples

if TYPE_CHECKING:
    from jobmajor.data.onet import Tables


def test_release_without_task_statements_has_no_duties(starter: Tables) -> None:
    assert examples.duties(starter) is None


def test_duties_are_the_distinct_tasks_and_descriptions_of_detailed_codes(starter: Tables) -> None:
    rows = [("29-1141.01", "Care."), ("29-1141.00", "Care."), ("11-1011.00", "Lead.")]
    tasks = pl.DataFrame(rows, schema=["onet_code", "text"], orient="row")
    occupations = pl.DataFrame(
        [("29-1141.00", "Registered Nurses", "Assess patients.")],
        schema=["onet_code", "title", "description"],
        orient="row",
    )

    found = examples.duties(replace(starter, tasks=tasks, occupations=occupations))

    assert found is not None
    assert found.rows() == [
        ("11-1011", "Lead.", "task"),
        ("29-1141", "Assess patients.", "description"),
        ("29-1141", "Care.", "task"),
    ]
