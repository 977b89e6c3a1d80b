"""Answers with their source and with reasons not to take them: who wins, what agrees, and what is left to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.data import prepare
from jobmajor.errors import InputError
from jobmajor.model.answers import NO_ANSWER, Answer, Coded
from jobmajor.model.classifier import Classifier
from jobmajor.model.rules import abstain, knowledge
from jobmajor.model.rules.knowledge import Knowledge
from jobmajor.model.rules.listed import Listed, learn
from jobmajor.model.rules.overrides import Overrides

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

NURSE, DOCTOR, CODER, CHIEF = "29-1141", "29-1215", "15-1252", "11-1011"
CODES = (CHIEF, CODER, NURSE, DOCTOR)
ROWS = {"head nurse": [CHIEF, NURSE], "ward nurse": [NURSE], "medic": [NURSE, DOCTOR, NURSE, CHIEF]}
SURE = dict.fromkeys(soc.LEVELS, 0.6)
TITLES = st.lists(st.none() | st.text(max_size=20) | st.sampled_from(["Nurse", *ROWS, "data wizard"]), max_size=5)
ANY_CODE = st.sampled_from(["29-0000", "29-1000", "29-1140", NURSE, "53-0000", "15-1252", "11-1011"])


class Fixed:
    """A scorer that shares every title out alike."""

    recipe, learned, codes = "toy", None, CODES

    def scored(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], Sequence[str]]:
        return self.shares(texts), texts

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(np.array([0.25, 0.125, 0.5, 0.125], np.float32), (len(texts), 1))

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def model(thresholds: Mapping[soc.Level, float] = SURE) -> Classifier:
    listings = [(text, CODES.index(code)) for text, codes in ROWS.items() for code in codes]
    listed = learn([text for text, _ in listings], np.array([place for _, place in listings]))
    return Classifier(Fixed(), {}, Knowledge(thresholds, listed))


def scores(coded: Coded) -> dict[str, float]:
    return {answer.label: answer.score for answer in coded.answers if answer.label}


def test_title_that_training_lists_is_answered_by_what_it_is_listed_under() -> None:
    listed, other = model().answer([" WARD  nurse", "nurse"], "detailed")

    assert listed == Coded((Answer(NURSE, "Registered Nurses", 1.0),), abstain=False, reason="", source="exact")
    assert scores(other) == {NURSE: 0.5}
    assert other.source == "model"


def test_lookup_can_be_switched_off() -> None:
    (found,) = model().answer(["ward nurse"], "detailed", exact=False)

    assert (scores(found), found.source) == ({NURSE: 0.5}, "model")


def test_plain_scores_know_of_no_lookup() -> None:
    assert model().predict_proba(["ward nurse"], "detailed").tolist() == [[0.25, 0.125, 0.5, 0.125]]
    assert model().top_k(["ward nurse"], k=1, level="detailed")[0][0].score == 0.5


def test_listed_title_of_several_codes_has_their_shares_and_ties_are_all_given() -> None:
    tie, clear = model().answer(["head nurse", "medic"], "detailed")

    assert scores(tie) == {CHIEF: 0.5, NURSE: 0.5}
    assert scores(clear) == {NURSE: 0.5}  # half of its rows; a quarter each list the other two
    assert scores(model().answer(["medic"], "detailed", k=2)[0]) == {NURSE: 0.5, CHIEF: 0.25, DOCTOR: 0.25}
    assert scores(model().answer(["medic"], "major")[0]) == {"29-0000": 0.75}


def test_listed_title_is_unsure_where_no_code_has_enough_of_its_rows() -> None:
    found = model().answer(["head nurse", "medic", "ward nurse"], "detailed")

    assert [each.reason for each in found] == ["unsure", "unsure", ""]
    assert [each.reason for each in model().answer(["head nurse", "medic"], "major")] == ["unsure", ""]


def test_codes_without_a_share_are_no_answers() -> None:
    assert len(model().answer(["ward nurse"], "detailed", k=4)[0].answers) == 1
    assert len(model().answer(["nurse"], "detailed", k=9)[0].answers) == 4


def test_score_at_the_threshold_is_taken_and_below_it_is_unsure() -> None:
    reasons = [model(dict.fromkeys(soc.LEVELS, at)).answer(["nurse"], "detailed")[0].reason for at in (0.5, 0.51)]

    assert reasons == ["", "unsure"]


def test_model_that_was_never_measured_is_never_sure() -> None:
    (found,) = Classifier(Fixed(), {}).answer(["nurse"])

    assert (found.abstain, found.reason, found.source) == (True, "unsure", "model")


def test_override_wins_over_the_listing_and_is_always_taken() -> None:
    own = Overrides({"ward nurse": {CODER: 0.5, CHIEF: 0.5}, "n a": {NURSE: 1.0}})

    found = model().answer(["Ward Nurse", "N/A", "nurse"], "detailed", overrides=own)

    assert scores(found[0]) == {CODER: 0.5, CHIEF: 0.5}  # both, since one alone would be drawn by lot
    assert scores(found[1]) == {NURSE: 1.0}
    assert [(each.source, each.abstain) for each in found] == [
        ("override", False),
        ("override", False),
        ("model", True),
    ]


def test_override_may_name_a_code_that_the_model_has_no_column_for() -> None:
    own = Overrides({"happiness officer": {"13-1071": 1.0}})  # its column stands between others

    found = model().answer(["happiness officer", "nurse"], "major", k=3, overrides=own)

    assert scores(found[0]) == {"13-0000": 1.0}
    assert scores(found[1]) == {"29-0000": 0.625, "11-0000": 0.25, "15-0000": 0.125}


def test_equal_scores_of_the_model_are_cut_in_the_classifications_order() -> None:
    (found,) = model().answer(["nurse"], "detailed", k=3)

    assert scores(found) == {NURSE: 0.5, CHIEF: 0.25, CODER: 0.125}  # and DOCTOR as much


@pytest.mark.parametrize("k", [1, 3])
def test_override_of_a_group_has_no_code_below_its_level(k: int) -> None:
    own = Overrides({"medic": {"29-1000": 1.0}})

    found = {level: model().answer(["medic"], level, k, overrides=own)[0] for level in soc.LEVELS}

    assert [scores(found[level]) for level in soc.LEVELS] == [{"29-0000": 1.0}, {"29-1000": 1.0}, {}, {}]
    assert [found[level].reason for level in soc.LEVELS] == ["", "", "unsure", "unsure"]
    assert found["detailed"] == Coded((NO_ANSWER,), abstain=True, reason="unsure", source="override")


def test_override_of_several_codes_has_those_below_the_level_and_is_taken_if_one_has_most_of_it() -> None:
    own = Overrides({"medic": {"29-0000": 0.25, NURSE: 0.75}, "nurse": {"29-0000": 0.75, NURSE: 0.25}})

    medic, nurse = model().answer(["medic", "nurse"], "detailed", 3, overrides=own)

    assert (scores(medic), medic.abstain) == ({NURSE: 0.75}, False)
    assert (scores(nurse), nurse.abstain) == ({NURSE: 0.25}, True)


def test_override_of_a_group_that_is_spread_keeps_the_listings_shares_within_it() -> None:
    own = Overrides({"medic": {"29-0000": 1.0}}, is_spread=True)

    (found,) = model().answer(["medic"], "detailed", k=3, overrides=own)

    assert scores(found) == {NURSE: pytest.approx(2 / 3), DOCTOR: pytest.approx(1 / 3)}
    assert found.abstain


@settings(max_examples=60)
@given(TITLES, st.dictionaries(st.sampled_from(["nurse", *ROWS]), ANY_CODE), st.booleans())
def test_score_of_a_parent_is_the_sum_of_its_childrens_whoever_answers(
    titles: list[str | None], own: dict[str, str], exact: bool
) -> None:
    overrides = Overrides({text: {code: 1.0} for text, code in own.items()}, is_spread=True)
    found = {level: model().answer(titles, level, 900, overrides=overrides, exact=exact) for level in soc.LEVELS}

    for upper, lower in zip(soc.LEVELS, soc.LEVELS[1:], strict=False):
        for above, below in zip(found[upper], found[lower], strict=True):
            sums: dict[str, float] = {}
            for code, score in scores(below).items():
                parent = soc.ancestor(code, upper)
                sums[parent] = sums.get(parent, 0.0) + score
            assert sums == pytest.approx(scores(above), abs=1e-6)
            assert above.source == below.source


@settings(max_examples=60)
@given(TITLES, st.sampled_from(soc.LEVELS), st.integers(1, 5))
def test_best_come_first_and_a_reason_says_why_none_is_taken(
    titles: list[str | None], level: soc.Level, k: int
) -> None:
    for each in model().answer(titles, level, k):
        falling = [answer.score for answer in each.answers]
        assert falling == sorted(falling, reverse=True)
        assert (falling[0] > 0) == (each.reason not in abstain.NO_TITLES)
        assert each.abstain == (each.reason != "")
        assert each.source in {"exact", "model"}


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("", "not a title"),
        (None, "not a title"),
        ("12345", "not a title"),
        ("nurse@example.org", "not a title"),
        ("xkcd qwrtz", "not a title"),
        ("Remote", "not a title"),
        ("Enfermera registrada", "not English"),
        ("Director de ventas", "not English"),
        ("看護師", "unknown language"),
        ("медсестра", "unknown language"),
    ],
)
def test_what_is_no_title_or_of_another_script_gets_no_answer(title: str | None, reason: str) -> None:
    for level in soc.LEVELS:
        (found,) = model(dict.fromkeys(soc.LEVELS, 0.0)).answer([title], level, k=2)

        assert (found.abstain, found.reason, found.answers) == (True, reason, (NO_ANSWER,))


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_than_one_answer_is_refused(k: int) -> None:
    with pytest.raises(InputError, match="expected at least 1"):
        model().answer(["nurse"], k=k)


def test_no_titles_have_no_answers() -> None:
    assert model().answer([]) == []


def test_titles_of_more_than_one_block_keep_their_order() -> None:
    titles = ["nurse"] * 5000 + ["ward nurse"]

    found = model().answer(titles)

    assert len(found) == 5001
    assert [row for row, each in enumerate(found) if each.source == "exact"] == [5000]


def test_thresholds_and_titles_survive_the_disk(classifier: Classifier, model_folder: Path) -> None:
    found, about = knowledge.load(model_folder, len(classifier.codes))

    assert about == classifier.about
    assert found.thresholds == classifier.knowledge.thresholds
    for name, array in found.listed.to_mapping().items():
        assert np.array_equal(array, classifier.knowledge.listed.to_mapping()[name]), name


def test_never_survives_the_disk(tmp_path: Path) -> None:
    Knowledge().save(tmp_path, {})

    found, _ = knowledge.load(tmp_path, 1)

    assert set(found.thresholds.values()) == {abstain.NEVER}
    assert len(found.listed.titles) == len(Listed.none().titles)


def test_titles_of_training_are_exact_and_those_of_validation_are_not(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    titles = prepare.titles(splits["train"])
    learned = classifier.answer(titles["title"], "detailed", k=1)
    others = classifier.answer(splits["validation"]["title"])

    assert {each.source for each in learned} == {"exact", "official"}
    for each, codes in zip(learned, titles["codes"], strict=True):
        assert each.source == "exact" or set(scores(each)) <= set(codes)
    assert {each.source for each in others} == {"model"}
