from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model.answers import Answer
from jobmajor.model.classifier import Classifier
from jobmajor.model.linear.arrays import Arrays, Blend
from jobmajor.model.linear.features import bags
from jobmajor.model.linear.model import LinearModel

if TYPE_CHECKING:
    from collections.abc import Mapping

TITLES = st.lists(st.none() | st.text(max_size=40) | st.sampled_from(["nurse", "Truck Driver"]), max_size=6)
CODES = ("11-1011", "15-1252", "29-1141", "29-1171", "31-1131")


def undecided() -> Classifier:
    """Answers every title alike: no group before another, and its two codes of 29- share evenly."""
    rows, codes = 2, len(CODES)
    arrays = Arrays(
        buckets=np.array([-1, bags(["nurse"]).buckets[-1]], np.int32),
        gains=np.array([0, 1], np.float32),
        weights=np.zeros((rows, 4), np.float32),
        bias=np.zeros(4, np.float32),
        entry_starts=np.zeros(rows + 1, np.int32),
        entry_codes=np.zeros(0, np.int16),
        entry_values=np.zeros(0, np.float32),
        code_totals=np.zeros(codes, np.float32),
        word_buckets=np.zeros(0, np.int32),
        word_checks=np.zeros(0, np.uint32),
        word_parts=np.zeros((0, 3, 1), np.int8),
        word_scales=np.zeros((3, 1), np.float32),
        hidden_bias=np.zeros(1, np.float32),
        outputs=np.zeros((1, codes), np.float32),
        output_bias=np.zeros(codes, np.float32),
    )
    return Classifier(LinearModel(arrays, CODES, Blend(counts=0.0, network=0.0)), {})


@settings(max_examples=40)
@given(TITLES)
def test_score_of_a_parent_is_the_sum_of_its_childrens(classifier: Classifier, titles: list[str | None]) -> None:
    for upper, lower in zip(soc.LEVELS, soc.LEVELS[1:], strict=False):
        children = classifier.classes(lower)
        parents = np.array([soc.ancestor(code, upper) for code in children])
        scores = classifier.predict_proba(titles, lower)

        sums = [scores[:, parents == code].sum(axis=1) for code in classifier.classes(upper)]

        assert classifier.predict_proba(titles, upper) == pytest.approx(np.array(sums).T, abs=1e-6)


@settings(max_examples=40)
@given(TITLES, st.sampled_from(soc.LEVELS))
def test_every_row_sums_to_1(classifier: Classifier, titles: list[str | None], level: soc.Level) -> None:
    scores = classifier.predict_proba(titles, level)

    assert scores.shape == (len(titles), len(classifier.classes(level)))
    assert scores.dtype == np.float32
    assert (scores >= 0).all()
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(titles)), abs=1e-5)


@pytest.mark.parametrize("level", soc.LEVELS)
def test_company_that_a_title_is_in_changes_its_scores_by_rounding_only(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame], level: soc.Level
) -> None:
    titles = splits["train"]["title"].to_list()[:600]  # more than one batch of 256

    together = classifier.predict_proba(titles, level)

    assert classifier.predict_proba(titles[::-1], level)[::-1] == pytest.approx(together, abs=1e-6)
    alone = np.concatenate([classifier.predict_proba([title], level) for title in titles[::20]])
    assert alone == pytest.approx(together[::20], abs=1e-6)
    assert np.array_equal(alone.argmax(axis=1), together[::20].argmax(axis=1))


@pytest.mark.parametrize("count", [4095, 4096, 4097])
def test_titles_of_several_blocks_keep_their_order(classifier: Classifier, count: int) -> None:
    found = classifier.predict(["Cashier"] * (count - 1) + ["Registered Nurse"])

    assert (len(found), found[-1]) == (count, "29-0000")
    assert set(found[:-1].tolist()) == {"41-0000"}


def test_labels_stand_at_their_scores(classifier: Classifier, splits: Mapping[str, pl.DataFrame]) -> None:
    rows = splits["train"].filter(pl.col("codes").list.len() == 1)

    for level in soc.LEVELS:
        truth = [soc.ancestor(code, level) for code in rows["code"]]
        # It has learned these very titles: a column of another code would be right by chance only.
        assert (classifier.predict(rows["title"].to_list(), level) == truth).mean() > 0.8


def test_best_come_first_with_name_and_score(classifier: Classifier) -> None:
    (answers,) = classifier.top_k(["Registered Nurse"], k=3)
    scores = classifier.predict_proba(["Registered Nurse"])[0]

    assert [answer.score for answer in answers] == sorted(scores.tolist(), reverse=True)[:3]
    assert answers[0].label == "29-0000" == classifier.predict(["Registered Nurse"])[0]
    assert answers[0].name == "Healthcare Practitioners and Technical Occupations"


def test_equal_scores_come_in_the_classifications_order() -> None:
    model = undecided()

    assert model.top_k(["nurse"], k=3) == [
        [Answer(code, soc.name(code), 0.25) for code in ("11-0000", "15-0000", "29-0000")]
    ]
    assert [answer.label for answer in model.top_k(["x"], k=5, level="detailed")[0]] == [
        *("11-1011", "15-1252", "31-1131"),  # a quarter each
        *("29-1141", "29-1171"),  # an eighth each
    ]
    assert model.predict(["x"]).tolist() == ["11-0000"]


