"""A project for another classification: what `init` makes of a table, and what it refuses."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from jobmajor import settings, soc, titles
from jobmajor.data import examples, onet, prepare
from jobmajor.errors import DataError, InputError
from jobmajor.model import classifier, thresholds
from jobmajor.model.rules import abstain
from jobmajor.pipeline.init import Texts, init
from jobmajor.soc import carried, chosen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

# A word of the label is in each text, among others that say nothing.
LABELS = {
    "animals/cat": "whiskers",
    "animals/dog": "leash",
    "plants/oak": "acorn",
    "plants/rose": "petal",
    "stones": "grit",
}
TREE = [("animals", "", "Animals"), ("plants", "", "Plants"), ("stones", "", "Stones")]
TREE += [(label, label.partition("/")[0], label) for label in LABELS if "/" in label]
OTHERS = (
    *("the", "a", "mgr", "sr", "of", "nurse", "enfermera", "asdf", "remote", "12", "c++", "salesperson"),
    *("waitress", "very", "old", "new", "red", "blue"),
)


@pytest.fixture(autouse=True)
def _soc_again() -> Iterator[None]:
    yield
    soc.use(None)
    carried.forget()


def rows(count: int = 400) -> list[tuple[str, str]]:
    """Texts with labels, all different."""
    labels = list(LABELS)
    found = []
    for number in range(count):
        label, first = labels[number % len(labels)], OTHERS[number % len(OTHERS)]
        second = OTHERS[number // len(OTHERS) % len(OTHERS)]
        found.append((f"{first} {LABELS[label]} {second} {number // 7}", label))
    return found


def table(path: Path, header: tuple[str, ...], found: Sequence[tuple[str, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *found])
    return path


def texts(folder: Path, found: list[tuple[str, str]] | None = None) -> Texts:
    return Texts(table(folder / "texts.csv", ("text", "label"), found or rows()), "text", "label")


def trained(folder: Path) -> Classifier:
    """A small model of the project's data."""
    parts = prepare.prepare(onet.read(folder / "data"), settings.Split())
    return thresholds.fit(parts["train"], parts["validation"], settings.Linear(hidden=8, epochs=2))


def test_labels_without_a_table_are_a_flat_list_whose_four_levels_are_one(tmp_path: Path) -> None:
    made = init(tmp_path / "flat", texts(tmp_path))
    onet.read(made.folder / "data")

    assert (soc.current(), made.rows, made.few) == ("flat", 400, 0)
    assert {soc.codes(level) for level in soc.LEVELS} == {tuple(sorted(LABELS))}
    assert soc.parse_levels("all") == ("major",)
    written = settings.read(made.folder / "jobmajor.toml")
    assert (written.names.project, written.threshold, settings.Settings().threshold) == ("flat", 0.5, 0.75)


def test_hierarchy_of_a_table_has_its_levels_and_a_label_at_the_top_is_its_own_group(tmp_path: Path) -> None:
    classes = table(tmp_path / "tree.csv", ("code", "parent", "name"), TREE)

    made = init(tmp_path / "tree", texts(tmp_path), classes=classes, name="Things")
    onet.read(made.folder / "data")

    assert made.to_json()["levels"] == {"major": 3, "detailed": 5}
    assert (soc.ancestor("animals/cat", "major"), soc.ancestor("stones", "detailed")) == ("animals", "stones")
    assert soc.ancestor("animals/cat", "broad") == "animals"
    with pytest.raises(InputError, match="'29-1141' is no code of Things: expected one such as 'stones'"):
        soc.parse("29-1141")
    with pytest.raises(InputError, match="animals is above the level 'detailed'"):
        soc.ancestor("animals", "detailed")


def test_codes_that_sorting_would_part_become_paths(tmp_path: Path) -> None:
    tree = [("b", "", "B"), ("a", "", "A"), ("1", "b", "One"), ("2", "a", "Two"), ("3", "b", "Three")]
    found = [(f"text {number} {code}", code) for number in range(30) for code in "123"]

    made = init(
        tmp_path / "parted", texts(tmp_path, found), classes=table(tmp_path / "t.csv", ("code", "parent", "name"), tree)
    )

    assert made.classification.codes("detailed") == ("b/1", "a/2", "b/3")
    onet.read(made.folder / "data")
    assert soc.ancestor("b/3", "major") == "b"


