"""The gate on models that learned from real titles: a worse candidate is refused, one that loses a group is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from jobmajor.data import onet, prepare
from jobmajor.data.source import STARTER_FOLDER
from jobmajor.evaluation import behaviour, evaluate
from jobmajor.evaluation.checks import REFUSE
from jobmajor.evaluation.comparison import compare
from jobmajor.evaluation.gate import decide, inspect
from jobmajor.model import thresholds
from jobmajor.settings import Linear, Split
from jobmajor.steps import contest

if TYPE_CHECKING:
    from jobmajor.evaluation.comparison.compare import Side
    from jobmajor.model.classifier import Classifier

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("worse candidates")]  # five small models, once for all tests

GROUPS = ("15", "23", "29", "51", "53")
LEGAL = pl.col("code").str.starts_with("23")


def every(count: int) -> pl.Expr:
    return pl.int_range(pl.len()) % count == 0


@pytest.fixture(scope="module")
def parts() -> dict[str, pl.DataFrame]:
    """Five groups of the starter titles, with enough rows in the test to tell the groups apart."""
    split = prepare.prepare(onet.read(STARTER_FOLDER), Split(test=0.4))
    return {name: rows.filter(pl.col("code").str.head(2).is_in(GROUPS)) for name, rows in split.items()}


@pytest.fixture(scope="module")
def models(parts: dict[str, pl.DataFrame]) -> dict[str, tuple[Classifier, Side]]:
    train = parts["train"]
    legal, others = train.filter(LEGAL), train.filter(~LEGAL)
    tables = {
        "all titles": train,
        "a tenth": train.filter(every(10)),
        "a fifth of the other groups": pl.concat([others.filter(every(5)), legal]),
        "a tenth of legal": pl.concat([others, legal.filter(every(10))]),
        "legal shuffled": pl.concat([others, shuffled(legal, others)]),
    }
    fitted = {
        name: thresholds.fit(rows, parts["validation"], Linear(hidden=16, epochs=3), {})
        for name, rows in tables.items()
    }
    return {name: (model, contest.side(model, parts["test"])) for name, model in fitted.items()}


def shuffled(titles: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The titles under the codes of others."""
    coded = ["code", "codes", "listed_by", "onet_code"]
    return titles.with_columns(others.sample(len(titles), seed=1).select(coded))


def judged(
    parts: dict[str, pl.DataFrame], candidate: tuple[Classifier, Side], champion: tuple[Classifier, Side]
) -> dict[str, Any]:
    (model, side), test = candidate, parts["test"]
    titles = contest.counted(test)["title"].to_list()
    body = evaluate.evaluate(test, *side.answers, seed=1) | {
        "behaviour": behaviour.behaviour(model.predict_proba, titles, side.kept),
        "champion": compare.compare(test, side, champion[1], seed=1),
    }
    return body | {"gate": inspect(body)}


def held(evaluation: dict[str, Any]) -> list[str]:
    return [check["name"] for check in evaluation["gate"]["checks"] if check["holds"]]


def failed(evaluation: dict[str, Any]) -> list[str]:
    return [check["name"] for check in evaluation["gate"]["checks"] if check["passed"] is False]


@pytest.mark.parametrize("worse", ["a tenth", "legal shuffled"])
def test_candidate_that_learned_less_is_refused(
    parts: dict[str, pl.DataFrame], models: dict[str, tuple[Classifier, Side]], worse: str
) -> None:
    found = judged(parts, models[worse], models["all titles"])

    assert "F1 drop against the champion" in failed(found)
    assert decide(found, 0.0).outcome == REFUSE


def test_candidate_that_loses_one_group_alone_is_left_to_a_person(
    parts: dict[str, pl.DataFrame], models: dict[str, tuple[Classifier, Side]]
) -> None:
    found = judged(parts, models["a tenth of legal"], models["a fifth of the other groups"])

    comparison = found["champion"]
    assert comparison["difference"] > 0
    assert [group["code"] for group in comparison["groups"] if group["verdict"] == "worse"] == ["23-0000"]
    assert "groups against the champion" in held(found)
    assert "F1 drop against the champion" not in failed(found)
    reason = next(check["reason"] for check in found["gate"]["checks"] if check["name"].startswith("groups"))
    assert "Legal Occupations (23-0000): F1 " in reason


def test_same_model_passes_against_itself(
    parts: dict[str, pl.DataFrame], models: dict[str, tuple[Classifier, Side]]
) -> None:
    found = judged(parts, models["all titles"], models["all titles"])

    against = [check for check in found["gate"]["checks"] if "against" in check["name"]]
    assert len(against) == 4
    assert {(check["passed"], check["holds"]) for check in against} == {(True, False)}
    assert found["champion"]["changes"] == {"rows": 0, "titles": 0, "lost_titles": 0, "largest": []}
    assert held(found) == []
