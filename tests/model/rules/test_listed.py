from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.model.rules.listed import BLAKE, Listed, learn
from jobmajor.tables.packed import BASE, Packed

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [("nurse", 2), ("nurse", 2), ("nurse", 0), ("ward nurse", 2), ("cook", 1)]
LISTED = learn([text for text, _ in ROWS], np.array([place for _, place in ROWS]))


def test_title_has_the_share_of_its_rows_that_list_each_code() -> None:
    rows, titles = LISTED.find(["welder", "cook", "", "nurse", "nurse ward"])

    assert rows.tolist() == [1, 3]
    shares = LISTED.weigh(titles, np.full((2, 4), 0.25, np.float32))
    assert shares.tolist() == [[0, 1, 0, 0], pytest.approx([1 / 3, 0, 2 / 3, 0])]


def test_share_of_the_model_is_kept_as_far_as_the_title_says_and_the_rest_is_added() -> None:
    half = replace(LISTED, kept=LISTED.kept + np.float32(0.5), shares=LISTED.shares / np.float32(2))

    found = half.weigh(half.find(["nurse"])[1], np.array([[0, 0.5, 0.5, 0]], np.float32))

    assert found.tolist() == [pytest.approx([1 / 6, 1 / 4, 1 / 4 + 1 / 3, 0])]
    assert Listed.from_mapping(half.to_mapping(), codes=3).kept.tolist() == [0.5] * 3


def test_titles_of_a_code_are_counted_and_those_of_several_are_divided() -> None:
    found = learn(["nurse", "nurse", "cook", "boss"], np.array([1, 2, 2, 3]))

    assert found.titles_of(5).tolist() == [0, 0.5, 1.5, 1, 0]
    assert replace(found, shares=np.zeros_like(found.shares)).titles_of(5).sum() == 3  # whatever is added to the shares
    assert Listed.none().titles_of(2).tolist() == [0, 0]


def test_order_of_rows_changes_nothing() -> None:
    again = learn([text for text, _ in reversed(ROWS)], np.array([place for _, place in reversed(ROWS)]))

    for name, array in LISTED.to_mapping().items():
        assert np.array_equal(array, again.to_mapping()[name]), name


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("nurse", 1),  # the word, " nur", "nurs", "urse", "rse "
        ("nurses", 3 / 6),  # not the word, " nur", "nurs", "urse" seen, not "rses" and "ses "
        ("nurse wok", 5 / 8),  # "wok" and " wok", "wok " are new
        ("nurse a", 5 / 6),  # too short for a run
        ("", 0),
        ("zz", 0),
        ("a", 0),
    ],
)
def test_known_share_counts_words_and_runs_of_4_bytes_together(text: str, share: float) -> None:
    assert LISTED.known_share(["cook", text, "ward"]) == pytest.approx([1, share, 1])


def test_where_nothing_is_known_no_title_is_found_and_no_text_is_strange() -> None:
    nothing = Listed.none()

    assert nothing.find(["nurse", ""])[0].tolist() == []
    assert nothing.known_share(["nurse", ""]).tolist() == [1, 1]


def test_no_titles_are_none() -> None:
    assert LISTED.find([])[0].tolist() == []
    assert LISTED.weigh(LISTED.find([])[1], np.zeros((0, 3), np.float32)).shape == (0, 3)
    assert LISTED.known_share([]).shape == (0,)


