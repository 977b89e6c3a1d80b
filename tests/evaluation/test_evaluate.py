"""Six counted rows and two others, small enough to work every figure out by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score

from jobmajor.errors import DataError
from jobmajor.evaluation.evaluate import evaluate

CLASSES = ("11-0000", "29-0000", "51-0000")
# title, code, codes, source, family; then the probability of each class
ROWS: list[tuple[str, str, list[str], str, int, list[float]]] = [
    ("Chief Executive Officer (CEO)", "11-1011", ["11-1011"], "alternate", 0, [0.90, 0.05, 0.05]),
    ("Nurse", "29-1141", ["29-1141"], "alternate", 1, [0.10, 0.80, 0.10]),
    ("Supervisor", "11-1021", ["11-1021", "51-1011"], "alternate", 2, [0.20, 0.10, 0.70]),
    ("Supervisor", "51-1011", ["11-1021", "51-1011"], "alternate", 2, [0.20, 0.10, 0.70]),
    ("Senior Press Machine Operator", "51-4031", ["51-4031"], "alternate", 3, [0.10, 0.60, 0.30]),
    ("Welders", "51-4121", ["51-4121"], "alternate", 4, [0.15, 0.25, 0.60]),
    ("CEO", "11-1011", ["11-1011"], "short", 0, [0.80, 0.10, 0.10]),
    ("Chief", "11-1011", ["11-1011"], "short", 0, [0.10, 0.10, 0.80]),
]


def _table(rows: list[Any] = ROWS) -> pl.DataFrame:
    columns = ["title", "code", "codes", "source", "family"]
    frame = pl.DataFrame([row[:5] for row in rows], schema=columns, orient="row")
    text = pl.col("title").str.to_lowercase().str.replace_all(r"[()]", "")
    return frame.with_columns(text.alias("text"))


def _scores(rows: list[Any] = ROWS) -> np.ndarray:
    return np.array([row[5] for row in rows], dtype=np.float32)


@pytest.fixture
def evaluation() -> dict[str, Any]:
    return evaluate(_table(), _scores(), CLASSES, seed=1)


def test_headline_figures_count_alternate_titles_alone(evaluation: dict[str, Any]) -> None:
    figures = evaluation["classification_metrics"]

    assert (figures["rows"], figures["titles"], figures["families"]) == (6, 5, 5)
    assert figures["test_accuracy"] == pytest.approx(4 / 6)
    truth, answer = [0, 1, 0, 2, 2, 2], [0, 1, 2, 2, 1, 2]
    assert figures["test_f1"] == pytest.approx(f1_score(truth, answer, average="weighted"))
    assert figures["test_f1_macro"] == pytest.approx(f1_score(truth, answer, average="macro"))


def test_any_listed_code_is_right_and_each_title_counts_once(evaluation: dict[str, Any]) -> None:
    assert evaluation["classification_metrics"]["test_any_code_accuracy"] == pytest.approx(4 / 5)


def test_every_headline_figure_lies_in_its_interval(evaluation: dict[str, Any]) -> None:
    figures = evaluation["classification_metrics"]

    for name, entry in figures["intervals"].items():
        assert entry["level"] == 0.95
        assert 0 <= entry["low"] <= figures[name] <= entry["high"] <= 1


def test_confusion_matrix_has_the_truth_in_rows(evaluation: dict[str, Any]) -> None:
    assert evaluation["confusion"] == {
        "classes": list(CLASSES),
        "matrix": [[1, 0, 1], [0, 1, 0], [0, 1, 2]],
    }


def test_each_class_has_its_official_name_and_figures(evaluation: dict[str, Any]) -> None:
    management = evaluation["per_class"][0]

    assert (management["code"], management["name"]) == ("11-0000", "Management Occupations")
    assert (management["precision"], management["recall"], management["f1"]) == (1, 0.5, pytest.approx(2 / 3))
    assert (management["support"], management["predicted"]) == (2, 1)


def test_slices_hold_the_rows_that_their_names_say(evaluation: dict[str, Any]) -> None:
    rows = {name: entry["rows"] for name, entry in evaluation["slices"].items()}

    assert rows == {
        "ambiguous": 2,
        "unambiguous": 4,
        "one word": 4,
        "four words or more": 2,
        "plural ending": 1,
        "abbreviation": 1,
        "parenthesised": 1,
        "seniority word": 2,
        "source: alternate": 6,
        "source: short": 2,
    }
    assert evaluation["slices"]["ambiguous"]["accuracy"] == 0.5
    assert evaluation["slices"]["source: short"]["accuracy"] == 0.5


def test_slice_without_rows_has_no_figure() -> None:
    found = evaluate(_table(ROWS[:2]), _scores(ROWS[:2]), CLASSES, seed=1)["slices"]

    assert found["ambiguous"] == {"rows": 0, "accuracy": None, "f1": None}


def test_confusions_come_with_the_titles_that_were_confused(evaluation: dict[str, Any]) -> None:
    assert evaluation["confusions"] == [
        {"truth": "11-0000", "predicted": "51-0000", "count": 1, "share": 0.5, "examples": ["Supervisor"]},
        {
            "truth": "51-0000",
            "predicted": "29-0000",
            "count": 1,
            "share": pytest.approx(1 / 3),
            "examples": ["Senior Press Machine Operator"],
        },
    ]


def test_examples_of_a_confusion_begin_with_the_surest_and_say_no_text_twice() -> None:
    confidence = {"Nurse": 0.6, "Lift Slab Nurse": 0.9, "lift slab nurse": 0.8}
    rows = [
        (title, "29-1141", ["29-1141"], "alternate", 0, [share, 1 - share, 0]) for title, share in confidence.items()
    ]

    found = evaluate(_table(rows), _scores(rows), CLASSES, seed=1)["confusions"]

    assert [(pair["count"], pair["examples"]) for pair in found] == [(3, ["Lift Slab Nurse", "Nurse"])]


def test_order_of_rows_changes_nothing(evaluation: dict[str, Any]) -> None:
    order = np.random.default_rng(2).permutation(len(ROWS))

    mixed = evaluate(_table()[order], _scores()[order], CLASSES, seed=1)

    assert json.dumps(_rounded(mixed)) == json.dumps(_rounded(evaluation))


def _rounded(value: Any) -> Any:
    """Without the last digits, in which sums differ with their order."""
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return round(value, 9) if isinstance(value, float) else value


def test_true_class_that_the_classifier_does_not_know_counts_as_wrong() -> None:
    two = evaluate(_table(), _scores()[:, :2], CLASSES[:2], seed=1)

    assert two["confusion"]["classes"] == list(CLASSES)
    assert two["classification_metrics"]["test_accuracy"] == pytest.approx(3 / 6)


def test_order_of_the_classifiers_classes_changes_nothing(evaluation: dict[str, Any]) -> None:
    backwards = evaluate(_table(), _scores()[:, ::-1], CLASSES[::-1], seed=1)

    assert backwards == evaluation


def test_evaluation_is_plain_json(evaluation: dict[str, Any]) -> None:
    assert json.loads(json.dumps(evaluation, allow_nan=False)) == evaluation


def test_share_of_untied_answers_is_told() -> None:
    scores = _scores()
    scores[0] = [0.4, 0.4, 0.2]

    found = evaluate(_table(), scores, CLASSES, seed=1)

    assert found["classification_metrics"]["untied_share"] == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        (_scores()[:3], r"shape \(3, 3\)"),
        (_scores()[:, :2], r"shape \(8, 2\)"),
        (np.where(_scores() == np.float32(0.9), np.nan, _scores()), "1 rows with a value that is no number"),
    ],
)
def test_probabilities_that_fit_no_table_are_refused(scores: np.ndarray, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        evaluate(_table(), scores, CLASSES, seed=1)


def test_table_without_a_row_to_count_is_refused() -> None:
    with pytest.raises(DataError, match="no row to count"):
        evaluate(_table(ROWS[6:]), _scores(ROWS[6:]), CLASSES, seed=1)
