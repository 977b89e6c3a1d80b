"""Titles that resemble another are found by their words, rare words first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.data import similar
from jobmajor.titles import normalise

FEW = similar.Titles(
    {
        "Registered Nurse": ["29-1141"],
        "Nurse Manager": ["29-1141", "11-9111", "29-1141"],
        "Truck Driver": ["53-3032"],
        "Sales Manager": ["11-2022"],
    }
)


def test_title_itself_is_wholly_alike_whatever_its_case_and_order() -> None:
    best, *_ = FEW.find("NURSE, registered")

    assert (best.title, best.codes) == ("Registered Nurse", ("29-1141",))
    assert best.alike == pytest.approx(1.0)


def test_alike_is_the_weight_of_shared_words_as_a_share_of_all() -> None:
    found = {each.title: each.alike for each in FEW.find("nurse")}

    rare, common = 1 + math.log(4 / 1), 1 + math.log(4 / 2)  # of four titles one has "registered", two have "nurse"
    assert found["Registered Nurse"] == pytest.approx(common / (rare + common))
    assert found["Nurse Manager"] == pytest.approx(common / (2 * common))


def test_codes_stand_once_and_ascend() -> None:
    assert FEW.find("nurse manager")[0].codes == ("11-9111", "29-1141")


def test_last_word_may_be_half_typed_and_others_may_not() -> None:
    assert FEW.find("truck dri")[0].title == "Truck Driver"
    assert [each.title for each in FEW.find("tru driver")] == ["Truck Driver"]
    assert FEW.find("tru driver")[0].alike < FEW.find("truck dri")[0].alike
    assert FEW.find("tr") == []  # two letters begin too much


def test_equal_ones_stand_in_the_order_of_their_letters_and_no_more_than_asked_for() -> None:
    titles = similar.Titles({f"Manager {letter}": ["11-1021"] for letter in "cab"})

    assert [each.title for each in titles.find("manager", 2)] == ["Manager a", "Manager b"]


@pytest.mark.parametrize("text", ["", "–", "zzqx", "\ud800", "护士"])
def test_what_resembles_nothing_finds_nothing(text: str) -> None:
    assert FEW.find(text) == []


def test_starter_titles_are_all_there_with_detailed_codes() -> None:
    found = similar.starter().find("Chief Executive Officer (CEO)")

    assert found[0].title == "Chief Executive Officer (CEO)"
    assert set(found[0].codes) <= soc.detailed_codes()


@given(text=st.text(max_size=80))
def test_any_text_finds_titles_in_falling_order_within_bounds(text: str) -> None:
    found = similar.starter().find(text)

    shares = [each.alike for each in found]
    assert shares == sorted(shares, reverse=True)
    assert all(0.2 <= share <= 1 + 1e-9 for share in shares)
    assert not found or normalise(text)