def test_what_was_written_as_arrays_is_read_again() -> None:
    again = Listed.from_mapping(LISTED.to_mapping(), codes=3)

    for name, array in LISTED.to_mapping().items():
        assert np.array_equal(array, again.to_mapping()[name]), name
    assert len(Listed.from_mapping(Listed.none().to_mapping(), codes=3).titles) == 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("titles", lambda array: array[::-1].copy()),
        ("titles", lambda array: array[:-1]),
        ("starts", lambda array: array + np.int32(1)),
        ("starts", lambda array: array[::-1].copy()),
        ("codes", lambda array: array + np.int16(1)),
        ("codes", lambda array: array - np.int16(1)),
        ("codes", lambda array: array.astype(np.int32)),
        ("shares", lambda array: array * np.float32(2)),
        ("shares", lambda array: array * np.float32("nan")),
        ("shares", lambda array: array[:-1]),
        ("words", lambda array: array[::-1].copy()),
        ("runs", lambda array: np.repeat(array, 2)),
        ("runs", lambda array: array.reshape(1, -1)),
        ("kept", lambda array: array[:-1]),
        ("kept", lambda array: array - np.float32(0.5)),
        ("kinds", lambda array: array[:-1]),
        ("marks", lambda array: array[:-1]),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(name: str, change: Callable[[Any], Any]) -> None:
    arrays = {**LISTED.to_mapping(), name: change(getattr(LISTED, name))}

    with pytest.raises(ValueError, match=f"'{name}'"):
        Listed.from_mapping(arrays, codes=3)


def test_missing_and_foreign_arrays_are_refused() -> None:
    arrays = LISTED.to_mapping()

    with pytest.raises(ValueError, match="'runs'"):
        Listed.from_mapping({name: array for name, array in arrays.items() if name != "runs"}, codes=3)
    with pytest.raises(ValueError, match="'more'"):
        Listed.from_mapping({**arrays, "more": arrays["runs"]}, codes=3)


def test_two_titles_of_one_hash_would_not_fit() -> None:
    twice = replace(LISTED, titles=LISTED.titles[[0, 0, 1]])

    with pytest.raises(ValueError, match="'titles'"):
        Listed.from_mapping(twice.to_mapping(), codes=3)


@pytest.mark.long
def test_a_million_titles_have_different_hashes() -> None:
    titles = [f"{number}" for number in range(500_000)] + [f"senior {number} engineer" for number in range(500_000)]

    assert len(np.unique(Packed.of(titles).hashes())) == 1_000_000


@given(st.lists(st.text(max_size=9), max_size=5))
def test_hash_of_a_text_is_the_same_wherever_it_stands(texts: list[str]) -> None:
    expected = [
        sum(byte * pow(int(BASE), place, 2**64) for place, byte in enumerate(text.encode(), start=1)) % 2**64
        for text in texts
    ]

    assert Packed.of(texts).hashes().tolist() == expected


def blake(text: str) -> int:
    """As jobmajor 0.1 hashed."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def test_titles_that_jobmajor_0_1_listed_are_found() -> None:
    newer = ("kept", "kinds", "marks")
    arrays = {name: array for name, array in LISTED.to_mapping().items() if name not in newer}
    codes = {"cook": [(1, 1.0)], "nurse": [(0, 1 / 3), (2, 2 / 3)], "ward nurse": [(2, 1.0)]}
    order = sorted(codes, key=blake)
    arrays["titles"] = np.array(sorted(map(blake, codes)), np.uint64)
    arrays["words"] = np.array(sorted(map(blake, ["cook", "nurse", "ward"])), np.uint64)
    arrays["starts"] = np.cumsum([0, *(len(codes[text]) for text in order)]).astype(np.int32)
    arrays["codes"] = np.array([code for text in order for code, _ in codes[text]], np.int16)
    arrays["shares"] = np.array([share for text in order for _, share in codes[text]], np.float32)
    old = Listed.from_mapping(arrays, codes=3, hashed=BLAKE)

    (rows, titles), (same_rows, same_titles) = (each.find(["nurse", "welder", "ward nurse"]) for each in (old, LISTED))

    assert rows.tolist() == same_rows.tolist() == [0, 2]
    model = np.full((2, 3), 1 / 3, np.float32)  # which has no say
    assert np.allclose(old.weigh(titles, model), LISTED.weigh(same_titles, model))
    assert old.known_share(["nurses"]) == LISTED.known_share(["nurses"]) == [0.5]


def test_titles_hashed_in_an_unknown_manner_are_refused() -> None:
    with pytest.raises(ValueError, match="hashed by 'md5', expected 'polynomial'"):
        Listed.from_mapping(LISTED.to_mapping(), codes=3, hashed="md5")
