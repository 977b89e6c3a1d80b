"""Commands with a model of a project of `jobmajor init`, outside of its folder: they know the codes of the model."""

from __future__ import annotations

import csv
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from jobmajor import settings, soc
from jobmajor.batch import files
from jobmajor.batch.options import FileOptions
from jobmajor.cli import main
from jobmajor.data import onet, prepare
from jobmajor.model import thresholds
from jobmajor.pipeline.init import Texts, init
from jobmajor.registry import artifact, loading
from jobmajor.soc import carried

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TREE = [("animals", "", "Animals"), ("plants", "", "Plants")]
TREE += [("animals/cat", "animals", "Cat"), ("animals/dog", "animals", "Dog")]
TREE += [("plants/oak", "plants", "Oak"), ("plants/rose", "plants", "Rose")]
WORDS = {"animals/cat": "whiskers", "animals/dog": "leash", "plants/oak": "acorn", "plants/rose": "petal"}
LEVELS = "major (level 1), detailed (level 2)"


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(autouse=True)
def _soc_again() -> Iterator[None]:
    soc.use(None)
    carried.forget()
    yield
    soc.use(None)
    carried.forget()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project with two levels of labels; its small model lies in `model`."""
    folder = tmp_path_factory.mktemp("own")
    rows = [(f"{word} {number}", label) for number in range(100) for label, word in WORDS.items()]
    texts = Texts(table(folder / "texts.csv", ("text", "label"), rows), "text", "label")
    classes = table(folder / "tree.csv", ("code", "parent", "name"), TREE)
    made = init(folder / "things", texts, classes=classes, name="Things").folder
    parts = prepare.prepare(onet.read(made / "data"), settings.Split())
    thresholds.fit(parts["train"], parts["validation"], settings.Linear(hidden=8, epochs=2)).save(made / "model")
    soc.use(None)
    carried.forget()
    return made


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Texts of which most are of one group, with their labels."""
    rows = [(f"leash and whiskers {number}", "animals/dog") for number in range(120)]
    return table(tmp_path / "asked.csv", ("text", "label"), rows)


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main.main([*map(str, words)])
    return (status, *capsys.readouterr())


