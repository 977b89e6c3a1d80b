from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.errors import InputError

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CODES = st.sampled_from(sorted(soc.table()))


def test_table_has_the_official_number_of_codes_at_each_level() -> None:
    sizes = [len(soc.codes(level)) for level in soc.LEVELS]

    assert sizes == [23, 98, 459, 867]


def test_table_equals_the_published_structure() -> None:
    published = SHARED / "data" / "soc" / "soc_2018.csv"
    if not published.is_file():
        pytest.skip("needs ../shared/data/soc/soc_2018.csv: the published structure")
    with published.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    ours = [(entry.code, entry.level, entry.parent, entry.title) for entry in soc.table().values()]

    assert ours == [
        (
            row["code"],
            row["Hierarchical_structure"].lower(),
            row["parent"].replace("NA", "") or None,
            row["title"],
        )
        for row in rows
    ]


def test_parents_come_from_the_table_and_not_from_the_digits() -> None:
    assert soc.ancestor("15-1252", "minor") == "15-1200"
    assert soc.ancestor("31-1131", "minor") == "31-1100"
    assert soc.ancestor("51-5111", "minor") == "51-5100"


@given(CODES)
def test_a_code_survives_parse_and_print(code: str) -> None:
    assert str(soc.parse(code)) == code


@given(CODES)
def test_every_parent_stands_one_level_up_in_the_same_major_group(code: str) -> None:
    entry = soc.parse(code)

    if entry.parent is None:
        assert entry.level == "major"
    else:
        parent = soc.parse(entry.parent)
        assert soc.LEVELS.index(entry.level) - soc.LEVELS.index(parent.level) == 1
        assert parent.code[:2] == code[:2]


@pytest.mark.parametrize("text", ["", "29", "29-1141.00", "99-9999", "15-1132", "２９-1141"])
def test_what_is_no_code_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match="no code of SOC 2018"):
        soc.parse(text)


def test_a_level_below_the_code_is_refused() -> None:
    with pytest.raises(InputError, match="is above the level 'detailed'"):
        soc.ancestor("29-0000", "detailed")
