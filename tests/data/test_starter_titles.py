"""The bundled titles keep their promises: enough of every group, valid codes, read by the reader of O*NET's files."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl
import pytest

from jobmajor import soc
from jobmajor.data import folder as folders
from jobmajor.data import onet as onet_tables
from jobmajor.data import source
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.data.onet import Tables

MAJOR = pl.col("onet_code").str.head(2) + "-0000"


def test_there_are_at_least_3000_titles_and_60_of_every_major_group(starter: Tables) -> None:
    groups = dict(starter.titles.group_by(MAJOR).len().iter_rows())

    assert starter.titles.height >= 3000
    assert sorted(groups) == list(soc.majors())
    assert min(groups.values()) >= 60


def test_every_code_is_a_detailed_one_with_an_official_title_and_a_description(starter: Tables) -> None:
    codes = {code[:7] for code in starter.titles["onet_code"]}
    official = {onet_code: title for onet_code, title, _ in starter.occupations.iter_rows()}

    assert codes <= soc.detailed_codes()
    assert {code[:7] for code in official} == codes
    assert all(soc.name(onet_code[:7]) == title for onet_code, title in official.items())
    assert set(starter.occupations["description"].str.split(" ").list.len().is_between(5, 30)) == {True}
    assert starter.occupations["onet_code"].is_unique().all()


def test_no_title_stands_twice_under_its_code_nor_holds_no_word(starter: Tables) -> None:
    pairs = [(code, title.casefold()) for code, title in starter.titles.select("onet_code", "title").iter_rows()]
    texts = starter.titles["title"].map_elements(normalise, return_dtype=pl.String)

    assert [pair for pair, count in Counter(pairs).items() if count > 1] == []
    assert (texts != "").all()
    assert (starter.titles["title"].str.strip_chars() == starter.titles["title"]).all()


def test_hardly_a_title_is_of_several_major_groups(starter: Tables) -> None:
    groups = starter.titles.with_columns(text=pl.col("title").str.to_lowercase()).group_by("text").agg(MAJOR.n_unique())

    assert (groups["onet_code"] > 1).sum() < 0.01 * groups.height


def test_titles_are_written_in_many_ways(starter: Tables) -> None:
    titles = starter.titles["title"]

    assert titles.str.contains(r"\(").sum() > 0.02 * len(titles)
    assert titles.str.contains(", ").sum() > 0.03 * len(titles)
    assert titles.str.contains(r"s$").sum() > 0.03 * len(titles)
    assert starter.titles["short_title"].drop_nulls().len() > 50


def test_folder_is_two_files_and_a_word_about_them_and_says_what_it_is(starter: Tables) -> None:
    names = sorted(path.name for path in source.STARTER_FOLDER.iterdir())

    assert names == ["Alternate Titles.txt", "Occupation Data.txt", "README.md"]
    assert (starter.release, starter.edition) == (folders.STARTER, "text")
    assert starter.reported.is_empty()


@pytest.mark.long  # reads a whole release
def test_titles_that_stand_in_28_1_too_mostly_have_the_same_major_group(
    starter: Tables, shared: Callable[[str], Path]
) -> None:
    onet = onet_tables.read(shared("data/onet/28.1")).titles
    listed: dict[str, set[str]] = {}
    for title, major in onet.select(pl.col("title").str.to_lowercase(), MAJOR).iter_rows():
        listed.setdefault(title, set()).add(major)
    ours = starter.titles.select(pl.col("title").str.to_lowercase(), MAJOR).unique().rows()

    known = [(title, major) for title, major in ours if title in listed]
    agreed = sum(major in listed[title] for title, major in known) / len(known)

    print(f"{len(known):,} starter titles stand in O*NET 28.1, {agreed:.1%} under the same major group")  # noqa: T201 - shown by pytest -s
    assert len(known) >= 500
    assert agreed >= 0.97
