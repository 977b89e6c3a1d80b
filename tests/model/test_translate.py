"""Answers in another classification: shares are mapped by the crosswalks, and only what is sure enough gets a code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model import translate
from jobmajor.model.answers import NO_ANSWER
from jobmajor.model.coder import REASONS, SOURCES, Codes, Spread
from jobmajor.model.rules import overrides
from jobmajor.model.rules.abstain import NO_CODE
from jobmajor.model.rules.knowledge import Knowledge
from jobmajor.soc import classifications, crosswalks
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from jobmajor.model.answers import Coded
    from jobmajor.model.classifier import Classifier
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.soc import Level

OTHERS = st.sampled_from([classifications.SOC_2010, classifications.ISCO_08])
WORDS = st.sampled_from(["nurse", "Sr.", "engineer", "driver", "truck", "cook", "of", "machine", "operator", "看護師"])
TITLES = st.lists(st.lists(WORDS, max_size=4).map(" ".join), max_size=4)
THRESHOLDS: dict[Level, float] = {"major": 0.6, "minor": 0.7, "broad": 0.8, "detailed": 0.9}


class Fixed:
    """A model, and its own coder, that gives every title the same shares, and a reason at each level."""

    def __init__(self, shares: Mapping[str, float], reasons: Mapping[Level, str], source: str = "model") -> None:
        self.codes, self.shares = tuple(sorted(shares)), shares
        self.reasons, self.source = reasons, source
        self.knowledge = Knowledge(THRESHOLDS)
        self._levels: Sequence[Level] = ()

    def coder(
        self, levels: Sequence[Level], k: int, *, overrides: Overrides | None = None, exact: bool = True
    ) -> Fixed:
        made = Fixed(self.shares, self.reasons, self.source)
        made._levels = levels
        return made

    def spread(self, titles: Packed) -> Spread:
        found = Codes.empty(len(titles), len(self._levels), 1)
        shares = np.array([[self.shares[code] for code in self.codes]] * len(titles), np.float32)
        found.labels[:, -1, 0] = shares.argmax(axis=1)
        found.scores[:, -1, 0] = shares.max(axis=1)
        found.reasons[:] = [REASONS.index(self.reasons[level]) for level in self._levels]
        found.sources[:] = SOURCES.index(self.source)
        return Spread(found, shares)


def fixed(shares: Mapping[str, float], unsure: Sequence[Level] = (), source: str = "model") -> Fixed:
    """Unsure at the levels named, sure at the others."""
    return Fixed(shares, {level: "unsure" if level in unsure else "" for level in soc.LEVELS}, source)


def answer(model: Fixed, to: str, level: str, k: int = 1) -> Coded:
    return translate.to(model, to).answer(["my title"], level, k)[0]


def mapped(classifier: Classifier, title: str, to: str, level: Level) -> dict[str, float]:
    """The shares of a title in another classification, code by code."""
    other, found = classifications.of(to), dict[str, float]()
    (coded,) = classifier.answer([title], "detailed", len(classifier.codes))
    for answer in coded.answers:
        if not answer.label:
            continue
        for counterpart, share in other.counterparts(answer.label).items():
            code = other.ancestor(counterpart, level)
            found[code] = found.get(code, 0.0) + share * answer.score
    return found


@settings(max_examples=30, deadline=None)
@given(TITLES, OTHERS, st.sampled_from(soc.LEVELS))
def test_scores_are_the_shares_of_the_detailed_codes_passed_on(
    classifier: Classifier, titles: list[str], to: str, level: Level
) -> None:
    for title, coded in zip(titles, classifier.to(to).answer(titles, level, 3), strict=True):
        expected = mapped(classifier, title, to, level)
        best = sorted(expected.values(), reverse=True)[:3]

        if coded.answers != (NO_ANSWER,):
            assert [each.score for each in coded.answers] == pytest.approx(best, abs=1e-4)
            assert all(each.score == pytest.approx(expected[each.label], abs=1e-4) for each in coded.answers)


@settings(max_examples=20, deadline=None)
@given(TITLES, OTHERS)
def test_score_of_a_group_is_the_sum_of_its_codes(classifier: Classifier, titles: list[str], to: str) -> None:
    model = classifier.to(to)
    coders = [model.coder((level,), 1000) for level in ("major", "detailed")]
    groups, codes = (coder.code(Packed.of(titles)) for coder in coders)

    for row in range(len(titles)):
        sums: dict[str, float] = {}
        for label, score in zip(codes.labels[row, 0], codes.scores[row, 0], strict=True):
            if label != NO_CODE:
                group = model.target.ancestor(coders[1].classes[0][label], "major")
                sums[group] = sums.get(group, 0.0) + float(score)
        found = {
            coders[0].classes[0][label]: float(score)
            for label, score in zip(groups.labels[row, 0], groups.scores[row, 0], strict=True)
            if label != NO_CODE
        }
        assert found == pytest.approx(sums, abs=1e-4)


def test_code_with_one_counterpart_is_sure_and_not_ambiguous() -> None:
    found = answer(fixed({"29-1141": 1.0}), "isco-08", "4")

    assert [(each.label, each.name, each.score) for each in found.answers] == [("2221", "Nursing professionals", 1.0)]
    assert (found.abstain, found.reason, found.ambiguous) == (False, "", False)


def test_code_that_becomes_two_is_shared_equally_ambiguous_and_unsure() -> None:
    assert crosswalks.to_2010("15-1252") == ("15-1132", "15-1133")

    found = answer(fixed({"15-1252": 1.0}), "soc-2010", "detailed", k=5)

    assert [(each.label, each.score) for each in found.answers] == [("15-1132", 0.5), ("15-1133", 0.5)]
    assert (found.abstain, found.reason, found.ambiguous) == (True, "unsure", True)


def test_code_that_becomes_two_of_one_group_is_sure_there() -> None:
    found = answer(fixed({"15-1252": 1.0}), "soc-2010", "broad")

    assert [(each.label, each.score) for each in found.answers] == [("15-1130", 1.0)]
    assert found.answers[0].name == "Software Developers and Programmers"
    assert (found.abstain, found.ambiguous) == (False, False)


def test_two_codes_that_meet_in_one_are_sure_together() -> None:
    assert crosswalks.to_isco_08("29-1211") == crosswalks.to_isco_08("29-1223") == ("2212",)

    found = answer(fixed({"29-1211": 0.5, "29-1223": 0.5}, unsure=["detailed"]), "isco-08", "4")

    assert (found.answers[0].label, found.answers[0].score, found.abstain) == ("2212", 1.0, False)


def test_score_below_the_threshold_of_the_level_is_unsure() -> None:
    model = fixed({"29-1141": 0.75, "53-3032": 0.25})  # 2221 and 8332; thresholds 0.7 and 0.8

    assert [answer(model, "isco-08", level).abstain for level in ("1", "2", "3", "4")] == [False, False, True, True]


@pytest.mark.parametrize("level", ["1", "4"])
def test_title_that_is_sure_only_of_its_major_group_gets_no_code_of_isco(level: str) -> None:
    model = fixed({"29-1141": 0.96, "29-2061": 0.04}, unsure=["minor", "broad", "detailed"])

    found = answer(model, "isco-08", level, k=3)

    assert found.answers == (NO_ANSWER,)
    assert (found.abstain, found.reason, found.ambiguous) == (True, "unsure", False)


def test_title_that_is_sure_of_any_group_below_the_major_one_gets_a_code_of_isco() -> None:
    model = fixed({"29-1141": 0.96, "29-2061": 0.04}, unsure=["broad", "detailed"])

    assert answer(model, "isco-08", "4").answers[0].label == "2221"


def test_title_that_is_sure_only_of_its_major_group_gets_a_code_of_soc_2010() -> None:
    model = fixed({"29-1141": 0.96, "29-2061": 0.04}, unsure=["minor", "broad", "detailed"])

    found = answer(model, "soc-2010", "major")

    assert (found.answers[0].label, found.abstain) == ("29-0000", False)


def test_answer_of_a_user_is_taken_if_most_of_it_is_one_code() -> None:
    most, half = {"29-1141": 0.6, "53-3032": 0.4}, {"15-1252": 1.0}

    assert not answer(fixed(most, source="override"), "isco-08", "4").abstain
    assert answer(fixed(half, source="override"), "soc-2010", "detailed").abstain


@pytest.mark.parametrize(
    ("to", "known"), [("soc-2010", [True, True, False, False]), ("isco-08", [True, True, False, False])]
)
def test_user_s_code_has_no_code_below_its_level(to: str, known: list[bool], classifier: Classifier) -> None:
    own = overrides.Overrides({"nurse": {"29-1000": 1.0}})

    found = [levels[0] for levels in classifier.to(to).answer_at(soc.LEVELS, ["nurse"], overrides=own)]

    assert [each.answers != (NO_ANSWER,) for each in found] == known
    assert [each.source for each in found] == ["override"] * 4
    assert all(each.abstain for each in found[2:])


def test_title_without_shares_has_no_code() -> None:
    for to in ("soc-2010", "isco-08"):
        found = answer(fixed({"29-1141": 0.0}), to, "major")

        assert (found.answers, found.abstain, found.reason) == ((NO_ANSWER,), True, "unsure")


def test_193_codes_are_ambiguous_in_the_finest_codes_of_isco(classifier: Classifier) -> None:
    codes = soc.codes("detailed")
    own = overrides.Overrides({f"title {number}": {code: 1.0} for number, code in enumerate(codes)})

    found = classifier.to("isco-08").answer(list(own.codes), "4", overrides=own)

    assert sum(each.ambiguous for each in found) == 193


def test_unsure_title_has_a_code_of_soc_2010(classifier: Classifier) -> None:
    found = classifier.to("soc-2010").answer(["xqzv"], "detailed")

    assert found[0].abstain
    assert found[0].answers[0].label in crosswalks.table()


def test_what_is_no_title_has_no_code_and_keeps_its_reason(classifier: Classifier) -> None:
    for to in ("soc-2010", "isco-08"):
        found = classifier.to(to).answer(["n/a", "看護師"])

        assert [each.reason for each in found] == ["not a title", "unknown language"]
        assert [each.answers for each in found] == [(NO_ANSWER,), (NO_ANSWER,)]


def test_levels_are_answered_as_alone(classifier: Classifier, splits: Mapping[str, pl.DataFrame]) -> None:
    titles = splits["test"]["title"].to_list()[:50]
    model = classifier.to("isco-08")

    together = model.answer_at(soc.LEVELS, titles, 2)

    assert together == [model.answer(titles, level, 2) for level in ("1", "2", "3", "4")]


def test_table_names_the_level_and_what_is_ambiguous(classifier: Classifier) -> None:
    own = overrides.Overrides({"boss": {"11-1011": 1.0}, "nurse": {"29-1141": 1.0}})

    frame = classifier.to("isco-08").answer_frame(["boss", "nurse"], "4", overrides=own)

    assert frame.columns == ["code", "name", "score", "confidence", "level", "abstain", "reason", "source", "ambiguous"]
    assert frame["level"].to_list() == ["4", "4"]
    assert frame["ambiguous"].to_list() == [True, False]


def test_more_codes_than_there_are_is_all_of_them() -> None:
    found = answer(fixed({"29-1141": 0.5, "53-3032": 0.5}), "isco-08", "1", k=50)

    assert {each.label for each in found.answers} == {"2", "8"}


def test_unknown_classification_or_level_or_count_is_refused(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="expected one of soc-2010, isco-08"):
        classifier.to("noc")
    with pytest.raises(InputError, match="level '5': expected one of 1, 2, 3, 4"):
        classifier.to("isco-08").answer(["nurse"], "5")
    with pytest.raises(InputError, match="k is 0: expected at least 1"):
        classifier.to("isco-08").answer(["nurse"], k=0)


def test_no_titles_have_no_answers(classifier: Classifier) -> None:
    assert classifier.to("isco-08").answer([]) == []
    assert np.shape(classifier.to("soc-2010").coder(soc.LEVELS, 3).code(Packed.of([])).labels) == (0, 4, 3)
