from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.model.rules import abstain
from jobmajor.model.rules.abstain import ANSWERED, NEVER, NOT_A_TITLE, UNKNOWN_LANGUAGE, UNSURE, choose, reasons
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence


def _reasons(titles: Sequence[str], confidence: float = 0.9, known: float = 1.0, threshold: float = 0.8) -> list[str]:
    texts = [normalise(title) for title in titles]
    size = len(titles)
    found: list[str] = reasons(titles, texts, np.full(size, confidence), threshold, np.full(size, known)).tolist()
    return found


def test_threshold_lets_as_many_through_as_the_precision_allows() -> None:
    # With z = 1.2816: of 60 right ones out of 60 the bound is 60 / (60 + z²) = 0.973; of 60 out of 120 it is 0.44.
    scores, right = [0.9] * 60 + [0.5] * 60, [True] * 60 + [False] * 60

    assert choose(scores, right, 0.95) == 0.9
    assert choose(scores, right, 0.4) == 0.5
    assert choose(scores[::-1], right[::-1], 0.95) == 0.9


def test_few_right_answers_are_no_proof() -> None:
    # n / (n + z²) reaches 0.95 from n = 19 z² = 31.2 on.
    assert choose([0.9] * 31, [True] * 31) == NEVER
    assert choose([0.9] * 32, [True] * 32) == 0.9


def test_titles_of_equal_score_are_let_through_together_or_not_at_all() -> None:
    scores, right = [0.9] * 40 + [0.5] * 40, [True] * 40 + [True, False] * 20

    assert choose(scores, right, 0.9) == 0.9


def test_one_early_mistake_doesnt_silence_the_model() -> None:
    scores = np.linspace(1, 0.5, 400)
    right = np.arange(400) != 0

    assert choose(scores, right) == 0.5


def test_model_that_is_never_precise_enough_never_answers() -> None:
    assert choose([0.9] * 100, [True, False] * 50) == NEVER
    assert choose([], []) == NEVER
    assert _reasons(["nurse"], confidence=1.0, threshold=NEVER) == [UNSURE]


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.4, 0.6, 0.8]), st.booleans()), max_size=200))
def test_what_the_threshold_lets_through_is_as_precise_as_asked_for(sample: list[tuple[float, bool]]) -> None:
    threshold = choose([score for score, _ in sample], [right for _, right in sample], 0.7)

    given_answers = [right for score, right in sample if score >= threshold]
    assert not given_answers or sum(given_answers) >= 0.7 * len(given_answers)


def test_score_at_the_threshold_is_answered_and_one_below_or_none_is_unsure() -> None:
    confidence = np.array([0.8, 0.7999, np.nan, 1.0])

    found = reasons(["nurse"] * 4, ["nurse"] * 4, confidence, 0.8, np.ones(4))

    assert found.tolist() == [ANSWERED, UNSURE, UNSURE, ANSWERED]


@pytest.mark.parametrize(
    "title",
    [
        "",
        "   ",
        "?!",
        "-",
        "\u200b",
        "🤷",
        "x",
        "12345",
        "ab 12",
        "29-1141",
        "12/31/2024",
        "March 12, 2024",
        "+1 (555) 010-0199",
        "n/a",
        "N/A",
        "None",
        "TBD",
        "Unknown.",
        "test",
        "Test 12",
        "job title",
        "Job Title 2",
        "xxx",
        "aaaaa",
        "NURSE!!! zzzz",
        "jane.doe@example.com",
        " <jane@example.com> ",
        "@janedoe",
        "https://example.com/jobs/nurse",
        "www.example.com",
        "hospital.example.org/careers",
        "&",
    ],
)
def test_what_is_no_title_is_named_so_however_sure_the_model_is(title: str) -> None:
    assert _reasons([title], confidence=1.0) == [NOT_A_TITLE]


