"""The whole life of a transformer, from titles to answers, and how its training goes on after a stop."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'transformer'")
pytest.importorskip("transformers", reason="needs the extra 'transformer'")

import jobmajor
from jobmajor.data.source import STARTER_FOLDER
from jobmajor.model.transformer import launch
from jobmajor.model.transformer.model import TransformerModel
from jobmajor.pipeline import run as local
from jobmajor.registry.loading import open_registry
from jobmajor.settings import Settings, Train
from jobmajor.steps import __main__ as steps
from sagelocal.run import records
from sagelocal.storage import manifest
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.settings import Transformer

    Command = Callable[..., subprocess.CompletedProcess[bytes]]

# Each test is a run of the pipeline that trains a transformer, or needs the model of one.
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.xdist_group("transformer")]
GROUPS = ("23", "29", "45", "53")  # as the checkpoint's words
ROWS_EACH = 90
JOBS = ["preprocess-data", "train", "evaluate-model"]


def release(folder: Path) -> Path:
    """Some rows of four major groups: too few for the gate to judge a single class by."""
    folder.mkdir()
    for name, most in (("Alternate Titles.txt", ROWS_EACH), ("Occupation Data.txt", 1000)):
        head, *lines = (STARTER_FOLDER / name).read_text("utf-8").splitlines()
        kept = [line for group in GROUPS for line in [line for line in lines if line.startswith(group)][:most]]
        (folder / name).write_text("\n".join([head, *kept, ""]), "utf-8")
    return folder


def toml(how: Transformer) -> str:
    values = {"checkpoint": how.checkpoint, "epochs": 2, "batch": 16, "learning_rate": 0.003, "warmup_steps": 5}
    return "\n".join(
        ['[train]\nrecipe = "transformer"\n[transformer]', *(f"{name} = {json.dumps(values[name])}" for name in values)]
    )


@pytest.fixture(scope="module")
def life(quick: Transformer, command: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A workspace after one run, and what that said."""
    root = tmp_path_factory.mktemp("life")
    (root / "settings.toml").write_text(toml(quick), "utf-8")
    return root, run(root, command, release(root / "titles"))


def run(root: Path, command: Command, data: Path, *words: str) -> Any:
    asked = ("--settings", root / "settings.toml", "--data", data, "--threshold", "0.05", "--json", *words)
    done = command("run", "--home", root / "home", *asked)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_run_ends_in_a_champion_that_answers(life: tuple[Path, Any], command: Command) -> None:
    root, said = life

    done = command("classify", "registered nurse", "truck driver", "--json", "--no-exact", "--home", root / "home")

    assert (said["status"], said["version"], said["champion"]) == ("Succeeded", 1, 1)
    answers = [found["answers"][0]["label"] for found in json.loads(done.stdout)]
    model = jobmajor.load(home=root / "home")
    assert isinstance(model.scorer, TransformerModel)
    assert answers == model.predict(["registered nurse", "truck driver"]).tolist()
    assert {answer[:2] for answer in answers} <= set(GROUPS)


def test_version_says_what_it_was_trained_with(life: tuple[Path, Any], quick: Transformer) -> None:
    version = open_registry(life[0] / "home").get(1)

    made = manifest.verify(version.folder)
    assert (made.settings["recipe"], made.settings["checkpoint"]) == ("transformer", quick.checkpoint)
    about = json.loads((version.folder / "answers.json").read_bytes())["about"]
    assert (about["recipe"], about["settings"]["checkpoint"]) == ("transformer", quick.checkpoint)
    parameters = version.lineage["parameters"]
    base = FolderStore(life[0] / "home" / "s3").path(parameters["CheckpointUrl"])
    assert manifest.verify(base).digest == base.name
    assert "model.safetensors" in manifest.read(base).files


def test_metrics_of_every_name_are_in_the_record_of_the_training(life: tuple[Path, Any]) -> None:
    metrics = records.find(life[0] / "home", life[1]["execution_id"]).step("train").metrics

    assert {"train_loss", "eval_loss", "eval_f1", "epoch", "validation_f1"} <= metrics.keys()
    assert metrics["epoch"] == 2.0


