"""The compiled path gives what the plain one gives: for people's titles, and for texts made to part them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.model.kernels import sums
from jobmajor.model.kernels.buffers import BLOCK_BYTES, BLOCK_TITLES, Words
from jobmajor.model.kernels.clean import clean
from jobmajor.model.kernels.mend import Vocabulary, mend
from jobmajor.model.kernels.shares import Kernel
from jobmajor.model.kernels.sums import Block, Scratch
from jobmajor.model.kernels.text import batch
from jobmajor.model.linear import features, spelling
from jobmajor.model.linear.arrays import Learned, Tables
from jobmajor.model.linear.features import BUCKETS, WORD_BUCKETS, Bags
from jobmajor.model.linear.model import LinearModel
from jobmajor.native import library
from jobmajor.tables.packed import Packed
from jobmajor.titles import TITLES, WORDS, normalise, without_rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from jobmajor.data import onet
    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

SIGNS = st.text(alphabet="cC#+.net_ &'`woman  \0\n\x7f-9IVé", max_size=14)
WORDS_AS_TYPED = st.sampled_from(
    [
        *(*WORDS, *TITLES, *WORDS.values(), "senior", "Junior", "SR.", "ii", "IV", "v", "5", "6", "iiii"),
        *("woman", "Saleswomen", "wowoman", "wwowoman", "people", "persons", "salespeople", "wopersons", "woperson"),
        *("c++", "c#", ".net", "asp.net", "c++#", "_c#", "c#.net", "R&D", "l'e", "ﬃ", "𝐜#", "\ud800", "İ", "①", "和"),
    ]
)
GLUE = st.sampled_from([" ", "  ", "-", "&", "_", ".", "", "\t", "\0", "'"])
TITLE = st.one_of(
    SIGNS,
    st.text(max_size=30),
    st.text(alphabet=st.characters(max_codepoint=127), max_size=40),
    st.lists(st.one_of(WORDS_AS_TYPED, GLUE), max_size=8).map("".join),
    st.lists(WORDS_AS_TYPED, max_size=6).map(" ".join),
)
EVERYTHING = Tables(np.ones(BUCKETS, np.int32), np.full(BUCKETS - WORD_BUCKETS, -1, np.int32), np.zeros(0, np.uint32))
BATCH = st.lists(TITLE, max_size=12)


def plainly(titles: Sequence[str]) -> Bags:
    """As the classifier reads them: cut before and after."""
    return features.bags([normalise(title[:1000])[:1000] for title in titles])


def in_kernel(titles: Sequence[str], gains: NDArray[np.float32], tables: Tables) -> Bags:
    """The pieces of titles as people write them: what `spelling.read` finds in them once they are normalised."""
    found: list[list[NDArray[Any]]] = [[np.zeros(1, np.int64)], [], [np.zeros(1, np.int64)], [], []]
    known, words_of = Vocabulary(tables.rows, tables.words, tables.checks, gains), Words.make()
    scratch, pieces = Scratch.make(), Block.make(BLOCK_TITLES, BLOCK_BYTES)
    raw = batch(Packed.of(titles))
    first = 0
    while first < len(titles):
        count = clean(raw, first, words_of)
        mend(count, words_of, known)
        library.load().jm_cut(count, words_of, scratch, pieces)
        first += count
        starts, buckets, word_starts, words = pieces.starts, pieces.buckets, pieces.word_starts, pieces.words
        checks = pieces.word_checks
        found[0].append(starts[1 : count + 1] + found[0][-1][-1])
        found[1].append(buckets[: starts[count]].copy())
        found[2].append(word_starts[1 : count + 1] + found[2][-1][-1])
        found[3].append(words[: word_starts[count]].copy())
        found[4].append(checks[: word_starts[count]].copy())
    types = np.int64, np.int32, np.int64, np.int32, np.uint32
    return Bags(*(np.concatenate(each or [np.empty(0, kind)]) for each, kind in zip(found, types, strict=True)))


def compiled(titles: Sequence[str]) -> Bags:
    """Of a model that knows every piece, so that no word is strange."""
    return in_kernel(titles, np.ones(2, np.float32), EVERYTHING)


def same(one: Bags, other: Bags) -> bool:
    return all(map(np.array_equal, astuple(one), astuple(other)))


@settings(max_examples=200)
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
    title = ("ab " * 400)[: 1000 - len(end) + cut_off] + end + "xyz"
    longer_when_clean = "& " * 120 + "ab " * 400 + end

    batch = [title, longer_when_clean[cut_off:]]

    assert same(compiled(batch), plainly(batch))


def test_rank_before_a_blank_at_the_cut_stays() -> None:
    title = "& " + "a" * 992 + " ii b"  # "and " makes it 1,001 long, of which the last but one is a blank
    assert without_rank(normalise(title)[:1000]).endswith(" ii ")

    assert same(compiled([title]), plainly([title]))


def test_every_written_out_word_and_whole_title_is_known() -> None:
    batch = [*WORDS, *TITLES, *(f"Senior {word.upper()} ii" for word in [*WORDS, *TITLES])]

    assert same(compiled(batch), plainly(batch))


def test_words_of_rank_are_those_that_the_plain_path_leaves_out() -> None:
    ranks = ["senior", "junior", "i", "ii", "iii", "iiii", "iv", "v", "vi", *"0123456789"]
    batch = [f"{one} clerk {other}" for one in ranks for other in ranks]

    assert without_rank(batch[0]) == "clerk"
    assert same(compiled(batch), plainly(batch))


def test_starter_titles_have_the_same_pieces_on_both_paths(tables: onet.Tables) -> None:
    titles = tables.titles["title"].to_list()

    assert same(compiled(titles), plainly(titles))


@pytest.mark.parametrize("count", [511, 512, 513])
def test_batches_longer_than_a_block_lose_no_title(count: int) -> None:
    batch = [f"title number {number} of them" for number in range(count)] + ["a" * 1000] * 40

    assert same(compiled(batch), plainly(batch))


SLIPS = ["nusre", "nrse", "nursse", "seniro nurse", "nurse seniro ii", "juniorr clrek v", "xqzzt", "acountant 3", "na"]
LEVELS = st.sampled_from(soc.LEVELS)


def model(classifier: Classifier) -> LinearModel:
    assert isinstance(classifier.scorer, LinearModel)
    return classifier.scorer


def kernel_of(one: LinearModel) -> Kernel:
    majors = np.unique([soc.ancestor(code, "major") for code in one.codes], return_inverse=True)[1]
    return Kernel(Learned(one.arrays, one.arrays.tables(), one.blend, majors))


def starts_of(one: LinearModel, level: Level) -> NDArray[np.intp]:
    starts: NDArray[np.intp] = np.unique([soc.ancestor(code, level) for code in one.codes], return_index=True)[1]
    return starts


def cleaned(titles: Sequence[str]) -> list[str]:
    return [normalise(title[:1000])[:1000] for title in titles]


@settings(max_examples=150)
@given(st.lists(st.one_of(TITLE, st.sampled_from(SLIPS), st.text("aenrsu", max_size=7)), max_size=6))
def test_strange_words_are_read_as_the_plain_path_reads_them(classifier: Classifier, titles: list[str]) -> None:
    arrays = model(classifier).arrays
    tables = arrays.tables()

    found = in_kernel(titles, arrays.gains, tables)

    assert same(found, spelling.read(cleaned(titles), arrays.gains, tables)[0])


def test_slips_of_known_titles_are_mended_alike(classifier: Classifier, splits: Mapping[str, pl.DataFrame]) -> None:
    arrays = model(classifier).arrays
    tables = arrays.tables()
    words = sorted({word for text in splits["train"]["text"] for word in text.split() if len(word) > 4})[:150]
    titles = [f"senior {word[:2]}{word[3]}{word[2]}{word[4:]} ii" for word in words]
    plain = spelling.read(titles, arrays.gains, tables)[0]
    assert not same(plain, features.bags(titles))

    assert same(in_kernel(titles, arrays.gains, tables), plain)


def test_word_of_another_check_has_no_meaning_on_either_path(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    one = model(classifier)
    flips = np.arange(len(one.arrays.word_checks), dtype=np.uint32) % 2
    other = LinearModel(replace(one.arrays, word_checks=one.arrays.word_checks ^ flips), one.codes, one.blend)
    titles, starts = splits["test"]["title"].to_list(), starts_of(one, "detailed")

    found = kernel_of(other).shares(Packed.of(titles), starts)

    assert np.abs(found - other.shares(cleaned(titles))).max() < 1e-4
    assert np.abs(found - kernel_of(one).shares(Packed.of(titles), starts)).max() > 0.01


@settings(max_examples=100)
@given(st.lists(TITLE, max_size=6), LEVELS)
def test_shares_are_those_of_the_plain_path_at_every_level(
    classifier: Classifier, titles: list[str], level: Level
) -> None:
    one = model(classifier)
    starts = starts_of(one, level)

    found = kernel_of(one).shares(Packed.of(titles), starts)

    plain = np.add.reduceat(one.shares(cleaned(titles)), starts, axis=1)
    assert found.shape == plain.shape
    assert np.abs(found - plain).max(initial=0) < 1e-4
    assert np.abs(found.sum(axis=1) - 1).max(initial=0) < 1e-5


@pytest.mark.parametrize("level", soc.LEVELS)
def test_best_codes_are_those_of_the_plain_path_but_for_near_ties(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame], level: Level
) -> None:
    one = model(classifier)
    titles = [*splits["test"]["title"], *splits["validation"]["title"], *splits["train"]["title"][:300]]
    starts = starts_of(one, level)

    found = kernel_of(one).shares(Packed.of(titles), starts)

    plain = np.add.reduceat(one.shares(cleaned(titles)), starts, axis=1)
    rows = np.arange(len(titles))
    assert (plain.max(axis=1) - plain[rows, found.argmax(axis=1)]).max() < 1e-4
    assert np.abs(found - plain).max() < 1e-4


@pytest.mark.parametrize("factor", [0.0, 40.0])
def test_a_code_far_below_all_others_keeps_its_share_of_its_group(classifier: Classifier, factor: float) -> None:
    one = model(classifier)
    sharp = replace(one.blend, within=factor, deeper=factor, within_alone=factor, deeper_alone=factor)
    one = LinearModel(one.arrays, one.codes, sharp)
    titles, starts = ["Nurse", "", "Truck Driver II"], np.arange(len(one.codes))

    found = kernel_of(one).shares(Packed.of(titles), starts)

    assert np.isfinite(found).all()
    assert (
        np.abs(found - one.shares(cleaned(titles))).max() < 1e-3
    )  # 40 times the likelihoods, and so 40 times their error


def test_no_titles_have_no_shares(classifier: Classifier) -> None:
    one = model(classifier)

    assert kernel_of(one).shares(Packed.of([]), starts_of(one, "major")).shape == (0, len(starts_of(one, "major")))


def test_threads_that_ask_at_once_get_what_each_asked_for(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    one = model(classifier)
    kernel, titles, starts = kernel_of(one), splits["train"]["title"].to_list(), starts_of(one, "detailed")
    alone = kernel.shares(Packed.of(titles), starts)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda row: kernel.shares(Packed.of(titles[row : row + 9]), starts), range(0, 200, 4)))

    for row, shares in zip(range(0, 200, 4), found, strict=True):
        assert np.abs(shares - alone[row : row + 9]).max() < 1e-5


def test_word_adds_the_same_whether_it_was_met_before_or_not(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    one = model(classifier)
    titles, starts = [*splits["train"]["title"], "nurse " * 90, "nurse xqzzt", ""], starts_of(one, "detailed")
    again = kernel_of(one)

    first, second = again.shares(Packed.of(titles), starts), again.shares(Packed.of(titles[::-1]), starts)[::-1]
    filled = again._kept.sums[: int(again._kept.count[0])]  # no sums are in the rows after these
    filled[:] = filled[::-1].copy()

    assert 100 < again._kept.count[0] < len(again._kept.meanings)
    assert np.abs(first - second).max() < 1e-6  # blocks differ, and so does the order in the product of matrices
    assert np.abs(again.shares(Packed.of(titles), starts) - first).max() > 0.1  # it is the kept sums that are read


def test_table_of_sums_that_is_full_changes_no_answer(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = model(classifier)
    titles, starts = Packed.of(splits["train"]["title"].to_list()), starts_of(one, "detailed")
    roomy = kernel_of(one).shares(titles, starts)
    monkeypatch.setattr(sums, "ENTRIES", 3)
    kernel = kernel_of(one)

    found = [kernel.shares(titles, starts) for _ in range(2)]

    assert kernel._kept.count[0] == 3
    assert all(np.array_equal(each, roomy) for each in found)


def test_only_short_words_that_the_model_knows_are_kept(classifier: Classifier) -> None:
    one = model(classifier)
    kernel, titles = kernel_of(one), ["nurse", "xqzzt", "nurse" * 5, "xqzzt nurse", "NURSE II"]

    kernel.shares(Packed.of(titles), starts_of(one, "major"))

    assert kernel._kept.count[0] == 1
    assert kernel._kept.keys[0].tobytes() == b"\x05nurse".ljust(24, b"\0")
