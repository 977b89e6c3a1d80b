from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.data import examples
from jobmajor.data import onet as onet_tables
from jobmajor.data.onet import Tables
from jobmajor.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random


OCCUPATION = pl.col("source").str.starts_with("occupation")
NURSES = ("29-1141.00", "Registered Nurses")


def release(
    titles: list[tuple[str, str, str | None]],
    occupations: tuple[tuple[str, str], ...] = (),
    reported: tuple[tuple[str, str], ...] = (),
) -> Tables:
    return onet_tables.Tables(
        release="unknown",
        edition="text",
        occupations=pl.DataFrame(
            [(*row, "What they do.") for row in occupations],
            schema=dict.fromkeys(("onet_code", "title", "description"), pl.String),
            orient="row",
        ),
        titles=pl.DataFrame(
            [(*row, None) for row in titles],
            schema=dict.fromkeys(("onet_code", "title", "short_title", "sources"), pl.String),
            orient="row",
        ),
        reported=pl.DataFrame(reported, schema=dict.fromkeys(("onet_code", "title"), pl.String), orient="row"),
    )


def wrong_occupations(tables: Tables) -> list[tuple[str, str]]:
    """Forms of official titles with a code that their own row has not, told from the table alone."""
    own: dict[str, set[str]] = {}
    for onet_code, title in tables.occupations.select("onet_code", "title").iter_rows():
        for form, _ in examples.occupation_forms(title):
            own.setdefault(form, set()).add(onet_code[:7])
    built = examples.build(tables).filter(OCCUPATION)
    assert len(built) >= len(own) > 0
    return [(title, code) for title, code in built.select("title", "code").iter_rows() if code not in own[title]]


def test_every_form_of_an_occupation_carries_the_code_of_its_own_row(starter: Tables) -> None:
    assert wrong_occupations(starter) == []


@pytest.mark.long  # reads a whole release
def test_occupations_of_28_1_carry_the_codes_of_their_own_rows(shared: Callable[[str], Path]) -> None:
    read = onet_tables.read(shared("data/onet/28.1"))

    assert wrong_occupations(read) == []
    built = examples.build(read).filter(OCCUPATION)
    found = dict(built.select("title", "code").iter_rows())
    # Source: the official SOC 2018 titles; joined by row number, 525 of 526 of them are wrong.
    assert found["Registered Nurses"] == "29-1141"
    assert found["Software Developers"] == "15-1252"
    assert found["Cashier"] == "41-2011"
    assert found["Chief Executive"] == "11-1011"


@given(st.randoms(use_true_random=False))
def test_order_of_the_rows_moves_no_code(random: Random) -> None:
    occupations = (NURSES, ("15-1252.00", "Software Developers"), ("41-2011.00", "Cashiers"))
    titles: list[tuple[str, str, str | None]] = [("53-3032.00", "Trucker", None), ("29-1141.00", "Ward Nurse", "WN")]
    pairs = ("title", "code", "onet_code", "source")
    straight = examples.build(release(titles, occupations)).select(pairs)

    mixed = examples.build(release(random.sample(titles, 2), tuple(random.sample(occupations, 3)))).select(pairs)

    assert mixed.sort(pairs).equals(straight.sort(pairs))


def test_every_way_in_which_a_row_writes_its_title_is_an_example() -> None:
    built = examples.build(
        release(
            [("29-1141.00", "Registered Nurse (RN)", "RN"), ("11-1011.00", "Chief of Staff", None)],
            (NURSES,),
            (("29-1141.01", "Ward Nurse (Staff)"),),
        )
    )

    assert built.select("row", "source", "title", "text", "code", "onet_code").rows() == [
        (0, "alternate", "Registered Nurse (RN)", "registered nurse rn", "29-1141", "29-1141.00"),
        (0, "short", "RN", "rn", "29-1141", "29-1141.00"),
        (0, "parenthesised", "Registered Nurse", "registered nurse", "29-1141", "29-1141.00"),
        (0, "parenthesised", "RN", "rn", "29-1141", "29-1141.00"),
        (1, "alternate", "Chief of Staff", "chief of staff", "11-1011", "11-1011.00"),
        (2, "occupation", "Registered Nurses", "registered nurses", "29-1141", "29-1141.00"),
        (2, "occupation_singular", "Registered Nurse", "registered nurse", "29-1141", "29-1141.00"),
        (3, "reported", "Ward Nurse (Staff)", "ward nurse staff", "29-1141", "29-1141.01"),
        (3, "parenthesised", "Ward Nurse", "ward nurse", "29-1141", "29-1141.01"),
        (3, "parenthesised", "Staff", "staff", "29-1141", "29-1141.01"),
    ]


def test_titles_without_a_word_are_left_out() -> None:
    built = examples.build(release([("29-1141.00", "—", None), ("29-1141.00", "Nurse (*)", "?!")]))

    assert built["title"].to_list() == ["Nurse (*)", "Nurse"]


def test_release_without_any_title_is_refused() -> None:
    with pytest.raises(DataError, match="found no row with a title"):
        examples.build(release([("29-1141.00", "?", None)]))


