from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor.errors import ArtifactError
from jobmajor.model.linear.arrays import Arrays, Blend
from jobmajor.model.linear.features import BUCKETS, WORD_BUCKETS, bags
from jobmajor.model.linear.network import ROLES, Network, read
from jobmajor.model.linear.scoring import (
    Evidence,
    blended,
    chances,
    evidence,
    hidden,
    known_pieces,
    softmax,
    split,
)
from jobmajor.model.linear.vectors import SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

MAJOR_OF = np.array([0, 0, 1, 1, 1, 2])  # six codes of three groups
BLENDS = st.builds(
    Blend,
    linear=st.floats(0.1, 6),
    shift=st.floats(-2, 2),
    counts=st.floats(0, 1),
    across=st.floats(0, 2),
    network=st.floats(0, 1),
    within=st.floats(0, 2),
    deeper=st.floats(0, 2),
    within_alone=st.floats(0, 2),
    deeper_alone=st.floats(0, 2),
    counts_share=st.floats(0, 0.45),
    network_share=st.floats(0, 0.45),
)


PARTS = {"a": [[4, 0], [8, 0], [-1, 0]], "c": [[0, 3], [0, 2], [0, -2]]}  # as one word, as the last, as the first


def word_bucket(word: str) -> int:
    return int(bags([word]).words[0])


def checks(words: Sequence[str]) -> np.ndarray:
    """Of words in the order of their buckets."""
    return bags(sorted(words, key=word_bucket)).word_checks


def toy() -> Arrays:
    """Knows the piece that is the word "a" and the one that is "b", and what "a" and "c" mean: three majors, six codes.

    The hidden layer's first unit stays above 0 with "a" anywhere, its second one only with "c".
    """
    words = [int(bags([word]).buckets[-1]) for word in ("a", "b")]
    assert words == sorted(words)
    meant = sorted(word_bucket(word) for word in "ac")
    return Arrays(
        buckets=np.array([-1, *words], np.int32),
        gains=np.array([0, 3, 4], np.float32),
        weights=np.array([[0, 0, 0], [1, 0, -1], [0, 10, 0]], np.float32),
        bias=np.array([0.5, 0, -0.5], np.float32),
        entry_starts=np.array([0, 0, 2, 3], np.int32),
        entry_codes=np.array([0, 3, 5], np.int16),
        entry_values=np.array([2, 1, 4], np.float32),
        code_totals=np.array([0, 0, 0, 0, 0, 1], np.float32),
        word_buckets=np.array(meant, np.int32),
        word_checks=checks("ac"),
        word_parts=np.array([PARTS[word] for word in sorted("ac", key=word_bucket)], np.int8),
        word_scales=np.array([[0.5, 1], [0.25, 1], [1, 0.5]], np.float32),
        hidden_bias=np.array([1, -2], np.float32),
        outputs=np.array([[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 10, -10]], np.float32),
        output_bias=np.array([0, 0, 3, 0, 0, 0], np.float32),
    )


def toy_outputs() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((7, 6), np.float32), np.zeros(6, np.float32)


def said(*texts: str) -> Evidence:
    arrays = toy()
    return evidence(bags(texts), arrays, arrays.tables())


def some_evidence(seed: int, titles: int = 5) -> Evidence:
    rng = np.random.default_rng(seed)
    margins = rng.normal(0, 3, (titles, 3)).astype(np.float32)
    likelihoods = rng.normal(-20, 10, (titles, len(MAJOR_OF))).astype(np.float32)
    return Evidence(margins, likelihoods, rng.normal(0, 4, (titles, len(MAJOR_OF))).astype(np.float32))