def test_state_is_let_go_when_training_has_ended(life: tuple[Path, Any]) -> None:
    kept = life[0] / "home" / "s3" / "jobmajor-local" / "job-major-clf" / "checkpoints"

    assert [path for path in kept.rglob("*") if path.is_file()] == []


def test_second_run_takes_every_step_from_the_cache(life: tuple[Path, Any], command: Command) -> None:
    again = run(life[0], command, life[0] / "titles")

    assert [step["name"] for step in again["steps"] if step["cached"]] == JOBS
    assert again["version"] == 1


def test_same_checkpoint_in_another_folder_is_the_same_input(
    life: tuple[Path, Any], quick: Transformer, tmp_path: Path
) -> None:
    """Its name stands in the hyperparameters, so training runs again; what it reads is the same."""
    elsewhere = shutil.copytree(quick.checkpoint, tmp_path / "elsewhere")
    (elsewhere / "pytorch_model.bin").write_bytes(b"a pickle")
    how = replace(quick, checkpoint=str(elsewhere))
    options = local.Options(data=life[0] / "titles", settings=Settings(train=Train("transformer"), transformer=how))
    home = shutil.copytree(life[0] / "home", tmp_path / "home")

    outcome = local.run(home, replace(options, threshold=0.0))

    first = open_registry(home).get(1).lineage["parameters"]
    assert outcome.execution.parameters["CheckpointUrl"] == first["CheckpointUrl"]


HYPERPARAMETERS = {
    "recipe": "transformer",
    "checkpoint": "its-name",
    "epochs": "1",
    "batch": "16",
    "_tuning_objective_metric": "validation_f1",  # as a search adds it
}


@pytest.fixture
def job(life: tuple[Path, Any], quick: Transformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a training job finds, the titles prepared and the checkpoint in its channel."""
    root = tmp_path / "ml"
    execution = life[0] / "home" / "s3" / "jobmajor-local" / "job-major-clf" / "runs" / life[1]["execution_id"]
    for name in ("train", "validation"):
        shutil.copytree(execution / name, root / "input" / "data" / name)
    shutil.copytree(quick.checkpoint, root / "input" / "data" / "checkpoint")
    (root / "input" / "config").mkdir(parents=True)
    (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS), "utf-8")
    monkeypatch.setenv("SAGELOCAL_ML_ROOT", str(root))
    return root


class Stop(logging.Handler):
    """Sends this process what SageMaker sends, after the training's third step."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "step=3":
            os.kill(os.getpid(), signal.SIGTERM)


def test_training_that_is_told_to_stop_ends_with_a_status_of_its_own_and_goes_on(
    job: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "jobmajor.model.transformer")
    log, stop = logging.getLogger("jobmajor.model.transformer"), Stop()
    log.addHandler(stop)
    stopped = steps.main(["train"])
    log.removeHandler(stop)
    reason = (job / "output" / "failure").read_text("utf-8")
    left = (job / "model").exists()

    status = steps.main(["train"])

    assert (stopped, left, status) == (launch.UNFINISHED, False, 0)
    assert "training was stopped after step 4 of at most" in reason
    assert "going on after step 4" in caplog.text
    assert manifest.verify(job / "model").settings["checkpoint"] == "its-name"
    assert list((job / "checkpoints").iterdir()) == []
    assert str(job) not in "".join(path.read_text("utf-8") for path in (job / "model").glob("*.json"))


def test_checkpoint_that_is_not_as_recorded_is_refused(job: Path) -> None:
    base = job / "input" / "data" / "checkpoint"
    manifest.write(base)
    (base / "config.json").write_bytes((base / "config.json").read_bytes() + b"\n")

    assert steps.main(["train"]) == 1
    assert "config.json has sha256" in (job / "output" / "failure").read_text("utf-8")
