"""Codes that training never saw, by whatever way they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import jobmajor
from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model.deepest import deepest
from jobmajor.model.rules.classes import Class, Classes
from jobmajor.model.rules.overrides import Overrides
from jobmajor.model.rules.prior import Prior
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

MINE = Classes(
    (
        Class("15-9901", "Data Annotators and Labelers", "Mark images, texts and sounds, from which models learn."),
        Class("47-2999", "Heat Pump Fitters", "Install, test, and repair heat pumps in homes and offices."),
    )
)
TITLES = ["Data Labeler", "heat pump installer", "Registered Nurse", "nurse", None, "asdf qwer", "Enfermera registrada"]


@pytest.fixture(scope="module")
def extended(classifier: Classifier) -> Classifier:
    return classifier.with_classes(MINE)


def test_name_of_a_class_in_any_form_is_answered_by_it_at_every_level(extended: Classifier) -> None:
    levels = extended.answer_at(soc.LEVELS, ["DATA ANNOTATORS AND LABELERS", "data annotator"])

    for found, code in zip(levels, ("15-0000", "15-9000", "15-9900", "15-9901"), strict=True):
        assert [(each.answers[0].label, each.answers[0].score) for each in found] == [(code, 1.0)] * 2
        assert [(each.source, each.abstain, each.reason) for each in found] == [("class", False, "")] * 2
    assert [each[0].answers[0].name for each in levels] == [
        soc.name("15-0000"),
        "Data Annotators and Labelers",
        "Data Annotators and Labelers",
        "Data Annotators and Labelers",
    ]


def test_title_of_a_class_gets_more_of_it_than_other_titles(extended: Classifier) -> None:
    found = extended.answer(["heat pump installer", "registered nurse", "baker"], "detailed", 5)

    scores = [{each.label: each.score for each in coded.answers}.get("47-2999", 0.0) for coded in found]
    assert found[0].answers[0].label == "47-2999"
    assert found[0].source == "class"
    assert max(scores[1:]) < 0.2 < scores[0]


def test_titles_that_the_soc_names_and_what_is_no_title_stay(classifier: Classifier, extended: Classifier) -> None:
    names = [soc.name(code) for code in classifier.codes]
    before, after = (model.answer(names, "detailed") for model in (classifier, extended))

    official = [row for row, each in enumerate(before) if each.source == "official"]
    assert official
    for found, plain in ((after[row], before[row]) for row in official):  # compiled code rounds otherwise
        assert found.answers[0].score == pytest.approx(plain.answers[0].score, abs=1e-5)
        assert replace(found, answers=()) == replace(plain, answers=())
        assert found.answers[0].label == plain.answers[0].label
    assert [each.answers[0].label for each in extended.answer(TITLES[4:])] == ["", "", ""]


def test_shares_of_all_codes_sum_to_one_at_every_level(extended: Classifier) -> None:
    for level in soc.LEVELS:
        found = extended.answer(TITLES[:4], level, 1000)

        assert [sum(each.score for each in coded.answers) for coded in found] == pytest.approx([1] * 4, abs=1e-5)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("overrides", [None, Overrides({"nurse": {"11-9199": 1.0}, "data labeler": {"29-0000": 1.0}})])
def test_arrays_say_what_answers_say(extended: Classifier, overrides: Overrides | None, *, exact: bool) -> None:
    levels: tuple[Level, ...] = ("major", "detailed")
    coder = extended.coder(levels, 2, overrides=overrides, exact=exact)

    codes = coder.code(Packed.of([title or "" for title in TITLES]))

    for index, level in enumerate(levels):
        answers = extended.answer(TITLES, level, 2, overrides=overrides, exact=exact)
        labels = [[each.label for each in coded.answers[:2] if each.label] for coded in answers]
        shown = [
            [coder.classes[index][label] for label in row if label >= 0] for row in codes.labels[:, index].tolist()
        ]
        assert shown == labels


def test_what_the_model_says_alone_stays(classifier: Classifier, extended: Classifier) -> None:
    assert np.array_equal(extended.predict_proba(TITLES), classifier.predict_proba(TITLES))
    assert extended.codes == classifier.codes
    assert classifier.with_classes(None) is classifier
    assert classifier.with_classes(Classes(())) is classifier
    assert not extended.is_compiled


def test_own_titles_stand_above_classes_and_a_mix_moves_them(extended: Classifier) -> None:
    mine = Overrides({"data labeler": {"29-1141": 1.0}})
    even = dict.fromkeys(extended.classes(), 1 / len(extended.classes()))
    mix = {**even, "47-0000": 1.5 * even["47-0000"], "41-0000": 0.5 * even["41-0000"]}

    (own,) = extended.answer(["Data Labeler"], "detailed", overrides=mine)
    (plain,) = extended.answer(["heat pump installer"], "detailed")
    (moved,) = extended.adapted(Prior(mix, even, 100, 0)).answer(["heat pump installer"], "detailed")

    assert (own.answers[0].label, own.source) == ("29-1141", "override")
    assert moved.answers[0].score > plain.answers[0].score


def test_best_level_and_explanation_know_the_classes(extended: Classifier) -> None:
    (found,) = deepest(extended).answer(["data annotator"])
    why = extended.explain("heat pump installer", "detailed")

    assert (found.answers[0].label, found.level) == ("15-9901", "detailed")
    assert (why.label, why.name, why.source) == ("47-2999", "Heat Pump Fitters", "class")
    assert max(why.words, key=lambda word: word.worth).text in ("heat", "pump")


def test_second_text_speaks_for_a_class_by_its_description(with_context: Classifier) -> None:
    extended = with_context.with_classes(MINE)
    context = ["tests and repairs pumps for heat in homes and offices", ""]

    told, plain = extended.answer(["installer"] * 2, "detailed", 1000, context=context)

    scores = [next(each.score for each in found.answers if each.label == "47-2999") for found in (told, plain)]
    assert scores[0] > scores[1]
    assert plain == extended.answer(["installer"] * 2, "detailed", 1000)[1]


def test_other_classifications_and_known_codes_are_refused(classifier: Classifier, extended: Classifier) -> None:
    with pytest.raises(InputError, match="crosswalk to isco-08 has none of the codes that you added"):
        extended.to("isco-08").answer(["nurse"], "1")
    with pytest.raises(InputError, match="answers already"):
        classifier.with_classes(Classes((Class(classifier.codes[0], "Anything"),)))


def test_file_gets_what_answers_say_with_names_and_digest(
    classifier: Classifier, extended: Classifier, tmp_path: Path
) -> None:
    titles = [title for title in TITLES if title]
    source = tmp_path / "in.csv"
    source.write_text("\n".join(["title", *titles, ""]), "utf-8")
    options = jobmajor.FileOptions(classes=MINE, level="detailed")

    found = jobmajor.code_file(source, tmp_path / "out.csv", options, model=classifier)

    lines = (tmp_path / "out.csv").read_text("utf-8").splitlines()[1:]
    assert [line.split(",")[1] for line in lines] == [
        each.answers[0].label for each in extended.answer(titles, "detailed")
    ]
    assert "Data Annotators and Labelers" in lines[0]
    assert found.classes == MINE.digest
    assert found.sources["class"] == 2


def test_a_file_s_path_is_enough(classifier: Classifier, extended: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    rows = [f'{each.code},{each.name},"{each.description}"' for each in MINE.entries]
    path.write_text("\n".join(["code,name,description", *rows, ""]), "utf-8")

    found = classifier.with_classes(str(path))

    assert found.knowledge.added is not None
    assert found.knowledge.added.classes.digest == MINE.digest
    assert found.answer(TITLES, "detailed") == extended.answer(TITLES, "detailed")
