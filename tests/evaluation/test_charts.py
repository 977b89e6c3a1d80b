from __future__ import annotations

import pytest

from jobmajor.evaluation import charts

CONFUSION = {"classes": ["11-0000", "23-0000"], "matrix": [[150, 50], [0, 0]]}
BIN = {"low": 0.8, "high": 0.9, "rows": 100, "confidence": 0.85, "accuracy": 0.5}


def test_square_says_its_share_of_its_row() -> None:
    found = charts.heatmap(CONFUSION)

    assert [(cell.text, cell.right, cell.depth) for cell in found.cells] == [
        ("75", True, 0.866),
        ("25", False, 0.5),
    ]
    assert found.cells[1].title == "11 Management, answered 23 Legal: 50 of 200 (25.0%)"
    assert (found.cells[1].x, found.cells[1].y) == (charts.CELL, charts.TOP)


def test_class_without_rows_keeps_its_label() -> None:
    labels = charts.heatmap(CONFUSION).labels

    assert [(label.code, label.digits, label.name, label.rows) for label in labels] == [
        ("11-0000", "11", "Management", 200),
        ("23-0000", "23", "Legal", 0),
    ]
    assert labels[1].title == "23-0000 Legal Occupations"


def test_rare_confusion_has_a_colour_but_no_figure() -> None:
    rare = charts.heatmap({"classes": ["11-0000", "23-0000"], "matrix": [[996, 4], [0, 1]]}).cells[1]

    assert rare.text == ""
    assert rare.depth > 0


def test_wilson_interval_is_the_published_one() -> None:
    # Newcombe, R. G. (1998), Statistics in Medicine 17, 857-872, table I: 81 of 263, and 0 of 20.
    assert charts.wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert charts.wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)


def test_bin_on_the_diagonal_stands_on_the_diagonal() -> None:
    found = charts.reliability_diagram([BIN | {"accuracy": 0.85}])
    (point,) = found.points

    assert point.x - found.left == pytest.approx(0.85 * found.plot)
    assert found.top + found.plot - point.y == pytest.approx(0.85 * found.plot)
    assert point.high < point.y < point.low


def test_bar_is_as_tall_as_answers_are_dense() -> None:
    found = charts.reliability_diagram([BIN, BIN | {"low": 0.9, "high": 0.95}])
    wide, narrow = (point.bar for point in found.points)

    assert (narrow[1], narrow[2]) == pytest.approx((wide[1] / 2, wide[2] * 2))
    assert narrow[2] == found.strip


def test_one_confidence_alone_has_a_bar_of_some_width() -> None:
    (point,) = charts.reliability_diagram([BIN | {"low": 0.25, "high": 0.25}]).points

    assert point.bar[1] > 0


@pytest.mark.parametrize(("least", "low"), [(0.731, 0.7), (0.04, 0.0), (0.98, 0.9), (1.0, 0.9)])
def test_axis_begins_at_the_tenth_below_the_least_figure(least: float, low: float) -> None:
    axis = charts.scale([0.99, least])

    assert axis.ticks[0] == low
    assert axis.ticks[-1] == 1
    assert (axis.at(low), axis.at(1)) == ("0.00%", "100.00%")