def test_mix_that_adapt_wrote_is_read_with_the_codes_of_the_model(
    project: Path, asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "prior.json"
    model = "--model", project / "model"

    adapted = call(capsys, "adapt", asked, "--column", "text", "--code", "label", "--output", given, *model)
    soc.use(None)
    status, out, err = call(capsys, "classify", "leash", "--prior", given, *model)

    assert adapted[0] == 0
    assert adapted[1].splitlines()[-1].startswith("120 distinct texts, 120 of them with codes: wrote")
    assert (status, err, out.splitlines()[1].split()[:2]) == (0, "", ["leash", "animals"])


@pytest.mark.parametrize("is_packed", [False, True])
def test_own_list_is_read_with_the_codes_of_the_model(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, is_packed: bool
) -> None:
    mine = table(tmp_path / "mine.csv", ("title", "code"), [("pebble", "plants/rose")])
    model = project / "model"
    if is_packed:
        model = tmp_path / artifact.MODEL
        with tarfile.open(model, "w:gz") as archive:
            for path in sorted((project / "model").iterdir()):
                archive.add(path, path.name)

    status, out, err = call(capsys, "classify", "pebble", "--overrides", mine, "--level", "detailed", "--model", model)

    assert (status, err) == (0, "")
    assert out.splitlines()[1].split() == ["pebble", "plants/rose", "Rose", "1.000", "override"]


def test_all_levels_of_a_file_are_those_of_the_model(
    project: Path, asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "coded.csv"
    words = "--input", asked, "--column", "text", "--output", output, "--level", "all"

    status, out, _ = call(capsys, "classify", *words, "--model", project / "model", "--json")

    assert (status, list(json.loads(out)["abstained"])) == (0, ["major", "detailed"])
    assert "detailed_code" in output.read_text("utf-8").splitlines()[0]


def test_all_levels_of_a_file_are_those_of_the_model_in_python_too(project: Path, asked: Path, tmp_path: Path) -> None:
    found = files.code_file(asked, tmp_path / "coded.csv", FileOptions("text", level="all"), model=project / "model")

    assert list(found.abstained) == ["major", "detailed"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("classify", "leash", "--level", "fine"), f"--level 'fine': expected one of {LEVELS}, best"),
        (("classify", "--input", "asked.csv", "--output", "x.csv", "--level", "fine"), f"one of {LEVELS}, all, best"),
        (("explain", "leash", "--level", "fine"), f"expected one of {LEVELS}"),
        (("summarise", "asked.csv", "--level", "fine"), f"expected one of {LEVELS}"),
        (("review", "asked.csv", "--level", "fine"), f"expected one of {LEVELS}"),
        (("classify", "leash", "--to", "isco-08"), "the crosswalk to 'isco-08' belongs to SOC 2018"),
        (
            ("classify", "leash", "--classes", "added.csv"),
            "(--classes) belongs to SOC 2018, and the codes here are those of",
        ),
        (
            ("classify", "--input", "asked.csv", "--output", "x.csv", "--context", "label"),
            "has learned none: leave it out\n",
        ),
        (
            ("summarise", "asked.csv", "--column", "text", "--labelled", "foreign.csv", "--code", "label"),
            "codes of Things",
        ),
        (("evaluate", "--titles", "asked.csv", "--code", "label", "--soc", "2010"), "SOC 2010 belongs to SOC 2018"),
    ],
)
def test_what_the_model_has_not_is_refused_in_one_line(
    project: Path, asked: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    table(asked.with_name("added.csv"), ("code", "name"), [("animals/fox", "Fox")])
    table(asked.with_name("foreign.csv"), ("text", "label"), [("leash", "29-1141")])

    status, out, err = call(capsys, *words, "--model", project / "model")

    assert (status, out) == (2, "")
    assert err.count("\n") == err.count("note:") + 1
    assert says in err
    assert not asked.with_name("x.csv").exists()


def test_level_that_the_model_has_not_means_the_next_coarser_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = call(capsys, "classify", "leash", "--level", "broad", "--model", project / "model")

    assert (status, out.splitlines()[1].split()[:2]) == (0, ["leash", "animals"])


def test_labelled_texts_are_read_with_the_codes_of_the_model_and_judged_at_its_levels(
    project: Path, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--column", "text", "--code", "label", "--model", project / "model"

    judged = call(capsys, "evaluate", "--titles", asked, *words, "--json")
    soc.use(None)
    counted = call(capsys, "summarise", asked, *words, "--labelled", asked)

    assert (judged[0], list(json.loads(judged[1])["levels"])) == (0, ["major", "detailed"])
    assert counted[1].startswith("120 rows, 120 distinct texts, 120 labelled texts\n")


def test_sheet_of_a_review_is_taken_with_the_codes_of_the_model(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = table(tmp_path / "sheet.csv", ("title", "code"), [("pebble", "plants/oak")])
    kept = "--overrides", tmp_path / "mine.csv"

    status, out, err = call(capsys, "review", "--import", sheet, *kept, "--model", project / "model")

    assert (status, err) == (0, "")
    assert out.startswith("taken: 1, texts with a choice: 1")


def test_only_a_text_without_letters_and_digits_has_no_code(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "explain", "...", "--model", project / "model")

    assert (status, out) == (0, "...: no code, because it has no letter or digit\n")


def test_doctor_names_the_texts_of_the_project(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)

    _, out, _ = call(capsys, "doctor")

    assert [line.split(maxsplit=2) for line in out.splitlines() if " data " in line] == [
        ["ok", "data", "400 texts with labels of Things"]
    ]


def test_workspace_without_a_champion_leaves_the_classification_in_use(tmp_path: Path) -> None:
    loading.use_classification(home=tmp_path)

    assert soc.current() == "SOC 2018"


def test_model_that_is_not_there_is_named_before_codes_that_are_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = table(tmp_path / "mine.csv", ("title", "code"), [("pebble", "plants/rose")])

    status, _, err = call(capsys, "classify", "pebble", "--overrides", mine, "--model", tmp_path / "none")

    assert (status, err) == (2, f"error: {tmp_path / 'none'} is no model: expected a model's folder or model.tar.gz\n")


def test_check_says_what_differs_in_words_for_texts(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = table(tmp_path / "before.csv", ("text",), [(f"leash {number}",) for number in range(200)])
    later = table(tmp_path / "later.csv", ("text",), [(f"leash whiskers acorn petal a b c {n}",) for n in range(200)])
    model = "--column", "text", "--model", project / "model"

    made = call(capsys, "monitor", "baseline", before, "--output", "reference.json", *model)
    status, out, _ = call(capsys, "monitor", "check", later, "--against", "reference.json", *model)

    assert (made[0], status) == (0, 1)
    assert "the 200 commonest texts are kept" in made[1]
    assert "the text has more than 6 words" in out
    assert "the text has more than 6 words" in (tmp_path / "monitor" / "drift.html").read_text("utf-8")