@pytest.mark.parametrize(
    ("title", "forms"),
    [
        ("CEO (Chief Executive Officer)", ("CEO", "Chief Executive Officer")),
        ("Nurse  (RN) ", ("Nurse", "RN")),
        ("A (B) C (D)", ("A", "B) C (D")),
        ("(RN)", ()),
        ("Nurse (RN", ()),
        ("Nurse (RN), Ward", ()),
        ("Nurse ()", ()),
    ],
)
def test_parenthesis_at_the_end_joins_two_titles(title: str, forms: tuple[str, ...]) -> None:
    assert examples.spelled_forms(title) == forms


@pytest.mark.parametrize(
    ("title", "one"),
    [
        ("Registered Nurses", "Registered Nurse"),
        ("Secretaries", "Secretary"),
        ("Waitresses", "Waitress"),
        ("Coaches", "Coach"),
        ("Firemen", "Fireman"),
        ("Engineers, Civil", "Engineer, Civil"),
        ("Supervisors of Retail Sales Workers", "Supervisor of Retail Sales Workers"),
        ("Clergy", "Clergy"),
        ("Boss", "Boss"),
    ],
)
def test_singular_of_a_title_is_that_of_its_head(title: str, one: str) -> None:
    assert examples.singular(title) == one


@pytest.mark.parametrize(
    ("title", "plurals", "singulars"),
    [
        ("Cashiers", ["Cashiers"], ["Cashier"]),
        ("Coaches and Scouts", ["Coaches and Scouts", "Coaches", "Scouts"], ["Coach", "Scout"]),
        (
            "Judges, Magistrate Judges, and Magistrates",
            ["Judges, Magistrate Judges, and Magistrates", "Judges", "Magistrate Judges", "Magistrates"],
            ["Judge", "Magistrate Judge", "Magistrate"],
        ),
        (
            "Loan Interviewers and Clerks",
            ["Loan Interviewers and Clerks", "Loan Interviewers", "Loan Clerks"],
            ["Loan Interviewer", "Loan Clerk"],
        ),
        (
            "Bakers/Cooks",
            ["Bakers/Cooks", "Bakers", "Cooks"],
            ["Baker", "Cook"],
        ),
        (
            "Landscaping and Groundskeeping Workers",
            ["Landscaping and Groundskeeping Workers"],
            ["Landscaping and Groundskeeping Worker"],
        ),
        ("Clergy", ["Clergy"], []),
        ("Managers and Supervisors of Farms", ["Managers and Supervisors of Farms"], []),
        ("Cooks, Except Private Household", ["Cooks"], ["Cook"]),
    ],
)
def test_official_title_gives_what_people_would_type(title: str, plurals: list[str], singulars: list[str]) -> None:
    forms = examples.occupation_forms(title)

    assert [form for form, source in forms if source == "occupation"] == plurals
    assert [form for form, source in forms if source == "occupation_singular"] == singulars
    assert len(forms) == len(plurals) + len(singulars)


@pytest.mark.parametrize("title", ["Managers, All Other", "Teachers and Instructors, All Other", "ALL OTHER"])
def test_what_is_left_over_gives_no_title(title: str) -> None:
    assert examples.occupation_forms(title) == ()


def test_codes_of_a_text_are_all_that_the_release_lists_with_who_lists_them() -> None:
    built = examples.build(
        release(
            [("29-1141.00", "RN", "RN"), ("29-1171.00", "R.N.", None), ("29-1171.00", "Rn", None)],
            (("29-1141.00", "RNs"),),
        )
    )
    dotted = built.with_columns(pl.col("text").str.replace_all(" ", ""))  # "r n" and "rn" as one text

    listed = examples.with_codes(dotted)

    assert listed.drop("codes", "listed_by").equals(dotted)
    assert (
        listed.filter(pl.col("text") == "rn").select("codes", "listed_by").rows()
        == [(["29-1141", "29-1171"], ["alternate+occupation_singular+short", "alternate"])] * 5
    )
    assert listed.filter(pl.col("text") == "rns")["listed_by"].to_list() == [["occupation"]]


def test_code_of_a_row_is_its_onet_code_without_the_extension(tables: Tables) -> None:
    two = replace(tables, titles=tables.titles.head(2).with_columns(onet_code=pl.lit("29-1141.03")))

    built = examples.build(two).filter(pl.col("source") == "alternate")

    assert set(built.select("code", "onet_code").rows()) == {("29-1141", "29-1141.03")}


def test_phrases_are_the_runs_of_words_between_the_small_ones_with_the_code_of_their_row() -> None:
    text = "Repair or overhaul diesel engines, using hand tools. Excludes none; may set up by a rig."
    occupations = pl.DataFrame(
        {"onet_code": ["49-3031.00", "49-3031.01"], "title": ["A", "B"], "description": [text, None]}
    )

    found = examples.phrases(tables_of(occupations))

    assert found["title"].to_list() == ["Repair", "overhaul diesel engines", "hand tools", "Excludes none", "set up"]
    assert found["text"].to_list() == ["repair", "overhaul diesel engines", "hand tools", "excludes none", "set up"]
    assert set(found.select("code", "onet_code", "source").iter_rows()) == {
        ("49-3031", "49-3031.00", examples.DESCRIPTION)
    }


def tables_of(occupations: pl.DataFrame) -> Tables:
    return Tables("unknown", "text", occupations, occupations.clear(), occupations.clear())
