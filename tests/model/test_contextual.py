"""Answers with a second text beside each title: the same as without where it says nothing, and better where it does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from jobmajor import soc
from jobmajor.data import examples, onet, source
from jobmajor.errors import InputError
from jobmajor.model import classifier as classifiers
from jobmajor.model.classifier import Classifier
from jobmajor.model.contextual import joined, parted
from jobmajor.model.deepest import deepest
from jobmajor.model.linear import centroids
from jobmajor.model.rules.overrides import Overrides
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TITLES = ["looker at foods", "nurse", None, "supervisor", "qwertyui", "clerk", "manager of nothing"]
CONTEXTS = [
    "restaurants and kitchens: inspect food",
    "",
    "trucks",
    None,
    "patients",
    "zzzzz qqqqq",
    "fly aircraft with crew",
]
MINE = Overrides({"looker at foods": {"29-1141": 1.0}})


def test_joined_texts_come_apart_again_and_a_separator_in_a_title_is_a_blank() -> None:
    assert parted(joined(["a\x1fb", None], ["c\x1fd", "e"])) == (["a b", ""], ["c\x1fd", "e"])


def test_context_changes_the_answers_of_the_titles_that_have_one(with_context: Classifier) -> None:
    plain = with_context.answer(TITLES, "detailed", 3)

    found = with_context.answer(TITLES, "detailed", 3, context=CONTEXTS)

    moved = [one.answers != other.answers for one, other in zip(plain, found, strict=True)]
    assert moved == [True, False, False, False, False, False, True]
    assert [found[row].reason for row in (2, 4)] == ["not a title"] * 2  # whatever the context


def test_empty_contexts_change_nothing(with_context: Classifier) -> None:
    for level in soc.LEVELS:
        found = with_context.answer(TITLES, level, 2, context=[None] * len(TITLES))

        assert found == with_context.answer(TITLES, level, 2)


def test_override_stands_whatever_the_context(with_context: Classifier) -> None:
    (found,) = with_context.answer(["Looker at foods"], "detailed", overrides=MINE, context=["trucks and food"])

    assert [(each.label, each.score) for each in found.answers] == [("29-1141", 1.0)]
    assert found.source == "override"


def test_title_that_the_soc_names_keeps_its_answer(with_context: Classifier) -> None:
    names = [soc.name(code) for code in with_context.codes]
    plain = with_context.answer(names, "detailed", context=[""] * len(names))

    found = with_context.answer(names, "detailed", context=["drive trucks"] * len(names))

    official = [row for row, each in enumerate(plain) if each.source == "official"]
    assert official
    assert [found[row] for row in official] == [plain[row] for row in official]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("mine", [None, MINE])
def test_coder_gives_the_answers(with_context: Classifier, mine: Overrides | None, exact: bool) -> None:
    contextual = with_context.contextual
    coder = contextual.coder(soc.LEVELS, 1, overrides=mine, exact=exact)

    codes = coder.code(Packed.of(joined(TITLES, CONTEXTS)))

    for index, level in enumerate(soc.LEVELS):
        answered = with_context.answer(TITLES, level, overrides=mine, exact=exact, context=CONTEXTS)
        labels = [coder.classes[index][label] if label >= 0 else "" for label in codes.labels[:, index, 0].tolist()]
        assert labels == [each.answers[0].label for each in answered]


def test_context_is_read_to_its_end_by_the_coder(with_context: Classifier) -> None:
    long = "x " * 1500 + "fly aircraft with crew"
    coder = with_context.contextual.coder(("detailed",))

    found, without = (coder.code(Packed.of(joined(["manager of nothing"], [text]))) for text in (long, ""))

    assert found.scores.tolist() != without.scores.tolist()


def test_other_classifications_and_the_deepest_level_take_joined_texts(with_context: Classifier) -> None:
    texts = joined(["manager of nothing"] * 2, ["fly aircraft with crew", ""])

    isco = with_context.contextual.to("isco-08").coder(("detailed",)).code(Packed.of(texts))
    best = deepest(with_context.contextual).answer(texts)

    assert isco.labels.shape == (2, 1, 1)
    assert len(best) == 2


def test_model_without_context_says_what_to_do(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="the model has learned none: leave it out, or train"):
        classifier.answer(["cook"], context=["school"])


def test_contexts_must_be_as_many_as_titles(with_context: Classifier) -> None:
    with pytest.raises(InputError, match="1 contexts were given with 2 titles"):
        with_context.answer(["cook", "nurse"], context=["school"])


def test_saved_model_keeps_its_context_and_one_without_has_the_files_of_before(
    with_context: Classifier, classifier: Classifier, tmp_path: Path
) -> None:
    for name, model in (("one", with_context), ("other", classifier)):
        (tmp_path / name).mkdir()
        model.save(tmp_path / name, code_version="test", source={})

    found = classifiers.load(tmp_path / "one")

    assert found.answer(TITLES, context=CONTEXTS) == with_context.answer(TITLES, context=CONTEXTS)
    assert classifiers.load(tmp_path / "other").context is None
    files = [{path.name for path in (tmp_path / name).iterdir()} for name in ("one", "other")]
    assert files[0] - files[1] == {"context.safetensors"}


@pytest.mark.long
def test_task_that_training_never_saw_helps_to_find_the_code(
    shared: Callable[[str], Path], starter_classifier: Classifier, starter_splits: Mapping[str, pl.DataFrame]
) -> None:
    folder = shared("data/onet/29.1")
    tables = replace(onet.read(source.STARTER_FOLDER), tasks=onet.tasks(folder / "Task Statements.txt"))
    texts = examples.duties(tables)
    assert texts is not None
    held_out = texts.filter(pl.col("source") == examples.TASK).unique("code", keep="last", maintain_order=True)
    learned = centroids.learn(
        texts.join(held_out, on=["code", "text"], how="anti"),
        starter_splits["validation"],
        starter_classifier.codes,
        starter_classifier.scorer.shares,
    )
    model = Classifier(starter_classifier.scorer, {}, starter_classifier.knowledge, learned)
    test = starter_splits["test"].join(held_out.select("code", task="text"), on="code", maintain_order="left")

    def right(context: list[str] | None) -> float:
        found = model.answer(test["title"].to_list(), "detailed", exact=False, context=context)
        hits = [each.answers[0].label == code for each, code in zip(found, test["code"], strict=True)]
        return float(np.mean(hits))

    assert len(test) > 500
    assert right(test["task"].to_list()) > right(None) + 0.05
