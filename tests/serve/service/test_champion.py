"""Another model takes the served one's place whole or not at all, wherever models come from."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from jobmajor.errors import ArtifactError, ChecksumMismatch, InputError, NoChampion
from jobmajor.model.rules.classes import Class, Classes
from jobmajor.model.rules.overrides import Overrides
from jobmajor.model.rules.prior import Prior
from jobmajor.registry.loading import open_registry
from jobmajor.registry.versions import Approval, Candidate
from jobmajor.serve.http.middleware import of_model
from jobmajor.serve.service.champion import Champion, ModelSource
from sagelocal.storage import archive, manifest

from ..conftest import running, saved

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

PASSED = {"passed": True, "reasons": []}


def register(home: Path, folder: Path) -> int:
    return open_registry(home).register(Candidate(folder, {}, PASSED, "PendingManualApproval", {})).number


@pytest.mark.slow
def test_model_comes_from_a_folder_or_an_archive_with_its_digest(model_folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "model.tar.gz"
    archive.pack(model_folder, packed)

    folder, archived = (ModelSource(tmp_path, path).load() for path in (model_folder, packed))

    assert folder.digest == archived.digest == manifest.read(model_folder).digest
    assert folder.classifier.answer(["nurse"]) == archived.classifier.answer(["nurse"])


@pytest.mark.slow
def test_service_says_where_the_champion_comes_from_and_refuses_a_damaged_record(
    model_folder: Path, blank: Path, tmp_path: Path
) -> None:
    registry = open_registry(shutil.copytree(blank, tmp_path, dirs_exist_ok=True))
    number = register(tmp_path, model_folder)
    registry.promote(number, Approval("ann", "looked at it"))
    with running(Champion(ModelSource(tmp_path))) as site:
        found = site.get("/lineage").json()
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
            database.execute("UPDATE model_version_tags SET value = 'x' WHERE key = 'decision'")
            database.commit()
        damaged = site.get("/lineage")

    assert (found["model"], found["lineage"]["version"]) == (manifest.read(model_folder).digest, number)
    assert found["facts"][-1]["value"].endswith("by ann: looked at it")
    assert (damaged.status_code, damaged.json()["field"]) == (503, "")
    assert str(tmp_path) not in damaged.text


@pytest.mark.slow
def test_promoted_version_is_served_from_the_next_look_on(classifier: Classifier, blank: Path, tmp_path: Path) -> None:
    home = shutil.copytree(blank, tmp_path / "home")
    one, two = (register(home, saved(classifier, tmp_path / name, name)) for name in ("one", "two"))
    registry = open_registry(home)
    registry.promote(one)
    champion = Champion(ModelSource(home))
    before = champion.served

    assert not champion.refresh()
    registry.promote(two)
    assert champion.refresh()

    assert before.digest == registry.get(one).digest
    assert champion.served.digest == registry.get(two).digest
    assert before.classifier.answer(["nurse"])  # who holds it can go on


def test_model_that_is_replaced_in_its_place_is_served_from_the_next_look_on(
    classifier: Classifier, tmp_path: Path
) -> None:
    one, two, link = saved(classifier, tmp_path / "1", "one"), saved(classifier, tmp_path / "2", "two"), tmp_path / "l"
    link.symlink_to(one)
    champion = Champion(ModelSource(tmp_path, link))

    (tmp_path / "new").symlink_to(two)
    (tmp_path / "new").replace(link)

    assert champion.refresh()
    assert champion.served.digest == manifest.read(two).digest
    assert champion.swaps == 1


def test_model_that_is_not_whole_takes_no_place_and_is_told_of_once(
    classifier: Classifier, copied_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    champion = Champion(ModelSource(tmp_path, copied_folder))
    before = champion.served
    other = saved(classifier, tmp_path / "other", "other")
    shutil.copy(other / manifest.NAME, copied_folder / manifest.NAME)
    (copied_folder / "model.json").write_text("{}")

    assert [champion.refresh() for _ in range(3)] == [False] * 3

    assert champion.served is before
    assert champion.failures == 3
    assert [record.message for record in caplog.records] == ["the model was not swapped"]


def test_model_that_is_gone_goes_on_being_served(copied_folder: Path, tmp_path: Path) -> None:
    champion = Champion(ModelSource(tmp_path, copied_folder))
    shutil.rmtree(copied_folder)

    assert not champion.refresh()
    assert champion.served.classifier.answer(["nurse"])


def test_first_model_must_be_there_and_whole(copied_folder: Path, tmp_path: Path) -> None:
    (copied_folder / "model.json").write_text("{}")

    with pytest.raises(NoChampion):
        Champion(ModelSource(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="is no model"):
        Champion(ModelSource(tmp_path, tmp_path / "nothing"))
    with pytest.raises(ChecksumMismatch):
        Champion(ModelSource(tmp_path, copied_folder))


def test_model_that_changes_while_it_is_read_is_not_taken(
    classifier: Classifier, copied_folder: Path, tmp_path: Path
) -> None:
    other = saved(classifier, tmp_path / "other", "other")

    class Changing(ModelSource):
        """Its folder is replaced between the look and the load's end."""

        def path(self) -> Path:
            found = super().path()
            looks.append(found)
            if len(looks) == 3:
                shutil.copytree(other, found, dirs_exist_ok=True)
            return found

    looks: list[Path] = []

    with pytest.raises(ArtifactError, match="changed while it was read"):
        Changing(tmp_path, copied_folder).load()


def test_prior_moves_every_model_that_is_loaded(model_folder: Path) -> None:
    mix = Prior({"29-0000": 0.9, "45-0000": 0.1}, {"29-0000": 0.1, "45-0000": 0.9}, 100, 0)

    served = ModelSource(model_folder, model_folder, mix).load()

    assert served.prior == mix.digest
    assert served.classifier.knowledge.prior == mix
    assert of_model(served).items() >= {"x-jobmajor-model": served.digest, "x-jobmajor-prior": mix.digest}.items()


def test_titles_of_the_user_have_their_codes_in_the_service(model_folder: Path) -> None:
    mine = Overrides({"boss": {"11-1011": 1.0}, "registered nurse": {}})

    with running(Champion(ModelSource(model_folder, model_folder, overrides=mine))) as service:
        body = {"instances": ["Boss", "Registered Nurse"], "parameters": {"level": "detailed", "top_k": 1}}
        found = service.post(json=body).json()["predictions"]

    shown = [[(each["label"], each["source"], each["reason"]) for each in items] for items in found]
    assert shown == [[("11-1011", "override", "")], [("", "override", "not a title")]]


def test_codes_of_the_user_are_added_to_every_model_that_is_loaded(model_folder: Path) -> None:
    mine = Classes((Class("15-9901", "Data Annotators"),))

    with running(Champion(ModelSource(model_folder, model_folder, classes=mine))) as service:
        body = {"instances": ["data annotator"], "parameters": {"level": "all", "top_k": 1}}
        answer = service.post(json=body)
        version = service.get("/version").json()

    assert [each["label"] for each in answer.json()["predictions"][0]] == ["15-0000", "15-9000", "15-9900", "15-9901"]
    assert {each["source"] for each in answer.json()["predictions"][0]} == {"class"}
    assert answer.headers["x-jobmajor-classes"] == version["classes"] == mine.digest
