"""`jobmajor explain`, the bare program, and where usage errors point."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier


def test_table_has_the_words_and_what_training_lists(
    classifier: Classifier, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main.main(["explain", "Registered  Nurse", "--level", "detailed", "--model", str(model_folder)])

    lines = capsys.readouterr().out.splitlines()
    found = classifier.explain("Registered  Nurse", "detailed")
    assert status == 0
    assert lines[0] == f"Registered Nurse: {found.label} {found.name} ({found.source})"
    assert [line.split() for line in lines[4:6]] == [[word.text, f"{word.worth:+.3f}"] for word in found.words]
    parts = [float(line.split()[-1]) for line in lines[3 : lines.index("") if found.listed else None]]
    assert sum(parts[:-1]) == pytest.approx(parts[-1], abs=0.003)
    assert parts[-1] == pytest.approx(found.answer, abs=0.0005)


def test_json_has_code_and_label_alike(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main.main(["explain", "cook", "--model", str(model_folder), "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["code"] == found["label"] != ""
    assert [each["text"] for each in found["words"]] == ["cook"]


def test_what_is_no_title_is_said(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main.main(["explain", "n/a", "--model", str(model_folder)])

    assert (status, capsys.readouterr().out) == (
        0,
        "n/a: no code, because this does not read like a job title in English\n",
    )


def test_program_without_a_command_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    status = main.main([])

    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert "Usage: jobmajor" in out
    assert "explain" in out


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("classify", "--jsn"), "jobmajor classify"),
        (("aws", "deploy", "--nope"), "jobmajor aws deploy"),
        (("--nope",), "jobmajor"),
        (("clasify",), "jobmajor"),
    ],
)
def test_wrong_use_points_to_the_command_s_own_help(
    words: tuple[str, ...], asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main.main(list(words))

    assert status == 2
    assert capsys.readouterr().err.endswith(f": see {asked} --help\n")
