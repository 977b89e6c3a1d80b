from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.soc import crosswalks

OFFICIAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "soc"
DETAILED = st.sampled_from(soc.codes("detailed"))
OLD = st.sampled_from(sorted(crosswalks.table()))


def official(name: str) -> list[dict[str, str]]:
    path = OFFICIAL / name
    if not path.is_file():
        pytest.skip(f"needs ../shared/data/soc/{name}: the official crosswalk")
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_codes_of_2010_become_those_of_the_official_crosswalk() -> None:
    rows = official("soc_2010_2018.csv")

    ours = {(entry.code, entry.title, new) for entry in crosswalks.table().values() for new in entry.soc_2018}

    assert ours == {(row["soc2010"], row["soc2010_title"], row["soc2018"]) for row in rows}


def test_codes_of_isco_are_those_of_the_official_crosswalk() -> None:
    rows = official("isco_2008_soc_2010.csv")

    ours = {(entry.code, code) for entry in crosswalks.table().values() for code in entry.isco_08}

    assert ours == {(row["soc2010"], row["isco2008"]) for row in rows}


def test_soc_2010_has_the_official_number_of_codes_at_each_level() -> None:
    sizes = [len({crosswalks.ancestor_2010(code, level) for code in crosswalks.table()}) for level in soc.LEVELS]

    assert sizes == [23, 97, 461, 840]


def test_193_codes_reach_several_codes_of_isco_and_31_several_of_2010() -> None:
    codes = soc.codes("detailed")

    assert sum(len(crosswalks.to_isco_08(code)) > 1 for code in codes) == 193
    assert sum(len(crosswalks.to_2010(code)) > 1 for code in codes) == 31


@given(DETAILED)
def test_every_code_comes_from_codes_that_become_it(code: str) -> None:
    sources = crosswalks.to_2010(code)

    assert sources
    assert all(code in crosswalks.from_2010(source) for source in sources)


@given(DETAILED)
def test_every_code_reaches_isco(code: str) -> None:
    assert crosswalks.to_isco_08(code)


@given(OLD, st.sampled_from(soc.LEVELS))
def test_a_group_of_2010_becomes_at_least_what_its_occupations_become(code: str, level: soc.Level) -> None:
    group = crosswalks.ancestor_2010(code, level)

    assert set(crosswalks.from_2010(code)) <= set(crosswalks.from_2010(group))
    assert set(crosswalks.from_2010(group)) <= soc.detailed_codes()


def test_database_administrators_of_2010_are_two_codes_today() -> None:
    assert crosswalks.from_2010("15-1141") == ("15-1242", "15-1243")


def test_codes_that_are_gone_today_have_successors() -> None:
    assert "29-1069" not in soc.table()
    assert "29-1229" in crosswalks.from_2010("29-1069")
    assert crosswalks.from_2010("13-2021") == ("13-2022", "13-2023")


@pytest.mark.parametrize("text", ["", "15", "15-1252", "17-2144", "15-1132.00", "99-0000"])
def test_what_is_no_code_of_2010_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match="no code of SOC 2010: expected one such as"):
        crosswalks.from_2010(text)


def test_group_has_no_counterpart_of_its_own() -> None:
    with pytest.raises(InputError, match="29-0000 is a major group of SOC 2018: a crosswalk needs a detailed code"):
        crosswalks.to_isco_08("29-0000")
