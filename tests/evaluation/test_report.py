"""The page is read as a browser reads it: parsed, not searched, wherever that is what matters."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest

from jobmajor import soc
from jobmajor.errors import DataError
from jobmajor.evaluation.bootstrap import Interval
from jobmajor.evaluation.comparison.paired import Paired
from jobmajor.evaluation.evaluate import evaluate
from jobmajor.evaluation.gate import decide, inspect
from jobmajor.evaluation.report import attribution, card, render

HOSTILE = "<script>alert('1')</script><img src=//evil> | `x` [y](z)"
VOID = {"meta", "link", "img", "br", "input"}


class _Page(HTMLParser):
    """What a browser would make of the page: its tags, its text, and the tags left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open = "", list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


@pytest.fixture(scope="module")
def evaluation() -> dict[str, Any]:
    """An evaluation over all 23 groups of a made-up classifier that is right three times in four."""
    rng = np.random.default_rng(0)
    majors, rows = soc.majors(), 460
    truth = np.arange(rows) % 23
    codes = [majors[place][:2] + "-1011" for place in truth]
    frame = pl.DataFrame({"title": [f"{HOSTILE} {row}" for row in range(rows)], "code": codes}).with_columns(
        pl.col("title").str.to_lowercase().alias("text"),
        pl.concat_list("code").alias("codes"),
        pl.lit("alternate").alias("source"),
        pl.Series("family", np.arange(rows) // 2),
    )
    answer = np.where(rng.random(rows) < 0.75, truth, rng.integers(23, size=rows))
    scores = rng.random((rows, 23)) * 0.1
    scores[np.arange(rows), answer] = rng.uniform(0.2, 3, size=rows)
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    body = evaluate(frame, probabilities, majors, seed=1)
    return body | {"dataset": {"release": "28.1", "seed": 2140, "rows": {"train": 1000, "test": rows}}}


@pytest.fixture(scope="module")
def decided(evaluation: dict[str, Any]) -> dict[str, Any]:
    inspected = evaluation | {"gate": inspect(evaluation)}
    return inspected | {"decision": decide(inspected, 0.75).to_dict()}


def test_page_loads_nothing(decided: dict[str, Any]) -> None:
    html = render(decided)
    page = _Page(html)

    assert not {tag for tag, _ in page.tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "image",
        "use",
    }
    assert not [
        attributes for _, attributes in page.tags if {"src", "href", "srcset", "xlink:href"} & attributes.keys()
    ]
    assert not re.search(r"https?:|url\(|@import", html)
    policy = dict(next(attributes for _, attributes in page.tags if "http-equiv" in attributes))
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_every_tag_of_the_page_is_closed(decided: dict[str, Any]) -> None:
    assert _Page(render(decided)).open == []


def test_title_that_is_markup_is_shown_as_text(decided: dict[str, Any]) -> None:
    assert any(HOSTILE in example for pair in decided["confusions"] for example in pair["examples"])

    html = render(decided)

    assert "<script" not in html
    assert "<img" not in html
    assert HOSTILE in _Page(html).text


def test_page_names_all_23_major_groups(decided: dict[str, Any]) -> None:
    text = _Page(render(decided)).text

    assert len(soc.majors()) == 23
    for code in soc.majors():
        assert f"{code} {soc.name(code)}" in text


def test_page_shows_every_headline_figure_with_its_interval(decided: dict[str, Any]) -> None:
    text = _Page(render(decided)).text
    figures = decided["classification_metrics"]

    for name, entry in figures["intervals"].items():
        assert f"{figures[name]:.3f}" in text
        assert f"{entry['low']:.3f} to {entry['high']:.3f}" in text


def test_page_says_why_a_candidate_was_refused(decided: dict[str, Any]) -> None:
    text = _Page(render(decided)).text

    assert not decided["decision"]["passed"]
    assert "Refused" in text
    for check in decided["gate"]["checks"]:
        assert check["reason"] in text


def test_page_says_that_a_candidate_was_accepted(evaluation: dict[str, Any]) -> None:
    decision = {"passed": True, "threshold": 0.7, "test_f1": 0.8, "checks": (), "reasons": ()}

    text = _Page(render(evaluation | {"decision": decision})).text

    assert "Accepted" in text
    assert "0.800 is above the threshold of 0.700" in text


def test_page_shows_the_comparison_with_the_champion(evaluation: dict[str, Any]) -> None:
    champion = {
        "comparable": True,
        "rows": 460,
        "candidate_f1": 0.76,
        "champion_f1": 0.75,
        "difference": 0.01,
        "interval": {"low": -0.002, "high": 0.022, "level": 0.95},
        "won": 9,
        "lost": 4,
    }

    text = _Page(render(evaluation | {"champion": champion})).text

    assert "+0.0100" in text
    assert "-0.0020 to +0.0220" in text


def _pair(champion: float, candidate: float, verdict: str | None, **more: Any) -> dict[str, Any]:
    difference = candidate - champion
    ends = {"low": difference - 0.01, "high": difference + 0.01, "level": 0.95} if verdict else None
    both = {"champion": champion, "candidate": candidate, "difference": difference}
    return {**both, "interval": ends, "verdict": verdict, **more}


def test_page_has_both_models_side_by_side_and_the_titles_whose_answer_changed(evaluation: dict[str, Any]) -> None:
    changed = {
        "title": HOSTILE,
        "rows": 2,
        "effect": 1.5,
        "truth": ["23-0000"],
        "candidate": "29-0000",
        "champion": "23-0000",
        "candidate_share": 0.7,
        "champion_share": 0.9,
        "right": "champion",
    }
    champion = {
        "comparable": True,
        "rows": 460,
        "candidate_f1": 0.76,
        "champion_f1": 0.75,
        "difference": 0.01,
        "interval": {"low": -0.002, "high": 0.022, "level": 0.95},
        "won": 9,
        "lost": 4,
        "levels": {"minor": _pair(0.5, 0.53, "better")},
        "behaviour": {"upper_case": _pair(1.0, 1.0, "no difference")},
        "groups": [
            _pair(0.8, 0.6, "worse", code="23-0000", name="Legal Occupations", rows=29),
            _pair(0.0, 0.0, None, code="55-0000", name="Military Specific Occupations", rows=3),
        ],
        "changes": {"rows": 52, "titles": 26, "lost_titles": 26, "largest": [changed] * 26},
    }
    body = evaluation | {"champion": champion}
    gate = inspect(body)

    html = render(body | {"gate": gate, "decision": decide(body | {"gate": gate}, 0.0).to_dict()})

    page = _Page(html)
    text = " ".join(page.text.split())
    assert page.open == []
    assert "<script" not in html
    assert "23-0000 Legal 29 0.800 0.600 −0.200 worse" in text
    assert "Right code, minor level 0.500 0.530 +0.030 better" in text
    assert "Answer kept: upper case 1.000 1.000 +0.000" in text
    assert f"{HOSTILE} 2 23 Legal 23 Legal 0.900 29 Healthcare Practitioners and Technical 0.700 the champion" in text
    assert "6 more" in text  # 20 are shown
    assert gate["outcome"] == "refuse"  # this evaluation has no behaviour


@pytest.mark.parametrize("part", ["gate", "decision"])
def test_page_says_that_a_person_has_to_decide(evaluation: dict[str, Any], part: str) -> None:
    inspected = inspect(evaluation) | {"outcome": "hold", "passed": True}
    checks = [*inspected["checks"], {**inspected["checks"][0], "passed": None, "holds": True}]
    decision = {"outcome": "hold", "passed": True, "reasons": ["legal lost"], "test_f1": 0.8, "threshold": 0.7}
    body = evaluation | {
        "gate": inspected | {"checks": checks},
        **({"decision": decision} if part == "decision" else {}),
    }

    text = _Page(render(body)).text

    assert "Held for a person" in text
    assert "?" in text


def test_reviewed_titles_stand_beside_the_champions_in_page_and_card(evaluation: dict[str, Any]) -> None:
    levels = {
        "major": {"titles": 1240, "accuracy": 0.6, **_pair(0.5, 0.6, "better")},
        "detailed": {"titles": 12, "accuracy": 0.25},
    }
    body = evaluation | {"reviewed": {"titles": 1252, "levels": levels}}

    page = _Page(render(body))

    text = " ".join(page.text.split())
    assert page.open == []
    assert "1,252 of the titles that people reviewed" in text
    assert "Right code, major level 1,240 0.500 0.600 +0.100 better +0.090 to +0.110" in text
    assert "Right code, detailed level 12 – 0.250 –" in text
    line = next(line for line in card(body).splitlines() if "reviewed titles" in line)
    assert "trained (1,252): major level 0.600 of 1,240 titles (champion 0.500; difference +0.100, 95 %" in line
    assert line.endswith("; detailed level 0.250 of 12 titles.")


def test_reviewed_titles_without_a_champion_have_figures_and_no_comparison(evaluation: dict[str, Any]) -> None:
    body = evaluation | {"reviewed": {"titles": 40, "levels": {"major": {"titles": 40, "accuracy": 0.6}}}}

    text = " ".join(_Page(render(body)).text.split())

    assert "Right code, major level 40 – 0.600 –" in text
    assert "There is no champion to compare with" in text
    assert "Reviewed titles" not in render(evaluation)
    assert "reviewed titles" not in card(evaluation)


def test_page_says_why_there_is_no_comparison(evaluation: dict[str, Any]) -> None:
    html = render(evaluation | {"champion": {"comparable": False, "reason": "another <split>"}})

    assert "Not compared: another &lt;split&gt;" in html
    assert "did not learn from" not in html


def test_titles_new_to_a_champion_of_other_data_are_shown(evaluation: dict[str, Any]) -> None:
    pair = Paired(0.8, 0.9, Interval(-0.12, -0.08)).to_json()
    unseen = {"titles": 4499, "levels": {"major": pair}}

    html = render(evaluation | {"champion": {"comparable": False, "reason": "another release", "unseen": unseen}})

    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "Not compared on the whole test: another release" in text
    assert "4,499 titles of the test" in text
    assert "Right code, major level 4,499 0.900 0.800 −0.100 worse −0.120 to −0.080" in text


def test_titles_whose_answer_changed_are_shown_as_text(evaluation: dict[str, Any]) -> None:
    behaviour = {"changed": {"upper_case": ["<b>Nurse"], "zero_width": []}}

    html = render(evaluation | {"gate": inspect(evaluation), "behaviour": behaviour})

    assert "upper case: &lt;b&gt;Nurse" in html


def test_page_needs_nothing_but_what_evaluate_returns(evaluation: dict[str, Any]) -> None:
    body = {key: value for key, value in evaluation.items() if key != "dataset"}

    assert "data of unknown release" in render(body)
    assert "Not taken yet." in card(body)


def test_same_evaluation_gives_the_same_page(decided: dict[str, Any]) -> None:
    assert render(decided) == render(decided)


def test_evaluation_without_a_part_is_refused_by_name(evaluation: dict[str, Any]) -> None:
    body = {key: value for key, value in evaluation.items() if key != "confusion"}

    with pytest.raises(DataError, match="no 'confusion'"):
        render(body)


@pytest.mark.parametrize("make", [render, card])
def test_attribution_stands_only_with_titles_of_onet(evaluation: dict[str, Any], make: Any) -> None:
    onet = make(evaluation).replace("\\", "")
    starter = make(evaluation | {"dataset": {"release": "starter"}})

    assert "the O*NET 28.1 Database by the U.S. Department of Labor" in onet
    assert "has not approved, endorsed, or tested these modifications" in " ".join(onet.split())
    assert "U.S. Department of Labor, Employment" not in starter
    assert "own starter titles" in starter


def test_data_of_unknown_release_are_attributed_in_case_they_are_onets() -> None:
    for release in (None, "unknown", "28.1; DROP"):
        assert attribution(release).startswith("The release of the data is not known.")
        assert "the O*NET Database by the U.S. Department of Labor" in attribution(release)


def test_card_has_every_section_and_group(decided: dict[str, Any]) -> None:
    text = card(decided)

    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        *("Intended use", "Data", "Figures", "Where it errs", "Decision", "Limits", "People"),
        "Licence and attribution",
    ]
    assert all(f"| {code} {soc.name(code)} |" in text for code in soc.majors())


def test_card_names_the_weakest_groups_that_have_enough_rows_worst_first(evaluation: dict[str, Any]) -> None:
    codes, rows = soc.majors()[:8], (19, 20, 30, 40, 50, 60, 70, 80)
    scores = (0.0, 0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6)
    groups = [
        {"code": code, "name": soc.name(code), "support": count, "precision": 0.5, "recall": 0.5, "f1": score}
        for code, count, score in zip(codes, rows, scores, strict=True)
    ]

    line = next(line for line in card(evaluation | {"per_class": groups}).splitlines() if "lowest F1" in line)

    assert [float(score) for score in re.findall(r"\((0\.\d+)\)", line)] == [0.1, 0.2, 0.3, 0.6, 0.7]


def test_fact_in_the_card_can_not_become_markup(evaluation: dict[str, Any]) -> None:
    text = card(evaluation | {"model": {"recipe": "a|b <script> `x`\n# heading"}})

    assert r"- Model recipe: a\|b \<script\> \`x\` \# heading" in text
