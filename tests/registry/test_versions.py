"""The registry on real SQLite files; kills, races and hand-made changes included."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.errors import ArtifactError, InputError, PromotionHeld, PromotionRefused, RegistryError, SettingError
from jobmajor.registry import versions as registry
from jobmajor.registry.loading import champion_folder, open_registry
from jobmajor.registry.versions import Approval, Candidate, Event, Registry, settled, succession
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow.tracking import MlflowClient

SRC = Path(registry.__file__).resolve().parents[2]
PASSED = {"passed": True, "reasons": []}
FAILED = {"passed": False, "reasons": ["test_f1 0.41 is below 0.75", "ECE 0.2"]}


def make_candidate(parent: Path, content: str = "a", **changes: Any) -> Candidate:
    folder = parent / f"model-{content}"
    if not folder.exists():
        (folder / "arrays").mkdir(parents=True)
        (folder / "arrays" / "weights.npy").write_bytes(content.encode() * 1000)
        (folder / "model.json").write_text(json.dumps({"content": content}))
        manifest.write(folder, code_version="1")
    given = Candidate(
        model_folder=folder,
        evaluation={"classification_metrics": {"test_f1": 0.75, "rows": 1000, "note": "x", "none": None}},
        decision=PASSED,
        status="PendingManualApproval",
        lineage={"run_id": "r-1", "parameters": {"TestScoreThreshold": 0.7}, "release": "30.0"},
    )
    return replace(given, **changes)


@pytest.fixture
def home(blank: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(blank, tmp_path / "home"))


@pytest.fixture
def fill(home: Path, tmp_path: Path) -> Callable[[int], Registry]:
    """A registry with versions 1 to n, whose files differ."""

    def filled(count: int) -> Registry:
        opened = open_registry(home)
        for number in range(1, count + 1):
            opened.register(make_candidate(tmp_path, str(number)))
        return opened

    return filled


def mlflow_client(home: Path) -> MlflowClient:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - only after the registry set its environment

    address = f"sqlite:///{home}/mlflow.db"
    return MlflowClient(address, address)


def child_environment() -> dict[str, str]:
    # Where MLflow sees a CI or a test it sends nothing by itself, which would hide that we let it.
    kept = {name: os.environ[name] for name in os.environ.keys() - {"CI", "PYTEST_CURRENT_TEST"}}
    return {**kept, "PYTHONPATH": f"{SRC}{os.pathsep}{Path(__file__).parent}"}


def run_python(code: str, *arguments: object, expected: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(),
    )
    assert done.returncode == expected, done.stderr
    return done


# --- Registering


def test_version_carries_what_the_candidate_brought(home: Path, tmp_path: Path) -> None:
    given = make_candidate(tmp_path)

    version = open_registry(home).register(given)

    assert version.number == 1
    assert version.digest == manifest.read(given.model_folder).digest
    assert version.metrics == {"test_f1": 0.75, "rows": 1000.0}
    assert (version.status, version.aliases) == ("PendingManualApproval", ())
    assert (version.decision, version.lineage) == (given.decision, given.lineage)
    assert version.created.endswith("+00:00")
    assert manifest.verify(version.folder).digest == version.digest


def test_same_files_are_registered_once(home: Path, tmp_path: Path) -> None:
    opened = open_registry(home)
    first = opened.register(make_candidate(tmp_path))

    again = open_registry(home).register(make_candidate(tmp_path, status="Approved", lineage={"run_id": "r-2"}))

    assert again == first
    assert opened.versions() == (first,)


def test_retry_with_a_passed_decision_replaces_a_failed_one_but_never_the_other_way(home: Path, tmp_path: Path) -> None:
    opened = open_registry(home)
    opened.register(make_candidate(tmp_path, decision=FAILED))

    better = opened.register(make_candidate(tmp_path, decision=PASSED))
    worse = opened.register(make_candidate(tmp_path, decision=FAILED))

    assert better.decision == worse.decision == PASSED


def test_retry_restores_lost_and_damaged_files(home: Path, tmp_path: Path) -> None:
    opened = open_registry(home)
    version = opened.register(make_candidate(tmp_path))
    (version.folder / "model.json").write_text("damaged")
    with pytest.raises(ArtifactError):
        opened.verify(1)

    opened.register(make_candidate(tmp_path))

    assert opened.verify(1).digest == version.digest


def test_damaged_candidate_is_refused_before_anything_is_written(home: Path, tmp_path: Path) -> None:
    given = make_candidate(tmp_path)
    (given.model_folder / "model.json").write_text("damaged")
    opened = open_registry(home)

    with pytest.raises(ArtifactError, match=r"model\.json"):
        opened.register(given)

    assert opened.versions() == ()
    assert list((home / "models").iterdir()) == []


def test_candidate_with_an_unknown_status_or_a_missing_attachment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"ModelApprovalStatus.*PendingManualApproval"):
        make_candidate(tmp_path, status="approved")
    with pytest.raises(InputError, match=r"report\.html"):
        make_candidate(tmp_path, attachments=(tmp_path / "report.html",))


def test_mlflow_shows_run_parameters_metrics_and_attachments(home: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("<p>")
    open_registry(home).register(make_candidate(tmp_path, attachments=(report,)))

    client = mlflow_client(home)
    record = client.get_model_version(registry.MODEL_NAME, "1")
    run = client.get_run(str(record.run_id))

    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"test_f1": 0.75, "test_rows": 1000.0}
    assert run.data.params == {"TestScoreThreshold": "0.7"}
    assert [entry.path for entry in client.list_artifacts(run.info.run_id)] == ["report.html"]
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(home)


def test_mlflow_shows_settings_release_code_and_every_figure_so_that_runs_can_be_compared(
    home: Path, tmp_path: Path
) -> None:
    classes = [{"code": f"{major}-0000", "f1": major / 100, "name": "x"} for major in range(11, 56)]
    evaluation: dict[str, Any] = {
        "classification_metrics": {"test_f1": 0.75, "intervals": {"test_f1": {"low": 0.7, "high": 0.8, "level": 0.95}}},
        "levels": {"minor": {"accuracy": 0.6}},
        "slices": {"source: direct match": {"rows": 12, "f1": 0.5}, "a, b": {"f1": 0.25}},
        "calibration": {"ece": 0.01, "thresholds": [{"threshold": 0.55, "coverage": 0.9}], "bins": [{"low": 0.1}]},
        "behaviour": {"titles": 5, "changed": {"upper_case": []}},
        "per_class": classes,
        "champion": None,
        "gate": {"passed": True, "checks": [{"name": "upper case", "value": 1.0}, {"name": "none", "value": None}]},
        "dataset": {"release": "28.1", "rows": {"train": 67155}, "test": 0.1, "digest": "d" * 64},
        "model": {"recipe": "linear", "settings": {"penalty": 1.0, "hidden": 256}, "refitted": "on all rows"},
    }
    opened = open_registry(home)
    for content, penalty in (("a", 1.0), ("b", 0.5)):
        evaluation["model"]["settings"] = {"penalty": penalty, **{f"n{number}": number for number in range(120)}}
        lineage = {"code_version": "c" * 64, "source": {"release": "28.1"}, "parameters": {"TestScoreThreshold": 0.7}}
        opened.register(make_candidate(tmp_path, content, evaluation=evaluation, lineage=lineage))

    client = mlflow_client(home)
    (experiment,) = client.search_experiments(filter_string=f"name = '{registry.MODEL_NAME}'")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    # By their versions: runs that began in the same millisecond have no order.
    made = (client.get_model_version(registry.MODEL_NAME, number).run_id for number in ("1", "2"))
    first, second = (client.get_run(str(run_id)) for run_id in made)

    told = {name: first.data.params[name] for name in ("recipe", "release", "code_version", "TestScoreThreshold")}
    assert told == {"recipe": "linear", "release": "28.1", "code_version": "c" * 64, "TestScoreThreshold": "0.7"}
    assert [run.data.params["linear.penalty"] for run in (first, second)] == ["1.0", "0.5"]
    assert (first.data.params["linear.n119"], first.data.params["data.rows.train"]) == ("119", "67155")
    assert first.data.params["data.share.test"] == "0.1"
    expected = {
        "test_f1": 0.75,
        "intervals/test_f1/low": 0.7,
        "intervals/test_f1/high": 0.8,
        "intervals/test_f1/confidence": 0.95,
        "levels/minor/accuracy": 0.6,
        "slices/source: direct match/rows": 12.0,
        "slices/source: direct match/f1": 0.5,
        "slices/a- b/f1": 0.25,
        "calibration/ece": 0.01,
        "calibration/thresholds/0.55/threshold": 0.55,
        "calibration/thresholds/0.55/coverage": 0.9,
        "behaviour/titles": 5.0,
        "gate/passed": 1.0,
        "gate/upper case": 1.0,
        **{f"per_class/{major}-0000/f1": major / 100 for major in range(11, 56)},
    }
    assert first.data.metrics == second.data.metrics == expected
    better = client.search_runs([experiment.experiment_id], "metrics.`levels/minor/accuracy` > 0.5")
    assert len(better) == 2
    assert opened.get(1).metrics == {"test_f1": 0.75}


def test_registration_that_mlflow_refuses_is_one_line_and_leaves_no_version(home: Path, tmp_path: Path) -> None:
    opened = open_registry(home)
    given = make_candidate(tmp_path, lineage={"parameters": {"a\nb": 1}})

    with pytest.raises(RegistryError) as caught:
        opened.register(given)

    assert "\n" not in str(caught.value)
    assert opened.versions() == ()
    assert opened.sweep() == 0


def test_lineage_that_json_cannot_hold_is_refused_by_type(home: Path, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="PosixPath"):
        open_registry(home).register(make_candidate(tmp_path, lineage={"where": tmp_path}))


# --- Looking up


@pytest.mark.parametrize("number", [0, -1, 3, 2**70, True, "1", "../1", 1.0, None])
def test_unknown_version_is_refused_by_naming_the_known(fill: Callable[[int], Registry], number: Any) -> None:
    opened = fill(2)

    with pytest.raises(RegistryError, match=r"name one of 1, 2$"):
        opened.get(number)


def test_empty_registry_has_no_versions_champion_or_candidate(home: Path) -> None:
    opened = open_registry(home)

    assert (opened.versions(), opened.champion(), opened.candidate()) == ((), None, None)
    assert champion_folder(home) is None
    with pytest.raises(RegistryError, match="none yet"):
        opened.get(1)


def test_versions_come_oldest_first_with_their_aliases(fill: Callable[[int], Registry]) -> None:
    opened = fill(3)
    opened.promote(2)

    versions = opened.versions()

    assert [version.number for version in versions] == [1, 2, 3]
    assert [version.aliases for version in versions] == [(), ("champion",), ()]
    assert versions == tuple(opened.get(number) for number in (1, 2, 3))


@pytest.mark.slow
def test_candidate_is_the_newest_that_was_never_champion_nor_rejected(
    home: Path, tmp_path: Path, fill: Callable[[int], Registry]
) -> None:
    opened = fill(3)
    opened.promote(1)
    before = opened.candidate()
    opened.promote(2)
    opened.promote(3)
    opened.rollback()
    after_rollback = opened.candidate()
    opened.register(make_candidate(tmp_path, "bad", status="Rejected"))

    assert before is not None
    assert before.number == 3
    assert after_rollback is None
    assert opened.candidate() is None


# --- Champions


def test_promotion_approves_and_moves_the_champion(home: Path, fill: Callable[[int], Registry]) -> None:
    opened = fill(2)
    opened.promote(1)

    second = opened.promote(2)

    assert (second.status, second.aliases) == ("Approved", ("champion",))
    assert opened.champion() == second
    assert opened.get(1).aliases == ()
    assert champion_folder(home) == second.folder


def test_promotion_is_announced_before_the_alias_moves(
    fill: Callable[[int], Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between the two leaves an event too many, which is dropped, and no unknown champion."""
    opened, written = fill(2), list[str]()
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - only after the registry set its environment

    def record(name: str) -> None:
        real = getattr(MlflowClient, name)

        def called(*words: Any) -> Any:
            written.append(name)
            return real(*words)

        monkeypatch.setattr(MlflowClient, name, called)

    record("set_registered_model_tag")
    record("set_registered_model_alias")

    opened.promote(2)

    assert written == ["set_registered_model_tag", "set_registered_model_alias"]


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        (None, "no recorded decision"),
        (FAILED, r"test_f1 0\.41 is below 0\.75; ECE 0\.2"),
        ({"passed": False}, "not passed"),
        ({"passed": "true", "reasons": []}, "not passed"),
        ({"passed": 1}, "not passed"),
        ({}, "not passed"),
    ],
)
def test_version_without_a_passed_decision_is_not_promoted(
    home: Path, tmp_path: Path, decision: dict[str, Any] | None, reason: str
) -> None:
    opened = open_registry(home)
    opened.register(make_candidate(tmp_path, decision=decision, status="Approved"))

    with pytest.raises(PromotionRefused, match=reason):
        opened.promote(1)

    assert opened.champion() is None


