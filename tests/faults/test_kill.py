"""A run killed at any moment leaves nothing half made that counts, and the next one goes on from what was finished.

JOBMAJOR_KILLS says how many random moments are tried (6, one in each phase), JOBMAJOR_KILLS_SEED which ones.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmajor.model import classifier
from jobmajor.registry.loading import champion_folder, open_registry
from jobmajor.registry.mlflow_records import BASELINES
from jobmajor.registry.versions import DATA, PREDICTIONS
from sagelocal.errors import ArtifactError
from sagelocal.jobs import supervise
from sagelocal.run import cache, records
from sagelocal.storage import manifest, publish
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Command = Callable[..., subprocess.CompletedProcess[bytes]]

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("JOBMAJOR_KILLS", "6"))
SEED = os.environ.get("JOBMAJOR_KILLS_SEED", "2140")
ARGUMENTS = ("run", "--release", "starter", "--json", "--home")
JOBS = ("Processing", "Training")
# Each is a sixth of the kills, for the last ones matter and are short: before any step, in each job, after the last.
PHASES = ("", "preprocess-data", "train", "evaluate-model", "refit", "check-refit")


def faults(home: Path) -> list[str]:
    """Everything in a workspace that counts and is not whole."""
    return [*_broken_folders(home), *_broken_records(home), *_broken_champion(home)]


def _published(home: Path) -> Iterator[Path]:
    """Folders with a manifest.

    `jobs` is a running step's bench, which may vanish while it is read, and `artifacts` holds MLflow's copies, which
    count once a version points there.
    """
    for folder in (path for path in home.glob("*") if path.name not in {"jobs", "artifacts"}):
        for path in folder.rglob(manifest.NAME):
            if not any(part.startswith(publish.STAGING) for part in path.relative_to(home).parts):
                yield path.parent


def _broken_folders(home: Path) -> Iterator[str]:
    for folder in _published(home):
        try:
            manifest.verify(folder)
        except ArtifactError as error:
            yield str(error)


def _broken_records(home: Path) -> Iterator[str]:
    """Cache records that don't lead to whole outputs."""
    store = FolderStore(home / "s3")
    for path in (home / "cache").glob("*.json"):
        if cache.find(path.parent, path.stem, store, 0.0) is None:
            yield f"{path} does not lead to what it records"


def _broken_champion(home: Path) -> Iterator[str]:
    try:
        folder = champion_folder(home)
        if folder and classifier.load(folder).predict(["registered nurse"]).tolist() != ["29-0000"]:
            yield f"the champion in {folder} does not know a nurse"
    except ArtifactError as error:
        yield f"champion: {error}"


def leftovers(home: Path) -> list[Path]:
    """What a finished run may not leave behind."""
    return [*home.rglob(f"{publish.STAGING}*"), *home.glob("jobs/*")]


def _lengths_s(finished: Path) -> dict[str, float]:
    """Return how long each phase of the undisturbed run took.

    The run's own record leaves out the start and the end of its process, which a second run, all cached, consists of.
    """
    first, second = records.every(finished)
    jobs = {step.name: step.seconds for step in first.steps if step.name in PHASES}
    registration = first.step("register").seconds
    return {**jobs, "": second.seconds + 2.0, "check-refit": registration + 1.0}


def _has_begun(home: Path, phase: str) -> bool:
    return any(f'"name": "{phase}"' in path.read_text("utf-8") for path in home.glob("runs/*/run.json"))


