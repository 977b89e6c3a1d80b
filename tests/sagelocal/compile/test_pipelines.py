"""Pipelines in the style of public ones run from their scripts, and as the SDKs compiled them, to what they are for.

The scripts need the SDKs, as in `test_sdk_scripts`. Their definitions are kept in definitions/pipelines, so that each
also runs without an SDK: a project with a sagelocal.toml, small inputs, and tiny programs in the place of the images.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sagelocal import cli
from sagelocal.jobs import sandbox
from sagelocal.run.register import FolderRegistry
from sagelocal.storage import archive

HERE = Path(__file__).parents[1]
SCRIPTS, STORED = HERE / "scripts", HERE / "definitions" / "pipelines"
PROGRAMS = SCRIPTS / "programs"
BUCKET = "sagemaker-us-east-1-000000000000"
UPLOADED = re.compile(r's3://([^"\\]+/(prepare\.py|evaluate\.py|sourcedir\.tar\.gz|input/code|input/sm_drivers))["\\]')
SETTINGS = """
[images]
"*/sagemaker-scikit-learn:*" = "images"
"*/huggingface-pytorch-*" = "images"
"""
TITLES = """registered nurse,29-1141
school nurse,29-1141
head nurse,29-1141
pastry cook,35-2014
line cook,35-2014
fry cook,35-2014
"""
SDK_TESTS = [pytest.mark.slow, pytest.mark.long, pytest.mark.conformance]
VERSIONS = [
    *(pytest.param(version, False, id=version) for version in ("v2", "v3")),
    *(pytest.param(version, True, id=f"{version}-script", marks=SDK_TESTS) for version in ("v2", "v3")),
]

pytestmark = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a sagelocal.toml, in which the commands run; `capture` gives what they print."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def bucket(self) -> Path:
        return self.folder / ".sagelocal" / "s3" / BUCKET

    def tell(self, *argv: str) -> tuple[int, dict[str, Any]]:
        """Run a command, and return its exit status with what it says as JSON."""
        self.capture.readouterr()
        status = cli.main([*argv, "--json"])
        text, faults = self.capture.readouterr()
        return status, json.loads(text) if text else {"error": faults}

    def definition(self, name: str, version: str, *, compiled: bool) -> str:
        """Return the file that the script of that name compiles to, by its SDK or as it was stored."""
        stored = STORED / f"{name}_{version}.json"
        if not compiled:
            upload(stored.read_text("utf-8"), self.folder / ".sagelocal" / "s3")
            return str(stored)
        python = Path(os.environ.get(f"SAGELOCAL_SDK_{version.upper()}", "/nowhere")) / "bin" / "python"
        if not python.exists():
            pytest.skip(f"needs SAGELOCAL_SDK_{version.upper()}, an environment that has SageMaker's SDK {version}")
        script, made = SCRIPTS / f"{name}_{version}.py", self.folder / f"{name}.json"
        assert cli.main(["compile", str(script), "--python", str(python), "-o", str(made)]) == 0
        assert plain(made) == plain(stored)
        return str(made)


def plain(path: Path) -> Any:
    """A definition without what differs each time: the digests and times in addresses of uploads."""
    return json.loads(re.sub(r"[0-9a-f]{64}|\d{14}", "MARK", path.read_text("utf-8")))


def upload(definition: str, store: Path) -> None:
    """Put the programs where the SDK would have put them; the drivers of SDK v3 are replaced by the image's toolkit."""
    for key, name in UPLOADED.findall(definition):
        path = store / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "sourcedir.tar.gz":
            archive.pack(PROGRAMS, path)
        elif name == "input/code":
            shutil.copytree(PROGRAMS, path, dirs_exist_ok=True)
        elif name == "input/sm_drivers":
            path.mkdir(exist_ok=True)
            (path / "sm_train.sh").write_text("#!/bin/sh\nexec train\n")
        else:
            shutil.copy(PROGRAMS / name, path)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sagelocal.toml").write_text(SETTINGS)
    programs = {
        "python3": "",
        "pip3": "-m pip",
        "train": HERE / "images" / "toolkit.py",
        "serve": HERE / "images" / "serve.py",
    }
    (tmp_path / "images" / "bin").mkdir(parents=True)
    for name, program in programs.items():
        path = tmp_path / "images" / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {program} "$@"\n')
        path.chmod(0o755)
    found = Project(tmp_path, capsys)
    (found.bucket / "job-major-clf" / "input").mkdir(parents=True)
    (found.bucket / "job-major-clf" / "input" / "titles.csv").write_text(TITLES)
    return found


def words(path: Path) -> dict[str, str]:
    """What a packed model knows."""
    with tarfile.open(path) as packed:
        file = packed.extractfile("model.json")
        assert file is not None
        found: dict[str, str] = json.load(file)
    return found


def cached(told: dict[str, Any]) -> list[str]:
    return [step["name"] for step in told["steps"] if step["cached"]]


@pytest.mark.parametrize(("version", "compiled"), VERSIONS)
def test_tutorials_own_pipeline_registers_its_model_and_then_comes_from_the_cache(
    project: Project, version: str, compiled: bool
) -> None:
    file = project.definition("tutorial", version, compiled=compiled)

    valid, about = project.tell("validate", file)
    status, first = project.tell("run", file)
    _, again = project.tell("run", project.definition("tutorial", version, compiled=compiled))
    failed, strict = project.tell("run", file, "-p", "TestScoreThreshold=1.5")

    assert (valid, status, failed) == (0, 0, 1), (about, first)
    assert strict["failure"].endswith("Execution failed due to f1 score < 1.5")
    jobs = [f"test-job-major-clf-{name}" for name in ("preprocess-data", "train", "evaluate-model")]
    assert cached(first) == []
    assert cached(again) == jobs
    version_1, _ = FolderRegistry(project.folder / ".sagelocal" / "registry").versions("test-job-major-clf-model-group")
    (container,) = version_1["InferenceSpecification"]["Containers"]
    model = project.bucket.parent / container["ModelDataUrl"].removeprefix("s3://")
    assert words(model) == {
        "registered": "29-1141", "school": "29-1141", "nurse": "29-1141",
        "pastry": "35-2014", "line": "35-2014", "cook": "35-2014",
    }  # fmt: skip
    assert version_1["ModelApprovalStatus"] == "PendingManualApproval"
    report = json.loads((project.bucket / "job-major-clf" / "evaluation" / "evaluation.json").read_text())
    assert report == {"classification_metrics": {"test_f1": 1.0}}
