"""`jobmajor monitor` as a user sees it."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli import main
from jobmajor.monitor import flags
from jobmajor.monitor import reference as references
from jobmajor.registry.loading import open_registry
from jobmajor.registry.versions import Candidate
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier


@pytest.fixture
def reference(tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return a reference of 400 rows, half of them nurses."""
    path, output = tmp_path / "october.csv", tmp_path / "reference.json"
    path.write_text("title,n\nregistered nurse,200\nline cook,200\n", "utf-8")
    status = main.main(
        ["monitor", "baseline", str(path), "--weight", "n", "--output", str(output), "--model", str(model_folder)]
    )
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == "400 rows in 400 units; the 2 commonest titles are kept"
    return output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, an empty one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(tmp_path: Path, reference: Path, model: Path, rows: str, *more: str) -> int:
    path = tmp_path / "november.csv"
    path.write_text(f"title,n\n{rows}", "utf-8")
    words = [str(path), "--weight", "n", "--against", str(reference), "--output", str(tmp_path / "out")]
    return main.main(["monitor", "check", *words, "--model", str(model), *more])


def test_shifted_titles_are_a_violation_and_status_1(
    tmp_path: Path, reference: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = check(tmp_path, reference, model_folder, "registered nurse,40\nline cook,160\n")

    out, err = capsys.readouterr()
    assert (status, err) == (1, "")
    assert out.splitlines()[0].startswith("this has drifted from the reference: ")
    assert re.search(r"^29-0000 .* 50.0 % +20.0 % +-30.0 +0.0", out, re.MULTILINE)


def test_equal_titles_are_none_and_status_0(
    tmp_path: Path, reference: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = check(tmp_path, reference, model_folder, "registered nurse,100\nline cook,100\n", "--json")

    found = json.loads(capsys.readouterr().out)
    assert status == 0
    assert found["violations"] == []
    assert found["verdict"] == "nothing differs from the reference by more than chance"


def test_files_name_the_violations_and_the_titles_that_moved(
    tmp_path: Path, reference: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(tmp_path, reference, model_folder, "registered nurse,40\nline cook <b>,160\n")

    capsys.readouterr()
    found = json.loads((tmp_path / "out" / "violations.json").read_text("utf-8"))
    page = (tmp_path / "out" / "drift.html").read_text("utf-8")
    gauges = (tmp_path / "out" / "metrics.prom").read_text("utf-8")
    assert {each["constraint_check_type"] for each in found["violations"]} == {"baseline_drift_check"}
    assert {each["title"] for each in found["titles"]} == {"registered nurse", "line cook", "line cook <b>"}
    assert "line cook &lt;b&gt;" in page
    assert "<b>,160" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert 'jobmajor_monitor_difference{flag="29-0000"} -0.300000' in gauges
    assert f"jobmajor_monitor_violations {len(found['violations'])}" in gauges


def test_labelled_titles_with_wrong_sure_answers_are_a_violation(
    tmp_path: Path, reference: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.csv"
    sure = ["registered nurse", "line cook", "cashier", "carpenter", "electrician", "plumber", "lawyer", "dentist"]
    labels.write_text("title,code\n" + "".join(f"{title},55-0000\n" for title in sure), "utf-8")

    status = check(
        tmp_path, reference, model_folder, "registered nurse,100\nline cook,100\n", "--labelled", str(labels), "--json"
    )

    found = json.loads(capsys.readouterr().out)
    assert found["quality"]["right"] == 0
    assert status == int(found["quality"]["accepted"] > 0)
    assert [each["feature_name"] for each in found["violations"]] == ["precision"] * status


@pytest.fixture
def home(tmp_path: Path, blank: Path, classifier: Classifier, model_folder: Path) -> Path:
    """Return a workspace whose champion was registered with baselines: as many nurses as cooks."""
    baselines, digest = tmp_path / "baselines", manifest.read(model_folder).digest
    given = flags.prediction_baseline(classifier, digest, ["registered nurse", "line cook"] * 200, "release 1.0")
    for name in ("data", "predictions"):
        (baselines / name).mkdir(parents=True)
        references.write_baseline(given, baselines / name, {"test_accuracy": 0.8, "test_f1": 0.8})
        manifest.write(baselines / name)
    passed = {"passed": True, "reasons": []}
    registry = open_registry(shutil.copytree(blank, tmp_path / "home"))
    registry.promote(registry.register(Candidate(model_folder, {}, passed, "Approved", {}, baselines=baselines)).number)
    return tmp_path / "home"


def test_without_a_reference_titles_are_compared_with_the_champion_s_training(
    here: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rows in (("like", "registered nurse,200\nline cook,200\n"), ("other", "line cook,400\n")):
        (here / f"{name}.csv").write_text(f"title,n\n{rows}", "utf-8")

    found = []
    for name in ("like", "other"):
        status = main.main(["monitor", "check", f"{name}.csv", "--weight", "n", "--home", str(home)])
        found.append((status, capsys.readouterr().out.splitlines()[0]))

    assert found[0] == (0, "nothing differs from training by more than chance")
    assert found[1][0] == 1
    assert found[1][1].startswith("this differs from training: ")
    assert "drifted" not in found[1][1] + (here / "monitor" / "drift.html").read_text("utf-8")


def test_model_that_has_no_baseline_needs_a_reference(
    here: Path, home: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "a.csv").write_text("title\nnurse\n", "utf-8")

    statuses = [
        main.main(["monitor", "check", "a.csv", *words])
        for words in (["--home", str(home), "--model", str(model_folder)], ["--home", "absent"])
    ]

    assert statuses == [2, 2]
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("error: --model names a model without a baseline: add --against")
    assert errors[1].startswith("error: ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--against", "absent.json"], "absent.json can't be read"),
        (["--against", "a.csv"], "no reference (no JSON)"),
        (["--against", "x", "--capture", "2026-11"], "a.csv is no folder: --capture chooses days of captured traffic"),
        (["--against", "x", "--false-alarms", "0"], "the chance of a false alarm is 0"),
        (["--against", "x", "--least", "2"], "the smallest change is 2"),
    ],
)
def test_wrong_words_are_one_line_and_status_2(
    here: Path, model_folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    path = here / "a.csv"
    path.write_text("title\nnurse\n", "utf-8")

    status = main.main(["monitor", "check", str(path), *words, "--model", str(model_folder)])

    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert expected in err
    assert err.count("\n") == 1


def test_folder_as_the_reference_s_name_is_refused_and_a_guessed_column_is_named(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,Job Titles\n1,nurse\n", "utf-8")
    words = ["monitor", "baseline", str(path), "--model", str(model_folder), "--output"]

    refused = main.main([*words, str(tmp_path)])
    err = capsys.readouterr().err
    made = main.main([*words, str(tmp_path / "kept.json")])

    assert (refused, made) == (2, 0)
    assert "is a folder: expected the name of a file" in err
    assert "titles: column Job Titles\n" in capsys.readouterr().out
    assert {each.name for each in tmp_path.iterdir()} == {
        "a.csv",
        "kept.json",
        "kept.statistics.json",
        "kept.constraints.json",
    }


def test_reference_of_another_model_is_refused(
    tmp_path: Path, reference: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.loads(reference.read_text("utf-8"))
    body["about"]["model"] = "f" * 64
    reference.write_text(json.dumps(body), "utf-8")

    status = check(tmp_path, reference, model_folder, "registered nurse,1\n")

    assert status == 2
    assert "was made with the model ffffffffffff" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "name a FILE, or captured traffic by --capture PERIOD"),
        (["--capture", "all"], "captures is no folder: record traffic by `jobmajor serve --capture"),
        ([".", "--capture", "noon"], "the period is 'noon': expected all, a day"),
        ([".", "--column", "x"], "is a folder of captures: leave out --column"),
        ([".", "--capture", "all"], "no file that ends in .jsonl"),
    ],
)
def test_captured_traffic_that_is_not_there_is_one_line_and_status_2(
    here: Path, model_folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    status = main.main(["monitor", "baseline", *words, "--model", str(model_folder), "--home", str(here / "home")])

    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert expected in err
    assert err.count("\n") == 1