@pytest.mark.parametrize("damage", ["gone", "changed", "added", "other"])
def test_version_whose_files_are_not_intact_never_becomes_champion(
    fill: Callable[[int], Registry], damage: str
) -> None:
    opened = fill(2)
    folder = opened.get(2).folder
    if damage == "changed":
        (folder / "model.json").write_text("{}")
    elif damage == "added":
        (folder / "more.py").write_text("")
    else:
        shutil.rmtree(folder)
    if damage == "other":  # intact, but another model's
        shutil.copytree(opened.get(1).folder, folder)

    with pytest.raises(ArtifactError):
        opened.promote(2)

    assert opened.champion() is None
    assert opened.get(2).status == "PendingManualApproval"


@pytest.mark.slow
def test_rollbacks_go_back_through_the_champions_and_end_at_the_first(
    fill: Callable[[int], Registry],
) -> None:
    opened = fill(3)
    for number in (1, 3, 2, 2, 3):  # the second 2 changes nothing
        opened.promote(number)

    back = [opened.rollback().number for _ in range(3)]

    assert back == [2, 3, 1]
    with pytest.raises(RegistryError, match="no earlier champion"):
        opened.rollback()
    champion = opened.champion()
    assert champion is not None
    assert champion.number == 1


def test_rollback_without_any_champion_is_refused(fill: Callable[[int], Registry]) -> None:
    with pytest.raises(RegistryError, match="no earlier champion"):
        fill(1).rollback()