def _kill(home: Path, phase: str, delay_s: float, *, everything: bool) -> bool:
    """Start a run and kill it that long after a phase began, alone or with all its processes; False if it was done."""
    program = Path(sys.executable).with_name("jobmajor")
    process = subprocess.Popen(
        [program, *ARGUMENTS, home], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while phase and not _has_begun(home, phase) and process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    with suppress(subprocess.TimeoutExpired):
        process.wait(delay_s)
    below = supervise.descendants(process.pid) if everything else []
    for pid in (process.pid, *below):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def _steps(home: Path, status: str) -> set[str]:
    """The job steps of the workspace's first run that have this status."""
    return {
        step.name
        for execution in records.every(home)[:1]
        for step in execution.steps
        if step.status == status and step.type in JOBS
    }


@pytest.mark.long  # costs a whole run
def test_run_killed_with_its_jobs_in_training_is_finished_by_the_next_one(
    finished: Path, command: Command, tmp_path: Path
) -> None:
    home = tmp_path / "home"

    was_killed = _kill(home, "train", 0.0, everything=True)
    found, kept = faults(home), _steps(home, "Succeeded")
    again = command(*ARGUMENTS, home)

    assert was_killed
    assert kept == {"preprocess-data"}
    _assert_finished(again, found, kept)
    _assert_as_if_undisturbed(home, finished, json.loads(again.stdout))


@pytest.mark.long  # each kill costs a whole run, half a minute
@pytest.mark.parametrize("number", range(KILLS))
def test_run_killed_at_a_random_moment_is_finished_by_the_next_one(
    number: int, finished: Path, command: Command, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    dice = random.Random(f"{SEED} {number}")  # noqa: S311 - it draws moments, no secrets
    home, phase = tmp_path / "home", PHASES[number % len(PHASES)]
    delay_s = dice.random() * _lengths_s(finished)[phase]

    was_killed = _kill(home, phase, delay_s, everything=dice.random() < 0.5)
    found, kept = faults(home), _steps(home, "Succeeded")
    record_property("killed", f"{was_killed} {delay_s:.2f} s after {phase!r}, with {sorted(kept)}")
    again = command(*ARGUMENTS, home)

    _assert_finished(again, found, kept)
    _assert_as_if_undisturbed(home, finished, json.loads(again.stdout))


def _assert_finished(again: subprocess.CompletedProcess[bytes], found: list[str], kept: set[str]) -> None:
    assert found == []
    assert again.returncode == 0, again.stderr.decode()
    answer = json.loads(again.stdout)
    assert kept - {step["name"] for step in answer["steps"] if step["cached"]} == set()  # only the rest was done again


def _assert_as_if_undisturbed(home: Path, finished: Path, answer: dict[str, object]) -> None:
    champion, undisturbed = champion_folder(home), champion_folder(finished)
    assert champion is not None
    assert undisturbed is not None
    assert champion.name == undisturbed.name
    assert (answer["version"], answer["champion"]) == (1, 1)
    assert faults(home) == []
    assert leftovers(home) == []
    registry = open_registry(home)
    assert [version.number for version in registry.versions()] == [1]
    assert registry.sweep() == 0  # no registration is still open
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        uris = database.execute("SELECT artifact_uri FROM runs JOIN model_versions ON run_uuid = run_id").fetchall()
    for (uri,) in uris:
        _verify_record(Path(uri.removeprefix("file://")))


def _verify_record(folder: Path) -> None:
    """Verify the files of a version's record, and the baselines beside them, which have manifests of their own."""
    for name in (DATA, PREDICTIONS):
        manifest.verify(folder / BASELINES / name)
    with tempfile.TemporaryDirectory() as other:
        evaluation = shutil.copytree(folder, Path(other) / "record", ignore=shutil.ignore_patterns(BASELINES))
        manifest.verify(evaluation)


def test_finished_workspace_has_no_faults(finished: Path) -> None:
    assert faults(finished) == []
    assert leftovers(finished) == []
    assert len(list(_published(finished))) >= 8  # data, four of preprocess, two of evaluate, a model


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("pattern", "damage", "said"),
    [
        ("s3/**/runs/*/train/data.parquet", _truncate, "has sha256"),
        ("s3/**/runs/*/test/data.parquet", Path.unlink, "recorded but missing"),
        ("s3/**/runs/*/refitted_model/model.tar.gz", _truncate, "does not lead to"),
        ("models/*/model.safetensors", _truncate, "champion: "),
    ],
)
def test_half_written_file_would_be_found(
    pattern: str, damage: Callable[[Path], None], said: str, workspace: Path
) -> None:
    paths = list(workspace.glob(pattern))
    assert paths

    for path in paths:
        damage(path)

    assert [fault for fault in faults(workspace) if said in fault] != []


def test_files_written_one_by_one_in_place_would_be_found(workspace: Path) -> None:
    whole = next(workspace.glob("s3/**/runs/*/evaluation"))
    half = whole.with_name("half")
    half.mkdir()
    for name in (manifest.NAME, "evaluation.json"):  # a writer that was killed before the report
        (half / name).write_bytes((whole / name).read_bytes())

    assert [fault for fault in faults(workspace) if "half" in fault] != []


def test_database_that_a_killed_process_was_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / f"{publish.STAGING}x").write_bytes(b"half a database")

    open_registry(tmp_path)

    assert leftovers(tmp_path) == []


def test_staging_folder_that_nobody_swept_would_be_found(workspace: Path) -> None:
    (workspace / "models" / f"{publish.STAGING}x").mkdir()

    assert leftovers(workspace) == [workspace / "models" / f"{publish.STAGING}x"]
