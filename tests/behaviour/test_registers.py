"""Titles as registers, payrolls and job ads write them are right, and most are sure, where no answer is in dispute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from jobmajor import soc
from jobmajor.data import direct_match, prepare
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.model.classifier import Classifier

ROWS = [line.split("\t") for line in (Path(__file__).parent / "registers.tsv").read_text("utf-8").splitlines()[1:]]


@pytest.mark.long
@pytest.mark.parametrize(("title", "code", "sure"), ROWS)
def test_title_of_a_register_or_a_job_ad_has_its_major_group(
    title: str, code: str, sure: str, onet_classifier: Classifier
) -> None:
    (found,) = onet_classifier.answer([title])

    assert found.answers[0].label == soc.ancestor(code, "major")
    assert not (sure and found.abstain)


@pytest.mark.long
@pytest.mark.parametrize("title", ["Building Engineer", "Teacher / Soccer Coach", "prompt", "OWNER"])
def test_title_of_several_occupations_is_doubted(title: str, onet_classifier: Classifier) -> None:
    (found,) = onet_classifier.answer([title])

    assert found.abstain


@pytest.mark.slow
@pytest.mark.parametrize(("title", "reason"), [("Remote", "not a title"), ("Enfermera registrada", "not English")])
def test_what_is_no_title_in_english_is_told_by_its_reason(
    title: str, reason: str, starter_classifier: Classifier
) -> None:
    (found,) = starter_classifier.answer([title])

    assert (found.reason, found.answers[0].label) == (reason, "")


def test_titles_of_our_table_are_listed_under_one_code_each(splits: Mapping[str, pl.DataFrame]) -> None:
    titles = direct_match.current()

    parts = prepare.with_current(splits, titles)

    every = pl.concat(list(parts.values()))
    listed = dict(every.filter(every["source"] == "current").select("text", "code").iter_rows())
    official = dict(every.filter(pl.col("source").str.starts_with("occupation")).select("text", "code").iter_rows())
    assert set(titles["code"]) <= soc.detailed_codes()
    assert titles["title"].map_elements(normalise, return_dtype=titles["title"].dtype).is_unique().all()
    known = titles.filter(pl.col("code").is_in(splits["train"]["code"].unique().implode()))
    assert (official | listed).keys() >= {normalise(title) for title in known["title"]}
    assert set(listed.values()) <= set(splits["train"]["code"])
    assert all(listed.get(normalise(title), code) == code for code, title in titles.iter_rows())


def test_title_of_our_table_stands_beside_what_a_release_lists_and_tells_nothing_of_held_out_titles(
    splits: Mapping[str, pl.DataFrame],
) -> None:
    train, held = splits["train"]["title"][0], splits["test"]["title"][0]
    titles = direct_match.current().head(2).with_columns(title=pl.Series([train, held]))

    found = prepare.with_current(splits, titles)

    text = normalise(train)
    assert "current" in found["train"].filter(found["train"]["text"] == text)["source"].to_list()
    assert normalise(held) not in set(found["train"]["text"])
    counted = [part.filter(part["source"] == "alternate") for part in (found["test"], splits["test"])]
    assert counted[0].equals(counted[1])


@pytest.mark.slow
def test_our_table_settles_a_title_that_a_release_lists_elsewhere(starter_champion: Classifier) -> None:
    found = starter_champion.answer(["Farmer", "IT manager", "handyman"], "detailed")

    assert [each.answers[0].label for each in found] == ["11-9013", "11-3021", "49-9071"]
    assert not any(each.abstain for each in found)
