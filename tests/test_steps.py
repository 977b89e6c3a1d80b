"""Each step as its container runs it: a process of its own, folders in, folders out."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
import pytest

from jobmajor.data.source import STARTER_FOLDER
from jobmajor.model import classifier
from jobmajor.pipeline import definition
from jobmajor.registry import artifact
from jobmajor.settings import Linear, Settings
from jobmajor.steps import __main__ as steps
from sagelocal.storage import archive, manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Done = subprocess.CompletedProcess[str]

Answer = TypeVar("Answer")
pytestmark = pytest.mark.xdist_group("steps")  # one chain of steps for all of them

GROUPS = ("15", "29", "53")  # enough codes for a model, few enough for a second
ROWS_EACH = 60


def run(root: Path, *words: str) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "jobmajor.steps", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "SAGELOCAL_ML_ROOT": str(root)},
    )


def release(folder: Path) -> Path:
    """Some rows of three major groups, in the layout of O*NET's text edition."""
    folder.mkdir(parents=True)
    for name, most in (("Alternate Titles.txt", ROWS_EACH), ("Occupation Data.txt", 1000)):
        head, *lines = (STARTER_FOLDER / name).read_text("utf-8").splitlines()
        kept = [line for group in GROUPS for line in [line for line in lines if line.startswith(group)][:most]]
        (folder / name).write_text("\n".join([head, *kept, ""]), "utf-8")
    manifest.write(folder, source={"release": "starter", "edition": "text"})
    return folder


def training(root: Path, prepared: Path, **recipe: str) -> Path:
    """What a training job finds, of what `prepare` left."""
    for name in ("train", "validation"):
        shutil.copytree(prepared / "processing" / "output" / name, root / "input" / "data" / name)
    (root / "input" / "config").mkdir(parents=True)
    (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(recipe), "utf-8")
    return root


def evaluation(root: Path, prepared: Path, trained: Path, champion: Path | None = None) -> Path:
    """What the evaluation finds; `champion` is a model's folder."""
    inputs = root / "processing"
    shutil.copytree(prepared / "processing" / "output" / "test", inputs / "test")
    archive.pack(trained / "model", inputs / "model" / artifact.MODEL)
    if champion:
        archive.pack(champion, inputs / "champion" / artifact.MODEL)
    else:
        (inputs / "champion").mkdir()
        (inputs / "champion" / "none.txt").write_text("no champion yet\n", "utf-8")
    return root


def chain(folder: Path, start: Callable[..., Answer]) -> dict[str, Answer]:
    """Start all three steps one after the other, each with a root folder that has its name."""
    release(folder / "prepare" / "processing" / "input")
    done = {"prepare": start(folder / "prepare", "prepare")}
    training(folder / "train", folder / "prepare")
    done["train"] = start(folder / "train", "train")
    evaluation(folder / "evaluate", folder / "prepare", folder / "train")
    done["evaluate"] = start(folder / "evaluate", "evaluate")
    return done


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    folder = tmp_path_factory.mktemp("steps")
    return folder, chain(folder, run)


@pytest.fixture
def prepared(done: tuple[Path, dict[str, Done]]) -> Path:
    return done[0] / "prepare"


@pytest.fixture
def trained(done: tuple[Path, dict[str, Done]]) -> Path:
    return done[0] / "train"


def outputs(folder: Path) -> dict[str, Path]:
    """Every folder that a step leaves, by its name."""
    found = [*folder.glob("prepare/processing/output/*"), *folder.glob("evaluate/processing/output/*")]
    return {path.name: path for path in (*found, folder / "train" / "model")}


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a function that runs a step in this process and returns its status: a new process costs two seconds."""

    def start(root: Path, *words: str) -> int:
        monkeypatch.setenv("SAGELOCAL_ML_ROOT", str(root))
        return steps.main(list(words))

    return start


@pytest.fixture
def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a step in this process below `tmp_path`; it must end with 1 and leave a reason of one line."""
    monkeypatch.setenv("SAGELOCAL_ML_ROOT", str(tmp_path))

    def refused(words: str, file: str, *parts: str) -> None:
        assert steps.main(words.split()) == 1
        reason = (tmp_path / "output" / file).read_text("utf-8")
        assert "\n" not in reason
        assert [part for part in parts if part not in reason] == []

    return refused