def test_more_answers_than_codes_are_all_codes(classifier: Classifier) -> None:
    (answers,) = classifier.top_k(["nurse"], k=1000, level="detailed")

    assert sorted(answer.label for answer in answers) == list(classifier.codes)


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_than_one_answer_is_refused(classifier: Classifier, k: int) -> None:
    with pytest.raises(InputError, match="expected at least 1"):
        classifier.top_k(["nurse"], k=k)


def test_classes_are_the_codes_of_the_level_in_order() -> None:
    model = undecided()

    assert model.classes() == ("11-0000", "15-0000", "29-0000", "31-0000")
    assert model.classes_.tolist() == list(model.classes())
    assert model.classes("minor") == ("11-1000", "15-1200", "29-1000", "31-1100")
    assert model.classes("detailed") == CODES


@pytest.mark.parametrize("nothing", [None, "", "   ", "\ud800", "—", float("nan"), np.nan, np.datetime64("NaT")])
def test_what_holds_no_word_is_answered_as_an_empty_title(classifier: Classifier, nothing: str | None) -> None:
    assert np.array_equal(classifier.predict_proba([nothing]), classifier.predict_proba([""]))


@pytest.mark.parametrize("title", ["nu\ud800rse", "\udfffnurse", "NURSE\x00", "nurse\n", "\r\nnurse\u2028"])
def test_signs_that_are_no_text_change_nothing(classifier: Classifier, title: str) -> None:
    assert np.array_equal(classifier.predict_proba([title]), classifier.predict_proba(["nurse"]))


@pytest.mark.parametrize("title", ["nurse " * 200_000, "n" * 1_000_000, "ﷺ" * 5000, "\u0301" * 100_000])
def test_very_long_title_is_answered_by_its_first_1000_characters(classifier: Classifier, title: str) -> None:
    found = classifier.predict_proba([title, "nurse"])

    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(classifier.predict_proba([title[:1000]])[0], abs=1e-6)
    assert found[1] == pytest.approx(classifier.predict_proba(["nurse"])[0], abs=1e-6)


@pytest.mark.parametrize("value", [5, 1.5, True, b"nurse", ["nurse"], pl.Series(["nurse", "cook"]), np.zeros((2, 2))])
def test_what_is_no_title_is_refused_by_type_in_one_line(classifier: Classifier, value: object) -> None:
    with pytest.raises(InputError, match=f"a title is {type(value).__name__} ") as caught:
        classifier.predict([value])  # type: ignore[list-item]  # what the types forbid is tried

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 120


def test_single_text_in_place_of_titles_is_refused(classifier: Classifier) -> None:
    for ask in (classifier.predict, classifier.predict_proba, classifier.top_k, classifier.answer):
        with pytest.raises(InputError, match="put it into a list"):
            ask("nurse")


def test_no_titles_have_no_answers(classifier: Classifier) -> None:
    assert classifier.predict_proba([]).shape == (0, 23)
    assert classifier.predict_proba([], "detailed").shape == (0, len(classifier.codes))
    assert classifier.predict([]).tolist() == []
    assert classifier.top_k([]) == []


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, lambda titles: dict.fromkeys(titles).keys()])
def test_any_kind_of_row_of_titles_is_answered_with_an_array(classifier: Classifier, kind: Any) -> None:
    found = classifier.predict(kind(["Registered Nurse", "Cashier"]))

    assert isinstance(found, np.ndarray)
    assert found.tolist() == ["29-0000", "41-0000"]


def test_polars_series_is_answered_with_one(classifier: Classifier) -> None:
    titles = pl.Series("job", ["Registered Nurse", None, "Cashier"])

    found = classifier.predict(titles)

    assert isinstance(found, pl.Series)
    assert found.name == "code"
    assert found.to_list() == ["29-0000", classifier.predict([""])[0], "41-0000"]
    assert classifier.predict(titles.head(0)).to_list() == []
    assert classifier.predict(titles.cast(pl.Categorical)).to_list() == found.to_list()


def test_pandas_series_is_answered_with_one_of_the_same_index(classifier: Classifier) -> None:
    titles = pandas.Series(["Registered Nurse", pandas.NA, "Cashier", float("nan")], index=list("dcba"), name="job")

    found = classifier.predict(titles)

    nothing = classifier.predict([""])[0]
    assert isinstance(found, pandas.Series)
    assert found.to_dict() == {"d": "29-0000", "c": nothing, "b": "41-0000", "a": nothing}
    assert classifier.predict(titles.astype("string")).tolist() == found.tolist()


def test_scoring_needs_neither_polars_nor_scikit_learn_nor_mlflow() -> None:
    import subprocess  # noqa: PLC0415 - this test alone starts a process

    code = "import sys, jobmajor.model.classifier; print({'polars', 'sklearn', 'scipy', 'mlflow'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout == "set()\n"
