from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor.errors import ArtifactError
from jobmajor.features import BUCKETS, bags
from jobmajor.scoring import Arrays, Blend, Evidence, blended, chances, evidence, known, softmax

MAJOR_OF = np.array([0, 0, 1, 1, 1, 2])  # six codes of three groups
BLENDS = st.builds(
    Blend,
    linear=st.floats(0.1, 6),
    shift=st.floats(-2, 2),
    counts=st.floats(0, 1),
    across=st.floats(0, 2),
    within=st.floats(0, 2),
)


def toy() -> Arrays:
    """Knows the piece that is the word "a" and the one that is "b": three majors, six codes."""
    words = [int(bags([word]).buckets[-1]) for word in ("a", "b")]
    assert words == sorted(words)
    return Arrays(
        buckets=np.array([-1, *words], np.int32),
        gains=np.array([0, 3, 4], np.float32),
        weights=np.array([[0, 0, 0], [1, 0, -1], [0, 10, 0]], np.float32),
        bias=np.array([0.5, 0, -0.5], np.float32),
        entry_starts=np.array([0, 0, 2, 3], np.int32),
        entry_codes=np.array([0, 3, 5], np.int16),
        entry_values=np.array([2, 1, 4], np.float32),
        code_totals=np.array([0, 0, 0, 0, 0, 1], np.float32),
    )


def said(*texts: str) -> Evidence:
    arrays = toy()
    return evidence(bags(texts), arrays, arrays.table())


def some_evidence(seed: int, titles: int = 5) -> Evidence:
    rng = np.random.default_rng(seed)
    margins = rng.normal(0, 3, (titles, 3)).astype(np.float32)
    return Evidence(margins, rng.normal(-20, 10, (titles, len(MAJOR_OF))).astype(np.float32))


def spelled_out(margins: np.ndarray, likelihoods: np.ndarray, blend: Blend) -> list[float]:
    """One title's shares again, by the formulas as they are written down, with no array operation."""
    across = [np.exp(blend.across * (value - max(likelihoods))) for value in likelihoods.astype(float)]
    powers = []
    for major, margin in enumerate(margins.astype(float)):
        share = sum(value for value, group in zip(across, MAJOR_OF, strict=True) if group == major) / sum(across)
        powers.append((share + 1e-9) ** blend.counts / (1 + np.exp(-(blend.linear * margin + blend.shift))))
    found = []
    for value, group in zip(likelihoods.astype(float), MAJOR_OF, strict=True):
        siblings = sum(np.exp(blend.within * (other - value)) for other in likelihoods[group == MAJOR_OF].astype(float))
        found.append(powers[group] / sum(powers) / siblings)
    return found


def test_vector_of_a_title_has_length_one_and_knows_repeats() -> None:
    arrays = toy()

    found = known(bags(["a b", "zzz", "b", "b b"]), arrays.table(), arrays.gains)

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


def test_no_titles_give_no_evidence() -> None:
    found = said()

    assert (found.margins.shape, found.likelihoods.shape) == ((0, 3), (0, 6))


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["a", "b", "a b", "", "b zzz", "a " * 9000, "b " * 4000]), max_size=5))
def test_evidence_in_blocks_is_that_of_each_title_alone(texts: list[str]) -> None:
    together = said(*texts)

    for row, text in enumerate(texts):
        alone = said(text)
        assert np.array_equal(together.margins[row], alone.margins[0])
        assert np.array_equal(together.likelihoods[row], alone.likelihoods[0])


def test_evidence_of_many_short_titles_stays_in_their_order() -> None:
    texts = ["a", "b", ""] * 300

    found = said(*texts)

    assert np.array_equal(found.margins, np.tile(said("a", "b", "").margins, (300, 1)))


@given(st.integers(0, 2**32), BLENDS)
def test_blend_is_that_of_the_formulas(seed: int, blend: Blend) -> None:
    found = some_evidence(seed)

    shares = blended(found, blend, MAJOR_OF)

    for row, margins, likelihoods in zip(shares, found.margins, found.likelihoods, strict=True):
        assert row == pytest.approx(spelled_out(margins, likelihoods, blend), rel=1e-4, abs=1e-6)


@given(st.integers(0, 2**32), BLENDS)
def test_shares_are_between_0_and_1_and_each_row_sums_to_1(seed: int, blend: Blend) -> None:
    shares = blended(some_evidence(seed), blend, MAJOR_OF)

    assert shares.dtype == np.float32
    assert ((shares >= 0) & (shares <= 1 + 1e-6)).all()
    assert shares.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-6)


def test_counts_split_a_major_groups_share_and_do_not_change_it_alone() -> None:
    found = some_evidence(0)

    one, other = (blended(found, Blend(within=within), MAJOR_OF) for within in (0.1, 2.0))

    members = MAJOR_OF[:, None] == np.arange(3)
    assert one @ members == pytest.approx(other @ members, abs=1e-6)
    assert not np.allclose(one, other)


def test_order_of_the_codes_need_not_be_that_of_the_groups() -> None:
    found = some_evidence(1)
    mixed = np.array([5, 0, 3, 1, 4, 2])

    shares = blended(Evidence(found.margins, found.likelihoods[:, mixed]), Blend(), MAJOR_OF[mixed])

    assert shares == pytest.approx(blended(found, Blend(), MAJOR_OF)[:, mixed], abs=1e-6)


def test_extreme_evidence_stays_a_share() -> None:
    margins = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], np.float32)
    likelihoods = np.array([[-1e4, 0, 1e4, -1e4, 0, 0], [0, -1e4, -1e4, -1e4, -1e4, -1e4]], np.float32)

    shares = blended(Evidence(margins, likelihoods), Blend(), MAJOR_OF)

    assert np.isfinite(shares).all()
    assert shares.sum(axis=1) == pytest.approx([1, 1])


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


def test_table_finds_the_row_of_every_known_piece_and_row_0_for_others() -> None:
    arrays = replace(toy(), buckets=np.array([-1, 0, BUCKETS - 1], np.int32))

    table = arrays.table()

    assert (table[0], table[BUCKETS - 1], table[1], table.sum()) == (1, 2, 0, 3)