@pytest.mark.slow
def test_every_step_ends_well_and_says_nothing_on_standard_error(done: tuple[Path, dict[str, Done]]) -> None:
    assert {name: (answer.returncode, answer.stderr) for name, answer in done[1].items()} == dict.fromkeys(
        ("prepare", "train", "evaluate"), (0, "")
    )


@pytest.mark.slow
def test_every_output_has_a_manifest_that_its_files_agree_with(done: tuple[Path, dict[str, Done]]) -> None:
    found = outputs(done[0])

    names = {"train", "validation", "test", "baseline", "evaluation", "prediction_baseline", "model"}
    assert set(found) == names
    for folder in found.values():
        written = manifest.verify(folder)
        assert len(written.code_version) == 64
        assert written.source["release"] == "starter"


@pytest.mark.slow
def test_outputs_are_those_that_the_definition_names(done: tuple[Path, dict[str, Done]]) -> None:
    """The definition says where each output is in the container: there it must be."""
    described = {step["Name"]: step for step in definition.build(Settings())["Steps"]}
    for name, root in (("preprocess-data", "prepare"), ("evaluate-model", "evaluate")):
        for item in described[name]["Arguments"]["ProcessingOutputConfig"]["Outputs"]:
            path = item["S3Output"]["LocalPath"].removeprefix("/opt/ml/")
            assert (done[0] / root / path / manifest.NAME).is_file(), path
    assert described["evaluate-model"]["PropertyFiles"][0]["FilePath"] == "evaluation.json"
    assert (done[0] / "evaluate" / "processing" / "output" / "evaluation" / "evaluation.json").is_file()


@pytest.mark.slow
def test_rows_in_the_manifest_are_those_in_the_tables(prepared: Path) -> None:
    for name in ("train", "validation", "test"):
        folder = prepared / "processing" / "output" / name
        rows = pl.read_parquet(folder / "data.parquet").height
        assert rows > 0
        assert manifest.read(folder).rows[name] == rows


@pytest.mark.slow
def test_log_has_every_metric_that_the_definition_looks_for(done: tuple[Path, dict[str, Done]]) -> None:
    wanted = definition.build(Settings())["Steps"][1]["Arguments"]["AlgorithmSpecification"]["MetricDefinitions"]

    found = {item["Name"]: re.findall(item["Regex"], done[1]["train"].stdout) for item in wanted}

    assert {name: len(values) for name, values in found.items()} == {item["Name"]: 1 for item in wanted}
    assert 0.3 < float(found["validation_accuracy"][0]) <= 1.0


@pytest.mark.slow
def test_evaluation_names_the_model_and_the_data_it_looked_at(done: tuple[Path, dict[str, Done]]) -> None:
    folder, _ = done
    written = manifest.read(folder / "evaluate" / "processing" / "output" / "prediction_baseline")

    assert written.source["model"] == manifest.read(folder / "train" / "model").digest
    assert written.source["data"] == manifest.read(folder / "prepare" / "processing" / "output" / "test").digest


@pytest.mark.slow
def test_both_baselines_say_what_later_titles_are_compared_with(done: tuple[Path, dict[str, Done]]) -> None:
    data, answers = (outputs(done[0])[name] for name in ("baseline", "prediction_baseline"))

    features, names = {}, {}
    for folder in (data, answers):
        found = json.loads((folder / "statistics.json").read_bytes())
        features[folder] = {each["name"]: each for each in found["features"]}
        names[folder] = [each["name"] for each in json.loads((folder / "constraints.json").read_bytes())["features"]]
        assert features[folder]["title"]["string_statistics"]["common"]["num_present"] > 0

    rows = pl.read_parquet(done[0] / "prepare" / "processing" / "output" / "train" / "data.parquet")
    titles = rows.filter(pl.col("source") != "description")
    shares = {each["value"]: each["count"] for each in _buckets(features[data]["code"])}
    true = titles.group_by(pl.col("code").str.head(2)).len().rows()
    assert {code[:2]: count for code, count in shares.items() if count} == dict(true)
    assert "confidence" not in features[data]
    assert names[data] == ["title", "code", "title_length"]
    assert 0 < features[data]["unknown word"]["numerical_statistics"]["mean"] < 1
    tested = pl.read_parquet(done[0] / "prepare" / "processing" / "output" / "test" / "data.parquet")
    answered = json.loads((answers / "statistics.json").read_bytes())
    assert answered["dataset"]["item_count"] == len(tested)
    assert answered["multiclass_classification_metrics"]["accuracy"]["value"] == _accuracy(done[0])
    assert names[answers] == ["title", "code", "title_length", "confidence"]
    made = manifest.read(done[0] / "train" / "model").digest
    assert json.loads((answers / "reference.json").read_bytes())["about"]["model"] == made


