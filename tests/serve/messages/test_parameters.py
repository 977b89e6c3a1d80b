"""What a client chooses is taken from any of the three places, and refused by its name."""

from __future__ import annotations

from typing import Any

import pytest

from jobmajor import soc
from jobmajor.serve.messages.parameters import RequestParameters, attributes
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.service.service import from_environment


def test_texts_of_a_query_and_values_of_json_mean_the_same() -> None:
    texts = RequestParameters().updated({"level": "all", "top_k": "3", "exact": "False"}, "the query")

    assert texts == RequestParameters(soc.LEVELS, 3, exact=False)
    assert RequestParameters().updated({"level": "all", "top_k": 3, "exact": False}, "'parameters'") == texts
    assert RequestParameters().updated({"top_k": 3.0}, "'parameters'").top_k == 3  # JSON has one kind of numbers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("level", "majör"),
        ("level", None),
        ("level", ["major"]),
        ("top_k", 0),
        ("top_k", 101),
        ("top_k", 2.5),
        ("top_k", True),
        ("top_k", "²"),
        ("top_k", "9" * 5000),
        ("exact", "perhaps"),
        ("exact", 1),
        ("to", "isco"),
        ("to", None),
        ("topk", 1),
        ("\ud800", 1),
    ],
)
def test_what_is_none_of_the_choices_is_422_by_name(name: str, value: Any) -> None:
    with pytest.raises(Refusal) as refused:
        RequestParameters().updated({name: value}, "the query")

    assert refused.value.status == 422
    assert refused.value.field == (name if name in ("level", "top_k", "exact", "to") else "the query")
    refused.value.to_bytes()


def test_level_is_one_of_the_classification_asked_for() -> None:
    isco = RequestParameters().updated({"level": "4", "to": "isco-08"}, "the query")

    assert (isco.levels, isco.level_names, isco.prefixes) == (("detailed",), ("4",), ("isco_4",))
    assert isco.updated({"to": "soc-2018"}, "'parameters'").level_names == ("detailed",)
    assert isco.updated({"level": "2"}, "'parameters'").levels == ("minor",)
    with pytest.raises(Refusal, match="'level' in the query is '4': expected one of major, minor"):
        RequestParameters().updated({"level": "4", "to": "soc-2010"}, "the query")
    with pytest.raises(Refusal, match="expected one of 1, 2, 3, 4, all, best"):
        RequestParameters().updated({"level": "5", "to": "isco-08"}, "the query")


def test_header_for_custom_attributes_is_the_client_s_and_only_our_names_count() -> None:
    assert attributes("trace-1, level=minor ,x=y,top_k=2,level") == {"level": "", "top_k": "2"}
    assert attributes("c000b4f9-df62-4c85-a0bf-7c525f9104a4") == {}


def test_environment_of_an_image_says_what_is_usual_there() -> None:
    found = from_environment({"JOBMAJOR_LEVEL": "detailed", "JOBMAJOR_TOP_K": "1", "SAGEMAKER_BATCH": "true"})

    assert found.defaults == RequestParameters(("detailed",), 1)
    assert found.limits.answer_s > 60
    assert from_environment({}).limits.answer_s < 60


def test_best_level_asks_for_all_levels_and_shows_one_set_of_columns() -> None:
    best = RequestParameters().updated({"level": "best"}, "the query")

    assert (best.levels, best.is_best, best.level_names) == (soc.LEVELS, True, ("",))
    assert not best.updated({"level": "all"}, "the query").is_best
    assert best.updated({"top_k": 2}, "the query").is_best
