"""The image: what its Dockerfile says, and its programs and its build's commands, run for real without Docker."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobmajor.model import classifier as classifiers
from sagelocal.jobs import container, contracts, sandbox
from sagelocal.jobs.environment import Environment
from sagelocal.storage import manifest
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "image"
LOCKS = ("requirements-image.lock", "requirements-build.lock", "requirements-ci.lock", "requirements-zig.lock")
# What CI and the other tools install.
OTHER_LOCKS = (
    *("requirements.lock", "requirements-base.lock", "requirements-dev.lock", "benchmarks/requirements.lock"),
    *("tools/checkov.txt", "tools/parliament.txt", "tools/check-jsonschema.txt"),
)
PATH = f"{PROGRAMS}:{Path(sys.executable).parent}:/usr/bin:/bin"
LIMIT_S = 120.0


@dataclass(frozen=True)
class Line:
    """One instruction, its comments and line ends taken out."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """Of the exec form."""
        found: list[str] = json.loads(self.rest)
        return found


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if line[:1] != "#")
    found = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [Line(name.upper(), re.sub(r"\s+", " ", rest)) for name, _, rest in (line.partition(" ") for line in found)]


def of(lines: Sequence[Line], name: str) -> list[Line]:
    return [line for line in lines if line.name == name]


# What the Dockerfile says


def test_image_is_built_in_one_stage_and_runs_in_another_that_has_no_installer(lines: list[Line]) -> None:
    start = max(place for place, line in enumerate(lines) if line.name == "FROM")

    assert [line.rest.rpartition(" AS ")[2] for line in of(lines, "FROM")] == ["build", "run"]
    assert all("pip" not in line.rest for line in lines[start:])
    assert "--without-pip" in of(lines, "RUN")[0].words


def test_base_is_named_with_a_version_and_its_digest(lines: list[Line]) -> None:
    (python,) = (line.rest for line in of(lines, "ARG") if line.rest.startswith("PYTHON="))

    assert re.search(r":\d+\.\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}$", python)
    assert "latest" not in python
    assert all("${PYTHON}" in line.rest for line in of(lines, "FROM"))


def test_user_is_root_as_sagemaker_expects_and_a_build_argument_names_another(lines: list[Line]) -> None:
    user = next(line.rest.partition("=")[2] for line in of(lines, "ARG") if line.rest.startswith("RUN_AS="))
    run = max(place for place, line in enumerate(lines) if line.name == "FROM")

    assert user == "0"
    assert [line.rest for line in of(lines[run:], "USER")] == ["${RUN_AS}"]
    assert [line.rest for line in of(lines, "HEALTHCHECK")] == ["NONE"]


def test_every_command_is_in_exec_form_and_fetches_nothing_but_locked_packages(lines: list[Line]) -> None:
    commands = [line.words for line in (*of(lines, "RUN"), *of(lines, "CMD"))]

    assert not of(lines, "ADD")
    assert not of(lines, "ENTRYPOINT")
    assert not {word for words in commands for word in words} & {"sh", "bash", "curl", "wget", "apt-get"}
    for words in commands:
        if "install" in words and "pip" in words:
            assert "--require-hashes" in words or "--no-index" in words


def test_all_that_is_copied_is_there_and_let_through(lines: list[Line]) -> None:
    copied = [line.rest.split() for line in of(lines, "COPY") if "--from=" not in line.rest]
    sources = {word.rstrip("/") for words in copied for word in words[:-1] if not word.startswith("--")}
    let = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"}

    assert [name for name in sources if not (ROOT / name).exists()] == []
    assert {name.partition("/")[0] for name in sources} == let
    assert (ROOT / ".dockerignore").read_text("utf-8").splitlines()[1] == "*"


def test_home_is_where_every_user_may_write(lines: list[Line]) -> None:
    said = dict(word.split("=", 1) for line in of(lines, "ENV") for word in line.rest.split())

    assert said["HOME"] == "/tmp"  # noqa: S108 - the image's
    assert [line.rest for line in of(lines, "WORKDIR")][-1] == said["HOME"]


@pytest.mark.parametrize("name", [*LOCKS, *OTHER_LOCKS])
def test_lock_has_a_hash_for_every_package_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    packages = re.split(r"\n(?=\S)", text.strip())

    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert "://" not in text
    assert "--index" not in text


def versions(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("tool", ["checkov", "parliament", "check-jsonschema"])
def test_linter_is_locked_from_the_packages_that_are_asked_for(tool: str) -> None:
    asked = re.findall(r"^[\w-]+", (ROOT / "tools" / f"{tool}.in").read_text("utf-8"), re.MULTILINE)

    assert asked[0] == tool
    assert {*asked} <= versions(f"tools/{tool}.txt").keys()


def test_base_install_is_locked_to_the_versions_that_the_tests_run_with() -> None:
    base = versions("requirements-base.lock")

    assert base.items() <= versions("requirements.lock").items() | {("colorama", base["colorama"])}
    assert not {"polars", "scipy", "mlflow-skinny", "pyarrow"} & base.keys()


def test_image_has_the_very_versions_that_the_tests_run_with() -> None:
    tested, image = versions("requirements.lock"), versions("requirements-image.lock")

    assert {name: version for name, version in image.items() if tested.get(name, version) != version} == {}
    assert {"starlette", "uvicorn", "safetensors"} <= image.keys()
    assert not {"boto3", "torch", "hatchling", "pip", "numba", "ziglang"} & image.keys()


def test_actions_are_named_by_commit() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        used = re.findall(r"uses: *(\S+)", path.read_text("utf-8"))
        assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_make_installs_packages_with_their_hashes_only() -> None:
    """torch is the exception: its builds for processors and for CUDA share a version, and the tester picks one."""
    text = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    commands = [line for line in text.splitlines() if re.search(r"(PIP\)|-m pip\b.*) install ", line)]
    unhashed = [
        line.strip()
        for line in commands
        if "--require-hashes" not in line and "--no-index" not in line and "--no-build-isolation -e ." not in line
    ]

    assert len(commands) > 8
    assert unhashed == [
        "$(BENCH_PIP) install -e '.[transformer]' -r benchmarks/requirements-slow.txt",
        "$(PIP) install '$(TORCH)'",
    ]


# Its bill of materials


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    lock = (ROOT / "requirements-image.lock").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    linux = {"sys_platform": "linux", "platform_system": "Linux", "python_version": "3.11"}
    return image_sbom().document(lock, project, {**linux, "python_full_version": "3.11.16"})  # type: ignore[no-any-return]


def image_sbom() -> Any:
    specification = importlib.util.spec_from_file_location("image_sbom", ROOT / "image_sbom.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_bill_has_what_cyclonedx_asks_for(bill: dict[str, Any]) -> None:
    refs = [each["bom-ref"] for each in (bill["metadata"]["component"], *bill["components"])]

    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert len(refs) == len(set(refs))
    (part,) = bill["metadata"]["component"]["components"]  # built from the same sources, so no lock has it
    assert part["purl"] == part["bom-ref"] == f"pkg:pypi/sagelocal@{bill['metadata']['component']['version']}"
    assert part["bom-ref"] not in refs
    assert {ref for each in bill["dependencies"] for ref in (each["ref"], *each["dependsOn"])} == set(refs)
    for each in bill["components"]:
        assert each.keys() == {"type", "bom-ref", "name", "version", "purl", "properties"}
        assert re.fullmatch(r"pkg:pypi/[a-z0-9-]+@[\w.+!]+", each["purl"])
        assert {item["name"] for item in each["properties"]} == {"jobmajor:locked-file-sha256"}


def test_bill_has_each_package_of_the_lock_and_those_of_other_systems_not(bill: dict[str, Any]) -> None:
    text = (ROOT / "requirements-image.lock").read_text("utf-8")
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;]+) \\$", text, re.MULTILINE))  # without a marker
    found = {each["name"]: each["version"] for each in bill["components"]}

    assert {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in locked.items()}.items() <= found.items()
    assert "colorama" not in found  # of Windows
    assert {"starlette", "uvloop", "safetensors"} <= found.keys()


def test_bill_is_the_same_for_the_same_lock_and_another_for_another(tmp_path: Path) -> None:
    lock = "a==1 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    project = {"name": "jobmajor", "version": "1", "license": "MIT"}
    document = image_sbom().document

    assert document(lock, project) == document(lock, project)
    assert document(lock, project)["serialNumber"] != document(lock.replace("a==1", "a==2"), project)["serialNumber"]


# Its programs


def test_programs_give_their_place_to_python(lines: list[Line]) -> None:
    (copied,) = (line.rest for line in of(lines, "COPY") if "image/" in line.rest)

    assert sorted(path.name for path in PROGRAMS.iterdir()) == sorted(re.findall(r"image/(\w+)", copied))
    for path in PROGRAMS.iterdir():
        first, *rest = path.read_text("ascii").splitlines()
        assert first == "#!/bin/sh"
        assert next(line for line in rest if line[:1] != "#").startswith("exec python3 -m jobmajor.")
        assert os.access(path, os.X_OK)


@pytest.fixture
def training(splits: Mapping[str, pl.DataFrame], tmp_path: Path) -> Path:
    """What a training job finds: a few hundred starter titles."""
    root = tmp_path / "ml"
    for name in ("train", "validation"):
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        splits[name].write_parquet(folder / "data.parquet")
        manifest.write(folder, source={"release": "starter"}, settings={"seed": 1}, rows={name: len(splits[name])})
    (root / "input" / "config").mkdir()
    (root / "input" / "config" / "hyperparameters.json").write_text('{"recipe": "linear", "epochs": "2"}', "ascii")
    return root


def environment(root: Path) -> dict[str, str]:
    return {"PATH": PATH, "HOME": str(root), "SAGELOCAL_ML_ROOT": str(root)}


@pytest.mark.slow
@pytest.mark.long  # a whole training; the programs of the image are tried without one
def test_train_trains_and_serve_answers_with_what_it_made(training: Path) -> None:
    done = subprocess.run(
        [PROGRAMS / "train"],
        env=environment(training),
        check=False,
        capture_output=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert b"train_seconds=" in done.stdout

    with serving(training) as url:
        health = httpx.get(f"{url}/ping", timeout=LIMIT_S)
        answer = httpx.post(f"{url}/invocations", json={"instances": ["registered nurse"]}, timeout=LIMIT_S)

    assert (health.status_code, answer.status_code) == (200, 200)
    assert len(answer.json()["predictions"]) == 1


class serving:  # noqa: N801 - used as a word of a with statement
    """The program `serve` from its start to the end that SIGTERM makes, which must be status 0."""

    def __init__(self, root: Path) -> None:
        self._root, self._log = root, root / "serve.log"

    def __enter__(self) -> str:
        said = {**environment(self._root), "SAGEMAKER_BIND_TO_PORT": "0"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([PROGRAMS / "serve"], env=said, stdout=log, stderr=log)
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end and self._process.poll() is None:
            for line in self._log.read_text("utf-8").splitlines():
                if '"url"' in line:
                    return f"http://127.0.0.1:{json.loads(line)['url'].rpartition(':')[2]}"
            time.sleep(0.05)
        self._process.kill()
        self._process.wait()  # or it is reported in the middle of another test
        raise AssertionError(f"it never listened: {self._log.read_text('utf-8')}")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(LIMIT_S) == 0


@pytest.mark.slow
def test_step_runs_a_step_by_its_name(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAMS / "step", "evaluate", "--help"], env=environment(tmp_path), check=False, capture_output=True
    )

    assert done.returncode == 0
    assert b"--seed" in done.stdout


@pytest.fixture
def image(tmp_path: Path) -> Environment:
    """The image's programs and this Python, as `sagelocal` takes an image: nothing in it reads SAGELOCAL_ML_ROOT."""
    folder = tmp_path / "image" / "bin"
    shutil.copytree(PROGRAMS, folder)
    (folder / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', "utf-8")
    (folder / "python3").chmod(0o755)
    return Environment(folder.parent, "digest")


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    with (tmp_path / "lock").open("w") as file:
        yield file.fileno()


@pytest.mark.long
@pytest.mark.skipif(sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses")
def test_image_s_own_train_runs_in_a_real_opt_ml(training: Path, image: Environment, lock: int, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "s3")
    for name in ("train", "validation"):
        store.publish(f"s3://bkt/{name}", training / "input" / "data" / name)
    job = contracts.job("Training", request(), "one", "train")

    contents = {item.name: store.listing(item.uri) for item in job.inputs}
    done = container.run(
        job, container.JobContext("train", store, image, tmp_path / "job", tmp_path / "log", lock), contents
    )

    assert job.argv[0] == ""  # the image's own program
    assert [sorted(files) for files in done.outputs.values()] == [["model.tar.gz"]]


def request() -> dict[str, Any]:
    def channel(name: str) -> dict[str, Any]:
        place = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bkt/{name}"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": place}}

    return {
        "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "image"},
        "HyperParameters": {"recipe": "linear", "epochs": "2"},
        "InputDataConfig": [channel("train"), channel("validation")],
        "OutputDataConfig": {"S3OutputPath": "s3://bkt/model"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    }


# Its build


def context(lines: Sequence[Line], folder: Path) -> None:
    """What the build's first stage copies, and no more."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for line in of(lines, "COPY"):
        *sources, _ = (word for word in line.rest.split() if not word.startswith("--"))
        for name in sources if "--from=" not in line.rest and "image/" not in line.rest else ():
            source = ROOT / name
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copyfile(source, folder / name)


def build(lines: Sequence[Line], folder: Path, python: Path, *, only_local: bool) -> Path:
    """Run the first stage's commands there, with this Python in the base image's place; the environment they make."""
    target = folder / "opt"
    for line in of(lines, "RUN"):
        words = [word.replace("/opt/jobmajor", str(target)) for word in line.words]
        is_fetched = "--require-hashes" in words
        if words[0] == "python3" and not (only_local and is_fetched):
            done = subprocess.run([python, *words[1:]], cwd=folder, check=False, capture_output=True, timeout=900)
            assert done.returncode == 0, f"{words}: {done.stderr.decode()}"
    return target


@pytest.mark.long  # builds a wheel and an environment
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("pip", "hatchling")), reason="needs pip and hatchling"
)
def test_build_makes_a_wheel_of_what_is_copied_and_installs_it_without_an_index(
    lines: list[Line], tmp_path: Path
) -> None:
    context(lines, tmp_path)

    target = build(lines, tmp_path, Path(sys.executable), only_local=True)

    (package,) = target.glob("lib/python3*/site-packages/jobmajor")  # sagelocal is beside it
    missing = [
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src").rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not (package.parent / path.relative_to(ROOT / "src")).exists()
    ]
    assert missing == []
    assert not (target / "bin" / "pip").exists()


@pytest.mark.long  # builds an environment from the index
@pytest.mark.skipif("JOBMAJOR_INDEX" not in os.environ, reason="asks a package index: JOBMAJOR_INDEX=1 lets it")
def test_locked_packages_are_all_that_train_and_serve_need(lines: list[Line], training: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    subprocess.run([sys.executable, "-m", "venv", base], check=True, timeout=LIMIT_S)
    work = tmp_path / "work"
    work.mkdir()
    context(lines, work)

    target = build(lines, work, base / "bin" / "python", only_local=False)
    said = {**environment(training), "PATH": f"{target / 'bin'}:/usr/bin:/bin"}
    done = subprocess.run([PROGRAMS / "train"], env=said, check=False, capture_output=True, timeout=LIMIT_S)
    served = subprocess.run(
        [target / "bin" / "python3", "-c", "import jobmajor.serve.server"], check=False, capture_output=True
    )

    assert done.returncode == 0, done.stderr.decode()
    assert classifiers.load(training / "model").classes()
    assert served.returncode == 0, served.stderr.decode()
