from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.model.linear import vectors
from jobmajor.model.linear.vectors import SIZE, Vectors, shipped
from jobmajor.titles import normalise

LISTED = vectors.WORDS.read_text("ascii").split("\n")


def hand() -> Vectors:
    words = ["boss", "fire", "nurse", "pipe", "pipeline", "layer", "trucks"]
    values = np.arange(len(words), dtype=np.float32)[:, None] * np.ones(SIZE, np.float32)
    return Vectors({word: place for place, word in enumerate(words)}, values)


def nearness(one: str, other: str) -> float:
    first, second = shipped().of(one), shipped().of(other)
    assert first is not None, one
    assert second is not None, other
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_every_word_is_listed_once_in_order_a_line_each_and_in_small_letters() -> None:
    *words, end = LISTED

    assert end == ""
    assert words == sorted(set(words))
    assert all(word.isascii() and word.isalpha() and word.islower() and len(word) > 1 for word in words)


def test_every_word_has_a_vector_of_its_own_row() -> None:
    found = shipped()

    assert list(found.row_of) == LISTED[:-1]
    assert list(found.row_of.values()) == list(range(len(found.row_of)))
    assert (found.values.shape, found.values.dtype.name) == ((len(found.row_of), SIZE), "float32")
    assert np.isfinite(found.values).all()
    # Less than sqrt(128), as centres lie nearer to 0 than the words that they stand for.
    assert np.linalg.norm(found.values, axis=1).mean() == pytest.approx(SIZE**0.5, rel=0.1)


def test_parts_cover_each_number_once() -> None:
    covered = [place for part in vectors.PARTS for place in range(SIZE)[part]]

    assert covered == list(range(SIZE))


def test_vectors_are_no_larger_than_a_megabyte_and_their_words_than_half_of_one() -> None:
    assert vectors.ARRAYS.stat().st_size < 1_000_000
    assert vectors.WORDS.stat().st_size < 500_000


def test_reading_them_again_gives_the_same_numbers() -> None:
    again = shipped.__wrapped__()

    assert again.row_of == shipped().row_of
    assert np.array_equal(again.values, shipped().values)


def test_words_of_the_socs_names_have_a_vector() -> None:
    words = {word for code in soc.detailed_codes() for word in normalise(soc.name(code)).split()}

    missing = {word for word in words if shipped().of(word) is None}

    assert all(len(word) == 1 or not word.isascii() or not word.isalpha() for word in missing), missing


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [
        ("nurse", "physician", "forklift"),
        ("barrister", "lawyer", "plumber"),
        ("attorney", "solicitor", "baker"),
        ("cook", "chef", "lawyer"),
        ("teacher", "professor", "welder"),
        ("car", "automobile", "nurse"),
        ("programmer", "developer", "butcher"),
        ("doctor", "physician", "carpenter"),
        ("violin", "piano", "tractor"),
        ("policeman", "sheriff", "florist"),
        ("accountant", "auditor", "lifeguard"),
        ("pilot", "aviation", "barber"),
        ("psychologist", "therapist", "mason"),
        ("cow", "cattle", "software"),
        ("pharmacist", "pharmacy", "carpenter"),
        ("tailor", "seamstress", "chemist"),
        ("chemist", "chemistry", "cashier"),
        ("electrician", "wiring", "priest"),
    ],
)
def test_word_is_nearer_to_one_of_its_own_trade_than_to_one_of_another(word: str, near: str, far: str) -> None:
    assert nearness(word, near) > nearness(word, far) + 0.1


def test_most_words_are_nearer_to_their_own_plural_than_to_a_chance_word() -> None:
    found = shipped()
    singular = [word for word in found.row_of if len(word) > 3 and word + "s" in found.row_of][::10]
    values = found.values / np.linalg.norm(found.values, axis=1, keepdims=True)
    one, more = (values[[found.row_of[word + end] for word in singular]] for end in ("", "s"))

    own, others = (one * more).sum(axis=1), (one * np.roll(more, 1, axis=0)).sum(axis=1)

    assert len(singular) > 100
    assert (own > others).mean() > 0.95


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("nurse", 2.0),
        ("nurses", 2.0),
        ("truck", 6.0),  # of which only the plural is listed
        ("bosses", 0.0),
        ("pipelayer", (3 + 5) / 2),
        ("pipelayers", (3 + 5) / 2),
        ("pipeliner", None),
        ("pipelinelayer", (4 + 5) / 2),
        ("firetruck", (1 + 6) / 2),
        ("layerpipelayer", None),  # of three words
        ("pipes", 3.0),
        ("zzz", None),
        ("", None),
        ("s", None),
        ("es", None),
        ("看護師", None),
    ],
)
def test_word_is_looked_up_as_it_is_then_singular_or_plural_then_in_two_parts(word: str, value: float | None) -> None:
    found = hand().of(word)

    assert (found is None) == (value is None)
    assert found is None or (found.shape == (SIZE,) and found.dtype == np.float32 and (found == value).all())


def test_parts_of_a_word_have_three_letters_at_least() -> None:
    words = Vectors({"be": 0, "abc": 1, "xy": 2, "defg": 3}, np.ones((4, SIZE), np.float32))

    assert words.of("abcxy") is None
    assert words.of("bedefg") is None
    assert words.of("abcdefg") is not None


def test_word_is_cut_as_near_to_its_middle_as_can_be() -> None:
    # "carpetsalesman" of 14 letters: 6 + 8 rather than 3 + 11.
    words = ["car", "petsalesman", "carpet", "salesman"]
    values = np.array([8, 0, 2, 4], np.float32)[:, None] * np.ones(SIZE, np.float32)

    found = Vectors({word: place for place, word in enumerate(words)}, values).of("carpetsalesman")

    assert found is not None
    assert (found == 3).all()


def test_among_words_those_without_a_vector_are_left_out_and_the_others_keep_their_order() -> None:
    words, values = hand().among(["zzz", "trucks", "", "nurses", "trucks"])

    assert words == ["trucks", "nurses", "trucks"]
    assert values[:, 0].tolist() == [6, 2, 6]
    assert [found.shape[0] for found in (values, hand().among([])[1], hand().among(["zzz"])[1])] == [3, 0, 0]
    assert hand().among([])[1].shape == (0, SIZE)


@given(st.text(max_size=20))
def test_any_text_has_a_vector_or_none(text: str) -> None:
    found = shipped().of(text)

    assert found is None or (found.shape == (SIZE,) and np.isfinite(found).all())
