"""The compiled path gives what the plain one gives: for people's titles, and for texts made to part them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import astuple
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor import features, pieces_kernel, spelling
from jobmajor.features import BUCKETS, WORD_BUCKETS
from jobmajor.scoring import Tables
from jobmajor.titles import TITLES, WORDS, normalise, without_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.onet import tables as onet

SIGNS = st.text(alphabet="cC#+.net_ &'`woman  \0\n\x7f-9IVé", max_size=14)
WORDS_AS_TYPED = st.sampled_from(
    [*WORDS, *TITLES, *WORDS.values(), "senior", "Junior", "SR.", "ii", "IV", "v", "5", "6", "iiii"]
    + ["woman", "Saleswomen", "wowoman", "wwowoman", "people", "persons", "salespeople", "wopersons", "woperson"]
    + ["c++", "c#", ".net", "asp.net", "c++#", "_c#", "c#.net", "R&D", "l'e", "ﬃ", "𝐜#", "\ud800", "İ", "①", "和"]
)
GLUE = st.sampled_from([" ", "  ", "-", "&", "_", ".", "", "\t", "\0", "'"])
TITLE = st.one_of(
    SIGNS,
    st.text(max_size=30),
    st.text(alphabet=st.characters(max_codepoint=127), max_size=40),
    st.lists(st.one_of(WORDS_AS_TYPED, GLUE), max_size=8).map("".join),
    st.lists(WORDS_AS_TYPED, max_size=6).map(" ".join),
)
EVERYTHING = Tables(np.ones(BUCKETS, np.int32), np.full(BUCKETS - WORD_BUCKETS, -1, np.int32))
BATCH = st.lists(TITLE, max_size=12)


def plainly(titles: Sequence[str]) -> features.Bags:
    """As the classifier reads them: cut before and after."""
    return features.bags([normalise(title[:1000])[:1000] for title in titles])


def compiled(titles: Sequence[str]) -> features.Bags:
    """Of a model that knows every piece, so that no word is strange."""
    return pieces_kernel.bags(titles, np.ones(2, np.float32), EVERYTHING)


def same(one: features.Bags, other: features.Bags) -> bool:
    return all(map(np.array_equal, astuple(one), astuple(other)))


@settings(max_examples=400)
@given(BATCH)
def test_pieces_and_words_are_those_of_the_plain_path_in_its_order(titles: list[str]) -> None:
    found = compiled(titles)

    assert same(found, plainly(titles))


@settings(max_examples=60)
@given(TITLE, st.integers(900, 1100), st.sampled_from(["a", "a ", "é ", "&", "sr ", "\ud800x"]), TITLE)
def test_titles_are_cut_where_the_plain_path_cuts_them(before: str, count: int, filler: str, after: str) -> None:
    title = (before + filler * count)[:count] + after

    assert same(compiled([title]), plainly([title]))


@pytest.mark.parametrize("end", ["senior ii", "senior ii ", "x iiib", "saleswoman", "c++", "&", " .net", "sr", "sri"])
@pytest.mark.parametrize("cut_off", range(4))
def test_what_stands_at_the_cut_is_read_as_the_plain_path_reads_it(end: str, cut_off: int) -> None:
    title = "".join(["ab " * 400])[: 1000 - len(end) + cut_off] + end + "xyz"
    longer_when_clean = "& " * 120 + "ab " * 400 + end

    batch = [title, longer_when_clean[cut_off:]]

    assert same(compiled(batch), plainly(batch))


def test_every_written_out_word_and_whole_title_is_known() -> None:
    batch = [*WORDS, *TITLES, *(f"Senior {word.upper()} ii" for word in [*WORDS, *TITLES])]

    assert same(compiled(batch), plainly(batch))


def test_words_of_rank_are_those_that_the_plain_path_leaves_out() -> None:
    ranks = [word for word in ("senior", "junior", "i", "ii", "iii", "iiii", "iv", "v", "vi", *"0123456789")]
    batch = [f"{one} clerk {other}" for one in ranks for other in ranks]
    assert without_rank(batch[0]) == "clerk senior" or without_rank(batch[0]) == "clerk"

    assert same(compiled(batch), plainly(batch))


def test_starter_titles_have_the_same_pieces_on_both_paths(tables: onet.Tables) -> None:
    titles = tables.titles["title"].to_list()

    assert same(compiled(titles), plainly(titles))


@pytest.mark.parametrize("count", [511, 512, 513])
def test_batches_longer_than_a_block_lose_no_title(count: int) -> None:
    batch = [f"title number {number} of them" for number in range(count)] + ["a" * 1000] * 40

    assert same(compiled(batch), plainly(batch))
