"""Whatever is damaged in a workspace is one line with a cure, and the other checks go on."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli.main import main
from jobmajor.data import source
from jobmajor.doctor import finding, stored
from jobmajor.registry.loading import champion_folder, open_registry
from jobmajor.registry.versions import Candidate
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jobmajor.doctor.finding import Finding


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call any disk large enough, however full this machine's is."""
    monkeypatch.setattr(stored, "_LEAST_FREE", 0)


@pytest.fixture(scope="module")
def promoted(model_folder: Path, blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a champion, which no test changes."""
    home = tmp_path_factory.mktemp("promoted") / "home"
    registry = open_registry(shutil.copytree(blank, home))
    candidate = Candidate(model_folder, {}, {"passed": True, "reasons": []}, "Approved", {"source": {}})
    registry.promote(registry.register(candidate).number)
    return home


@pytest.fixture
def home(promoted: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(promoted, tmp_path / "home")


def failures(home: Path) -> dict[str, Finding]:
    return {each.what: each for each in stored.findings(home) if each.status == finding.FAILED}


def statuses(home: Path) -> dict[str, str]:
    return {each.what: each.status for each in stored.findings(home)}


def files(folder: Path) -> Iterator[tuple[str, int]]:
    yield from ((str(path.relative_to(folder)), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")))


def test_sound_workspace_has_nothing_to_mend_and_is_left_as_it_was(promoted: Path) -> None:
    before = list(files(promoted))

    found = statuses(promoted)

    assert set(found.values()) == {finding.OK, finding.NOTE}
    assert found["champion"] == found["registry"] == found["workspace"] == finding.OK
    assert list(files(promoted)) == before


def test_workspace_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    found = {each.what: each for each in stored.findings(tmp_path / "none")}

    assert found["workspace"].status == found["registry"].status == finding.NOTE
    assert found["registry"].cure == "jobmajor run"
    assert list(tmp_path.iterdir()) == []


def truncate(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 3)


def empty(database: Path) -> None:
    os.truncate(database, 0)


def overwrite(database: Path) -> None:
    database.write_bytes(b"<html>sign in</html>" * 500)


def forget(database: Path) -> None:
    database.unlink()
    with closing(sqlite3.connect(database)) as opened, opened:
        opened.execute("CREATE TABLE other (x)")


def replace_by_a_folder(database: Path) -> None:
    database.unlink()
    database.mkdir()


@pytest.mark.parametrize("damage", [truncate, empty, overwrite, forget, replace_by_a_folder])
def test_damaged_registry_is_a_failure_with_the_command_that_moves_it_away(
    damage: Callable[[Path], None], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(home / "mlflow.db")

    status = main(["doctor", "--home", str(home), "--json"])

    found = [each for each in json.loads(capsys.readouterr().out) if each["status"] == finding.FAILED]
    assert status == 1
    assert [each["what"] for each in found] == ["registry"]
    assert found[0]["cure"] == f"mv {home}/mlflow.db {home}/mlflow.db.damaged"


def test_registry_that_another_program_writes_to_is_unknown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_PATIENCE_S", 0.0)
    with closing(sqlite3.connect(home / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        found = statuses(home)

    assert found["registry"] == finding.UNKNOWN
    assert finding.FAILED not in found.values()


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "no manifest"])
def test_damaged_champion_is_a_failure_and_the_cure_makes_it_again(damage: str, home: Path, model_folder: Path) -> None:
    champion = champion_folder(home)
    assert champion
    weights = next(champion.glob("*.safetensors"))
    if damage == "changed":
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    elif damage == "missing":
        weights.unlink()
    elif damage == "added":
        (champion / "notes.txt").touch()
    else:
        (champion / manifest.NAME).unlink()

    found = failures(home)

    assert set(found) == {"champion"}
    assert found["champion"].found.startswith(f"{champion.name[:12]} is damaged: ")
    assert found["champion"].cure == "jobmajor run"
    candidate = Candidate(model_folder, {}, {"passed": True, "reasons": []}, "Approved", {"source": {}})
    open_registry(home).register(candidate)  # what a run does with the same data and settings
    assert failures(home) == {}


def test_files_of_another_version_are_verified_too(home: Path) -> None:
    other = home / "models" / ("0" * 64)
    other.mkdir()
    (other / "model.json").write_text("{}")
    manifest.write(other)

    found = failures(home)

    assert set(found) == {"models"}
    assert "by its manifest it is" in found["models"].found


def test_releases_are_verified_and_each_has_its_command(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("28.1", "27.0", "27.0-text", ".partial-28.0", "own"):
        (data / name).mkdir(parents=True)
        (data / name / "titles.txt").write_text(name)
    manifest.write(data / "28.1")

    found = [each for each in stored.findings(tmp_path) if each.what == "data"]

    assert {(each.status, each.cure) for each in found} == {
        (finding.OK, ""),
        (finding.FAILED, "jobmajor data pull --release 27.0"),
        (finding.FAILED, "jobmajor data pull --release 27.0 --text"),
        (finding.NOTE, "jobmajor data pull --release 28.0"),
        (finding.NOTE, ""),
    }


def test_folder_that_the_variable_names_is_read_as_a_run_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBMAJOR_DATA", str(tmp_path))

    found = failures(tmp_path)

    assert set(found) == {"JOBMAJOR_DATA"}


def test_additions_to_a_release_are_named_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dmtf_2018.csv").write_text("soc_code,title\n29-1141,Ward Nurse\n", "utf-8")
    monkeypatch.setenv("JOBMAJOR_DATA", os.pathsep.join([str(source.STARTER_FOLDER), str(tmp_path)]))

    found = {each.what: each for each in stored.findings(tmp_path)}["JOBMAJOR_DATA"]

    assert (found.status, found.found) == (finding.OK, "release starter, 6,997 titles, Direct Match titles")


def test_file_as_a_workspace_and_a_full_disk_are_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my file").touch()
    monkeypatch.setattr(stored, "_LEAST_FREE", 10**18)

    found = failures(tmp_path / "my file")

    assert set(found) == {"workspace", "disk", "temporary files"}
    assert found["workspace"].cure == f"mv '{tmp_path}/my file' '{tmp_path}/my file.moved'"
    assert found["disk"].cure == "jobmajor prune --yes"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_can_not_be_written_is_a_failure(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        found = failures(tmp_path)
    finally:
        tmp_path.chmod(0o700)

    assert found["workspace"].cure == f"chmod u+rwx {tmp_path}"
