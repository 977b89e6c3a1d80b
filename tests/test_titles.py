from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor import titles
from jobmajor.titles import family_key, normalise, without_rank

ANY_TEXT = st.text(max_size=60)
WORDS = st.lists(st.text("abcdefghij", min_size=1, max_size=6), min_size=1, max_size=6)


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(title: str) -> None:
    once = normalise(title)

    assert normalise(once) == once


@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_case_and_outer_spaces_change_nothing(title: str) -> None:
    assert normalise(f"  {title.upper()}\t") == normalise(title)


@pytest.mark.parametrize(
    ("title", "cleaned"),
    [
        ("Sr. RN – ICU", "senior rn icu"),
        ("Senior RN ICU", "senior rn icu"),
        ("ＮＵＲＳＥ", "nurse"),
        ("nu\u200brse", "nurse"),
        ("Café Manager", "cafe manager"),
        ("Driver's Helper", "drivers helper"),
        ("Driver’s Helper", "drivers helper"),
        ("C++/C# Developer", "cplusplus csharp developer"),
        (".NET Developer", "dotnet developer"),
        ("R&D", "r and d"),
        ("snake_case title", "snake case title"),
        ("\ud800", ""),
        ("—!?—", ""),
    ],
)
def test_ways_of_typing_end_in_one_text(title: str, cleaned: str) -> None:
    assert normalise(title) == cleaned


@given(WORDS, st.randoms(use_true_random=False))
def test_order_repetition_case_and_signs_keep_the_family(words: list[str], random: object) -> None:
    shuffled = sorted(words + words[:1], key=lambda word: (len(word), word))

    assert family_key(", ".join(shuffled).upper()) == family_key(" ".join(words))


def test_a_title_without_words_is_its_own_family() -> None:
    assert family_key("???") != family_key("!!!")


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("senior accountant", "accountant"),
        ("senior junior accountant", "accountant"),
        ("accountant senior iii", "accountant"),
        ("senior", "senior"),
        ("engineer 2", "engineer"),
        ("senior senior", "senior"),
        ("director of senior services", "director of senior services"),
        ("ii", "ii"),
    ],
)
def test_rank_goes_from_both_ends_but_never_all_of_a_title(text: str, bare: str) -> None:
    assert without_rank(text) == bare


@given(WORDS)
def test_a_rank_before_or_after_a_title_leaves_the_title(words: list[str]) -> None:
    title = without_rank(" ".join(words))

    assert without_rank(f"senior {title} ii") == title


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sw eng II", "software engineer ii"),
        ("Mktg Mgr", "Marketing Manager"),
        ("Asst. Prof.", "assistant professor"),
        ("SUBST TCHR", "substitute teacher"),
        ("CSR II", "customer service representative ii"),
        ("SVP Sales", "senior vice president sales"),
        ("ML engineer", "machine learning engineer"),
        ("SUPVSR OF AUDITING", "supervisor of auditing"),
        ("AP/AR Specialist", "accounts payable and accounts receivable specialist"),
    ],
)
def test_abbreviations_of_one_meaning_are_written_out(typed: str, meant: str) -> None:
    assert normalise(typed) == normalise(meant)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Lorry Driver", "truck driver"),
        ("Debt Counsellor", "debt counselor"),
        ("Physiotherapist", "physical therapist"),
        ("Estate Agent", "real estate agent"),
        ("Dustman", "garbage collector"),
    ],
)
def test_british_words_are_read_as_american_ones(typed: str, meant: str) -> None:
    assert normalise(typed) == normalise(meant) == meant


@pytest.mark.parametrize("text", ["ap teacher", "ap physics teacher", "solicitor", "chemist", "real estate agent"])
def test_words_that_mean_several_things_stay(text: str) -> None:
    assert normalise(text) == text


@pytest.mark.parametrize("word", ["tech", "admin", "acct", "med", "rec"])
def test_abbreviations_of_two_meanings_stay(word: str) -> None:
    assert normalise(f"{word} lead") == f"{word} lead"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Waitress", "waiter"),
        ("Waitperson", "waiter"),
        ("waitresses", "waiters"),
        ("Actress", "actor"),
        ("saleswoman", "salesman"),
        ("Salesperson", "salesman"),
        ("Saleslady", "salesman"),
        ("saleswomen", "salesmen"),
        ("salespersons", "salesmen"),
        ("salespeople", "salesmen"),
        ("Sales Woman", "sales man"),
        ("delivery person", "delivery man"),
        ("Women", "men"),
        ("yeowoman", "yeoman"),
        ("wowoman", "man"),
        ("wowowomen", "men"),
        ("woperson", "man"),
        ("Fireman", "firefighter"),
        ("Firewoman", "firefighter"),
        ("Fireperson", "firefighter"),
        (" FIREMAN! ", "firefighter"),
        ("Sr. Chairwoman", "senior chairman"),
        ("Seamster", "seamstress"),
    ],
)
def test_forms_for_a_woman_a_man_and_a_person_are_one(one: str, other: str) -> None:
    assert normalise(one) == normalise(other) == other


@pytest.mark.parametrize(
    "text",
    [
        "locomotive fireman",  # shovels coal: only the whole title is a firefighter
        "forest fireman",
        "firemen",
        "people",
        "people operations manager",
        "persons",
        "missing persons investigator",
        "womens clothing buyer",  # who it is for, not who does it
        "womans club manager",
        "peoples advocate",
        "womanizer",
        "personal trainer",
        "personnel clerk",
        "waitress2",
    ],
)
def test_words_that_only_look_like_a_form_stay(text: str) -> None:
    assert normalise(text) == text


def test_apostrophe_joins_a_possessive_before_forms_are_looked_at() -> None:
    assert normalise("Woman's Page Editor") == "womans page editor"
    assert normalise("Women’s Coach") == "womens coach"


FORMS = st.lists(
    st.sampled_from([*titles.WORDS, *titles.WORDS.values(), *titles.TITLES, "wo", "person", "people", "persons", "s"]),
    min_size=1,
    max_size=4,
)


@given(FORMS, st.sampled_from([" ", ""]))
def test_cleaning_twice_changes_nothing_however_forms_are_put_together(words: list[str], between: str) -> None:
    once = normalise(between.join(words))

    assert normalise(once) == once


@given(st.text("womanperslti ", max_size=24))
def test_cleaning_twice_changes_nothing_in_texts_of_the_letters_of_forms(text: str) -> None:
    once = normalise(text)

    assert normalise(once) == once
    assert not once.endswith(("woman", "women", "person"))


def test_no_word_that_another_is_read_as_is_read_as_a_third() -> None:
    read_as = {*titles.WORDS.values(), *titles.TITLES.values()}

    assert {word: normalise(word) for word in read_as} == {word: word for word in read_as}
    assert not titles.WORDS.keys() & read_as


def test_every_pair_of_the_list_is_read_as_it_says() -> None:
    assert {word: normalise(word) for word in titles.WORDS} == titles.WORDS
    assert all(
        word.isascii() and word.isalpha() for pair in titles.WORDS.items() for text in pair for word in text.split(" ")
    )


def test_family_of_a_title_knows_nothing_of_forms() -> None:
    assert family_key("Saleswoman") == "saleswoman"
    assert family_key("Sr. Engineer") == "engineer sr"
