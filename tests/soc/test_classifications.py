from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.soc import classifications, crosswalks

OFFICIAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "soc" / "isco_2008_soc_2010.csv"
DETAILED = st.sampled_from(soc.codes("detailed"))
OTHERS = st.sampled_from([classifications.SOC_2010, classifications.ISCO_08])
ISCO = classifications.of("isco-08")


def test_isco_has_the_official_number_of_codes_at_each_level() -> None:
    sizes = [sum(len(code) == digits for code in ISCO.titles) for digits in (1, 2, 3, 4)]

    assert sizes == [10, 43, 130, 436]


def test_titles_of_isco_are_those_of_the_official_crosswalk() -> None:
    if not OFFICIAL.is_file():
        pytest.skip("needs ../shared/data/soc/isco_2008_soc_2010.csv: the official crosswalk")
    with OFFICIAL.open(newline="", encoding="utf-8-sig") as file:
        official = {row["isco2008"]: row["isco2008_title"] for row in csv.DictReader(file)}

    assert {code: ISCO.titles[code] for code in official} == official


def test_groups_of_2010_with_the_official_number_have_titles() -> None:
    titles = classifications.of("soc-2010").titles

    assert len(titles) == 23 + 97 + 461 + 840
    assert titles["15-1100"] == "Computer Occupations"
    assert titles["25-0000"] == "Education, Training, and Library Occupations"  # renamed in 2018


@given(OTHERS, DETAILED)
def test_shares_of_the_counterparts_are_one_together(name: str, code: str) -> None:
    shares = classifications.of(name).counterparts(code)

    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) > 0


@given(OTHERS, DETAILED, st.sampled_from(soc.LEVELS))
def test_every_counterpart_has_a_titled_group_at_every_level(name: str, code: str, level: soc.Level) -> None:
    other = classifications.of(name)

    for counterpart in other.counterparts(code):
        assert other.titles[other.ancestor(counterpart, level)]


@given(DETAILED)
def test_counterparts_with_shares_are_those_of_the_crosswalks(code: str) -> None:
    assert tuple(crosswalks.shares_2010(code)) == crosswalks.to_2010(code)
    assert tuple(crosswalks.shares_isco_08(code)) == crosswalks.to_isco_08(code)


def test_a_code_that_becomes_several_shares_equally_on_each_way() -> None:
    # 51-9124 was 51-9121 and 51-9122 in 2010: the first reaches 7132 and 8122, the second only 7132.
    assert crosswalks.table()["51-9121"].isco_08 == ("7132", "8122")
    assert crosswalks.table()["51-9122"].isco_08 == ("7132",)

    assert crosswalks.shares_isco_08("51-9124") == {"7132": 0.75, "8122": 0.25}


def test_levels_of_isco_are_digits_and_named_by_depth_too() -> None:
    assert ISCO.parse_levels("all") == soc.LEVELS
    assert [ISCO.parse_level(text) for text in ("1", "2", "3", "4", "detailed")] == [*soc.LEVELS, "detailed"]
    assert [ISCO.level_name(level) for level in soc.LEVELS] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("text", ["", "5", "unit", "0"])
def test_unknown_level_is_refused_with_those_of_the_classification(text: str) -> None:
    with pytest.raises(InputError, match=r"--level '.*': expected one of 1, 2, 3, 4, major"):
        ISCO.parse_levels(text, "--level")


def test_all_levels_are_not_one() -> None:
    with pytest.raises(InputError, match="level 'all': expected one of 1, 2, 3, 4"):
        ISCO.parse_level("all")


def test_unknown_classification_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="--to 'noc': expected one of soc-2018, soc-2010, isco-08"):
        classifications.parse("noc", "--to")
    with pytest.raises(InputError, match="classification 'soc-2018': expected one of soc-2010, isco-08"):
        classifications.of("soc-2018")
    assert classifications.parse("soc-2018") is None
