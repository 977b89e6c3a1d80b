"""The hash is part of the artifact's format: a model that was saved before means nothing under another one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.model.linear.features import BUCKETS, WORD_BUCKETS, bags
from jobmajor.titles import normalise, without_rank

TEXTS = st.lists(st.text(max_size=30).map(normalise), max_size=8)


def pieces(text: str) -> list[int]:
    found: list[int] = bags([text]).buckets.tolist()
    return found


def spelled_out(text: str) -> list[int]:
    """The pieces of a title again, one by one, in plain whole numbers."""
    words = [word.encode() for word in without_rank(text).split()]
    found = []
    for length in (2, 3, 4, 5):
        for word in words:
            bounded = b" " + word + b" "
            runs = [bounded[start : start + length] for start in range(len(bounded) - length + 1)]
            found += [placed(polynomial(run), length) for run in runs if run != bounded]
    hashes = [polynomial(word[::-1] + b"\0") for word in words]
    found += [word_bucket(word.decode()) for word in words]
    pairs = pairwise(hashes)
    return found + [WORD_BUCKETS + placed(one * 0xC2B2AE3D27D4EB4F + other, 102) for one, other in pairs]


def word_bucket(word: str) -> int:
    return WORD_BUCKETS + placed(polynomial(word.encode()[::-1] + b"\0"), 101)


def word_check(word: str) -> int:
    return mixed(polynomial(word.encode()[::-1] + b"\0"), 101) >> 32


def polynomial(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value * 0x9E3779B97F4A7C15 + byte) % 2**64
    return value


def placed(value: int, kind: int) -> int:
    return mixed(value, kind) % 2**20


def mixed(value: int, kind: int) -> int:
    """splitmix64's finaliser. Source: Steele, Lea, Flood (2014), OOPSLA, fig. 16."""
    value = (value + kind * 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


@given(TEXTS)
def test_company_in_a_batch_changes_no_titles_pieces(texts: list[str]) -> None:
    together = bags(texts)

    assert together.starts.shape == (len(texts) + 1,)
    assert together.starts[-1] == len(together.buckets)
    for text, start, end in zip(texts, together.starts, together.starts[1:], strict=False):
        assert together.buckets[start:end].tolist() == pieces(text)
    for text, start, end in zip(texts, together.word_starts, together.word_starts[1:], strict=False):
        assert together.words[start:end].tolist() == bags([text]).words.tolist()
        assert together.word_checks[start:end].tolist() == bags([text]).word_checks.tolist()


@given(TEXTS)
def test_words_are_given_once_more_alone_in_the_order_in_which_they_stand(texts: list[str]) -> None:
    found = bags(texts)

    words = [without_rank(text).split() for text in texts]
    assert found.words.tolist() == [word_bucket(word) for title in words for word in title]
    assert found.word_checks.tolist() == [word_check(word) for title in words for word in title]
    assert np.diff(found.word_starts).tolist() == [len(title) for title in words]
    assert (found.word_starts[0], found.words.dtype.name, found.word_starts.dtype.name) == (0, "int32", "int64")


@given(TEXTS, st.data())
def test_part_of_a_batch_is_the_batch_of_that_part(texts: list[str], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(texts)))
    last = data.draw(st.integers(first, len(texts)))

    part, alone = bags(texts).part(first, last), bags(texts[first:last])

    for name in ("starts", "buckets", "word_starts", "words", "word_checks"):
        assert getattr(part, name).tolist() == getattr(alone, name).tolist(), name


@given(st.text(max_size=40).map(normalise))
def test_pieces_are_those_of_the_rules_spelled_out(text: str) -> None:
    assert pieces(text) == spelled_out(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a", 3),  # " a" and "a "; the word
        ("ab", 6),  # " a", "ab", "b "; " ab", "ab "; the word
        ("abc", 4 + 3 + 2 + 1),  # 2, 3 and 4 letters with one blank at most; the word
        ("abcdefg", 8 + 7 + 6 + 5 + 1),
        ("ab cd", 6 + 6 + 1),  # two words alone, and their pair
        ("a b c", 3 + 3 + 3 + 2),
        ("é", 3 + 2 + 1),  # two bytes, as "ab"
    ],
)
def test_pieces_are_counted_by_hand(text: str, count: int) -> None:
    assert len(pieces(text)) == count


def test_runs_stay_inside_their_word_and_know_its_ends() -> None:
    shared = {placed(polynomial(run), len(run)) for run in (b"ab", b"b ", b"ab ")}

    assert set(pieces("ab")) & set(pieces("cab")) == shared
    assert set(pieces("ab cd")) - set(pieces("ab")) - set(pieces("cd")) == {pieces("ab cd")[-1]}


def test_order_of_words_is_seen_in_their_pairs_alone() -> None:
    one, other = pieces("nurse aide"), pieces("aide nurse")

    assert sorted(one[:-1]) == sorted(other[:-1])
    assert one[-1] != other[-1]


def test_words_of_rank_have_no_pieces() -> None:
    assert pieces("senior nurse ii") == pieces("nurse") != []
    assert bags(["senior nurse ii"]).words.tolist() == [word_bucket("nurse")]
    assert bags(["senior"]).words.tolist() == [word_bucket("senior")]


def test_repeated_pieces_are_given_as_often_as_they_stand_there() -> None:
    assert len(pieces("ab ab")) == 13
    assert sorted(pieces("ab ab")[:-1]) == sorted(pieces("ab") * 2)


def test_words_and_runs_of_letters_have_buckets_of_their_own() -> None:
    found = np.array(pieces("registered nurse"))

    assert found.dtype == np.int64
    assert (found >= WORD_BUCKETS).sum() == 3  # two words and a pair
    assert found.max() < BUCKETS == 2 * WORD_BUCKETS


@pytest.mark.parametrize(
    ("text", "buckets"),
    [
        # " a", "a " and the word; from the rules above, worked out in whole numbers apart from numpy.
        ("a", [245155, 450163, 1137632]),
        # " a", " b", "a ", "b " as they stand in the text, two words, one pair.
        ("a b", [245155, 450163, 826908, 325023, 1137632, 1294485, 1921719]),
    ],
)
def test_hash_is_frozen(text: str, buckets: list[int]) -> None:
    assert pieces(text) == buckets


@pytest.mark.parametrize("text", ["看護師", "😀 nurse", "a" * 5000, "é" * 300, "ナース ９"])
def test_any_script_and_length_has_pieces_within_bounds(text: str) -> None:
    found = pieces(normalise(text))

    assert found == spelled_out(normalise(text))
    assert 0 <= min(found) <= max(found) < BUCKETS


def test_no_titles_have_no_pieces() -> None:
    none = bags([])

    assert (none.starts.tolist(), none.buckets.tolist()) == ([0], [])
    assert (none.starts.dtype.name, none.buckets.dtype.name) == ("int64", "int32")
    assert (none.word_starts.tolist(), none.words.tolist()) == ([0], [])
    assert (none.word_starts.dtype.name, none.words.dtype.name) == ("int64", "int32")
    assert (none.word_checks.tolist(), none.word_checks.dtype.name) == ([], "uint32")
    assert bags(["", ""]).word_starts.tolist() == [0, 0, 0]
    assert bags(["", ""]).starts.tolist() == [0, 0, 0]