def shared_out(values: list[float]) -> list[float]:
    powers = [np.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


def spelled_out(said_of: tuple[np.ndarray, np.ndarray, np.ndarray], blend: Blend) -> list[float]:
    """One title's shares again, by the formulas as they are written down, one number after another."""
    margins, likelihoods, scores = said_of
    counted, understood = shared_out([blend.across * value for value in likelihoods]), shared_out(list(scores))
    logs = []
    for major, margin in enumerate(margins):
        members = np.flatnonzero(major == MAJOR_OF)
        sums = [sum(shares[code] for code in members) + 1e-9 for shares in (counted, understood)]
        logs.append(blend.counts * np.log(sums[0]) + blend.network * np.log(sums[1]))
        logs[-1] -= np.log(1 + np.exp(-(blend.linear * margin + blend.shift)))
    found: list[float] = []
    for major, share in enumerate(shared_out(logs)):
        values = [(likelihoods[code], scores[code]) for code in np.flatnonzero(major == MAJOR_OF)]
        opinions = (
            shared_out([blend.within * likelihood + blend.deeper * score for likelihood, score in values]),
            shared_out([blend.within_alone * likelihood for likelihood, _ in values]),
            shared_out([blend.deeper_alone * score for _, score in values]),
        )
        parts = 1 - blend.counts_share - blend.network_share, blend.counts_share, blend.network_share
        mixed = np.dot(parts, opinions)
        found += [share * part for part in mixed]
    return found


def test_vector_of_a_title_has_length_one_and_knows_repeats() -> None:
    arrays = toy()

    found = known_pieces(bags(["a b", "zzz", "b", "b b"]), arrays.tables().rows, arrays.gains)

    # Words weigh 3 and 4: 3/5 and 4/5. "zzz" has no known piece. "b b" is two pieces of 4 / sqrt(32).
    assert found.titles.tolist() == [0, 0, 2, 3, 3]
    assert found.rows.tolist() == [1, 2, 2, 2, 2]
    assert found.values == pytest.approx([0.6, 0.8, 1, 0.5**0.5, 0.5**0.5])


def test_evidence_is_the_weighted_sum_of_what_the_pieces_say() -> None:
    found = said("a b", "")

    assert found.margins[0] == pytest.approx([0.5 + 0.6, 8, -0.5 - 0.6])
    # Entries of "a" count 0.6, that of "b" 0.8; the last code's total is taken off once for each unit of 1.4.
    assert found.likelihoods[0] == pytest.approx([1.2, 0, 0, 0.6, 0, 3.2 - 1.4])


def test_bias_alone_speaks_of_a_title_without_a_known_piece() -> None:
    found = said("", "zzz")

    assert found.margins == pytest.approx(np.array([[0.5, 0, -0.5]] * 2))
    assert not found.likelihoods.any()
    # Of the hidden layer's biases, 1 and -2, the first goes to the first code; the third code has one of its own.
    assert found.scores == pytest.approx(np.array([[1, 0, 3, 0, 0, 0]] * 2))


@pytest.mark.parametrize(
    ("title", "units"),
    [
        ("", [1, 0]),
        ("b zzz", [1, 0]),  # no meaning
        ("a", [1 + 4 * 0.5 + 8 * 0.25 - 1 * 1, 0]),
        ("c", [1, -2 + 3 + 2 - 1]),
        ("zzz a b", [4, 0]),  # of words with a meaning, "a" is the first and the last
        ("a c", [1 + 4 * 0.5 / 2 - 1, -2 + 3 / 2 + 2]),
        ("c a", [1 + 4 * 0.5 / 2 + 8 * 0.25, 0]),  # -2 + 3 / 2 - 1 is below 0
        ("a a c", [1 + 2 * (4 * 0.5) / 3 - 1, -2 + 3 / 3 + 2]),
    ],
)
def test_hidden_layer_hears_the_mean_of_the_words_the_last_and_the_first(title: str, units: list[float]) -> None:
    arrays = toy()

    alone, beside = (hidden(bags(texts), arrays, arrays.tables()) for texts in ([title], ["c", title, "", "a"]))

    assert alone[0] == pytest.approx(units)
    assert beside[1] == pytest.approx(units)


def test_word_of_another_check_has_no_meaning() -> None:
    arrays = toy()
    other = replace(arrays, word_checks=arrays.word_checks ^ np.array([0, 1], np.uint32))
    titles = bags(["a c", "c a", "a", "c"])

    found = other.tables().meanings(titles)

    first = word_bucket("a") if word_bucket("a") < word_bucket("c") else word_bucket("c")
    assert found.tolist() == [0 if bucket == first else -1 for bucket in titles.words]
    assert other.tables().meanings(bags([])).shape == (0,)


def test_hidden_layer_of_no_titles_is_empty_and_the_biases_stay_as_they_were() -> None:
    arrays = toy()

    found = hidden(bags([]), arrays, arrays.tables())
    hidden(bags(["a", "c"]), arrays, arrays.tables())

    assert found.shape == (0, 2)
    assert arrays.hidden_bias.tolist() == [1, -2]


def test_scores_are_the_second_layer_over_the_hidden_one() -> None:
    found = said("a", "c")

    assert found.scores == pytest.approx(np.array([[4, 0, 3, 0, 0, 0], [1, 0, 3, 0, 20, -20]]))


@settings(max_examples=25)
@given(st.lists(st.lists(st.sampled_from(["nurse", "head", "of", "icu", "zzz"]), max_size=5), max_size=5), st.data())
def test_hidden_layer_is_the_networks_own_but_for_the_rounding_of_its_parts(
    titles: list[list[str]], data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    words = sorted(("nurse", "head", "of", "icu"), key=word_bucket)
    vectors = rng.normal(size=(4, SIZE)).astype(np.float32)
    inputs = rng.normal(size=(ROLES * SIZE, 7)).astype(np.float32)
    float_network = Network(inputs, rng.normal(size=7).astype(np.float32), *toy_outputs())
    parts = float_network.parts(vectors)
    scales = (np.abs(parts).max(axis=0) / 127).astype(np.float32)
    small = replace(
        toy(),
        word_buckets=np.array([word_bucket(word) for word in words], np.int32),
        word_checks=checks(words),
        word_parts=np.rint(parts / scales).astype(np.int8),
        word_scales=scales,
        hidden_bias=float_network.hidden_bias,
    )

    found = hidden(bags([" ".join(title) for title in titles]), small, small.tables())

    rows = [[words.index(word) for word in title if word != "zzz"] for title in titles]
    starts = np.cumsum([0, *map(len, rows)])
    title_read = read(starts, vectors[[row for title in rows for row in title]])
    expected = np.maximum(title_read @ inputs + float_network.hidden_bias, 0)
    # Each place is at most half a unit of its scale away; float32 adds some of its own.
    assert (np.abs(found - expected) <= scales.sum(axis=0) / 2 + 1e-3).all()


def test_no_titles_give_no_evidence() -> None:
    found = said()

    assert (found.margins.shape, found.likelihoods.shape, found.scores.shape) == ((0, 3), (0, 6), (0, 6))


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["a", "b", "a b", "", "b zzz", "c a", "a " * 9000, "b " * 4000]), max_size=5))
def test_evidence_in_blocks_is_that_of_each_title_alone(texts: list[str]) -> None:
    together = said(*texts)

    for row, text in enumerate(texts):
        alone = said(text)
        assert np.array_equal(together.margins[row], alone.margins[0])
        assert np.array_equal(together.likelihoods[row], alone.likelihoods[0])
        # A product of matrices may add in another order.
        assert together.scores[row] == pytest.approx(alone.scores[0], rel=1e-5)


