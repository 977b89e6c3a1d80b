"""What a listing is worth: nothing by itself, more by each further source, and everything where the SOC has spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.model.rules import weights
from jobmajor.model.rules.listed import CONTRADICTED, DIRECT, MEMBER, OFFICIAL, Listed, learn
from jobmajor.soc import employment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

DIRECTOR, CASHIER, CHANGE, NURSE, SOLDIER = "27-2012", "41-2011", "41-2012", "29-1141", "55-3016"
CODES = tuple(sorted([DIRECTOR, CASHIER, CHANGE, NURSE, SOLDIER]))
MODEL = np.array([0.5, 0.25, 0.125, 0.1, 0.025], np.float32)  # of 27-2012, 29-1141, 41-2011, 41-2012, 55-3016
Row = tuple[str, str, str, str]  # text, code, source of the form, O*NET's sources


def rows(*found: Row) -> pl.DataFrame:
    return pl.DataFrame(found, schema=["text", "code", "source", "read_in"], orient="row")


def weigh(table: pl.DataFrame) -> Listed:
    columns = np.searchsorted(CODES, table["code"].to_numpy())
    model = weights.Model(CODES, lambda texts: np.tile(MODEL, (len(texts), 1)))
    return weights.weigh(learn(table["text"].to_list(), columns), table, model)


def shares(listed: Listed, text: str) -> Mapping[str, float]:
    (found,) = listed.weigh(listed.find([text])[1], MODEL[None])
    return dict(zip(CODES, found.tolist(), strict=True))


def kind(listed: Listed, text: str) -> int:
    return int(listed.kinds[listed.find([text])[1][0]])


def test_listing_of_one_source_changes_nothing() -> None:
    listed = weigh(rows(("clerk", NURSE, "alternate", "08")))

    assert list(shares(listed, "clerk").values()) == pytest.approx(MODEL.tolist())
    assert kind(listed, "clerk") == CONTRADICTED  # the model says 27


def test_listing_that_the_model_agrees_with_is_not_contradicted() -> None:
    assert kind(weigh(rows(("clerk", DIRECTOR, "alternate", "08"))), "clerk") == 0
    assert kind(weigh(rows(("clerk", NURSE, "alternate", "02,08"))), "clerk") == 0
    two = weigh(rows(("clerk", NURSE, "alternate", "08"), ("clerk", CASHIER, "alternate", "08")))
    assert kind(two, "clerk") == 0


def test_sources_of_all_rows_count_once_each() -> None:
    table = rows(("clerk", NURSE, "alternate", "02,04"), ("clerk", NURSE, "alternate", "04,08,10"))
    factor = 4**0.4

    found = shares(weigh(table), "clerk")

    assert found[NURSE] / found[DIRECTOR] == pytest.approx(factor * 0.25 / 0.5, rel=1e-5)
    assert found[CASHIER] / found[DIRECTOR] == pytest.approx(0.125 / 0.5, rel=1e-5)


def test_employment_weighs_codes_of_one_title_against_each_other() -> None:
    table = rows(("till clerk", CASHIER, "alternate", "04"), ("till clerk", CHANGE, "alternate", "04"))
    persons = employment.persons()
    more, fewer = persons[CASHIER], persons[CHANGE]
    assert more is not None
    assert fewer is not None

    found = shares(weigh(table), "till clerk")

    factor = ((more + 5_000) / (fewer + 5_000)) ** 0.1
    assert found[CASHIER] / found[CHANGE] == pytest.approx(factor * 0.125 / 0.1, rel=1e-5)
    assert found[CHANGE] / found[DIRECTOR] == pytest.approx(0.1 / 0.5, rel=1e-5)


def test_official_title_has_nearly_everything_in_the_plural_and_the_singular() -> None:
    table = rows(("cashier", CASHIER, "occupation_singular", ""), ("cashiers", CASHIER, "occupation", ""))

    listed = weigh(table)

    assert listed.marks.tolist() == [OFFICIAL, OFFICIAL]
    for text in ("cashier", "cashiers"):
        assert shares(listed, text)[CASHIER] == pytest.approx(0.97 + 0.03 * 0.125)
        assert kind(listed, text) == OFFICIAL


def test_member_of_a_list_in_an_official_title_is_more_likely_but_not_settled() -> None:
    listed = weigh(rows(("director", DIRECTOR, "occupation_singular", "")))

    found = shares(listed, "director")

    assert listed.marks.tolist() == [MEMBER]
    assert found[DIRECTOR] / found[NURSE] == pytest.approx(np.exp(1.5) * 0.5 / 0.25, rel=1e-5)
    assert kind(listed, "director") == 0


def test_occupation_of_onet_that_the_soc_does_not_name_is_a_listing_like_others() -> None:
    assert weigh(rows(("acute care nurses", NURSE, "occupation", ""))).marks.tolist() == [0]


def test_direct_match_beats_any_listing() -> None:
    table = rows(("pt", SOLDIER, "direct match", ""), ("pt", DIRECTOR, "alternate", "01,02,03,04,05,06"))

    found = shares(weigh(table), "pt")

    assert found[SOLDIER] == pytest.approx(0.97 + 0.03 * 0.025)
    assert sum(found.values()) == pytest.approx(1)


def test_two_official_titles_share_by_what_else_is_known() -> None:
    # Both codes count as named: by a Direct Match each.
    table = rows(("x", NURSE, "direct match", ""), ("x", CASHIER, "direct match", ""))

    found = shares(weigh(table), "x")

    assert found[NURSE] > found[CASHIER] > 0.03
    assert found[NURSE] + found[CASHIER] == pytest.approx(0.97 + 0.03 * 0.375)


def test_derived_form_that_was_left_out_as_a_repetition_counts() -> None:
    table = rows(("cashier", CASHIER, "alternate", "02")).with_columns(
        pl.Series("codes", [[CASHIER]]), pl.Series("listed_by", [["alternate+occupation_singular"]])
    )

    assert weigh(table).marks.tolist() == [OFFICIAL | 1]


def test_tables_that_say_no_more_than_codes_will_do() -> None:
    table = rows(("clerk", NURSE, "alternate", "08")).drop("read_in")

    assert list(shares(weigh(table), "clerk").values()) == pytest.approx(MODEL.tolist())


SOURCES = st.sampled_from(["", "02", "02,04", "02,04,06,08,10"])
KINDS = st.sampled_from(["alternate", "parenthesised", "direct match", "occupation"])


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b b", "director"]), st.sampled_from(CODES), KINDS, SOURCES), max_size=9)
)
def test_shares_sum_to_one_and_none_is_negative(found: Sequence[Row]) -> None:
    table: Any = rows(*found)

    listed = weigh(table) if len(found) else Listed.none()

    again = Listed.from_mapping(listed.to_mapping(), len(CODES))
    for text in {row[0] for row in found}:
        weighed: NDArray[np.float32] = again.weigh(again.find([text])[1], MODEL[None])
        assert weighed.sum() == pytest.approx(1, abs=1e-5)
        assert weighed.min() >= 0
    assert not (listed.marks & DIRECT).any() or "direct match" in {row[2] for row in found}