def test_rollback_to_lost_files_is_refused_and_the_champion_stays(fill: Callable[[int], Registry]) -> None:
    opened = fill(2)
    opened.promote(1)
    champion = opened.promote(2)
    shutil.rmtree(opened.get(1).folder)

    with pytest.raises(ArtifactError):
        opened.rollback()

    assert opened.champion() == champion


@pytest.mark.slow
def test_alias_moved_by_hand_in_mlflow_counts_as_a_champion(home: Path, fill: Callable[[int], Registry]) -> None:
    opened = fill(3)
    opened.promote(1)
    mlflow_client(home).set_registered_model_alias(registry.MODEL_NAME, "champion", "2")
    by_hand = champion_folder(home)
    opened.promote(3)

    back = opened.rollback()

    assert by_hand == opened.get(2).folder
    assert back.number == 2
    assert opened.rollback().number == 1


numbers = st.integers(min_value=1, max_value=4)


@given(st.lists(st.tuples(st.sampled_from(["promote", "rollback"]), numbers)))
def test_succession_is_a_stack(moves: list[tuple[str, int]]) -> None:
    events: list[Event] = []
    expected: list[int] = []
    for verb, number in moves:
        if verb == "rollback" and len(expected) > 1:
            expected.pop()
            events.append(Event(expected[-1], verb, ""))
        elif verb == "promote" and expected[-1:] != [number]:
            expected.append(number)
            events.append(Event(number, verb, ""))

        assert succession(events) == expected


