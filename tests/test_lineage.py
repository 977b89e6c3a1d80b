from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from jobmajor import lineage
from jobmajor.pipeline import definition
from jobmajor.settings import Settings


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Both packages, to be changed."""
    for package in ("jobmajor", "sagelocal"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(str(resources.files(package))), tmp_path / package, ignore=ignored)
    return tmp_path


def versions(folder: Path, **variables: str) -> dict[str, str]:
    """Each step's version, as a fresh process finds it with the packages in `folder`."""
    code = (
        "import jobmajor.lineage as lineage, json;"
        "found = {name: lineage.code_version(entry) for name, entry in lineage.STEPS.items()};"
        "print(lineage.__file__, json.dumps(found), sep='\\n')"
    )
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "", **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    place, found = done.stdout.splitlines()
    assert Path(place).is_relative_to(folder)
    named: dict[str, str] = json.loads(found)
    return named


def ours() -> dict[str, str]:
    return {name: lineage.code_version(entry) for name, entry in lineage.STEPS.items()}


def test_code_version_is_the_same_where_the_packages_are_in_two_folders(copy: Path) -> None:
    (copy / "other").mkdir()
    (copy / "sagelocal").rename(copy / "other" / "sagelocal")

    assert versions(copy, PYTHONPATH=f"{copy / 'other'}:{copy}") == ours()


def test_code_version_is_the_same_in_another_place_and_process(copy: Path) -> None:
    assert all(re.fullmatch("[0-9a-f]{64}", found) for found in ours().values())
    assert versions(copy, PYTHONHASHSEED="5") == ours()  # with what the first process compiled, too:
    assert versions(copy, PYTHONHASHSEED="6") == ours()


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("jobmajor/serve/page/web/page.css", ""),
        ("jobmajor/serve/app.py", ""),
        ("jobmajor/serve/page/docs.html.j2", ""),
        ("jobmajor/cli/main.py", ""),
        ("jobmajor/aws/prices.json", ""),
        ("sagelocal/run/executor.py", ""),
        ("jobmajor/data/starter/Alternate Titles.txt", ""),
        ("jobmajor/data/onet.py", "prepare"),
        ("jobmajor/evaluation/report.css", "evaluate"),
        ("jobmajor/evaluation/card.md.j2", "evaluate"),
        ("jobmajor/evaluation/gate.py", "evaluate refit"),
        ("jobmajor/model/linear/fit.py", "train refit"),
        ("jobmajor/batch/parts.py", "score"),
        ("jobmajor/evaluation/metrics.py", "train evaluate refit score"),
        ("jobmajor/model/kernels/blend.py", "train evaluate refit score"),
        ("jobmajor/model/linear/vectors.safetensors", "train evaluate refit score"),
        ("jobmajor/model/linear/vectors.txt", "train evaluate refit score"),
        ("jobmajor/model/rules/__init__.py", "train evaluate refit score"),
        ("jobmajor/data/examples.py", "prepare train evaluate refit score"),
        ("jobmajor/titles.py", "prepare train evaluate refit score"),
        ("jobmajor/soc/soc_2018.tsv", "prepare train evaluate refit score"),
        ("jobmajor/steps/commands.py", "prepare train evaluate refit score"),
        ("sagelocal/storage/manifest.py", "prepare train evaluate refit score"),
    ],
)
def test_changed_file_changes_the_steps_that_import_it_and_no_other(copy: Path, name: str, steps: str) -> None:
    path = copy / name
    path.write_bytes(path.read_bytes() + b"\n")

    found = versions(copy)

    assert {step for step, version in found.items() if version != ours()[step]} == set(steps.split())


def test_file_gone_from_what_a_step_imports_is_another_version(copy: Path) -> None:
    (copy / "jobmajor" / "evaluation" / "charts.py").rename(copy / "jobmajor" / "evaluation" / "chartz.py")

    assert versions(copy)["evaluate"] != ours()["evaluate"]


def modules() -> list[Path]:
    folders = (Path(str(resources.files(package))) for package in ("jobmajor", "sagelocal"))
    return [path for folder in folders for path in folder.rglob("*.py")]


def parsed_imports(path: Path) -> set[str]:
    """What Python's own parser says that a source imports, but for types alone."""
    found = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{item.name}" for item in node.names)}
        waiting += ast.iter_child_nodes(node)
    return {name for name in found if name.partition(".")[0] in ("jobmajor", "sagelocal")}


def test_imports_are_found_as_the_parser_finds_them() -> None:
    root = Path(str(resources.files("jobmajor"))).parent
    for path in modules():
        found = lineage._imports(str(path.relative_to(root).as_posix()))
        assert parsed_imports(path) <= found, path


@pytest.mark.long  # imports each step's modules in a process of its own
@pytest.mark.parametrize("step", lineage.STEPS)
def test_every_module_that_a_step_loads_counts_for_it(step: str) -> None:
    found = lineage.sources(lineage.STEPS[step])
    modules = [path for path in sorted(found) if path.endswith(".py")]
    names = [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in modules]
    code = (
        "import contextlib, importlib, sys\n"
        f"for name in {[name for name in names if name != 'jobmajor.steps.commands']!r}:\n"
        "    with contextlib.suppress(ModuleNotFoundError): importlib.import_module(name)  # an extra's\n"
        "print(*(name for name in sys.modules if name.partition('.')[0] in ('jobmajor', 'sagelocal')))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.split()) - {"jobmajor", "sagelocal"}
    assert len(loaded) > len(names) / 2
    assert loaded <= set(names)


def commands() -> dict[str, list[str]]:
    """What the definition's jobs run, by the step's word."""
    found = []
    for step in definition.build(Settings())["Steps"]:
        asked = step.get("Arguments", {})
        job = asked.get("AppSpecification") or asked.get("AlgorithmSpecification") or {}
        if "ContainerEntrypoint" in job:
            found.append([*job["ContainerEntrypoint"], *map(str, job.get("ContainerArguments", ()))])
    return {command[3]: command for command in found}


def test_each_job_of_the_definition_has_its_step_s_version() -> None:
    found = commands()

    assert set(found) == {"prepare", "train", "evaluate"}
    for step, command in found.items():
        assert lineage.command_version(command) == ours()[step]
    for other in (["train"], ["python3", "-m", "jobmajor.steps"], ["sh", "-m", "elsewhere", "train"]):
        assert lineage.command_version(other) == lineage.pipeline_version()
    assert lineage.pipeline_version() not in ours().values()


def test_entry_that_is_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match="'linear' is no module of jobmajor or sagelocal"):
        lineage.code_version("linear")


def installed(folder: Path, name: str, number: str) -> None:
    """A library as an installer records it, without a line of code."""
    record = folder / f"{name}-{number}.dist-info" / "METADATA"
    record.parent.mkdir()
    record.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")


def test_library_of_a_recipe_counts_for_that_one_alone_and_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("tokenizers", "torch", "transformers"):
        installed(tmp_path, name, "1.0")
    found = lineage.code_version.__wrapped__
    linear, first = found(lineage.TRAIN, "linear"), found(lineage.TRAIN, "transformer")
    (tmp_path / "torch-1.0.dist-info").rename(tmp_path / "torch-2.0.dist-info")
    record = tmp_path / "torch-2.0.dist-info" / "METADATA"
    record.write_text(record.read_text().replace("Version: 1.0", "Version: 2.0"))
    importlib.invalidate_caches()

    second = found(lineage.TRAIN, "transformer")

    assert found(lineage.TRAIN, "linear") == linear == lineage.code_version(lineage.TRAIN)
    assert len({linear, first, second}) == 3