def test_evidence_of_many_short_titles_stays_in_their_order() -> None:
    texts, few = ["a", "b", "c"] * 300, said("a", "b", "c")

    found = said(*texts)

    assert np.array_equal(found.margins, np.tile(few.margins, (300, 1)))
    assert found.scores == pytest.approx(np.tile(few.scores, (300, 1)))


@given(st.integers(0, 2**32), BLENDS)
def test_blend_is_that_of_the_formulas(seed: int, blend: Blend) -> None:
    found = some_evidence(seed)

    shares = blended(found, blend, MAJOR_OF)

    margins, likelihoods, scores = (part.astype(float) for part in (found.margins, found.likelihoods, found.scores))
    for row, said_of in enumerate(zip(margins, likelihoods, scores, strict=True)):
        assert shares[row] == pytest.approx(spelled_out(said_of, blend), rel=1e-4, abs=1e-6)


@given(st.integers(0, 2**32), BLENDS)
def test_shares_are_between_0_and_1_and_each_row_sums_to_1(seed: int, blend: Blend) -> None:
    shares = blended(some_evidence(seed), blend, MAJOR_OF)

    assert shares.dtype == np.float32
    assert ((shares >= 0) & (shares <= 1 + 1e-6)).all()
    assert shares.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-6)


@pytest.mark.parametrize("name", ["within", "deeper", "within_alone", "deeper_alone", "counts_share", "network_share"])
def test_weight_inside_the_groups_moves_shares_within_them_alone(name: str) -> None:
    found = some_evidence(0)

    one, other = (blended(found, replace(Blend(), **{name: value}), MAJOR_OF) for value in (0.05, 0.4))

    members = MAJOR_OF[:, None] == np.arange(3)
    assert one @ members == pytest.approx(other @ members, abs=1e-6)
    assert not np.allclose(one, other)