def test_event_that_was_announced_but_never_happened_is_forgotten() -> None:
    happened = [Event(1, "promote", ""), Event(2, "promote", "")]

    assert settled([*happened, Event(3, "promote", "")], champion=2) == happened
    assert settled([*happened, Event(1, "rollback", "")], champion=2) == happened
    assert settled([Event(1, "promote", "")], champion=None) == []


# --- The fast way to the champion


def test_champion_folder_imports_no_mlflow(home: Path, fill: Callable[[int], Registry]) -> None:
    expected = fill(1).promote(1).folder
    code = (
        "import sys; from pathlib import Path; from jobmajor.registry.loading import champion_folder;"
        "print(champion_folder(Path(sys.argv[1]))); assert 'mlflow' not in sys.modules"
    )

    done = run_python(code, home)

    assert done.stdout.strip() == str(expected)


def test_champion_folder_makes_nothing_where_there_is_no_registry(tmp_path: Path) -> None:
    assert champion_folder(tmp_path / "nowhere") is None
    assert list(tmp_path.iterdir()) == []


def test_champion_folder_is_right_after_a_writer_was_killed_within_a_transaction(
    home: Path, tmp_path: Path, fill: Callable[[int], Registry]
) -> None:
    digest = fill(1).promote(1).digest
    killed = tmp_path / "killed"
    killed.mkdir()
    with contextlib.closing(sqlite3.connect(home / "mlflow.db")) as writer:
        writer.execute("PRAGMA cache_size = 1")  # so that the transaction reaches the file before its end
        writer.execute("BEGIN")
        writer.execute("DELETE FROM registered_model_aliases")
        writer.execute("CREATE TABLE junk AS SELECT randomblob(100000)")
        for path in home.glob("mlflow.db*"):  # what a kill at this moment leaves
            shutil.copy(path, killed)
    with (
        contextlib.closing(sqlite3.connect(f"{(killed / 'mlflow.db').as_uri()}?mode=ro", uri=True)) as reader,
        pytest.raises(sqlite3.OperationalError),
    ):
        reader.execute("SELECT * FROM registered_model_aliases")

    found = champion_folder(killed)

    assert found == killed / "models" / digest


