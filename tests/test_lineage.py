from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from jobmajor import lineage


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Both packages, to be changed."""
    for package in ("jobmajor", "sagelocal"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(str(resources.files(package))), tmp_path / package, ignore=ignored)
    return tmp_path


def version(folder: Path, **variables: str) -> str:
    code = "import jobmajor.lineage as lineage; print(lineage.__file__, lineage.code_version())"
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "", **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    place, _, found = done.stdout.strip().rpartition(" ")
    assert Path(place).is_relative_to(folder)
    return found


def test_code_version_is_the_same_in_another_place_and_process(copy: Path) -> None:
    ours = lineage.code_version()

    assert re.fullmatch("[0-9a-f]{64}", ours)
    assert version(copy, PYTHONHASHSEED="5") == ours  # with what the first process compiled, too:
    assert version(copy, PYTHONHASHSEED="6") == ours


@pytest.mark.parametrize(
    "name",
    [
        "jobmajor/titles.py",
        "sagelocal/storage/store.py",
        "jobmajor/soc_2018.tsv",
        "jobmajor/evaluation/card.md.j2",
        "jobmajor/model/linear/vectors.safetensors",
        "jobmajor/model/linear/vectors.txt",
    ],
)
def test_any_changed_source_is_another_version(copy: Path, name: str) -> None:
    path = copy / name
    path.write_bytes(path.read_bytes() + b"\n")

    assert version(copy) != lineage.code_version()


def test_renamed_source_is_another_version_and_starter_titles_are_none(copy: Path) -> None:
    titles = copy / "jobmajor" / "data" / "starter" / "Alternate Titles.txt"
    titles.write_bytes(titles.read_bytes() + b"\n")
    with_other_titles = version(copy)
    (copy / "jobmajor" / "evaluation" / "charts.py").rename(copy / "jobmajor" / "evaluation" / "chartz.py")

    assert with_other_titles == lineage.code_version()
    assert version(copy) != lineage.code_version()


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
    linear, first = found("linear"), found("transformer")
    (tmp_path / "torch-1.0.dist-info").rename(tmp_path / "torch-2.0.dist-info")
    record = tmp_path / "torch-2.0.dist-info" / "METADATA"
    record.write_text(record.read_text().replace("Version: 1.0", "Version: 2.0"))
    importlib.invalidate_caches()

    second = found("transformer")

    assert found("linear") == linear == lineage.code_version()
    assert len({linear, first, second}) == 3
