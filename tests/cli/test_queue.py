"""`jobmajor queue` as a user sees it: titles from files, traffic and checks; two reviewers; a sheet; labels."""

from __future__ import annotations

import base64
import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
import typer

from jobmajor.cli import main
from jobmajor.data import labelled
from jobmajor.model.rules import overrides

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command on a workspace, and returns what it prints, parsed where it is JSON."""

    def run(*words: str | Path, status: int = 0) -> Any:
        assert main.main(["queue", *map(str, words), "--home", str(tmp_path / "home")]) == status
        out, err = capsys.readouterr()
        return json.loads(out) if "--json" in words else (out or err)

    return run


@pytest.fixture
def payroll(tmp_path: Path) -> Path:
    path = tmp_path / "payroll.csv"
    path.write_text("job,n\noperator,2\nOperator!,1\nhelper,7\nasdfgh,1\n", "utf-8")
    return path


def capture(folder: Path, *bodies: tuple[str, str]) -> Path:
    """A folder of captured requests, in the layout of SageMaker's data capture."""
    path = folder / "endpoint" / "AllTraffic" / "2026" / "11" / "30" / "09" / "part.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8") as file:
        for number, (kind, body) in enumerate(bodies):
            data = base64.b64encode(body.encode()).decode()
            sent = {"observedContentType": kind, "mode": "INPUT", "data": data, "encoding": "BASE64"}
            about = {"eventId": str(number), "inferenceTime": "2026-11-30T09:00:00Z"}
            file.write(json.dumps({"captureData": {"endpointInput": sent}, "eventMetadata": about}) + "\n")
    return folder


def test_titles_of_a_file_wait_once_and_two_reviewers_get_different_ones(
    run: Run, payroll: Path, model_folder: Path
) -> None:
    words = ("add", payroll, "--column", "job", "--weight", "n", "--model", model_folder, "--json")

    assert run(*words) == {"titles": 3, "new": 3}
    assert run(*words) == {"titles": 3, "new": 0}

    found = run("review", "--json")
    assert {each["title"]: each["rows"] for each in found} == {"operator": 3, "helper": 7, "asdfgh": 1}
    assert [each["value"] for each in found] == sorted((each["value"] for each in found), reverse=True)
    assert run("review").splitlines()[0].split() == ["title", "rows", "abstain", "value"]
    assert run("status", "--json")["lent"] == 0


def test_sheet_goes_out_comes_back_and_the_labels_are_what_training_and_answers_read(
    run: Run, payroll: Path, model_folder: Path, tmp_path: Path
) -> None:
    sheet, ours = tmp_path / "sheet.csv", tmp_path / "ours.csv"
    run("add", payroll, "--column", "job", "--model", model_folder)
    run("export", sheet, "--reviewer", "ann", "--most", "2")
    other = run("review", "--reviewer", "bob", "--json")
    rows = list(csv.DictReader(sheet.read_text("utf-8-sig").splitlines()))
    with sheet.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "code": "11-1011"} for row in rows)

    assert "codes: 2, new: 2" in run("import", sheet, "--reviewer", "ann")
    assert "codes: 2, new: 0" in run("import", sheet, "--reviewer", "ann")

    assert len(other) == 1
    assert {each["title"] for each in other}.isdisjoint(row["title"] for row in rows)
    assert "labels: 2" in run("labels", ours)
    assert set(overrides.read(ours).codes) == {row["title"] for row in rows}
    assert labelled.read(labelled.TitleFile(ours)).rows == 2
    assert [each["reviewer"] for each in run("history", "--json")] == ["ann", "ann"]
    assert "ann: 2 decisions" in run("status")


def test_captured_titles_are_counted_over_requests(run: Run, model_folder: Path, tmp_path: Path) -> None:
    folder = capture(
        tmp_path / "capture",
        ("application/json", '{"instances": ["operator", "helper", "Operator!"]}'),
        ("text/csv", "title\nhelper\noperator\n"),
        ("application/json", "no json"),
    )

    assert run("add", folder, "--model", model_folder, "--json") == {"titles": 2, "new": 2}
    assert run("add", folder, "--model", model_folder, "--json")["new"] == 0

    assert {each["title"]: each["rows"] for each in run("review", "--json")} == {"operator": 3, "helper": 2}


def test_titles_that_rose_wait_and_are_as_new_as_their_rise(run: Run, model_folder: Path, tmp_path: Path) -> None:
    moved = [
        {"title": "operator", "code": "51-0000", "reference": 10, "found": 40},
        {"title": "registered nurse", "code": "29-0000", "reference": None, "found": 30},
        {"title": "helper", "code": "47-0000", "reference": 90, "found": 0},
    ]
    body = {"titles": moved, "reference": {"rows": 100}, "checked": {"rows": 100}}
    path = tmp_path / "violations.json"
    path.write_text(json.dumps(body), "utf-8")

    assert run("add", "--check", path, "--model", model_folder, "--json") == {"titles": 2, "new": 2}

    found = {each["title"]: each["novelty"] for each in run("review", "--json")}
    assert found == {"operator": pytest.approx(0.75), "registered nurse": 1.0}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add",), "nothing says which titles"),
        (("add", "a.csv", "--check", "b"), "leave FILE, --capture, --column and --weight out"),
        (("review", "--order", "size"), "the order is 'size'"),
        (("review", "--reviewer", " "), "the reviewer is ' '"),
        (("labels", "ours.csv"), "there is no label yet"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(run: Run, words: tuple[str, ...], why: str) -> None:
    found = run(*words, status=2)

    assert why in found
    assert found.count("\n") == 1


def test_file_that_is_no_check_is_refused(run: Run, model_folder: Path, tmp_path: Path) -> None:
    for place, text in enumerate(("", "[]", '{"titles": [{}]}', '{"titles": 3}')):
        path = tmp_path / f"{place}.json"
        path.write_text(text, "utf-8")

        assert "no check's violations" in run("add", "--check", path, "--model", model_folder, status=2)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], (None, 8080)),
        (["--queue"], ("", 8080)),
        (["--queue", "--port", "1"], ("", 1)),
        (["--port", "1", "--queue"], ("", 1)),
        (["--queue", "postgresql://h/d", "--port", "1"], ("postgresql://h/d", 1)),
        (["--queue=ours.db"], ("ours.db", 8080)),
    ],
)
def test_queue_of_the_service_may_go_without_an_address(words: list[str], found: tuple[str | None, int]) -> None:
    command = typer.main.get_command(main.app).commands["serve"]  # type: ignore[attr-defined]

    given = command.make_context("serve", words).params

    assert (given["queue"], given["port"]) == found


def test_queue_in_a_file_of_ones_own_is_used_by_every_command(run: Run, tmp_path: Path) -> None:
    sheet, place = tmp_path / "sheet.csv", tmp_path / "ours.db"
    sheet.write_text("title,code\noperator,53-7021\n")

    run("import", sheet, "--reviewer", "ann", "--queue", place)

    assert [each["title"] for each in run("history", "--json", "--queue", place)] == ["operator"]
    assert run("history", "--json") == []


def test_address_of_another_database_is_refused(run: Run) -> None:
    assert run("status", "--queue", "mysql://ann:topsecret@h/d", status=2).count("\n") == 1
