"""Centroids of a second text: how a text is compared with them, pooled with shares, and how the weight is fitted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from jobmajor.errors import ArtifactError
from jobmajor.model.linear import centroids, context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.model.linear.context import Context

CODES = ("29-1141", "35-2014", "53-3032")
DUTIES = pl.DataFrame(
    [
        ("29-1141", "Assess patients at the bedside.", "task"),
        ("29-1141", "Administer medications to patients.", "task"),
        ("29-1141", "Nurse patients.", "description"),
        ("35-2014", "Fry meat in the kitchen.", "task"),
        ("35-2014", "Season meat before cooking.", "task"),
        ("53-3032", "Drive trucks on long routes.", "task"),
        ("53-3032", "Inspect trucks.", "task"),
        ("99-9999", "Do what no code of the model does.", "task"),
    ],
    schema=["code", "text", "source"],
    orient="row",
)
VALIDATION = pl.DataFrame(
    [("worker a", "29-1141"), ("worker b", "35-2014"), ("worker c", "53-3032")] * 5,
    schema=["text", "code"],
    orient="row",
).with_columns(pl.lit("alternate").alias("source"))


def alike(texts: Sequence[str]) -> NDArray[np.float32]:
    """A model to which every title looks alike."""
    return np.full((len(texts), len(CODES)), 1 / 3, np.float32)


@pytest.fixture(scope="module")
def learned() -> Context:
    return centroids.learn(DUTIES, VALIDATION, CODES, alike)


def dense(made: Context, text: str) -> list[float]:
    """The product with each centroid, term by term."""
    found = [0.0] * len(CODES)
    for term in context.terms(text):
        for row in np.flatnonzero(made.names == context.hashed([[term]])[0]).tolist():
            for entry in range(made.starts[row], made.starts[row + 1]):
                found[made.columns[entry]] += float(made.values[entry])
    return found


@given(st.text(st.sampled_from("patients trucks meat and zz"), max_size=60))
def test_products_are_the_sums_of_the_terms(text: str) -> None:
    made = centroids.learn(DUTIES, VALIDATION.head(0), CODES, alike)

    products, _ = made.compared(["trucks", text, ""], len(CODES))

    np.testing.assert_allclose(products[1], dense(made, text), atol=1e-5)
    assert products[2].tolist() == [0, 0, 0]


def test_product_over_length_is_the_cosine_with_the_centroid() -> None:
    duties = DUTIES.unique("code", keep="first", maintain_order=True)  # a code's only task is its centroid
    made = centroids.learn(duties, VALIDATION, CODES, alike)

    products, lengths = made.compared(["Trucks drive on long routes!", "Long routes"], 3)

    assert products[0, 2] / lengths[0] == pytest.approx(1, abs=1e-6)
    assert products[1, 2] / lengths[1] == pytest.approx((2 / 5) ** 0.5, abs=1e-6)  # 2 of 5 terms of equal weight
    assert products[:, :2].tolist() == [[0, 0], [0, 0]]


def test_context_moves_shares_towards_its_code_and_each_row_still_sums_to_1(learned: Context) -> None:
    shares = np.array([[0.5, 0.3, 0.2]] * 3, np.float32)

    found = learned.pooled(shares, ["Drives trucks on routes", "", "unheard words"])

    assert found[0].argmax() == 2
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert found[1:].tolist() == shares[1:].tolist()


def test_share_of_zero_stays_zero(learned: Context) -> None:
    found = learned.pooled(np.array([[1, 0, 0]], np.float32), ["Drive trucks"])

    assert found.tolist() == [[1, 0, 0]]


def test_equal_contexts_of_a_batch_and_long_batches_change_nothing(learned: Context) -> None:
    texts = ["Drive trucks", "Fry meat", "Drive trucks", ""] * 200
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], len(texts)).astype(np.float32)

    found = learned.pooled(shares, texts)

    alone = [learned.pooled(shares[row : row + 1], [text])[0] for row, text in enumerate(texts)]
    np.testing.assert_array_equal(found, np.stack(alone))


def test_short_text_gets_less_weight_than_a_long_one_of_the_same_direction() -> None:
    shares, products = np.array([[0.5, 0.5]] * 2, np.float32), np.array([[1, 0], [10, 0]], np.float32)

    found = context.pool(shares, products, np.array([1, 10], np.float32), np.array([4.0, 5.0]))

    # odds: exp(4 * 1 / (1 + 5)), and exp(4 * 10 / (10 + 5))
    np.testing.assert_allclose(found[:, 0] / found[:, 1], np.exp([4 / 6, 40 / 15]), rtol=1e-5)


def test_weight_is_fitted_on_tasks_that_their_centroids_do_not_contain() -> None:
    """Each task shares a word with another code only: with the task in its own centroid it would seem to fit that."""
    codes = (*CODES, "53-7065")
    rows = [
        (code, f"{name}one{task} {name}two{task} link{name} link{other}"[: None if task == 0 else 12], "task")
        for code, name, other in zip(codes, "abcd", "bcda", strict=True)
        for task in range(2)
    ]
    duties = pl.DataFrame(rows, schema=["code", "text", "source"], orient="row")

    made = centroids.learn(duties, VALIDATION, codes, lambda texts: np.full((len(texts), 4), 0.25, np.float32))

    assert made.strength[0] < 1


def test_words_that_most_codes_have_are_no_terms(learned: Context) -> None:
    assert not np.isin(context.hashed([["the"]]), learned.names).any()
    assert np.isin(context.hashed([["truck", "meat"]]), learned.names).all()


def test_context_survives_saving_and_a_model_without_one_has_none(learned: Context, tmp_path: Path) -> None:
    assert context.load(tmp_path, 3) is None

    learned.save(tmp_path)
    found = context.load(tmp_path, 3)

    assert found is not None
    assert found.pooled(alike(["x"]), ["meat"]).tolist() == learned.pooled(alike(["x"]), ["meat"]).tolist()


@pytest.mark.parametrize("name", ["names", "gains", "starts", "columns", "values", "strength"])
def test_arrays_that_do_not_fit_are_refused(learned: Context, tmp_path: Path, name: str) -> None:
    learned.save(tmp_path)
    path = tmp_path / "context.safetensors"
    arrays = load_file(path)
    save_file({**arrays, name: arrays[name][:-1]}, path)

    with pytest.raises(ArtifactError, match="train it again"):
        context.load(tmp_path, 3)


def test_context_of_a_model_with_more_codes_and_numbers_that_are_none_are_refused(learned: Context) -> None:
    with pytest.raises(ArtifactError, match="does not fit"):
        learned.check(2)
    with pytest.raises(ArtifactError, match="does not fit"):
        replace(learned, values=learned.values * np.float32(np.nan)).check(3)


def test_foreign_array_is_refused(learned: Context, tmp_path: Path) -> None:
    learned.save(tmp_path)
    path = tmp_path / "context.safetensors"
    save_file({**load_file(path), "more": np.zeros(1, np.float32)}, path)

    with pytest.raises(ArtifactError, match="other arrays"):
        context.load(tmp_path, 3)