@pytest.mark.parametrize("digest", ["../../../etc", "a" * 63, "A" * 64, "a" * 64 + "\n", "", None])
def test_digest_that_is_no_digest_opens_nothing(home: Path, digest: str | None) -> None:
    with pytest.raises(RegistryError, match="64 hex digits"):
        registry.folder_of(home, digest)


def test_champion_made_by_hand_in_mlflow_is_refused(home: Path, fill: Callable[[int], Registry]) -> None:
    opened = fill(1)
    client = mlflow_client(home)
    client.create_model_version(registry.MODEL_NAME, "file:///somewhere", tags={"digest": "../../x"})
    client.create_model_version(registry.MODEL_NAME, "file:///somewhere")
    client.set_registered_model_alias(registry.MODEL_NAME, "champion", "3")

    with pytest.raises(RegistryError, match="not made by jobmajor"):
        champion_folder(home)
    with pytest.raises(RegistryError, match="not made by jobmajor"):
        opened.champion()


# --- A person's decision

HELD = {"passed": True, "outcome": "hold", "reasons": ["legal lost"], "holds": ["legal lost"]}


def test_held_version_is_promoted_by_a_person_who_says_why_and_never_without(home: Path, tmp_path: Path) -> None:
    opened = open_registry(home)
    opened.register(make_candidate(tmp_path, decision=HELD))
    for approval in (None, Approval("ann")):
        with pytest.raises(PromotionHeld, match=r"version 1 waits for a person.*--reason.*legal lost"):
            opened.promote(1, approval)
    assert opened.champion() is None

    version = opened.promote(1, Approval("ann", "legal titles are rare here"))

    assert (version.aliases, version.status) == (("champion",), "Approved")
    assert [event[:2] + event[3:] for event in opened.history()] == [
        (1, "promote", "ann", "legal titles are rare here")
    ]
    assert opened.promote(1) == version  # it is the champion already: nothing to decide


def test_refused_version_is_not_promoted_whatever_the_reason(home: Path, tmp_path: Path) -> None:
    opened = open_registry(home)
    for decision in (FAILED, {**FAILED, "outcome": "promote"}, {**FAILED, "outcome": "hold"}, None):
        number = opened.register(make_candidate(tmp_path, str(decision)[-20:-2], decision=decision)).number
        with pytest.raises(PromotionRefused) as caught:
            opened.promote(number, Approval("ann", "I want it"))
        assert not isinstance(caught.value, PromotionHeld)

    assert opened.history() == []


