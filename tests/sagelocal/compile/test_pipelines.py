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
[handlers]
deploy = "deployment:handler"
"""
REPACK = """set -e
cd /opt/ml/model
tar -xzf /opt/ml/input/data/training/model.tar.gz
cp -r /opt/ml/code code
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

    def put(self, key: str, text: str) -> None:
        """Write an object to the bucket."""
        (self.bucket / key).parent.mkdir(parents=True, exist_ok=True)
        (self.bucket / key).write_text(text)

    def registered(self, group: str) -> list[dict[str, Any]]:
        return FolderRegistry(self.folder / ".sagelocal" / "registry").versions(group)

    def model(self, container: dict[str, Any]) -> dict[str, str]:
        """Return the files in a container's model."""
        path = self.bucket.parent / container["ModelDataUrl"].removeprefix("s3://")
        with tarfile.open(path) as packed:
            return {name: unpacked(packed, name) for name in packed.getnames()}

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
    """A definition without what differs each time: digests and times in addresses."""
    text = path.read_text("utf-8")
    return json.loads(re.sub(r"[0-9a-f]{64}|\d{14}|\d{4}(-\d\d){5}-\d{3}", "MARK", text))


def with_launcher(folder: Path) -> Path:
    """The programs with the one that SDK v2 adds to them, to repack a model."""
    made = folder.parent / "repack"
    shutil.copytree(PROGRAMS, made)
    (made / "_repack_script_launcher.sh").write_text(REPACK)
    return made


def upload(definition: str, store: Path) -> None:
    """Put the programs where the SDK would have put them; what the SDKs add of their own is replaced."""
    for key, name in UPLOADED.findall(definition):
        path = store / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "sourcedir.tar.gz":
            archive.pack(with_launcher(store) if "/source/" in key else PROGRAMS, path)
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
        "python": "",
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
    shutil.copy(PROGRAMS / "deployment.py", tmp_path)
    found = Project(tmp_path, capsys)
    for key in (
        "job-major-clf/input/titles.csv",
        *(f"{name}/train/train.csv" for name in ("batch", "shadow", "several", "repack")),
    ):
        found.put(key, TITLES)
    return found


def unpacked(packed: tarfile.TarFile, name: str) -> str:
    file = packed.extractfile(name)
    assert file is not None
    return file.read().decode()


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
    version_1, _ = project.registered("test-job-major-clf-model-group")
    (container,) = version_1["InferenceSpecification"]["Containers"]
    assert json.loads(project.model(container)["model.json"]) == {
        "registered": "29-1141", "school": "29-1141", "nurse": "29-1141",
        "pastry": "35-2014", "line": "35-2014", "cook": "35-2014",
    }  # fmt: skip
    assert version_1["ModelApprovalStatus"] == "PendingManualApproval"
    report = json.loads((project.bucket / "job-major-clf" / "evaluation" / "evaluation.json").read_text())
    assert report == {"classification_metrics": {"test_f1": 1.0}}


@pytest.mark.parametrize(("version", "compiled"), VERSIONS)
def test_batch_pipeline_joins_each_answer_to_its_row(project: Project, version: str, compiled: bool) -> None:
    project.put("batch/rows/rows.csv", "17,nurse\n18,cook\n")
    file = project.definition("batch", version, compiled=compiled)

    valid, _ = project.tell("validate", file)
    status, first = project.tell("run", file)
    _, again = project.tell("run", file)

    assert (valid, status) == (0, 0), first
    assert (project.bucket / "batch" / "scored" / "rows.csv.out").read_text() == "17,batch=NURSE\n18,batch=COOK\n"
    assert cached(again) == ["train", "score"]


@pytest.mark.parametrize(("version", "compiled"), VERSIONS)
def test_shadow_pipeline_deploys_its_new_model_beside_the_one_that_answers(
    project: Project, version: str, compiled: bool
) -> None:
    (project.folder / "champion").mkdir()
    (project.folder / "champion" / "prefix.txt").write_text("champion=")
    archive.pack(project.folder / "champion", project.bucket / "shadow" / "champion" / "model.tar.gz")
    file = project.definition("shadow", version, compiled=compiled)

    valid, _ = project.tell("validate", file)
    status, told = project.tell("run", file, "-p", "EndpointName=majors")

    assert (valid, status) == (0, 0), told
    endpoint = json.loads((project.folder / "endpoint.json").read_text())
    names = [endpoint[kind][0]["ModelName"] for kind in ("ProductionVariants", "ShadowProductionVariants")]
    models = [json.loads((project.folder / ".sagelocal" / "models" / f"{name}.json").read_bytes()) for name in names]
    containers = [model.get("PrimaryContainer") or model["Containers"][0] for model in models]
    assert [project.model(container)["prefix.txt"] for container in containers] == ["champion=", "shadow="]
    (deployed,) = [step for step in told["steps"] if step["name"] == "deploy"]
    assert deployed["properties"] == {"OutputParameters": {"endpoint": "majors", "variants": 2}}


@pytest.mark.parametrize(("version", "compiled"), VERSIONS)
def test_pipeline_of_several_models_registers_all_that_it_trained(
    project: Project, version: str, compiled: bool
) -> None:
    file = project.definition("several", version, compiled=compiled)

    valid, _ = project.tell("validate", file)
    status, told = project.tell("run", file)
    _, again = project.tell("run", file)

    assert (valid, status) == (0, 0), told
    versions = project.registered("several")
    containers = [item for version in versions for item in version["InferenceSpecification"]["Containers"]]
    # The second run takes the same models from the cache, and registers them again.
    prefixes = sorted(project.model(container)["prefix.txt"] for container in containers)
    assert prefixes == ["first=", "first=", "second=", "second="]
    assert {version["ModelApprovalStatus"] for version in versions} == {"Approved"}
    assert sorted(cached(again)) == ["train-first", "train-second"]


@pytest.mark.parametrize(("version", "compiled"), VERSIONS[::2])
def test_model_is_repacked_with_its_script_and_registered_unless_the_stage_forbids_it(
    project: Project, version: str, compiled: bool
) -> None:
    file = project.definition("repack", version, compiled=compiled)

    valid, _ = project.tell("validate", file)
    status, told = project.tell("run", file)
    refused, frozen = project.tell("run", file, "-p", "Stage=frozen")
    forced, _ = project.tell("run", file, "-p", "Stage=frozen", "-p", "IsForced=true")

    assert (valid, status, refused, forced) == (0, 0, 1, 0), told
    assert frozen["failure"] == "step 'fail' failed: nothing is registered while frozen"
    assert cached(frozen) == ["train"]
    version_1, _ = project.registered("repack")
    (container,) = version_1["InferenceSpecification"]["Containers"]
    files = project.model(container)
    assert files["prefix.txt"] == "repack="
    assert files[f"code/{container['Environment']['SAGEMAKER_PROGRAM']}"] == (PROGRAMS / "evaluate.py").read_text()