def test_splits_of_the_groups_are_shares_of_each() -> None:
    found = some_evidence(3)

    within = split(found.likelihoods, found.scores, Blend(), np.array([0, 2, 5]))

    assert np.add.reduceat(within, [0, 2, 5], axis=1) == pytest.approx(np.ones((5, 3)))
    assert within[:, 5] == pytest.approx(np.ones(5))  # the only code of its group
    assert (within >= 0).all()


@pytest.mark.parametrize("name", ["within", "deeper", "within_alone", "deeper_alone"])
def test_smallest_step_of_a_weight_inside_the_groups_is_felt(name: str) -> None:
    found, starts = some_evidence(4), np.array([0, 2, 5])

    one, other = (
        split(found.likelihoods, found.scores, replace(Blend(), **{name: 0.3 + step}), starts) for step in (0, 1e-8)
    )

    assert 0 < np.abs(one - other).max() < 1e-6


def test_extreme_evidence_stays_a_share() -> None:
    margins = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], np.float32)
    likelihoods = np.array([[-1e4, 0, 1e4, -1e4, 0, 0], [0, -1e4, -1e4, -1e4, -1e4, -1e4]], np.float32)

    found = [Evidence(margins, likelihoods, scores) for scores in (likelihoods, -likelihoods)]

    shares = [blended(each, Blend(), MAJOR_OF) for each in found]

    assert np.isfinite(shares).all()
    assert np.array(shares).sum(axis=2) == pytest.approx(np.ones((2, 2)))


def test_margin_of_nothing_without_a_shift_is_an_even_chance() -> None:
    logs = chances(np.zeros((1, 2), np.float32), Blend(shift=0))

    assert np.exp(logs) == pytest.approx(0.5)


def test_softmax_of_equal_values_is_even_and_of_large_ones_is_finite() -> None:
    found = softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]]))

    assert found == pytest.approx(np.array([[0.5, 0.5], [0.25, 0.75]]))


def test_arrays_survive_being_named() -> None:
    arrays = toy()

    again = Arrays.from_mapping(arrays.to_mapping(), codes=6, majors=3)

    assert again.to_mapping().keys() == arrays.to_mapping().keys()
    assert all(np.array_equal(again.to_mapping()[name], array) for name, array in arrays.to_mapping().items())


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("buckets", np.array([-1, 7, 7], np.int32)),
        ("buckets", np.array([0, 7, 8], np.int32)),
        ("buckets", np.array([-1, 7, BUCKETS], np.int32)),
        ("buckets", np.array([-1, 7], np.int32)),
        ("buckets", np.array([-1, 7, 8], np.int64)),
        ("gains", np.array([0, 3, np.nan], np.float32)),
        ("gains", np.array([0, 3, 0], np.float32)),
        ("gains", np.zeros((3, 1), np.float32)),
        ("weights", np.zeros((3, 4), np.float32)),
        ("weights", np.zeros((2, 3), np.float32)),
        ("weights", np.zeros(9, np.float32)),
        ("weights", np.full((3, 3), np.inf, np.float32)),
        ("bias", np.zeros(2, np.float32)),
        ("bias", np.float32(0).reshape(())),
        ("entry_starts", np.array([0, 2, 1, 3], np.int32)),
        ("entry_starts", np.array([1, 1, 2, 3], np.int32)),
        ("entry_starts", np.array([0, 0, 2, 4], np.int32)),
        ("entry_starts", np.array([0, 3], np.int32)),
        ("entry_codes", np.array([0, 3, 6], np.int16)),
        ("entry_codes", np.array([0, -1, 5], np.int16)),
        ("entry_codes", np.array([0, 3, 5], np.int32)),
        ("entry_values", np.zeros(2, np.float32)),
        ("entry_values", np.array([0, 1, -np.inf], np.float32)),
        ("code_totals", np.zeros(5, np.float32)),
        ("word_buckets", np.array([WORD_BUCKETS, WORD_BUCKETS], np.int32)),
        ("word_buckets", np.array([WORD_BUCKETS + 1, WORD_BUCKETS], np.int32)),
        ("word_buckets", np.array([WORD_BUCKETS - 1, WORD_BUCKETS], np.int32)),
        ("word_buckets", np.array([-1, WORD_BUCKETS], np.int32)),
        ("word_buckets", np.array([WORD_BUCKETS, BUCKETS], np.int32)),
        ("word_buckets", np.array([WORD_BUCKETS, WORD_BUCKETS + 1], np.int64)),
        ("word_checks", np.zeros(1, np.uint32)),
        ("word_checks", np.zeros((2, 1), np.uint32)),
        ("word_checks", np.zeros(2, np.int32)),
        ("word_parts", np.zeros((3, 3, 2), np.int8)),
        ("word_parts", np.zeros((2, 2, 2), np.int8)),
        ("word_parts", np.zeros((2, 3, 1), np.int8)),
        ("word_parts", np.zeros((2, 6), np.int8)),
        ("word_parts", np.zeros((2, 3, 2), np.float32)),
        ("word_scales", np.zeros((2, 2), np.float32)),
        ("word_scales", np.zeros((3, 3), np.float32)),
        ("word_scales", np.full((3, 2), np.nan, np.float32)),
        ("hidden_bias", np.array([0, np.nan], np.float32)),
        ("hidden_bias", np.zeros((2, 1), np.float32)),
        ("hidden_bias", np.zeros(2, np.float64)),
        ("outputs", np.zeros((3, 6), np.float32)),
        ("outputs", np.zeros((2, 5), np.float32)),
        ("outputs", np.full((2, 6), np.inf, np.float32)),
        ("output_bias", np.zeros(5, np.float32)),
        ("output_bias", np.full(6, -np.inf, np.float32)),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused_by_name(name: str, array: np.ndarray) -> None:
    with pytest.raises(ArtifactError, match=f"'{name}'"):
        Arrays.from_mapping({**toy().to_mapping(), name: array}, codes=6, majors=3)


