from __future__ import annotations

import polars as pl
import pytest

from jobmajor.evaluation.judged import slice_rules


def _in(name: str, title: str, text: str, codes: tuple[str, ...] = ("11-1011",)) -> bool:
    frame = pl.DataFrame({"title": [title], "text": [text], "codes": [list(codes)]})
    return bool(frame.select(slice_rules()[name]).item())


@pytest.mark.parametrize(
    ("name", "title", "text"),
    [
        ("one word", "Nurse", "nurse"),
        ("four words or more", "Head of the School", "head of the school"),
        ("plural ending", "Chief Executives", "chief executives"),
        ("abbreviation", "CEO of a Bank", "ceo of a bank"),
        ("parenthesised", "Officer (CAO)", "officer cao"),
        ("seniority word", "Sr. Clerk", "senior clerk"),
        ("seniority word", "Clerk, Entry-Level", "clerk entry level"),
    ],
)
def test_title_is_in_the_slice(name: str, title: str, text: str) -> None:
    assert _in(name, title, text)


@pytest.mark.parametrize(
    ("name", "title", "text"),
    [
        ("one word", "Staff Nurse", "staff nurse"),
        ("four words or more", "Head of School", "head of school"),
        ("plural ending", "Stewardess", "stewardess"),
        ("abbreviation", "WELDER", "welder"),
        ("abbreviation", "Chief Executive", "chief executive"),
        ("seniority word", "Headhunter", "headhunter"),
    ],
)
def test_title_is_not_in_the_slice(name: str, title: str, text: str) -> None:
    assert not _in(name, title, text)


def test_title_is_ambiguous_if_its_codes_are_of_several_major_groups() -> None:
    assert _in("ambiguous", "Supervisor", "supervisor", ("11-1021", "51-1011"))
    assert _in("unambiguous", "Manager", "manager", ("11-1021", "11-9199"))
