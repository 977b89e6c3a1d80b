"""Searches, models, transforms, functions and callbacks as SDK v2 (2.257.7) and v3 (3.27.0) emit them run unchanged."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.errors import DefinitionError
from sagelocal.jobs import models, sandbox
from sagelocal.jobs.environment import Environment
from sagelocal.run import executor
from sagelocal.run.executor import RunOptions
from sagelocal.run.register import FolderRegistry
from sagelocal.storage import archive

if TYPE_CHECKING:
    from sagelocal.run.handlers import Context

TESTS = Path(__file__).parents[1]
# Each instance of a training says which of the rows it has; the model is a prefix for the server beside these tests.
TRAIN = """
import json
from pathlib import Path
root = Path("/opt/ml")
settings = json.loads((root / "input/config/hyperparameters.json").read_text())
me = json.loads((root / "input/config/resourceconfig.json").read_text())["current_host"]
(root / "model/prefix.txt").write_text(settings["kind"] + "=")
(root / "model" / me).write_text(",".join(sorted(path.name for path in (root / "input/data/train").iterdir())))
print("score=" + settings["rate"])
"""

pytestmark = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with two rows to train on and two titles to score."""
    bucket = tmp_path / "home" / "s3" / "bkt"
    for name, text in {"rows/a": "a", "rows/b": "b", "titles/t.csv": "nurse\ncook\n"}.items():
        (bucket / name).parent.mkdir(parents=True, exist_ok=True)
        (bucket / name).write_text(text)
    return tmp_path / "home"


@pytest.fixture
def image(tmp_path: Path) -> Environment:
    """An environment with the `train` above and the server beside these tests as `serve`."""
    root = tmp_path / "image"
    (root / "bin").mkdir(parents=True)
    shutil.copy(TESTS / "images" / "serve.py", root / "serve.py")
    (root / "train.py").write_text(TRAIN)
    for name in ("train", "serve"):
        (root / "bin" / name).write_text(f"#!/bin/sh\nexec {sys.executable} {root / name}.py\n")
        (root / "bin" / name).chmod(0o755)
    return Environment(root, "digest")


def run(home: Path, image: Environment, name: str) -> executor.Execution:
    def look(event: dict[str, Any], _context: Context) -> dict[str, Any]:
        folder = home / "s3" / event["scores"].removeprefix("s3://")
        return {"count": len((folder / "t.csv.out").read_text().splitlines())}

    def ask(message: dict[str, Any], _context: Context) -> dict[str, Any]:
        return {"share": str(message["arguments"]["count"] / 4)}

    definition = definitions.parse((TESTS / "definitions" / f"{name}.json").read_bytes())
    return executor.run(definition, home, RunOptions(environment=image, handlers={"look": look, "ask": ask}))


def test_search_of_sdk_v2_trains_on_two_instances_and_its_best_model_scores(home: Path, image: Environment) -> None:
    execution = run(home, image, "sdk_v2_steps")

    # Two titles of four are half, and the choice asks for more than that.
    assert execution.failure == "step 'fail' failed: not enough"
    best = execution.step("tune").properties["BestTrainingJob"]
    values = [
        float(job["TunedHyperParameters"]["rate"]) for job in execution.step("tune").properties["TrainingJobSummaries"]
    ]
    assert values == sorted(values, reverse=True)
    kind = best["TunedHyperParameters"]["kind"]
    assert (home / "s3" / "bkt" / "scores" / "t.csv.out").read_text() == f"{kind}=NURSE\n{kind}=COOK\n"
    packed = home / "s3" / "bkt" / "models" / best["TrainingJobName"] / "output" / "model.tar.gz"
    archive.unpack(packed, home / "unpacked")
    assert {name: (home / "unpacked" / name).read_text() for name in ("algo-1", "algo-2")} == {
        "algo-1": "a",
        "algo-2": "b",
    }
    assert execution.step("ask").properties == {"OutputParameters": {"share": 0.5}}


def test_transform_of_sdk_v3_uses_a_model_that_an_earlier_pipeline_made(home: Path, image: Environment) -> None:
    (home / "kept").mkdir()
    (home / "kept" / "prefix.txt").write_text("kept=")
    archive.pack(home / "kept", home / "s3" / "bkt" / "kept" / "model.tar.gz")
    container = {"Image": "own", "ModelDataUrl": "s3://bkt/kept/model.tar.gz"}
    models.create(home / models.FOLDER, "kept", {"PrimaryContainer": container}, "2026-01-01T00:00:00Z")

    execution = run(home, image, "sdk_v3_steps")

    assert execution.failure is None
    assert len(execution.step("tune").properties["TrainingJobSummaries"]) == 3
    assert (home / "s3" / "bkt" / "scores" / "t.csv.out").read_text() == "kept=NURSE\nkept=COOK\n"
    assert execution.step("look").properties == {"OutputParameters": {"count": 2}}


