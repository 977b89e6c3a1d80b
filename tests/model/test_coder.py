"""Answers as arrays: they say what `answer` says in numpy, for people's titles and for texts made to part the two."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.data import prepare
from jobmajor.errors import InputError
from jobmajor.model.classifier import Classifier
from jobmajor.model.coder import REASONS, SOURCES, Coder
from jobmajor.model.kernels import rank
from jobmajor.model.kernels.rank import Links
from jobmajor.model.rules import abstain
from jobmajor.model.rules.abstain import NO_CODE
from jobmajor.model.rules.listed import learn
from jobmajor.model.rules.overrides import Overrides
from jobmajor.model.rules.prior import Prior
from jobmajor.tables.packed import LONGEST, Packed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from jobmajor.model.answers import Coded
    from jobmajor.soc import Level

NEAR = 1e-4
ADDRESSES = [
    "a@b.co",
    " <mailto:a@b.c> ",
    "http://x.y",
    "www.x y.com",
    "foo.com",
    "\u00a0foo.com\t",
    "a b.com",
    "Sr. RN",
    "é@b",
]
NOTHINGS = [
    "n/a",
    "N/A 12",
    "Test 1 2",
    "12 nurse",
    "1234 ab",
    "aaa bbb",
    "iii www",
    "ab",
    "a1b2",
    "qwertyui",
    "lorem ipsum",
]
OTHER_LANGUAGES = ["Enfermera registrada", "director de ventas", "chef de cuisine", "Gerente 12", "lkw", "aaa gerente"]
FOREIGN = ["看護師", "nurse 看護師", "médecin", "ﬃ", "Ж nurse aide", "\ud800", "İstanbul"]
MADE = st.sampled_from(
    [*ADDRESSES, *NOTHINGS, *FOREIGN, *OTHER_LANGUAGES, *sorted(abstain.PLACEHOLDERS)[::9], *sorted(abstain.LOREM)[::9]]
)
WORD = st.sampled_from(
    ["nurse", "Sr.", "engineer", "II", "nrse", "driver", "xqzv", "truck", "n", "@", ".", "lorem", "1", "gerente", "de"]
)
TITLE = st.one_of(MADE, st.text(max_size=20), st.lists(WORD, max_size=5).map(" ".join))
LEVELS = st.lists(st.sampled_from(soc.LEVELS), min_size=1, max_size=4, unique=True).map(tuple)


def plainly(classifier: Classifier, titles: Sequence[str], coder: Coder, level: Level, **how: object) -> list[Coded]:
    """By numpy: a classifier that was not compiled."""
    plain = Classifier(classifier.scorer, classifier.about, classifier.knowledge)
    return plain.answer(titles, level, coder.k, **how)  # type: ignore[arg-type]  # names of answer's own


def check(coder: Coder, titles: Sequence[str], plain: Callable[[Level], list[Coded]]) -> None:
    codes = coder.code(Packed.of(titles))
    for place, level in enumerate(coder.levels):
        for row, expected in enumerate(plain(level)):
            labels, scores = codes.labels[row, place], codes.scores[row, place]
            best = [each for each in expected.answers[: coder.k] if each.label]
            shown = titles[row], level
            assert (REASONS[codes.reasons[row, place]], SOURCES[codes.sources[row]]) == (
                expected.reason,
                expected.source,
            ), shown
            assert (labels != NO_CODE).sum() == len(best), shown
            assert scores[: len(best)].tolist() == pytest.approx([each.score for each in best], abs=NEAR), shown
            found = [coder.classes[place][label] for label in labels if label != NO_CODE]
            by_score = {each.label: each.score for each in best}
            assert all(code in by_score or min(by_score.values()) < NEAR for code in found), shown


@pytest.mark.slow
@settings(max_examples=150)
@given(st.lists(TITLE, max_size=8), LEVELS, st.integers(1, 4), st.booleans())
def test_arrays_say_what_plain_answers_say(
    classifier: Classifier, titles: list[str], levels: tuple[Level, ...], k: int, exact: bool
) -> None:
    coder = classifier.coder(levels, k, exact=exact)

    check(coder, titles, lambda level: plainly(classifier, titles, coder, level, exact=exact))


def test_listed_titles_are_answered_by_their_listing(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    titles = splits["train"]["title"].to_list()
    coder = classifier.coder(soc.LEVELS, 2)

    check(coder, titles, lambda level: plainly(classifier, titles, coder, level))

    listed = [SOURCES.index("exact"), SOURCES.index("official")]
    assert set(coder.code(Packed.of(titles)).sources.tolist()) == set(listed)


def test_a_users_own_titles_come_first_with_codes_that_the_model_lacks(classifier: Classifier) -> None:
    lacking = sorted(soc.detailed_codes() - set(classifier.codes))[0]
    own = Overrides({"nurse": {lacking: 0.75, classifier.codes[0]: 0.25}, "whisperer": {"29-0000": 1.0}})
    titles = ["Nurse", "horse welder", " whisperer", "n/a"]
    coder = classifier.coder(("major", "detailed"), 2, overrides=own)

    check(coder, titles, lambda level: plainly(classifier, titles, coder, level, overrides=own))

    codes = coder.code(Packed.of(titles))
    assert coder.classes[1][codes.labels[0, 1, 0]] == lacking
    assert [SOURCES[source] for source in codes.sources[:3]] == ["override", "model", "override"]


def test_a_users_code_has_no_code_below_its_level(classifier: Classifier) -> None:
    own = Overrides({"nurse": {"11-0000": 1.0}, "boss": {"11-1000": 0.5, "11-0000": 0.5}})
    titles = ["Nurse", "horse welder", "boss"]
    coder = classifier.coder(soc.LEVELS, 2, overrides=own)

    check(coder, titles, lambda level: plainly(classifier, titles, coder, level, overrides=own))

    codes = coder.code(Packed.of(titles))
    assert (codes.labels[0] != NO_CODE).any(axis=1).tolist() == [True, False, False, False]
    assert [REASONS[reason] for reason in codes.reasons[0]] == ["", "unsure", "unsure", "unsure"]
    assert (codes.labels[2] != NO_CODE).any(axis=1).tolist() == [True, True, False, False]


@settings(max_examples=100)
@given(st.lists(TITLE, max_size=6), st.sampled_from(soc.LEVELS), st.integers(1, 3))
def test_compiled_answers_are_the_plain_ones(classifier: Classifier, titles: list[str], level: Level, k: int) -> None:
    plain, fast = (Classifier(classifier.scorer, classifier.about, classifier.knowledge) for _ in range(2))
    fast.compile()

    found = fast.answer_at((level, "major"), titles, k)
    assert [each.reason for each in found[1]] == [each.reason for each in plain.answer(titles, "major", k)]
    for one, other in zip(plain.answer(titles, level, k), found[0], strict=True):
        assert (one.reason, one.source, len(one.answers)) == (other.reason, other.source, len(other.answers))
        pairs = zip(one.answers, other.answers, strict=True)
        assert all(first.score == pytest.approx(second.score, abs=NEAR) for first, second in pairs)


def test_codes_as_good_as_the_last_are_all_given(classifier: Classifier, splits: Mapping[str, pl.DataFrame]) -> None:
    training = prepare.titles(splits["train"])
    titles = training["title"].to_list()
    # By their rows alone, codes may be equally good; weighed with the model they hardly ever are.
    columns = np.searchsorted(classifier.codes, training["code"].to_numpy())
    knowledge = replace(classifier.knowledge, listed=learn(training["text"].to_list(), columns))
    plain, fast = (Classifier(classifier.scorer, classifier.about, knowledge) for _ in range(2))
    fast.compile()
    expected = plain.answer(titles, "detailed")
    assert any(len(each.answers) > 1 for each in expected)

    assert fast.answer(titles, "detailed") == expected


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 700])
def test_batches_of_any_length_keep_their_order(classifier: Classifier, count: int) -> None:
    titles = [f"{word} {place}" for place in range(count) for word in (["nurse", "welder", "", "看護師"][place % 4],)]
    coder = classifier.coder(("major",))

    check(coder, titles, lambda level: plainly(classifier, titles, coder, level))


def test_a_part_of_a_buffer_is_answered_as_if_it_were_alone(classifier: Classifier) -> None:
    whole = Packed.of(["看護師", "nurse", "welder", "cook"])
    coder = classifier.coder(("detailed",), 3)

    part, alone = coder.code(Packed(whole.data, whole.starts[1:4])), coder.code(Packed.of(["nurse", "welder"]))

    assert [array.tolist() for array in part] == [array.tolist() for array in alone]


def test_title_beyond_the_longest_is_read_by_its_beginning(classifier: Classifier) -> None:
    titles = ["nurse " * LONGEST, "é" * 3 * LONGEST, "nurse" + " " * LONGEST + "@x.com"]
    coder = classifier.coder(("major",))

    check(coder, titles, lambda level: plainly(classifier, titles, coder, level))


def test_what_is_no_text_is_answered_all_the_same(classifier: Classifier) -> None:
    data = np.frombuffer(b"\xff\xfe nurse", np.uint8)

    codes = classifier.coder().code(Packed(data, np.array([0, len(data)])))

    assert codes.labels[0, 0, 0] >= 0


def test_threads_get_what_each_asked_for(classifier: Classifier, splits: Mapping[str, pl.DataFrame]) -> None:
    titles = splits["validation"]["title"].to_list() + splits["train"]["title"].to_list()
    coder = classifier.coder(soc.LEVELS, 2)
    alone = coder.code(Packed.of(titles))

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda row: coder.code(Packed.of(titles[row : row + 9])), range(0, 200, 4)))

    for row, codes in zip(range(0, 200, 4), found, strict=True):
        assert np.abs(codes.scores - alone.scores[row : row + 9]).max() < NEAR


def test_fewer_than_one_code_is_refused(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="k is 0: expected at least 1"):
        classifier.coder(k=0)


def test_keys_hit_at_random_are_runs_of_four() -> None:
    assert all(re.fullmatch("[a-z]{4}", run) for run in abstain.KEYS.pattern.split("|"))


@settings(max_examples=40, deadline=None)
@given(st.lists(TITLE, max_size=6), st.booleans(), st.booleans())
def test_spread_gives_every_share_that_the_codes_have(
    classifier: Classifier, titles: list[str], is_compiled: bool, with_own: bool
) -> None:
    own = Overrides({"nurse": {"55-1011": 0.5, "29-0000": 0.5}}, is_spread=True) if with_own else None
    coder = classifier.coder(("broad", "detailed"), 1, overrides=own)
    if not is_compiled:
        coder._compiled = None
    given_titles = Packed.of(["nurse", *titles])

    found, shares = coder.spread(given_titles)

    codes = coder.code(given_titles)
    every = classifier.coder(("detailed",), len(coder.classes[1]), overrides=own).code(given_titles)
    expected = np.zeros((len(shares), len(coder.classes[1]) + 1), np.float32)  # the last column takes what has no code
    np.put_along_axis(expected, every.labels[:, 0], every.scores[:, 0], axis=1)
    assert np.abs(shares - expected[:, :-1]).max() < NEAR
    assert np.array_equal(found.reasons, codes.reasons)
    assert np.array_equal(found.sources, codes.sources)
    assert np.array_equal(found.scores > 0, codes.scores > 0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_mapped_shares_are_those_of_a_product_of_matrices(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    shares, codes = rng.random((4, 7), np.float32), 5
    dense = rng.random((7, codes)).astype(np.float32) * (rng.random((7, codes)) < 0.4)
    columns, reached = np.nonzero(dense)
    order = np.argsort(reached, kind="stable")
    starts = np.searchsorted(reached[order], np.arange(codes + 1))

    labels, scores = rank.mapped(shares, Links(starts, columns[order], dense[columns, reached][order]), k)

    expected = -np.sort(-(shares @ dense), axis=1)
    assert scores[:, :codes] == pytest.approx(expected[:, :k], abs=1e-6)
    assert (scores[:, codes:] == 0).all()
    assert np.array_equal((labels >= 0)[:, 1:], scores[:, 1:] > 0)


MIX = Prior({"11-0000": 0.1, "29-0000": 0.2, "53-0000": 0.7}, {"11-0000": 0.5, "29-0000": 0.4, "53-0000": 0.1}, 300, 0)


@settings(max_examples=40, deadline=None)
@given(st.lists(TITLE, max_size=6), LEVELS, st.integers(1, 3), st.booleans())
def test_arrays_of_a_classifier_with_a_prior_say_what_plain_answers_say(
    classifier: Classifier, titles: list[str], levels: tuple[Level, ...], k: int, exact: bool
) -> None:
    adapted = classifier.adapted(MIX)
    coder = adapted.coder(levels, k, exact=exact)

    check(coder, titles, lambda level: plainly(adapted, titles, coder, level, exact=exact))


@pytest.mark.parametrize("prior", [None, MIX])
def test_listed_titles_are_moved_by_a_prior_unless_the_soc_names_them(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame], prior: Prior | None
) -> None:
    adapted, titles = classifier.adapted(prior), splits["train"]["title"].to_list()[:400]
    coder = adapted.coder(soc.LEVELS, 2)
    named = SOURCES.index("official")

    found = coder.code(Packed.of(titles))

    check(coder, titles, lambda level: plainly(adapted, titles, coder, level))
    before = classifier.coder(soc.LEVELS, 2).code(Packed.of(titles)).scores
    stays = (found.scores == before).all(axis=(1, 2))
    assert stays[found.sources == named].all()
    assert stays.all() == (prior is None)
