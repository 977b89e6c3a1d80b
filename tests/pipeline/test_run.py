"""What stands around the definition: data in, what to compare with, the version at its end, and nothing done twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmajor.data.source import STARTER_FOLDER
from jobmajor.errors import Busy, ChecksumMismatch, InputError, RegistryError
from jobmajor.model import classifier
from jobmajor.monitor import reference
from jobmajor.pipeline import definition, run
from jobmajor.pipeline.run import Options, Outcome
from jobmajor.registry.loading import load, open_registry
from jobmajor.registry.versions import DATA, PREDICTIONS
from jobmajor.settings import Linear, Settings, Split
from sagelocal.run import executor
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., subprocess.CompletedProcess[bytes]]

JUDGED = ["preprocess-data", "train", "evaluate-model"]
JOBS = [*JUDGED, "refit"]
STARTER = Options(release="starter")
CHANGED = replace(STARTER, settings=Settings(linear=Linear(penalty=0.9)))


def cached(outcome: Outcome) -> list[str]:
    return [step.name for step in outcome.execution.steps if step.cached]


def numbers(home: Path) -> list[int]:
    return [version.number for version in open_registry(home).versions()]


def run_json(home: Path, command: Command, *words: str) -> dict[str, object]:
    done = command("run", "--release", "starter", "--home", home, "--json", *words)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def release(folder: Path, titles: int) -> Path:
    """The first rows of the bundled titles, as a folder that nobody knows the release of."""
    folder.mkdir()
    for name, most in (("Alternate Titles.txt", titles), ("Occupation Data.txt", 2000)):
        lines = (STARTER_FOLDER / name).read_text("utf-8").splitlines()
        (folder / name).write_text("\n".join([*lines[: most + 1], ""]), "utf-8")
    return folder


@pytest.mark.slow
def test_second_run_takes_every_step_from_the_cache_and_adds_no_version(workspace: Path) -> None:
    outcome = run.run(workspace, STARTER)

    assert outcome.succeeded
    assert cached(outcome) == JOBS
    assert numbers(workspace) == [1]
    assert outcome.version == outcome.champion
    assert outcome.champion
    assert outcome.champion.aliases == ("champion",)


@pytest.mark.slow
def test_bytes_that_ran_are_those_that_the_definition_prints(workspace: Path, command: Command) -> None:
    outcome = run.run(workspace, STARTER)

    ran = (outcome.execution.folder / "definition.json").read_bytes()
    assert ran == command("pipeline", "show").stdout
    assert ran == definition.to_bytes(Settings())
    assert outcome.version
    version = open_registry(workspace).get(1)
    assert version.lineage["definition_digest"] == outcome.execution.definition_digest


@pytest.mark.slow
def test_threshold_belongs_to_the_data_unless_one_is_given(workspace: Path) -> None:
    by_default, given = run.run(workspace, STARTER), run.run(workspace, replace(STARTER, threshold=0.5))

    assert (by_default.threshold, given.threshold) == (0.80, 0.5)
    assert dict(given.execution.parameters)["TestScoreThreshold"] == 0.5


@pytest.mark.long  # a whole run of three jobs; test_inputs has the address of the data
def test_other_data_has_the_threshold_of_onet_and_its_own_address(tmp_path: Path) -> None:
    outcome = run.run(tmp_path / "home", Options(data=release(tmp_path / "data", 60)))

    assert outcome.threshold == 0.75
    assert outcome.source.release == "unknown"
    digest = str(outcome.execution.parameters["InputDataUrl"]).rpartition("/")[2]
    brought = manifest.verify(tmp_path / "home" / "s3" / "jobmajor-local" / "job-major-clf" / "input" / digest)
    assert brought.digest == digest
    assert sorted(brought.files) == ["Alternate Titles.txt", "Occupation Data.txt"]


@pytest.mark.slow
def test_threshold_out_of_reach_evaluates_nothing_again_and_keeps_the_champion(workspace: Path) -> None:
    outcome = run.run(workspace, replace(STARTER, threshold=0.99))

    assert outcome.execution.status == "Failed"
    assert cached(outcome) == JUDGED
    assert outcome.execution.step("fail").status == "Failed"
    assert outcome.execution.step("register").status == "Skipped"
    assert outcome.execution.failure
    assert "weighted F1 0." in outcome.execution.failure
    assert "(more than 0.99 is asked)" in outcome.execution.failure
    assert (outcome.succeeded, outcome.version) == (False, None)
    assert outcome.champion
    assert outcome.champion.number == 1
    assert numbers(workspace) == [1]


@pytest.mark.slow
def test_version_keeps_the_judged_model_beside_the_refitted_one_that_serves(workspace: Path) -> None:
    registry = open_registry(workspace)
    version = registry.get(1)

    judged, served = classifier.load(registry.judged(1)), classifier.load(version.folder)

    assert version.judged != version.digest
    assert served.about["judged"] == manifest.verify(registry.judged(1)).digest == version.judged
    assert served.knowledge.thresholds == judged.knowledge.thresholds
    evaluation = json.loads(next((workspace / "s3").rglob("evaluation.json")).read_bytes())
    assert evaluation["model"]["digest"] == version.judged


@pytest.mark.slow
def test_version_keeps_its_baselines_and_says_which_files_it_came_from(workspace: Path) -> None:
    registry = open_registry(workspace)
    version = registry.get(1)

    answers, data = (registry.baseline(1, name) for name in (PREDICTIONS, DATA))

    assert reference.load(answers / reference.REFERENCE).about["model"] == version.judged
    assert json.loads((data / "statistics.json").read_bytes())["dataset"]["item_count"] > 1000
    assert set(version.lineage["files"]["data"]) >= {"Alternate Titles.txt", "Occupation Data.txt"}
    assert version.lineage["settings"]["recipe"] == "linear"
    assert version.lineage["code"]["jobmajor"]


def test_approval_and_threshold_are_no_reason_to_evaluate_again(workspace: Path) -> None:
    outcome = run.run(workspace, replace(STARTER, threshold=0.1, parameters={"ModelApprovalStatus": "Approved"}))

    assert cached(outcome) == JOBS
    assert numbers(workspace) == [1]


@pytest.mark.slow
def test_parameter_given_as_its_default_is_no_reason_to_evaluate_again(workspace: Path) -> None:
    outcome = run.run(workspace, replace(STARTER, parameters={"TrainingInstanceCount": "1"}))

    assert cached(outcome) == JOBS


@pytest.mark.long  # several whole runs
@pytest.mark.slow
def test_changed_setting_is_a_new_version_that_waits_is_promoted_and_stays_rolled_back(workspace: Path) -> None:
    """One life in a row: each stage needs the one before, and training takes its time."""
    registry = open_registry(workspace)

    waiting = run.run(workspace, replace(CHANGED, promote=False))

    assert cached(waiting) == ["preprocess-data"]
    assert waiting.evaluation
    assert waiting.evaluation["champion"]["comparable"] is True
    assert waiting.evaluation["champion"]["digest"] == registry.get(1).judged
    assert waiting.version
    assert waiting.champion
    assert (waiting.version.number, waiting.version.aliases, waiting.champion.number) == (2, (), 1)
    assert registry.candidate() == waiting.version

    promoted = run.run(workspace, CHANGED)

    assert cached(promoted) == JOBS
    assert promoted.champion
    assert promoted.champion.number == 2
    assert registry.candidate() is None

    again = run.run(workspace, CHANGED)

    assert cached(again) == JOBS  # the champion is not compared with itself

    assert registry.rollback().number == 1
    after = run.run(workspace, CHANGED)

    assert after.succeeded
    assert after.champion
    assert after.champion.number == 1
    assert numbers(workspace) == [1, 2]


@pytest.mark.long  # a whole run of three jobs
def test_champion_of_another_split_is_not_compared_with(workspace: Path) -> None:
    outcome = run.run(workspace, replace(STARTER, settings=Settings(split=Split(seed=7)), promote=False))

    assert cached(outcome) == []
    assert outcome.evaluation
    champion = outcome.evaluation["champion"]
    assert champion["comparable"] is False
    assert "may have seen titles of this test" in champion["reason"]
    assert champion["unseen"]["titles"] > 20
    assert champion["unseen"]["levels"]["major"]["verdict"] == "no difference"


def test_run_of_a_workspace_that_is_held_changes_nothing_in_it(tmp_path: Path) -> None:
    with executor.hold(tmp_path):
        before = sorted(tmp_path.iterdir())

        with pytest.raises(Busy, match="another run holds"):
            run.run(tmp_path, STARTER)

        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.long  # a whole run; that a held workspace is refused is tested above and in tests/cli
def test_two_launches_at_once_are_one_run_and_one_refusal(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("jobmajor")
    words = [str(program), "run", "--release", "starter", "--home", str(tmp_path / "home"), "--json"]

    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    said = {process: process.communicate(timeout=300) for process in both}

    assert sorted(process.returncode for process in both) == [0, 1]
    for process, (out, err) in said.items():
        if process.returncode:
            assert out == b""
            assert err.decode().splitlines()[-1:] == [
                f"error: another run holds {tmp_path / 'home'}: wait for it to end, or name another folder with --home"
            ]
    assert numbers(tmp_path / "home") == [1]


@pytest.mark.slow
def test_damaged_champion_is_refused_before_anything_runs(workspace: Path) -> None:
    path = open_registry(workspace).judged(1) / "model.safetensors"  # what a candidate is compared with
    path.write_bytes(path.read_bytes()[:-1])
    before = sorted((workspace / "runs").iterdir())

    with pytest.raises(ChecksumMismatch, match=r"model\.safetensors has sha256"):
        run.run(workspace, CHANGED)

    assert sorted((workspace / "runs").iterdir()) == before


@pytest.mark.long
def test_lost_output_is_made_again_and_gives_the_same_model(workspace: Path) -> None:
    digest = open_registry(workspace).get(1).digest
    (lost,) = workspace.glob("s3/**/runs/*/train/data.parquet")
    shutil.rmtree(lost.parent)

    outcome = run.run(workspace, STARTER)

    assert outcome.succeeded
    assert cached(outcome) == ["train", "evaluate-model", "refit"]  # what they read is again byte for byte the same
    assert [version.digest for version in open_registry(workspace).versions()] == [digest]


@pytest.mark.long  # a whole run of three jobs; one lost output is tested above
def test_workspace_whose_buckets_were_removed_or_damaged_is_healed_by_a_plain_run(workspace: Path) -> None:
    shutil.rmtree(workspace / "s3")
    after_loss = run.run(workspace, STARTER)
    for path in workspace.glob("s3/*/*/input/*/Alternate Titles.txt"):
        path.write_bytes(b"damaged")
    after_damage = run.run(workspace, STARTER)

    assert (after_loss.succeeded, after_damage.succeeded) == (True, True), after_loss.execution.failure
    assert cached(after_damage) == JOBS
    assert numbers(workspace) == [1]


@pytest.mark.slow
def test_version_tells_where_it_came_from(workspace: Path) -> None:
    lineage = open_registry(workspace).get(1).lineage

    assert lineage["source"] == {"release": "starter", "how": "starter"}
    assert lineage["data"]["release"] == "starter"
    assert str(lineage["compared_with"]).endswith("/champion/none")
    assert lineage["parameters"]["TestScoreThreshold"] == 0.80
    assert (workspace / "runs" / str(lineage["execution_id"])).is_dir()


def test_unknown_parameter_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="TestScoreTreshold"):
        run.run(tmp_path, replace(STARTER, parameters={"TestScoreTreshold": 0.9}))

    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["InputDataUrl", "ReviewedDataUrl", "ChampionModelUrl"])
def test_parameter_that_a_run_sets_itself_is_refused_before_anything_runs(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' can't be given"):
        run.run(tmp_path / "home", replace(STARTER, parameters={name: "s3://bkt/elsewhere"}))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threshold", [-0.01, 1.01, float("nan")])
def test_threshold_that_is_no_share_is_refused_before_anything_runs(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(InputError, match="a share from 0 to 1"):
        run.run(tmp_path / "home", replace(STARTER, threshold=threshold))

    assert list(tmp_path.iterdir()) == []


def test_threshold_given_as_a_parameter_is_a_share_too_and_given_once(tmp_path: Path) -> None:
    as_parameter = replace(STARTER, parameters={"TestScoreThreshold": "-1"})

    with pytest.raises(InputError, match="a share from 0 to 1"):
        run.run(tmp_path / "home", as_parameter)
    with pytest.raises(InputError, match="leave one of the two out"):
        run.run(tmp_path / "home", replace(STARTER, threshold=0.5, parameters={"TestScoreThreshold": 0.9}))

    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_none_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        run.run(tmp_path / "home", Options(data=tmp_path / "nothing"))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_rollback_without_an_earlier_champion_is_refused(workspace: Path) -> None:
    with pytest.raises(RegistryError, match="has no earlier champion"):
        open_registry(workspace).rollback()


@pytest.mark.slow
@pytest.mark.long  # a whole run
def test_next_run_learns_reviewed_titles_and_its_version_says_which(tmp_path: Path) -> None:
    (tmp_path / "ours.csv").write_text(
        "title,code\nzorp wrangler,53-3032\nvacant,not a job\nregistered nurse,29-1141\n", "utf-8"
    )

    outcome = run.run(tmp_path / "home", replace(STARTER, reviewed=tmp_path / "ours.csv"))

    assert outcome.version, outcome.execution.failure
    (answer,) = load(home=tmp_path / "home").answer(["Zorp WRANGLER"], "detailed")
    assert (answer.answers[0].label, answer.source) == ("53-3032", "exact")
    lineage = outcome.version.lineage
    assert "/review/" in lineage["parameters"]["ReviewedDataUrl"]
    used = lineage["data"]["reviewed"]
    assert used["trained"] + used["withheld"] + used["tested"] == 2