# The definitions with every kind of step: prepare, train and search, model, transform, evaluate, a function, a person,
# a choice, and its two ends.
PREPARE = """
import shutil
shutil.copytree("/opt/ml/processing/input/rows", "/opt/ml/processing/train", dirs_exist_ok=True)
shutil.copytree("/opt/ml/processing/input/titles", "/opt/ml/processing/test", dirs_exist_ok=True)
"""
TRAIN_WIDE = """
import json
from pathlib import Path
root = Path("/opt/ml")
settings = json.loads((root / "input/config/hyperparameters.json").read_text())
rows = sorted(path.name for path in (root / "input/data/train").iterdir())
(root / "model/prefix.txt").write_text("+".join(rows) + "*" + settings["epochs"] + "=")
(root / "model/settings.json").write_text(json.dumps(settings))
print("score=" + settings.get("rate", "0.25"))
"""
# The score is the share of titles with an answer, less a quarter for want of certainty.
EVALUATE = """
import json, tarfile
from pathlib import Path
best = json.loads(tarfile.open("/opt/ml/processing/best/model.tar.gz").extractfile("settings.json").read())
answers = Path("/opt/ml/processing/scored/t.csv.out").read_text().splitlines()
report = {"score": len(answers) / 2 - 0.25, "answers": answers, "best": best}
Path("/opt/ml/processing/report/report.json").write_text(json.dumps(report))
"""
WIDE = ("sdk_v2_wide", "sdk_v3_wide")


@pytest.fixture
def wide_home(tmp_path: Path) -> Path:
    """A workspace with what the definitions read."""
    folder = tmp_path / "home" / "s3" / "bkt" / "wide"
    for name, text in {
        "input/rows/a": "a",
        "input/rows/b": "b",
        "input/titles/t.csv": "nurse\ncook\n",
        "code/prepare.py": PREPARE,
        "code/evaluate.py": EVALUATE,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return tmp_path / "home"


@pytest.fixture
def wide_image(image: Environment) -> Environment:
    """The same image with `python3`, and the training above."""
    root = image.prefix
    (root / "train.py").write_text(TRAIN_WIDE)
    (root / "bin" / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (root / "bin" / "python3").chmod(0o755)
    return image


def run_wide(home: Path, image: Environment, name: str, **parameters: float) -> executor.Execution:
    def look(event: dict[str, Any], _context: Context) -> dict[str, Any]:
        return {"limit": event["figure"]} if event["owner"] == "us" else {}

    def ask(message: dict[str, Any], _context: Context) -> dict[str, Any]:
        return {"answer": f"yes to {message['arguments']['limit']}"}

    definition = definitions.parse((TESTS / "definitions" / f"{name}.json").read_bytes())
    options = RunOptions(parameters, environment=image, handlers={"look-up": look, "ask": ask})
    return executor.run(definition, home, options)


def versions(home: Path) -> list[dict[str, Any]]:
    return list(FolderRegistry(home / "registry").versions("wide"))


@pytest.mark.parametrize("name", WIDE)
def test_definition_with_every_kind_of_step_runs_to_a_registered_version(
    wide_home: Path, wide_image: Environment, name: str
) -> None:
    execution = run_wide(wide_home, wide_image, name)

    assert execution.failure is None
    wanted = ["prepare", "train", "tune", "score", "evaluate", "look-up", "ask", "check"]
    assert {step.name: str(step.status) for step in execution.steps if step.name in wanted} == dict.fromkeys(
        wanted, "Succeeded"
    )
    report = json.loads((wide_home / "s3/bkt/wide/report/report.json").read_text())
    assert report["answers"] == ["a+b*2=NURSE", "a+b*2=COOK"]
    best = execution.step("tune").properties["BestTrainingJob"]["TunedHyperParameters"]
    assert {key: report["best"][key] for key in best} == best
    (version,) = versions(wide_home)
    assert version["CustomerMetadataProperties"] == {"answer": "yes to 0.75"}
    assert version["ModelApprovalStatus"] == "PendingManualApproval"


@pytest.mark.parametrize("name", WIDE)
def test_definition_with_every_kind_of_step_runs_to_its_failure(
    wide_home: Path, wide_image: Environment, name: str
) -> None:
    execution = run_wide(wide_home, wide_image, name, Threshold=0.75)

    assert (execution.status, execution.failure) == ("Failed", "step 'fail' failed: score 0.75 <= 0.75")
    assert versions(wide_home) == []


@pytest.mark.parametrize("name", WIDE)
def test_check_of_the_services_own_is_refused_by_name_before_anything_of_the_definition_runs(
    wide_home: Path, wide_image: Environment, name: str
) -> None:
    definition = json.loads((TESTS / "definitions" / f"{name}.json").read_bytes())
    definition["Steps"].append({"Name": "drift", "Type": "QualityCheck", "Arguments": {}})
    parsed = definitions.parse(json.dumps(definition).encode())

    handlers: dict[str, Any] = {"look-up": lambda *_: {}, "ask": lambda *_: {}}

    with pytest.raises(DefinitionError, match=r"steps\[drift\]\.Type: QualityCheck steps don't run here"):
        executor.run(parsed, wide_home, RunOptions(environment=wide_image, handlers=handlers))
    with pytest.raises(DefinitionError, match=r"steps\[look-up\]\.Type: a Lambda step .* --handler look-up="):
        executor.run(parsed, wide_home, RunOptions(environment=wide_image))

    assert not (wide_home / "s3/bkt/wide/prepare").exists()