@pytest.mark.parametrize(
    ("codes", "says"),
    [
        ([("a", "", ""), ("a", "", "")], "'a' twice"),
        ([("a", "b", ""), ("c", "", "")], "'b' as the parent of 'a', expected one of the codes"),
        ([("a", "b", ""), ("b", "a", "")], "below 4 levels or below itself"),
        ([("a", "", ""), ("b", "a", "")], "two at least at the top"),
        ([("", "", ""), ("b", "", "")], "a code ''"),
        ([(" a", "", ""), ("b", "", "")], "blanks at its ends"),
        ([("a\n", "", ""), ("b", "", "")], "without blanks"),
        ([("a\x07c", "", ""), ("b", "", "")], "printable"),
        ([("x" * 201, "", ""), ("b", "", "")], "of 201 characters"),
        ([(f"{n}", f"{n - 1}" if n else "", "") for n in range(5)] + [("z", "", "")], "4 levels at most"),
    ],
)
def test_table_that_is_no_classification_is_refused_in_one_line(codes: list[tuple[str, str, str]], says: str) -> None:
    with pytest.raises(DataError, match=says) as refused:
        chosen.build("Things", codes)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 2}',
        b'{"format": 1, "texts": "odd", "levels": [], "codes": [], "name": ""}',
        b"\xff",
    ],
)
def test_damaged_classification_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / chosen.FILE).write_bytes(body)

    with pytest.raises(DataError, match=r"classification\.json"):
        carried.activate(tmp_path)

    assert soc.current() == chosen.SOC_2018


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = chosen.build("Dinge", TREE, labels=("Reich", "Ding"), is_plain=False)
    (tmp_path / chosen.FILE).write_bytes(made.to_json())

    assert chosen.read(tmp_path / chosen.FILE) == made
    assert json.loads(made.to_json())["texts"] == "job titles"


@pytest.mark.parametrize(
    ("name", "text", "label", "says"),
    [
        ("Bad Name", "text", "label", "expected up to 32 small letters"),
        ("there", "text", "label", "is there already"),
        ("new", "body", "label", "body"),
        ("new", "text", "team", "team"),
    ],
)
def test_wrong_call_is_refused_and_leaves_nothing(tmp_path: Path, name: str, text: str, label: str, says: str) -> None:
    (tmp_path / "there").mkdir()
    given = texts(tmp_path)

    with pytest.raises(InputError, match=says):
        init(tmp_path / name, replace(given, text=text, label=label))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts.csv", "there"]


def test_rows_without_text_or_with_a_foreign_label_are_counted_and_left_out(tmp_path: Path) -> None:
    found = [*rows(100), ("", "stones"), ("pebble", ""), ("pebble", "lava"), ("pebble", "plants")]
    classes = table(tmp_path / "tree.csv", ("code", "parent"), [row[:2] for row in TREE])

    made = init(tmp_path / "counted", texts(tmp_path, found), classes=classes)

    assert made.rows == 100
    assert dict(made.left_out) == {
        "without a text": 1,
        "without a label": 1,
        "with a label that is no code without members": 2,
    }
    with pytest.raises(DataError, match="no row that can be used"):
        init(tmp_path / "none", texts(tmp_path, [("pebble", "lava")]), classes=classes)


def test_texts_that_are_no_job_titles_keep_their_words_in_compiled_code_too(tmp_path: Path) -> None:
    model = trained(init(tmp_path / "plain", texts(tmp_path)).folder)
    asked = [text for text, _ in rows(200)] + [
        "",
        "SALESPERSON C++ mgr!",
        "enfermera registrada",
        "asdf",
        "remote",
        "7",
    ]

    assert titles.normalise("The Sr. Mgr & Waitress") == "the sr mgr and waitress"
    compiled = [each.answers[0].label for each in model.compile().answer(asked)]
    plain = classifier.Classifier(model.scorer, model.about, model.knowledge)
    one_by_one = [plain.answer([text])[0] for text in asked]
    assert compiled == [each.answers[0].label for each in one_by_one]
    assert {each.reason for each in one_by_one} <= {abstain.ANSWERED, abstain.UNSURE, abstain.NOT_A_TITLE}
    assert [text for text, each in zip(asked, one_by_one, strict=True) if each.reason == abstain.NOT_A_TITLE] == [""]


def test_model_brings_its_classification_and_a_process_keeps_to_one(tmp_path: Path) -> None:
    model = trained(init(tmp_path / "one", texts(tmp_path)).folder)
    model.save(tmp_path / "saved")
    soc.use(None)

    found = classifier.load(tmp_path / "saved")

    assert (soc.current(), found.classes()) == ("one", tuple(sorted(LABELS)))
    right = [
        answer == label for answer, (_, label) in zip(found.predict([text for text, _ in rows()]), rows(), strict=True)
    ]
    assert sum(right) / len(right) > 0.95
    other = tmp_path / "other"
    model.save(other)
    (other / chosen.FILE).write_bytes(chosen.build("Other", [(label, "", "") for label in sorted(LABELS)]).to_json())
    with pytest.raises(InputError, match="is a model of Other, and this process has loaded one of one"):
        carried.adopt(other)
    assert soc.current() == "one"


def test_major_groups_of_a_column_are_those_of_the_table() -> None:
    soc.use(chosen.build("Things", TREE))

    found = pl.DataFrame({"code": ["stones", "animals/dog"]}).select(examples.major_group(pl.col("code")))

    assert found.to_series().to_list() == ["stones", "animals"]