def test_outcome_that_nobody_knows_asks_for_a_person(home: Path, tmp_path: Path) -> None:
    opened = open_registry(home)
    opened.register(make_candidate(tmp_path, decision={**PASSED, "outcome": "later"}))

    with pytest.raises(PromotionHeld):
        opened.promote(1)


def test_history_keeps_what_was_rolled_back_with_who_and_why(fill: Callable[[int], Registry]) -> None:
    opened = fill(2)
    opened.promote(1)
    opened.promote(2, Approval("ann", "newer"))

    assert opened.rollback(Approval("bob", "too many unsure answers")).number == 1

    told = [(event.number, event.verb, event.by, event.reason) for event in opened.history()]
    assert told == [
        (1, "promote", "", ""),
        (2, "promote", "ann", "newer"),
        (1, "rollback", "bob", "too many unsure answers"),
    ]


def test_events_of_earlier_versions_have_no_person(home: Path, fill: Callable[[int], Registry]) -> None:
    opened = fill(2)
    opened.promote(1)
    old = json.dumps([[1, "promote", "2026-01-01T00:00:00+00:00"]])
    mlflow_client(home).set_registered_model_tag(registry.MODEL_NAME, "champions", old)

    opened.promote(2, Approval("ann"))

    assert [event.by for event in opened.history()] == ["", "ann"]


def test_history_too_long_for_its_tag_loses_its_oldest_events_alone(
    home: Path, fill: Callable[[int], Registry]
) -> None:
    opened = fill(2)
    many = [[1 + turn % 2, "promote", "2026-01-01T00:00:00+00:00", "ann", "x" * 400] for turn in range(205)]
    opened.promote(1)
    mlflow_client(home).set_registered_model_tag(registry.MODEL_NAME, "champions", json.dumps(many))

    opened.promote(2, Approval("ann", "é" * 500))

    kept = opened.history()
    assert 150 < len(kept) < 206
    assert (kept[-1].number, kept[-1].reason) == (2, "é" * 500)
    assert opened.rollback().number == 1


@pytest.mark.parametrize("text", ["x" * 501, "two\nlines", "bell\a"])
def test_reason_is_one_line_of_bounded_length(text: str) -> None:
    with pytest.raises(InputError, match="expected one line of at most 500"):
        Approval("ann", text)


# --- The workspace


@pytest.mark.slow
def test_home_with_awkward_characters_works(tmp_path: Path) -> None:
    home = tmp_path / "a b#c é'"
    opened = open_registry(home)

    folder = opened.promote(opened.register(make_candidate(tmp_path)).number).folder

    assert champion_folder(home) == folder
    assert folder.is_relative_to(home)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b#c é'", "model-a"]


@pytest.mark.parametrize("name", ["a?mode=memory", "a%20b"])
def test_home_that_a_database_address_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match=r"without \? and %"):
        open_registry(tmp_path / name)

    assert list(tmp_path.iterdir()) == []


def test_moved_workspace_keeps_its_versions_and_takes_new_ones(
    home: Path, tmp_path: Path, fill: Callable[[int], Registry]
) -> None:
    fill(1).promote(1)
    report = tmp_path / "report.html"
    report.write_text("<p>")
    moved = home.rename(tmp_path / "moved")

    opened = open_registry(moved)
    version = opened.register(make_candidate(tmp_path, "2", attachments=(report,)))

    assert champion_folder(moved) == opened.get(1).folder
    assert opened.verify(1).digest == opened.get(1).digest
    assert version.number == 2
    assert not home.exists()
    assert list(moved.glob("artifacts/**/report.html"))


def test_file_that_is_no_database_is_one_line_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database, by far" * 100)

    with pytest.raises(RegistryError, match="not a database"):
        open_registry(tmp_path)
    with pytest.raises(RegistryError, match="not a database"):
        champion_folder(tmp_path)


