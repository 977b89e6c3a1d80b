"""Report and model card of a project with a classification of its own."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.evaluation import charts, report
from jobmajor.evaluation.evaluate import evaluate
from jobmajor.model import translate
from jobmajor.soc import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS = 70
FOREIGN = re.compile(r"(?i)SOC\b|O\\?\*NET|occupation|job title|major group|direct match")


@pytest.fixture(params=["label {:02}", "L{:02}"], ids=["long", "short"])
def labels(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    found = [request.param.format(place) for place in range(GROUPS)]
    soc.use(chosen.build("tickets", [(label, "", label) for label in found]))
    yield found
    soc.use(None)


def evaluation(labels: list[str]) -> dict[str, Any]:
    rows = [*labels, *labels[:50]]
    frame = pl.DataFrame({"title": [f"text {place}" for place in range(len(rows))], "code": rows})
    frame = frame.with_columns(
        text=pl.col("title"),
        codes=pl.col("code").map_elements(lambda code: [code], pl.List(pl.String)),
        source=pl.lit("alternate"),
        family=pl.col("title"),
    )
    shares = np.full((len(rows), GROUPS), 0.001, dtype=np.float32)
    shares[np.arange(len(rows)), [labels.index(row) for row in rows]] = 0.9
    found = evaluate(frame, shares, labels, seed=0)
    return found | {"dataset": {"release": chosen.OWN_TEXTS, "tasks": 0, "direct_match_titles": 0}}


def test_report_and_card_have_nothing_of_onet_and_soc(labels: list[str]) -> None:
    found = evaluation(labels)

    pages = [re.sub(r"(?s)<style>.*</style>", "", report.render(copy.deepcopy(found))), report.card(found)]

    for page in pages:
        assert not FOREIGN.findall(page)
        assert not re.findall(r"(?i)(?<!-)\btitles?\b", re.sub(r"<[^>]*>", " ", page))
        assert "the project&#39;s own texts" in page or "the project's own texts" in page
        assert "labels of tickets" in page


def test_many_groups_are_cut_and_the_report_says_so(labels: list[str]) -> None:
    found = evaluation(labels)

    page, card = report.render(found), report.card(found)

    assert "The 40 with the most rows are shown; 30 others are in the table of groups." in page
    assert "<summary>10 more</summary>" in page
    assert "10 more are in `evaluation.json`." in card
    drawn = charts.heatmap(found["confusion"])
    assert [label.rows for label in drawn.labels] == [2] * 40
    assert max(len(label.digits) for label in drawn.labels) <= 4


def test_label_that_is_its_own_name_is_named_once_in_the_heat_map(labels: list[str]) -> None:
    page = report.render(evaluation(labels))

    assert page.count(f"<title>{labels[0]}</title>") == 3
    assert f"{labels[0]} {labels[0]}" not in page


@pytest.mark.usefixtures("labels")
def test_crosswalk_from_another_classification_is_refused() -> None:
    with pytest.raises(InputError, match="belongs to SOC 2018, and the codes here are"):
        translate.to(None, "isco-08")  # type: ignore[arg-type]
