"""A machine with nothing on it: no network, no data, no workspace. From there to answers, as a user walks it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.registry.loading import champion_folder, open_registry
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FirstRun

    Command = Callable[..., subprocess.CompletedProcess[bytes]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(first_run: FirstRun) -> Path:
    """Return the user's working folder."""
    return first_run.folder


@pytest.fixture(scope="module")
def here(first_run: FirstRun) -> dict[str, Any]:
    """Return how the user starts a program there, as keywords of `subprocess.run`."""
    return {"cwd": first_run.folder, "env": first_run.environment}


def evaluation(home: Path) -> dict[str, Any]:
    (path,) = home.glob("s3/**/evaluation.json")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def test_run_goes_on_with_the_starter_titles_and_says_so(first_run: FirstRun) -> None:
    (notice,) = first_run.err.splitlines()
    assert notice.startswith("notice: O*NET 28.1 is not at hand")
    assert "going on with the bundled starter titles" in notice
    out = first_run.out
    assert "data: starter titles (starter)" in out
    assert "more than 0.8 is asked" in out
    assert "version 1: Approved, champion" in out


def test_what_was_used_is_recorded_everywhere(place: Path) -> None:
    home = place / ".jobmajor"
    champion = champion_folder(home)
    assert champion

    assert manifest.verify(champion).source["release"] == "starter"
    assert evaluation(home)["dataset"]["release"] == "starter"
    assert open_registry(home).get(1).lineage["source"]["release"] == "starter"
    (card,) = home.glob("s3/**/card.md")
    assert "starter" in card.read_text("utf-8")


def test_nothing_is_written_but_the_workspace(first_run: FirstRun) -> None:
    assert [path.name for path in first_run.folder.iterdir()] == [".jobmajor"]
    assert list(first_run.user.rglob("*")) == []


def test_report_is_one_page_that_needs_nothing_else(place: Path) -> None:
    (path,) = place.glob(".jobmajor/s3/**/report.html")
    page = path.read_text("utf-8")

    assert "<svg" in page
    assert not [mark for mark in ('src="http', "src='http", '<link rel="stylesheet" href', "@import") if mark in page]


def test_champion_answers_from_the_command_line(here: dict[str, Any], command: Command) -> None:
    done = command("classify", "licensed practical nurse", "truck driver", **here)

    rows = done.stdout.decode().splitlines()[1:]
    assert (done.returncode, done.stderr) == (0, b"")
    assert ["29-0000" in rows[0], "53-0000" in rows[1]] == [True, True]


def test_champion_answers_in_python_in_three_lines(here: dict[str, Any]) -> None:
    code = "import jobmajor\nmodel = jobmajor.load()\nprint(model.predict(['licensed practical nurse']).tolist())"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, **here)

    assert done.stdout == b"['29-0000']\n"


def test_bytes_that_ran_are_those_that_are_shown_under_the_same_digest(
    place: Path, here: dict[str, Any], command: Command
) -> None:
    shown = command("pipeline", "show", **here).stdout
    checked = json.loads(command("pipeline", "validate", "--json", **here).stdout)

    digest = hashlib.sha256(shown).hexdigest()
    lineage = open_registry(place / ".jobmajor").get(1).lineage
    run = place / ".jobmajor" / "runs" / str(lineage["execution_id"])
    assert (run / "definition.json").read_bytes() == shown
    assert json.loads((run / "run.json").read_bytes())["definition_digest"] == digest
    assert (checked["digest"], lineage["definition_digest"]) == (digest, digest)


def test_second_run_does_nothing_again(first_run: FirstRun) -> None:
    cached = [step["name"] for step in first_run.again["steps"] if step["cached"]]
    assert cached == ["preprocess-data", "train", "evaluate-model", "refit"]
    assert (first_run.again["version"], first_run.again["champion"]) == (1, 1)


def test_runs_can_be_listed_with_the_other_program(place: Path, here: dict[str, Any]) -> None:
    program = Path(sys.executable).with_name("sagelocal")

    done = subprocess.run([program, "runs", "--home", ".jobmajor", "--json"], check=True, capture_output=True, **here)

    found = json.loads(done.stdout)
    assert found[0]["status"] == "Succeeded"
    assert found[0]["pipeline_name"] == "test-job-major-clf-pipeline"
    assert [step["metrics"]["validation_f1"] > 0.8 for step in found[0]["steps"] if step["name"] == "train"] == [True]


def test_no_place_of_this_machine_is_in_what_the_steps_left(place: Path) -> None:
    """What is published may be read anywhere: by the cache of a moved workspace, or by S3."""
    bad = str(place.parent).encode()
    home = place / ".jobmajor"
    files = [path for part in ("s3", "cache", "models") for path in (home / part).rglob("*") if path.is_file()]

    assert len(files) > 15
    assert [path for path in files if bad in path.read_bytes()] == []
