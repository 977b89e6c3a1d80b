from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from jobmajor import soc
from jobmajor.soc import employment

SURVEY = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "external" / "oews_2023.csv"


def survey() -> dict[str, int]:
    """Persons by code, for the rows that the survey calls detailed: 12 of them stand for 28 codes together."""
    if not SURVEY.is_file():
        pytest.skip("needs ../shared/data/external/oews_2023.csv: the published employment")
    with SURVEY.open(newline="", encoding="utf-8") as file:
        return {row["soc_code"]: int(row["employment"]) for row in csv.DictReader(file) if row["level"] == "detailed"}


def test_every_detailed_code_has_persons_or_is_marked_as_absent() -> None:
    persons = employment.persons()

    assert tuple(persons) == soc.codes("detailed")
    assert all(number is None or number > 0 for number in persons.values())


def test_the_military_and_fishing_are_absent() -> None:
    absent = [code for code, number in employment.persons().items() if number is None]

    assert len(absent) == 20
    assert {code[:2] for code in absent} == {"45", "55"}
    assert "45-3031" in absent


def test_a_published_code_has_the_published_number() -> None:
    published, persons = survey(), employment.persons()

    assert {code: number for code, number in published.items() if code in persons} == {
        code: persons[code] for code in published if code in persons
    }
    assert len(set(persons) - set(published)) == 48


def test_codes_that_the_survey_merges_share_their_sum_evenly() -> None:
    published = survey()
    sums, parts = defaultdict[str, float](float), defaultdict[str, set[float]](set)
    for code, number in employment.persons().items():
        if number is not None and code not in published:
            sums[code[:6]] += number
            parts[code[:6]].add(number)
    merged = {code[:6]: float(number) for code, number in published.items() if code not in employment.persons()}

    assert len(merged) == 12
    assert dict(sums) == pytest.approx(merged)
    assert all(len(numbers) == 1 for numbers in parts.values())


def test_most_cashiers_are_not_gambling_cashiers() -> None:
    persons = employment.persons()

    cashiers, gambling = persons["41-2011"], persons["41-2012"]

    assert cashiers is not None
    assert gambling is not None
    assert cashiers > 100 * gambling
