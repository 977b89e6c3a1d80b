"""The data baseline, which needs no model."""

from __future__ import annotations

import polars as pl

from jobmajor.monitor import profile


def test_data_baseline_counts_what_can_be_counted_by_hand() -> None:
    rows = [
        ("Ward Nurse", "29-1141", 0),
        ("ward nurse (RN)", "29-1141", 0),  # "rn" stands in this family only
        ("NURSE", "29-1141", 1),
        ("Cook 2", "35-2014", -1),  # no family, so "cook" is known by the next row
        ("cook", "35-2014", -1),
        ("", "35-2014", 2),
    ]
    examples = pl.DataFrame(rows, schema=["title", "code", "family"], orient="row")

    found = profile.data_baseline(examples, "a release")

    flagged = {name: count for name, count in found.flagged().items() if count}
    assert found.total == 6
    assert flagged == {
        "29-0000": 3,
        "35-0000": 3,
        "empty": 1,
        "unknown word": 3,  # both titles of the first family, whose "ward" no other has, and the 2
        "no lower case": 1,
        "digit": 1,
        "one word": 2,
    }
    assert found.confidence.sum() == 0
    assert found.about == {"kind": "training", "source": "a release", "column": "title", "unit": None, "model": None}


def test_order_of_the_examples_changes_no_data_baseline() -> None:
    rows = [("nurse", "29-1141", 0), ("line cook", "35-2014", 1), ("cook", "35-2014", 2)]
    frame = pl.DataFrame(rows, schema=["title", "code", "family"], orient="row")

    found = [profile.data_baseline(each, "").to_json() for each in (frame, frame.reverse())]

    assert found[0] == found[1]


def test_data_baseline_of_no_example_has_no_row() -> None:
    schema = {"title": pl.String, "code": pl.String, "family": pl.Int64}

    assert profile.data_baseline(pl.DataFrame(schema=schema), "").total == 0
