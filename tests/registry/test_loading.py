from __future__ import annotations

import gzip
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

import jobmajor
from jobmajor.errors import ArtifactError, InputError, NoChampion
from jobmajor.registry import loading
from jobmajor.registry.loading import open_registry
from jobmajor.registry.versions import Candidate
from sagelocal.storage import archive

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

TITLES = ["Registered Nurse", "Cashier", ""]


def same(one: Classifier, other: Classifier) -> bool:
    return np.array_equal(one.predict_proba(TITLES, "detailed"), other.predict_proba(TITLES, "detailed"))


def test_model_is_loaded_from_its_folder_named_as_path_or_text(classifier: Classifier, model_folder: Path) -> None:
    assert same(loading.load(model_folder), classifier)
    assert same(loading.load(str(model_folder)), classifier)


@pytest.mark.slow
def test_model_is_loaded_from_its_archive_and_leaves_nothing_behind(
    classifier: Classifier, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.pack(model_folder, tmp_path / "model.tar.gz")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    model = loading.load(tmp_path / "model.tar.gz")

    assert list((tmp_path / "temporary").iterdir()) == []
    assert same(model, classifier)


def test_public_name_is_the_same_function() -> None:
    assert jobmajor.load is loading.load


def test_model_that_is_not_there_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere is no model: expected a model's folder or model\.tar\.gz"):
        loading.load(tmp_path / "nowhere")


def test_folder_and_file_that_are_no_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"text" * 1000))
    (tmp_path / "empty").touch()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "payroll.csv").write_text("title")
    archive.pack(tmp_path / "theirs", tmp_path / "theirs.tar.gz")

    for name in ("", "file", "text.gz", "empty", "theirs.tar.gz"):
        with pytest.raises(InputError, match="is no model: expected a model's folder"):
            loading.load(tmp_path / name)


def test_archive_that_is_cut_off_is_a_damaged_model(model_folder: Path, tmp_path: Path) -> None:
    archive.pack(model_folder, tmp_path / "model.tar.gz")
    whole = (tmp_path / "model.tar.gz").read_bytes()
    (tmp_path / "model.tar.gz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ArtifactError, match="is no model archive"):
        loading.load(tmp_path / "model.tar.gz")


def test_workspace_without_a_champion_is_refused_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("JOBMAJOR_HOME", str(home))

    with pytest.raises(NoChampion, match="run `jobmajor run` first") as caught:
        loading.load()

    assert caught.value.home == home
    assert not home.exists()


@pytest.mark.slow
def test_champion_is_loaded_from_the_workspace_named_or_of_the_variable(
    classifier: Classifier, model_folder: Path, blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = open_registry(shutil.copytree(blank, tmp_path, dirs_exist_ok=True))
    decision = {"passed": True, "reasons": []}
    version = registry.register(Candidate(model_folder, {}, decision, "PendingManualApproval", {}))
    with pytest.raises(NoChampion):
        loading.load(home=tmp_path)
    registry.promote(version.number)

    by_name = loading.load(home=str(tmp_path))
    monkeypatch.setenv("JOBMAJOR_HOME", str(tmp_path))
    by_variable = loading.load()

    assert same(by_name, classifier)
    assert same(by_variable, classifier)


@pytest.mark.slow
def test_damaged_model_is_refused_wherever_it_is_loaded_from(model_folder: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(model_folder, tmp_path / "model")
    (damaged / "model.json").write_bytes(b"{}")
    archive.pack(damaged, tmp_path / "model.tar.gz")

    for place in (damaged, tmp_path / "model.tar.gz"):
        with pytest.raises(ArtifactError, match="has sha256"):
            loading.load(place)


@pytest.mark.slow
def test_whole_model_in_the_place_of_the_champion_is_refused(
    classifier: Classifier, model_folder: Path, blank: Path, tmp_path: Path
) -> None:
    registry = open_registry(shutil.copytree(blank, tmp_path, dirs_exist_ok=True))
    version = registry.register(Candidate(model_folder, {}, {"passed": True}, "PendingManualApproval", {}))
    registry.promote(version.number)
    shutil.rmtree(version.folder)
    version.folder.mkdir()
    classifier.save(version.folder, code_version="another")

    with pytest.raises(ArtifactError, match=r"manifest\.json has sha256"):
        loading.load(home=tmp_path)
