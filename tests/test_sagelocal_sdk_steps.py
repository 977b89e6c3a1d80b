"""Searches, models, transforms, functions and callbacks as SDK v2 (2.257.7) and v3 (3.27.0) emit them run unchanged."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal import archive, executor, models, sandbox
from sagelocal import definition as definitions
from sagelocal.environment import Environment
from sagelocal.executor import Options

if TYPE_CHECKING:
    from sagelocal.handlers import Context

TESTS = Path(__file__).parent
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

    definition = definitions.parse((TESTS / "data" / "definitions" / f"{name}.json").read_bytes())
    return executor.run(definition, home, Options(environment=image, handlers={"look": look, "ask": ask}))


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