def test_missing_foreign_and_empty_arrays_are_refused() -> None:
    arrays = toy().to_mapping()
    empty = {name: array[:0] for name, array in arrays.items()}

    with pytest.raises(ArtifactError, match=r"\['bias'\]"):
        Arrays.from_mapping({name: array for name, array in arrays.items() if name != "bias"}, 6, 3)
    with pytest.raises(ArtifactError, match=r"\['more'\]"):
        Arrays.from_mapping({**arrays, "more": arrays["bias"]}, 6, 3)
    with pytest.raises(ArtifactError, match="buckets"):
        Arrays.from_mapping(empty, 6, 3)


def test_hidden_layer_of_another_size_than_its_weights_is_refused() -> None:
    longer = {**toy().to_mapping(), "hidden_bias": np.zeros(3, np.float32)}

    with pytest.raises(ArtifactError, match=r"\['word_parts', 'word_scales', 'outputs'\] don't fit"):
        Arrays.from_mapping(longer, 6, 3)


def test_model_without_any_word_of_a_meaning_still_answers() -> None:
    buckets, checks, parts = np.zeros(0, np.int32), np.zeros(0, np.uint32), np.zeros((0, 3, 2), np.int8)
    none = replace(toy(), word_buckets=buckets, word_checks=checks, word_parts=parts)

    arrays = Arrays.from_mapping(none.to_mapping(), 6, 3)

    assert evidence(bags(["a"]), arrays, arrays.tables()).scores == pytest.approx(np.array([[1, 0, 3, 0, 0, 0]]))


def test_tables_find_the_row_of_every_known_piece_and_word_and_0_or_none_for_others() -> None:
    ends = np.array([WORD_BUCKETS, BUCKETS - 1], np.int32)
    arrays = replace(toy(), buckets=np.array([-1, 0, BUCKETS - 1], np.int32), word_buckets=ends)

    tables = arrays.tables()

    assert (tables.rows[0], tables.rows[BUCKETS - 1], tables.rows[1], tables.rows.sum()) == (1, 2, 0, 3)
    assert (tables.words[0], tables.words[-1], tables.words[1]) == (0, 1, -1)
    assert (len(tables.rows), len(tables.words)) == (BUCKETS, WORD_BUCKETS)
    assert (tables.words >= 0).sum() == 2