@pytest.mark.parametrize(
    "title", ["asdf", "qwertyuiop", "Lorem ipsum dolor sit amet", "zxcvb nm", "sed do eiusmod tempor"]
)
def test_keys_side_by_side_and_filler_text_are_no_titles_unless_training_knew_them(title: str) -> None:
    assert _reasons([title], known=0.6) == [NOT_A_TITLE]
    assert _reasons([f"registered nurse of ward {title}"], known=0.95) == [ANSWERED]


@pytest.mark.parametrize(
    "title", ["licensed practical nurse asdfgh", "nurse of lorem ward", "truck driver, qwerty inc"]
)
def test_a_word_of_keys_does_not_undo_a_title_of_more_words(title: str) -> None:
    assert _reasons([title], known=0.6) == [ANSWERED]


@pytest.mark.parametrize(
    "title",
    [
        "RN",
        "3D artist",
        "911 dispatcher",
        "F-16 pilot",
        "Accountant III",
        "Sr. Buyer",
        "ASP.NET",
        "Test engineer",
        "Tester",
        "Unknown caller investigator",
        "R.N.",
        "Nurse (jane@example.com)",
        "Web developer, www.example.com",
        "jane@example.com, registered nurse",
        "Rédacteur",
        "Müller",
        "Ｎｕｒｓｅ",
    ],
)
def test_title_that_only_looks_odd_is_answered(title: str) -> None:
    assert _reasons([title]) == [ANSWERED]


def test_letters_that_training_never_saw_side_by_side_are_no_title_and_a_short_one_may_be_an_abbreviation() -> None:
    assert _reasons(["vbkqz wpl", "nurse"], known=0.34) == [NOT_A_TITLE, NOT_A_TITLE]
    assert _reasons(["bsw", "dvm"], confidence=1.0, known=0.0) == [UNSURE, UNSURE]
    assert _reasons(["nurse"], known=0.35) == [ANSWERED]


@pytest.mark.parametrize(
    "title",
    [
        "медсестра",
        "νοσοκόμα",
        "護士",
        "간호사",
        "プログラマー",
        "ممرضة",
        "אחות",
        "नर्स",
        "พยาบาล",
        "ექთანი",
        "Java 工程师",
        "инженер 2 (IT)",
        "nurѕе",  # the last two letters are Cyrillic
        "медсестра@",
    ],
)
def test_title_in_another_script_is_of_an_unknown_language_even_among_latin_letters(title: str) -> None:
    assert _reasons([title], confidence=1.0) == [UNKNOWN_LANGUAGE]
    assert _reasons([title], confidence=0.0, known=0.0) == [UNKNOWN_LANGUAGE]


def test_single_foreign_letter_makes_no_foreign_title() -> None:
    assert _reasons(["β tester", "Project manager (项目)"]) == [ANSWERED, ANSWERED]


def test_each_title_is_judged_by_itself() -> None:
    titles = ["nurse", "", "护士", "n/a", "iii", "aaa", "waiter", "zz9", "www.example.com"]
    alone = [_reasons([title])[0] for title in titles]

    assert _reasons(titles) == alone
    assert _reasons(titles[::-1]) == alone[::-1]
    assert _reasons([]) == []


@given(st.lists(st.text(max_size=30), max_size=8))
def test_any_text_is_judged_alone_as_among_others(titles: list[str]) -> None:
    assert _reasons(titles) == [_reasons([title])[0] for title in titles]
    assert set(_reasons(titles)) <= {ANSWERED, UNSURE, NOT_A_TITLE, UNKNOWN_LANGUAGE}


@pytest.mark.parametrize("text", ["1" * 100_000, "a." * 50_000, "@" * 100_000, "n a " * 25_000, "x@" * 50_000])
def test_hostile_title_is_judged_in_the_time_of_its_length(text: str) -> None:
    found = reasons([text], [normalise(text)], np.ones(1), 0.8, np.zeros(1))

    assert found[0] != ANSWERED


def test_reasons_fit_what_holds_them() -> None:
    assert {UNSURE, NOT_A_TITLE, UNKNOWN_LANGUAGE} == {"unsure", "not a title", "unknown language"}
    assert abstain.PRECISION == 0.95
