"""What the words are worth adds up to what the very model says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model import explain
from jobmajor.model.rules.overrides import Overrides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.model.classifier import Classifier

TITLE = "licensed practical nurse"


def by_table(texts: Sequence[str]) -> NDArray[np.float64]:
    """A model for which "nurse" is worth a half, "practical" a quarter more beside it, and "manager" speaks against."""
    worth = {"nurse": 0.5, "nurse practical": 0.25, "manager": -0.125}
    found = [{*text.split()} for text in texts]
    return np.array([0.125 + sum(value for key, value in worth.items() if {*key.split()} <= each) for each in found])


def test_each_word_is_worth_what_it_adds_on_average_over_all_orders() -> None:
    base, whole, words = explain.by_word("practical nurse manager", by_table)

    assert (base, whole) == (0.125, 0.75)  # 0.125 + 0.5 + 0.25 - 0.125
    assert [word.text for word in words] == ["practical", "nurse", "manager"]
    # "practical" and "nurse" share what they add only together: half of the orders have the one first.
    assert [word.worth for word in words] == pytest.approx([0.125, 0.5 + 0.125, -0.125])


def test_one_word_is_worth_what_it_adds_to_nothing() -> None:
    assert explain.by_word("nurse", by_table) == (0.125, 0.625, (explain.Word("nurse", 0.5),))


def test_word_that_stands_twice_is_worth_the_half_each_time() -> None:
    _, _, words = explain.by_word("nurse nurse", by_table)

    assert [word.worth for word in words] == [0.25, 0.25]


def test_title_without_a_word_has_a_share_and_no_words() -> None:
    assert explain.by_word("", by_table) == (0.125, 0.125, ())


def test_of_a_very_long_title_the_first_words_are_explained() -> None:
    text = " ".join(f"word{place}" for place in range(200))
    asked: list[str] = []

    _, _, words = explain.by_word(text, lambda texts: asked.extend(texts) or by_table(texts))  # type: ignore[func-returns-value]

    assert [word.text for word in words] == text.split()[: explain.MOST_WORDS]
    assert len(asked) <= explain.MOST_TEXTS
    assert len({*asked}) == len(asked)


@given(words=st.lists(st.sampled_from(["nurse", "practical", "manager", "x"]), max_size=80))
def test_parts_add_up_to_the_share_whatever_the_words(words: list[str]) -> None:
    base, whole, found = explain.by_word(" ".join(words), by_table)

    assert base + sum(word.worth for word in found) == pytest.approx(whole)
    assert whole == by_table([" ".join(words)])[0]


@given(words=st.lists(st.sampled_from(["nurse", "practical", "manager", "x"]), min_size=2, max_size=6, unique=True))
def test_order_of_the_words_changes_no_worth_where_it_changes_no_share(words: list[str]) -> None:
    _, _, found = explain.by_word(" ".join(words), by_table)
    _, _, other = explain.by_word(" ".join(words[::-1]), by_table)

    assert {word.text: pytest.approx(word.worth) for word in found} == {word.text: word.worth for word in other}


@pytest.mark.parametrize("level", soc.LEVELS)
def test_classifier_explains_the_code_that_it_answers_with_its_own_shares(
    classifier: Classifier, level: soc.Level
) -> None:
    found = classifier.explain("Licensed PRACTICAL nurse", level)

    best = classifier.answer([TITLE], level)[0].answers[0]
    column = classifier.classes(level).index(best.label)
    whole, nothing = classifier.predict_proba([TITLE, ""], level)[:, column].tolist()
    assert (found.label, found.name, found.read) == (best.label, soc.name(best.label), TITLE)
    assert found.score == pytest.approx(whole)
    assert [word.text for word in found.words] == TITLE.split()
    assert found.base == pytest.approx(nothing)
    assert found.base + sum(word.worth for word in found.words) == pytest.approx(found.score)
    assert found.answer == pytest.approx(best.score)


def test_listed_title_is_explained_by_what_its_words_alone_say(classifier: Classifier) -> None:
    found = classifier.explain("CEO", "detailed")

    (alone,) = classifier.predict_proba(["CEO"], "detailed")
    assert found.source == "exact"
    assert found.score == pytest.approx(float(alone[classifier.classes("detailed").index(found.label)]))
    assert classifier.explain("CEO", "detailed", exact=False).source == "model"


def test_what_training_lists_is_shown_beside_the_model_s_opinion(classifier: Classifier) -> None:
    found = classifier.explain("Cashier", "detailed")

    (best, *_) = found.listed
    (alone,) = classifier.predict_proba(["cashier"], "detailed")
    (answer,) = classifier.answer(["Cashier"], "detailed")
    assert (best.code, best.official) == ("41-2011", True)
    assert best.model == pytest.approx(float(alone[classifier.classes("detailed").index("41-2011")]), abs=1e-5)
    assert best.share == pytest.approx(answer.answers[0].score, abs=1e-5)
    assert answer.source == "official"
    assert classifier.explain("Cashier", exact=False).listed == ()
    assert classifier.explain("data wizard").listed == ()


def test_slip_of_the_finger_is_read_as_the_word_that_was_meant(classifier: Classifier) -> None:
    assert classifier.explain("Registered Nures").read == "registered nurse"


@pytest.mark.parametrize("title", [None, "", "–", "\ud800"])
def test_nothing_is_explained_by_no_words(classifier: Classifier, title: str | None) -> None:
    found = classifier.explain(title)

    assert (found.words, found.read) == ((), "")
    assert (found.label, found.name, found.score) == ("", "", 0.0)  # it gets no code, so there is none to explain


def test_what_is_no_title_is_refused(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="a title is int"):
        classifier.explain(7)  # type: ignore[arg-type]


@settings(max_examples=30)
@given(
    title=st.text(max_size=60)
    | st.lists(st.sampled_from(("nurse", "truck", "driver", "x1")), max_size=90).map(" ".join)
)
def test_whatever_the_title_worths_are_shares_and_stay_in_bounds(classifier: Classifier, title: str) -> None:
    found = classifier.explain(title, "minor")

    assert len(found.words) <= explain.MOST_WORDS
    assert all(abs(word.worth) <= 1 for word in found.words)


def test_code_that_the_user_gave_is_explained_as_the_users(classifier: Classifier) -> None:
    own = Overrides({"registered nurse": {"11-1011": 1.0}, "data wizard": {"55-1011": 1.0}})

    known = classifier.explain("Registered Nurse", "detailed", overrides=own)
    strange = classifier.explain("Data Wizard", "detailed", overrides=own)

    assert (known.label, known.source, known.answer) == ("11-1011", "override", 1.0)
    assert known.base + sum(word.worth for word in known.words) == pytest.approx(known.score)
    assert (strange.label, strange.answer) == ("55-1011", 1.0)
