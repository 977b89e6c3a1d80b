"""The two wheels hold what a user needs, and nothing else. `make wheel-check` installs them and uses them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import jobmajor
import sagelocal
from jobmajor.aws.project import sources
from sagelocal.storage import archive as archives

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parents[1]
SAGELOCAL = ROOT / "packages" / "sagelocal"
pytestmark = pytest.mark.slow


def build(root: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of sagelocal."""
    return build(SAGELOCAL, "wheel", tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_bytes(archive.read(f"jobmajor-{jobmajor.__version__}.dist-info/METADATA"))


def files(package: str) -> set[str]:
    there = (path for path in (ROOT / "src" / package).rglob("*") if path.is_file())
    return {path.relative_to(ROOT / "src").as_posix() for path in there if "__pycache__" not in path.parts}


def test_wheel_has_every_file_of_its_package_and_no_other(names: set[str]) -> None:
    expected = files("jobmajor")

    carried = {f"jobmajor/aws/project/context/{name}" for name in sources.BUILD_FILES}  # for `jobmajor aws image`

    assert {name for name in names if ".dist-info/" not in name} == expected | carried
    assert len(expected) > 250
    assert "jobmajor/py.typed" in names


def test_wheel_of_sagelocal_has_every_file_of_its_package_and_no_other(other: Path) -> None:
    with zipfile.ZipFile(other) as archive:
        names = set(archive.namelist())
        programs = archive.read(f"sagelocal-{jobmajor.__version__}.dist-info/entry_points.txt").decode()

    assert {name for name in names if ".dist-info/" not in name} == files("sagelocal")
    assert {"sagelocal/py.typed", "sagelocal/ui/templates/run.html.j2", "sagelocal/ui/web/page.css"} <= names
    assert f"sagelocal-{jobmajor.__version__}.dist-info/licenses/LICENSE" in names
    assert programs == "[console_scripts]\nsagelocal = sagelocal.cli:main\n"
    assert other.name.endswith("-py3-none-any.whl")


def test_sdist_of_sagelocal_alone_builds_the_same_wheel(other: Path, tmp_path: Path) -> None:
    made = build(SAGELOCAL, "sdist", tmp_path / "sdist")
    archives.unpack(made, tmp_path)

    again = build(tmp_path / made.name.removesuffix(".tar.gz"), "wheel", tmp_path / "wheel")

    assert again.read_bytes() == other.read_bytes()


def test_both_distributions_have_one_version_and_jobmajor_requires_it() -> None:
    read = [tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"] for root in (ROOT, SAGELOCAL)]

    assert {project["version"] for project in read} == {jobmajor.__version__, sagelocal.__version__}
    assert f"sagelocal=={jobmajor.__version__}" in read[0]["dependencies"]
    assert (SAGELOCAL / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_wheel_carries_the_licence_and_the_programs(wheel: Path, names: set[str]) -> None:
    folder = f"jobmajor-{jobmajor.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        programs = archive.read(f"{folder}/entry_points.txt").decode()

    assert f"{folder}/licenses/LICENSE" in names
    assert "jobmajor = jobmajor.cli.main:main\n" in programs
    assert "sagelocal" not in programs


def test_wheel_says_where_the_project_is_and_which_pythons_it_supports(metadata: Message) -> None:
    urls = {line.partition(",")[0] for line in metadata.get_all("Project-URL", [])}
    versions = {line.rpartition(" ")[2] for line in metadata.get_all("Classifier", []) if "Python :: 3." in line}

    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= urls
    assert versions == {"3.11", "3.12", "3.13", "3.14"}
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"


def test_wheel_asks_for_no_extra_unless_it_is_named(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]

    names = {line.partition(">")[0] for line in needed}
    assert names == {"numpy", "safetensors", f"sagelocal=={jobmajor.__version__}", "threadpoolctl", "typer"}
    assert {"aws", "formats", "serve", "train"} <= set(metadata.get_all("Provides-Extra", []))


def test_wheel_of_sagelocal_asks_for_no_web_server_unless_its_extra_is_named(other: Path) -> None:
    with zipfile.ZipFile(other) as archive:
        told = message_from_bytes(archive.read(f"sagelocal-{jobmajor.__version__}.dist-info/METADATA"))

    needed = told.get_all("Requires-Dist", [])
    assert {line.partition(">")[0] for line in needed if "extra ==" not in line} == {"botocore", "rich", "typer"}
    assert {re.split("[<>]", line)[0] for line in needed if "extra == 'ui'" in line} == {
        "jinja2",
        "starlette",
        "uvicorn",
    }
    assert set(told.get_all("Provides-Extra", [])) == {"s3", "ui"}


# The installed packages in an empty folder: their dependencies are this environment's, they themselves are the wheels'.
SHOW = """
import json, jobmajor
from jobmajor.aws.project import sources
from sagelocal.storage import archive as archives
found = sources.of_image()
print(json.dumps([jobmajor.__file__, found.tag, found.origin]))
"""


PAGE = """
import threading, urllib.request
from pathlib import Path
from sagelocal.ui import hosting
bound, server = hosting.listen(0), hosting.server(Path.cwd())
thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
thread.start()
for name in ("", "web/page.css", "web/page.js", "web/icon.svg"):
    with urllib.request.urlopen(f"http://127.0.0.1:{bound.getsockname()[1]}/{name}") as answer:
        print(answer.status, len(answer.read()) > 100)
server.should_exit = True
thread.join()
"""


@pytest.fixture(scope="module")
def installed(wheel: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    for path in (wheel, other):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    return folder


def use(installed: Path, folder: Path, *words: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JOBMAJOR_"))}
    command = [sys.executable, *words]
    said = {**kept, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=said, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installed_wheel_serves_the_page_of_a_workspace(installed: Path, tmp_path: Path) -> None:
    assert use(installed, tmp_path, "-c", PAGE) == "200 True\n" * 4


def test_installed_wheel_builds_the_same_image_as_the_checkout(installed: Path, tmp_path: Path) -> None:
    where, tag, origin = json.loads(use(installed, tmp_path, "-c", SHOW))

    assert Path(where).is_relative_to(installed)
    assert (tag, origin) == (sources.of_image().tag, "")


def test_installed_wheel_prints_an_image_build_without_an_account(installed: Path, tmp_path: Path) -> None:
    printed = use(installed, tmp_path, "-m", "jobmajor", "aws", "image", "--dry-run")

    assert "from the installed package: " in printed
    assert "codebuild StartBuild" in printed


def test_installed_wheel_seeds_a_project_with_the_checkouts_files(installed: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / ".git").mkdir(parents=True)

    use(installed, tmp_path, "-m", "jobmajor", "aws", "project", "seed", str(clone))

    vendored = clone / "vendor/jobmajor"
    found = {path.relative_to(vendored).as_posix(): path.read_bytes() for path in vendored.rglob("*") if path.is_file()}
    assert found == sources.read()
    assert os.access(vendored / "image/train", os.X_OK)
    assert (clone / "pipelines/jobmajorclf/pipeline.py").is_file()
