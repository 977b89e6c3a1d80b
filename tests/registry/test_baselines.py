"""The baselines that a version was registered with, which later titles are compared with."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from jobmajor.errors import ArtifactError
from jobmajor.registry.loading import open_registry
from jobmajor.registry.versions import DATA, PREDICTIONS, Candidate
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from pathlib import Path

PASSED = {"passed": True, "reasons": []}


def folder_with(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "statistics.json").write_text(text, "utf-8")
    manifest.write(folder)
    return folder


def candidate(folder: Path, *, has_baselines: bool) -> Candidate:
    model = folder_with(folder / "model", str(has_baselines))
    for name in (DATA, PREDICTIONS):
        folder_with(folder / "baselines" / name, name)
    baselines = folder / "baselines" if has_baselines else None
    return Candidate(model, {}, PASSED, "PendingManualApproval", {"run_key": "k"}, baselines=baselines)


def test_baselines_stay_with_the_version_in_a_moved_workspace_and_damage_is_seen(blank: Path, tmp_path: Path) -> None:
    version = open_registry(shutil.copytree(blank, tmp_path / "home")).register(candidate(tmp_path, has_baselines=True))
    shutil.move(tmp_path / "home", tmp_path / "moved")
    shutil.rmtree(tmp_path / "baselines")

    registry = open_registry(tmp_path / "moved")
    found = {name: registry.baseline(version.number, name) for name in (DATA, PREDICTIONS)}

    assert {name: (path / "statistics.json").read_text("utf-8") for name, path in found.items()} == {
        name: name for name in (DATA, PREDICTIONS)
    }
    assert version.lineage["baselines"] == {name: manifest.read(path).digest for name, path in found.items()}
    assert version.lineage["run_key"] == "k"
    (found[PREDICTIONS] / "statistics.json").write_text("other", "utf-8")
    with pytest.raises(ArtifactError, match="sha256"):
        registry.baseline(version.number)


def test_version_without_baselines_says_so_in_one_line(blank: Path, tmp_path: Path) -> None:
    registry = open_registry(shutil.copytree(blank, tmp_path / "home"))
    number = registry.register(candidate(tmp_path, has_baselines=False)).number

    with pytest.raises(ArtifactError, match="version 1 has no baseline of its predictions: it was registered without"):
        registry.baseline(number)