def _buckets(feature: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = feature["string_statistics"]["distribution"]["categorical"]["buckets"]
    return found


def _accuracy(folder: Path) -> float:
    body = json.loads((folder / "evaluate/processing/output/evaluation/evaluation.json").read_bytes())
    accuracy: float = body["classification_metrics"]["test_accuracy"]
    return accuracy


@pytest.mark.slow
def test_same_input_gives_the_same_bytes_again(
    done: tuple[Path, dict[str, Done]], tmp_path: Path, inside: Callable[..., int]
) -> None:
    assert set(chain(tmp_path, inside).values()) == {0}

    first, second = outputs(done[0]), outputs(tmp_path)
    assert {name: manifest.hash_folder(path) for name, path in second.items()} == {
        name: manifest.hash_folder(path) for name, path in first.items()
    }


def with_tasks(folder: Path) -> Path:
    """A release with task statements: each occupation's description in two parts."""
    release(folder)
    rows = pl.read_csv(folder / "Occupation Data.txt", separator="\t", quote_char=None).rows()
    parts = [(code, part) for code, _, text in rows for part in (text[: len(text) // 2], text[len(text) // 2 :])]
    lines = ["O*NET-SOC Code\tTask", *(f"{code}\t{part}" for code, part in parts), ""]
    (folder / "Task Statements.txt").write_text("\n".join(lines), "utf-8")
    manifest.write(folder, source={"release": "starter", "edition": "text"})
    return folder


@pytest.mark.slow
def test_task_statements_give_the_model_a_context_and_change_nothing_else(
    done: tuple[Path, dict[str, Done]], tmp_path: Path, inside: Callable[..., int]
) -> None:
    with_tasks(tmp_path / "prepare" / "processing" / "input")

    assert inside(tmp_path / "prepare", "prepare") == 0
    assert inside(training(tmp_path / "train", tmp_path / "prepare"), "train") == 0

    own, other = (manifest.read(root / "train" / "model") for root in (done[0], tmp_path))
    assert other.files.keys() - own.files.keys() == {"context.safetensors"}
    assert other.files["model.safetensors"] == own.files["model.safetensors"]
    assert other.source["tasks"] > 0 == own.source["tasks"]
    assert classifier.load(tmp_path / "train" / "model").answer(["worker"], context=["patients"])
    evaluation(tmp_path / "evaluate", tmp_path / "prepare", tmp_path / "train")
    assert inside(tmp_path / "evaluate", "evaluate") == 0
    cards = [(root / "evaluate/processing/output/evaluation/card.md").read_text() for root in (done[0], tmp_path)]
    assert ["the model can use no second text" in card for card in cards] == [True, False]


@pytest.mark.slow
def test_other_seed_gives_another_split(prepared: Path, tmp_path: Path, inside: Callable[..., int]) -> None:
    release(tmp_path / "processing" / "input")

    status = inside(tmp_path, "prepare", "--seed", "7", "--validation", "0.2")

    assert status == 0
    own, other = (manifest.read(root / "processing" / "output" / "test") for root in (prepared, tmp_path))
    assert other.settings == {"seed": 7, "validation": 0.2, "test": 0.1}
    assert own.files["data.parquet"] != other.files["data.parquet"]


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def other_table(path: Path) -> None:
    """A sound table of another content: only the manifest can tell."""
    pl.read_parquet(path).head(5).write_parquet(path)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [append, other_table])
@pytest.mark.parametrize("name", ["train", "validation"])
def test_training_refuses_a_table_that_is_not_as_recorded(
    name: str, damage: Callable[[Path], None], prepared: Path, tmp_path: Path, refuse: Callable[..., None]
) -> None:
    training(tmp_path, prepared)
    damage(tmp_path / "input" / "data" / name / "data.parquet")

    refuse("train", "failure", f"{name}/data.parquet has sha256", "its record says")
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_refused_step_ends_with_one_and_its_log_has_the_reason_without_a_traceback(tmp_path: Path) -> None:
    release(tmp_path / "processing" / "input")
    append(tmp_path / "processing" / "input" / "Occupation Data.txt")

    answer = run(tmp_path, "prepare")

    assert answer.returncode == 1
    reason = (tmp_path / "output" / "message").read_text("utf-8")
    assert reason in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr


@pytest.mark.slow
def test_training_refuses_a_folder_without_a_manifest(
    prepared: Path, tmp_path: Path, refuse: Callable[..., None]
) -> None:
    training(tmp_path, prepared)
    (tmp_path / "input" / "data" / "train" / manifest.NAME).unlink()

    refuse("train", "failure", "no readable manifest.json")


@pytest.mark.slow
def test_training_refuses_an_unknown_hyperparameter_by_name(
    prepared: Path, tmp_path: Path, refuse: Callable[..., None]
) -> None:
    training(tmp_path, prepared, penality="1.0")

    refuse("train", "failure", "'linear.penality'", "an unknown key", "one of penalty")


@pytest.mark.slow
def test_prepare_refuses_a_release_that_is_not_as_recorded(tmp_path: Path, refuse: Callable[..., None]) -> None:
    folder = release(tmp_path / "processing" / "input")
    append(folder / "Alternate Titles.txt")

    refuse("prepare", "message", "Alternate Titles.txt has sha256")
    assert not (tmp_path / "processing" / "output").exists()


@pytest.mark.slow
def test_prepare_refuses_a_share_out_of_range(tmp_path: Path, refuse: Callable[..., None]) -> None:
    release(tmp_path / "processing" / "input")

    refuse("prepare --test 0.9", "message", "setting 'split.test'", "from 0.01 to 0.4")


@pytest.mark.slow
@pytest.mark.parametrize("damage", [append, other_table])
def test_evaluation_refuses_a_test_that_is_not_as_recorded(
    damage: Callable[[Path], None], prepared: Path, trained: Path, tmp_path: Path, refuse: Callable[..., None]
) -> None:
    evaluation(tmp_path, prepared, trained)
    damage(tmp_path / "processing" / "test" / "data.parquet")

    refuse("evaluate", "message", "test/data.parquet has sha256")


@pytest.mark.slow
def test_evaluation_refuses_a_model_that_is_not_as_recorded(
    prepared: Path, trained: Path, tmp_path: Path, refuse: Callable[..., None]
) -> None:
    shutil.copytree(trained / "model", tmp_path / "damaged" / "model")
    append(tmp_path / "damaged" / "model" / "model.safetensors")
    evaluation(tmp_path, prepared, tmp_path / "damaged")

    refuse("evaluate", "message", "model.safetensors has sha256")


@pytest.mark.slow
def test_evaluation_without_a_champion_compares_with_none(done: tuple[Path, dict[str, Done]]) -> None:
    assert found_champion(done[0] / "evaluate") is None


def found_champion(root: Path) -> dict[str, Any] | None:
    path = root / "processing" / "output" / "evaluation" / "evaluation.json"
    champion: dict[str, Any] | None = json.loads(path.read_bytes())["champion"]
    return champion


@pytest.mark.slow
def test_model_compared_with_itself_neither_wins_nor_loses(
    prepared: Path, trained: Path, tmp_path: Path, inside: Callable[..., int]
) -> None:
    evaluation(tmp_path, prepared, trained, champion=trained / "model")

    assert inside(tmp_path, "evaluate") == 0

    champion = found_champion(tmp_path)
    assert champion is not None
    assert champion["comparable"] is True
    assert champion["digest"] == manifest.read(trained / "model").digest
    assert (champion["difference"], champion["won"], champion["lost"]) == (0.0, 0, 0)


@pytest.mark.slow
def test_defaults_of_a_training_are_those_of_the_settings(trained: Path) -> None:
    """No hyperparameter was given, so the recipe must be the one of `jobmajor.toml`'s defaults."""
    recipe = Linear()

    assert manifest.read(trained / "model").settings["penalty"] == recipe.penalty


def test_unknown_step_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        steps.main(["deploy"])

    assert "invalid choice: 'deploy'" in capsys.readouterr().err