@pytest.mark.long  # MLflow starts in two processes of its own
def test_mlflow_is_silent_and_connects_to_nothing(tmp_path: Path) -> None:
    code = """
import logging, sys
from pathlib import Path
connected = []
sys.addaudithook(lambda event, _: connected.append(event) if event.startswith("socket.") else None)
from jobmajor.registry.loading import open_registry
from test_versions import make_candidate
logging.basicConfig(level=logging.WARNING)
here = Path(sys.argv[1])
opened = open_registry(here / "home")
opened.promote(opened.register(make_candidate(here)).number)
assert set(connected) <= {"socket.__new__", "socket.gethostname", "socket.bind"}, set(connected)
"""
    done = run_python(code, tmp_path)

    assert (done.stdout, done.stderr) == ("", "")


# --- Kills and races


@pytest.mark.slow
def test_run_of_a_killed_process_is_swept(home: Path, fill: Callable[[int], Registry]) -> None:
    opened = fill(1)
    client = mlflow_client(home)
    experiment = client.get_experiment_by_name(registry.MODEL_NAME)
    assert experiment is not None
    run = client.create_run(experiment.experiment_id)
    (home / "models" / ".staging-left").mkdir()

    swept = opened.sweep()

    assert swept == 1
    assert client.get_run(run.info.run_id).info.status == "KILLED"
    assert not (home / "models" / ".staging-left").exists()
    assert opened.sweep() == 0


KILL = """
import os, shutil, signal, sys
from pathlib import Path
import sqlalchemy
from jobmajor.registry.loading import champion_folder, open_registry
from test_versions import make_candidate, mlflow_client

def work(home):
    opened = open_registry(home)
    return opened.promote(opened.register(make_candidate(home.parent, "2")).number)

def die_at(point):
    seen = [0]
    def count(*_):
        seen[0] += 1
        if seen[0] == point:
            os.kill(os.getpid(), signal.SIGKILL)
    def audit(event, _):
        if event in {"os.rename", "os.mkdir", "os.chmod", "shutil.copyfile", "shutil.rmtree"}:
            count()
    sys.addaudithook(audit)
    def statement(connection, cursor, text, *_):
        if text.split()[0] in {"INSERT", "UPDATE", "DELETE"}:
            count()
    for name in ("before_cursor_execute", "after_cursor_execute"):
        sqlalchemy.event.listen(sqlalchemy.Engine, name, statement)
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", count)

def child(task):
    if pid := os.fork():
        return os.waitpid(pid, 0)[1]
    try:
        task()
    except BaseException as error:
        sys.stderr.write(repr(error))
        os._exit(1)
    os._exit(0)

def check(home):
    fast = champion_folder(home)
    opened = open_registry(home)
    before = opened.champion().number
    assert fast == opened.champion().folder, "fast and slow disagree"
    assert len(opened.versions()) in (1, 2)
    assert before == 1 or opened.verify(2)
    work(home)
    first, second = opened.versions()
    assert (first.number, second.number, opened.champion()) == (1, 2, second)
    assert opened.verify(2).digest == second.digest
    assert champion_folder(home) == second.folder
    client = mlflow_client(home)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert sum(run.info.status == "FINISHED" for run in runs) == 2, [run.info.status for run in runs]
    assert not any(run.info.status == "RUNNING" for run in runs)
    assert not list((home / "models").glob(".staging-*"))
    assert opened.rollback() == opened.get(1)

template, points, step = Path(sys.argv[1]), 0, int(sys.argv[2])
open_registry(template).promote(1)
for point in range(1, 1000, step):
    home = Path(shutil.copytree(template, template.parent / f"killed-{point}" / "home"))
    make_candidate(home.parent, "2")
    status = child(lambda: (die_at(point), work(home)))
    assert status in (0, signal.SIGKILL), status
    assert child(lambda: check(home)) == 0, point
    if status == 0:
        break
    points += 1
print(points)
"""


@pytest.mark.long  # a kill at every third write takes half a minute
def test_kill_at_any_write_then_a_plain_retry_gives_exactly_one_version(
    home: Path, fill: Callable[[int], Registry]
) -> None:
    fill(1)

    done = run_python(KILL, home, 3)

    assert int(done.stdout) >= 20


