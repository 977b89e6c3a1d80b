"""What a prune removes, and that nothing goes which a kept version, a kept run or a person still needs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.cli.main import main
from jobmajor.errors import ArtifactError, Busy, NoChampion, SettingError
from jobmajor.pipeline import prune
from jobmajor.registry.loading import open_registry
from jobmajor.registry.versions import Candidate
from sagelocal.run import cache, executor, records
from sagelocal.storage import lock, manifest
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = "s3://bkt/prefix"


def _model(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"content": content}))
    manifest.write(folder)
    return folder


def _run(home: Path, name: str, number: int, uses: str) -> None:
    """Leave what a run leaves: its record, its results, and an entry of the cache; `uses` has another run's data."""
    store = FolderStore(home / "s3")
    made = home / "made" / name
    made.mkdir(parents=True)
    (made / "data.txt").write_text(name * 100)
    outputs = {f"{BASE}/runs/{name}/train": store.publish(f"{BASE}/runs/{name}/train", made)}
    store.publish(f"{BASE}/input/{name}", made)
    cache.keep(home / "cache", cache.Entry(name, 1.0, {}, outputs, {}))
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    step = records.StepRecord(
        "train", "Training", "Succeeded", properties={"Uri": f"{BASE}/runs/{uses}/train/data.txt"}
    )
    parameters = {"InputDataUrl": f"{BASE}/input/{name}"}
    began = f"2026-01-0{number}T00:00:00Z"
    records.write(records.Execution(name, "Succeeded", folder, "d", "p", parameters, began, steps=(step,)))


