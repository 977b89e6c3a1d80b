"""What the HTTP API says where the classification is another one than SOC 2018."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from jobmajor import soc
from jobmajor.review import taxonomy
from jobmajor.serve.messages import overrides
from jobmajor.serve.messages.parameters import RequestParameters
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.page import openapi
from jobmajor.soc import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAT = [(code, "", code) for code in ("damage", "delivery", "refund")]
DEEP = [
    ("A", "", "Account"),
    ("A1", "A", "Sign-in"),
    ("A1.1", "A1", "Lost password"),
    ("B", "", "Billing"),
    ("B1", "B", "Invoices"),
    ("B1.1", "B1", "Wrong amount"),
]
FOREIGN = re.compile(r"SOC 2018|O\*NET|ISCO|[Oo]ccupation|[Nn]urse|\d\d-\d{4}")


@pytest.fixture(params=[FLAT, DEEP], ids=["flat", "deep"])
def used(request: pytest.FixtureRequest) -> Iterator[chosen.Chosen]:
    found = chosen.build("Support tickets", request.param)
    soc.use(found)
    yield found
    soc.use(None)


def test_document_of_another_classification_has_nothing_of_soc(used: chosen.Chosen) -> None:
    found = openapi.document("1.0")

    text = json.dumps(found, ensure_ascii=False)
    assert not FOREIGN.findall(text)
    assert "Support tickets" in found["info"]["description"]
    assert found["components"]["schemas"]["Code"]["enum"][:-1] == list(soc.table())
    level = next(each for each in found["paths"]["/invocations"]["post"]["parameters"] if each["name"] == "level")
    assert level["schema"]["enum"] == [*used.levels, "all", "best"]
    assert '"name": "to"' not in text


def test_document_of_soc_is_the_same_after_another_one(used: chosen.Chosen) -> None:
    openapi.document("1.0")
    soc.use(None)

    found = json.dumps(openapi.document("1.0"))

    assert "29-1141" in found
    assert '"name": "to"' in found
    soc.use(used)


def test_crosswalk_is_refused_and_levels_that_differ_are_named(used: chosen.Chosen) -> None:
    with pytest.raises(Refusal, match="those of Support tickets, and no crosswalk leads from them: leave it out"):
        RequestParameters().updated({"to": "isco-08"}, "the query")
    levels = ", ".join(f"{level} ({name})" for level, name in zip(used.levels, used.labels, strict=True))
    with pytest.raises(Refusal, match=re.escape(f"expected one of {levels}, all, best")):
        RequestParameters().updated({"level": "huge"}, "the query")


def test_unknown_code_is_refused_with_the_name_of_the_classification(used: chosen.Chosen) -> None:
    with pytest.raises(Refusal, match=rf"expected a code of {used.name} such as '\w"):
        overrides.checked("29-1141", "the body", "code")


@pytest.mark.parametrize(("text", "first"), [("b1", "B1.1"), ("lost pass", "A1.1"), ("acc", "A")])
def test_code_is_found_by_its_beginning_or_by_words_of_its_name(text: str, first: str) -> None:
    soc.use(chosen.build("Support tickets", DEEP))
    try:
        assert taxonomy.search(text)[0] == first
    finally:
        soc.use(None)


def test_outline_names_each_level_that_differs_once(used: chosen.Chosen) -> None:
    assert [each["level"] for each in used.outline()["levels"]] == list(used.levels)
    assert used.outline()["texts"] == "plain"