ROLLBACK_KILL = (
    KILL.partition("def check(home):")[0]
    + """
from jobmajor.registry.versions import Approval

def check(home):
    opened = open_registry(home)
    champion, events = opened.champion().number, [event.number for event in opened.history()]
    assert events == ([1, 2] if champion == 2 else [1, 2, 1]), (champion, events)
    assert champion_folder(home) == opened.champion().folder
    if champion == 2:
        assert opened.rollback().number == 1
    assert [event.verb for event in opened.history()] == ["promote", "promote", "rollback"]
    assert opened.history()[1].reason == "newer"

template, points = Path(sys.argv[1]), 0
opened = open_registry(template)
opened.promote(1)
opened.promote(2, Approval("ann", "newer"))
for point in range(1, 100):
    home = Path(shutil.copytree(template, template.parent / f"killed-{point}" / "home"))
    status = child(lambda: (die_at(point), open_registry(home).rollback(Approval("bob", "worse"))))
    assert status in (0, signal.SIGKILL), status
    assert child(lambda: check(home)) == 0, point
    if status == 0:
        break
    points += 1
print(points)
"""
)


@pytest.mark.slow
@pytest.mark.long  # a process and a copy of the workspace for each write
def test_kill_at_any_write_of_a_rollback_leaves_one_of_the_two_champions_and_a_true_history(
    home: Path, fill: Callable[[int], Registry]
) -> None:
    fill(2)

    done = run_python(ROLLBACK_KILL, home)

    assert int(done.stdout) >= 4


CREATE_KILL = """
import os, signal, sys
from pathlib import Path
import sqlalchemy
from jobmajor.registry.loading import open_registry
from test_versions import make_candidate
home, point = Path(sys.argv[1]), int(sys.argv[2])
seen = [0]
def statement(*_):
    seen[0] += 1
    if seen[0] == point:
        os.kill(os.getpid(), signal.SIGKILL)
sqlalchemy.event.listen(sqlalchemy.Engine, "after_cursor_execute", statement)
open_registry(home)
"""


@pytest.mark.long  # each start of MLflow from nothing takes seconds
@pytest.mark.parametrize("point", [1, 60, 200, 400])
def test_kill_while_the_database_is_made_leaves_none_and_a_retry_makes_it(tmp_path: Path, point: int) -> None:
    home = tmp_path / "home"

    run_python(CREATE_KILL, home, point, expected=-9)

    assert not (home / "mlflow.db").exists()
    assert champion_folder(home) is None
    assert open_registry(home).register(make_candidate(tmp_path)).number == 1
    assert not list((home / "models").glob(".staging-*"))


RACE = """
import sys
from pathlib import Path
from jobmajor.registry.loading import open_registry
from test_versions import make_candidate
here, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
opened = open_registry(here / "home")
shared = opened.register(make_candidate(here / name, "same"))
print(shared.number, end="")
for turn in range(count):
    version = opened.register(make_candidate(here / name, f"{name}-{turn}"))
    assert opened.promote(version.number).status == "Approved"
    print("", version.number, end="")
"""


@pytest.mark.long  # the processes need each other's time; two show the race, four that it has no bound
@pytest.mark.parametrize(("names", "turns"), [("ab", 5), ("abcd", 10)])
def test_processes_from_nothing_number_without_gaps_and_leave_one_champion(
    tmp_path: Path, names: str, turns: int
) -> None:
    every = list(range(1, len(names) * turns + 2))
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path), name, str(turns)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=child_environment(),
        )
        for name in names
    ]

    ended = [process.communicate() for process in started]

    assert [error for _, error in ended] == [""] * len(names)
    given = [[int(number) for number in output.split()] for output, _ in ended]
    assert len({numbers[0] for numbers in given}) == 1
    own = [number for numbers in given for number in numbers[1:]]
    assert sorted({given[0][0], *own}) == every
    opened = open_registry(tmp_path / "home")
    assert [version.number for version in opened.versions()] == every
    assert [version.number for version in opened.versions() if version.aliases] == [
        version.number for version in [opened.champion()] if version
    ]