@pytest.fixture(scope="module")
def full(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of six runs, each with a version; versions 2, 3 and 5 were champions, 5 is."""
    home = shutil.copytree(blank, tmp_path_factory.mktemp("full") / "home")
    registry = open_registry(home)
    for number, name in enumerate("abcdef", start=1):
        model = _model(home / "made" / f"m{name}", name)
        judged = _model(home / "made" / f"j{name}", f"judged {name}")
        lineage = {"execution_id": f"run{name}"}
        passed = {"passed": True, "reasons": []}
        registry.register(Candidate(model, {}, passed, "Approved", lineage, judged_folder=judged))
        # The fifth took its training from the cache: from the first.
        _run(home, f"run{name}", number, "runa" if name == "e" else f"run{name}")
    shutil.rmtree(home / "made")
    for number in (2, 3, 5):
        registry.promote(number)
    return home


@pytest.fixture
def home(full: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(full, tmp_path / "home"))


def _files(folder: Path) -> Mapping[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("mlflow.db", ".lock", ".jobs.lock", "registry.lock")
    }


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_plan_changes_nothing_and_prune_removes_what_it_says(home: Path) -> None:
    before = _files(home)
    planned = prune.plan(home, 1)
    unchanged = _files(home)

    done = prune.prune(home, 1)

    assert unchanged == before
    assert done == planned
    assert planned.size_bytes > 0
    assert [item.path for item in done.items if item.path.exists()] == []
    assert prune.plan(home, 1).items == ()


@pytest.mark.slow
def test_champion_those_before_it_the_waiting_version_and_the_last_run_keep_what_they_need(home: Path) -> None:
    kept = prune.prune(home, 1)
    registry = open_registry(home)

    assert kept.versions == (3, 5, 6)  # the champion before, the champion, the one that waits
    assert _names(home / "runs") == ["runc", "rune", "runf"]
    assert _names(home / "s3" / "bkt" / "prefix" / "runs") == ["runa", "runc", "rune", "runf"]  # a: used by e
    assert _names(home / "s3" / "bkt" / "prefix" / "input") == ["runc", "rune", "runf"]
    assert len(_names(home / "models")) == 6
    assert [cache.find(home / "cache", f"run{name}", FolderStore(home / "s3"), 0) is not None for name in "abcdef"] == [
        *(True, False, True),
        *(False, True, True),
    ]
    for number in kept.versions:
        registry.verify(number)
    assert len(registry.versions()) == 6
    assert registry.rollback().number == 3


@pytest.mark.slow
def test_version_without_files_is_not_promoted_and_says_so(home: Path) -> None:
    prune.prune(home, 1)

    with pytest.raises(ArtifactError, match="version 1 has no files any more: run the pipeline"):
        open_registry(home).promote(1)


@pytest.mark.slow
def test_files_that_no_step_wrote_stay(home: Path) -> None:
    (home / "s3" / "bkt" / "prefix" / "runs" / "runb" / "train" / "mine.txt").write_text("mine")
    (home / "s3" / "bkt" / "prefix" / "input" / "own").mkdir()
    (home / "s3" / "bkt" / "prefix" / "input" / "own" / "titles.txt").write_text("mine")
    (home / "s3" / "bkt" / "mine.txt").write_text("mine")

    prune.prune(home, 1)

    assert [path.read_text() for path in sorted((home / "s3" / "bkt").rglob("*.txt")) if path.name != "data.txt"] == [
        "mine"
    ] * 3


@pytest.mark.slow
def test_run_in_progress_keeps_the_workspace_and_its_own_results(home: Path) -> None:
    with ExitStack() as held:
        held.enter_context(executor.hold(home))
        held.enter_context(lock.wait_for(home / "runs" / "runb"))
        record = records.read(home / "runs" / "runb")
        records.write(replace(record, status=records.EXECUTING))
        before = _files(home)

        planned = prune.plan(home, 1)
        with pytest.raises(Busy):
            prune.prune(home, 1)

        assert "runb" in planned.runs
        assert _files(home) == before


@pytest.mark.slow
def test_run_whose_record_is_damaged_stays(home: Path) -> None:
    (home / "runs" / "runb" / "run.json").write_text("{")

    assert prune.prune(home, 1).unreadable == ("runb",)
    assert (home / "runs" / "runb").is_dir()
    assert (home / "s3" / "bkt" / "prefix" / "runs" / "runb").is_dir()


_KILLED = """
import os, sys
from pathlib import Path
from jobmajor.pipeline import prune
count, real = int(sys.argv[2]), Path.rename
def renamed(self, target):
    global count
    count -= 1
    if count < 0:
        os._exit(9)
    return real(self, target)
Path.rename = renamed
prune.prune(Path(sys.argv[1]), 1)
"""


@pytest.mark.long
@pytest.mark.parametrize("moves", [1, 9])
def test_killed_prune_leaves_whole_items_and_the_next_one_ends_it(home: Path, full: Path, moves: int) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLED, home, str(moves)], check=False, timeout=300)
    between = _files(home)
    again = prune.prune(home, 1)

    assert killed.returncode == 9
    assert {name: data for name, data in between.items() if not name.startswith(".pruned")}.items() <= _files(
        full
    ).items()
    assert again.versions == (3, 5, 6)
    assert not (home / ".pruned").exists()
    assert prune.plan(home, 1).items == ()
    for number in again.versions:
        open_registry(home).verify(number)


@pytest.mark.slow
def test_command_only_says_what_it_would_free_until_it_is_told_to(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*more: str) -> tuple[int, Any]:
        capsys.readouterr()
        status = main(["prune", "--home", str(home), "--keep", "1", *more])
        return status, capsys.readouterr().out

    status, text = said()
    _, planned = said("--json")
    _, done = said("--json", "--yes")
    _, nothing = said()

    assert status == 0
    assert "would free" in text
    assert "add --yes" in text
    assert json.loads(planned)["removed"] is False
    assert json.loads(done) == {**json.loads(planned), "removed": True}
    assert "would free 0.0 MB in 0 items; kept: 3 runs, the files of versions 3, 5, 6" in nothing


def test_workspace_without_a_registry_and_a_number_below_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoChampion):
        prune.plan(tmp_path, 1)
    with pytest.raises(SettingError, match="expected 1 or more"):
        prune.prune(tmp_path, 0)
