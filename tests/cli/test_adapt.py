"""`jobmajor adapt`, and `classify --prior` and `--adapt`, as a user sees them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli import main
from jobmajor.model.rules import prior

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def register(tmp_path: Path) -> Path:
    path = tmp_path / "register.csv"
    rows = [
        f"{kind} {place} nurse,29-1141" for kind in ("night", "staff", "head") for place in ("icu", "er", "ward", "")
    ]
    rows += [f"nurse number {chr(97 + row)},29-1141" for row in range(26)]
    path.write_text("\n".join(["title,code", *rows, ""]), "utf-8")
    return path


@pytest.fixture
def written(register: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "prior.json"
    words = ("adapt", register, "--code", "code", "--output", path, "--model", model_folder)
    assert main.main([*map(str, words)]) == 0
    capsys.readouterr()
    return path


def test_table_shows_what_moves_and_the_file_is_written(
    register: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prior.json"

    status = main.main(["adapt", str(register), "--code", "code", "--output", str(path), "--model", str(model_folder)])

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0].split() == ["code", "name", "training", "file", "factor"]
    assert any(line.startswith("29-0000") for line in lines)
    assert lines[-1] == f"38 distinct titles, 38 of them with codes: wrote {path} ({prior.read(path).digest[:12]})"


def test_json_has_the_groups_and_the_digest(
    register: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prior.json"

    main.main(["adapt", str(register), "--code", "code", "--output", str(path), "--model", str(model_folder), "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["prior"] == prior.read(path).digest
    assert {"code", "name", "training", "file", "factor"} == set(found["groups"][0])


def test_few_titles_are_one_line_and_status_1(
    register: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prior.json"

    status = main.main(["adapt", str(register), "--output", str(path), "--model", str(model_folder)])

    out, err = capsys.readouterr()
    assert (status, out, path.exists()) == (1, "", False)
    assert err.count("\n") == 1
    assert "38 distinct titles, expected at least 100" in err


def test_classify_names_the_prior_of_each_answer(
    written: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("classify", "zorblax", "--model", model_folder, "--json", "--prior", written)

    assert main.main([*map(str, words)]) == 0
    (moved,) = json.loads(capsys.readouterr().out)
    assert main.main([*map(str, words[:-2])]) == 0
    (plain,) = json.loads(capsys.readouterr().out)

    assert moved["prior"] == prior.read(written).digest
    assert "prior" not in plain


def test_coded_file_says_that_it_was_moved(
    written: Path, register: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("classify", "--input", register, "--output", tmp_path / "out.csv", "--prefix", "our_", "--prior", written)

    assert main.main([*map(str, (*words, "--model", model_folder))]) == 0

    assert f"moved toward the mix of occupations: {prior.read(written).digest[:12]}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("nurse", "--adapt"), "--adapt belongs to --input"),
        (("--input", "-", "--output", "o.csv", "--adapt"), "reads the input twice"),
        (("--input", "/dev/stdin", "--output", "o.csv", "--adapt"), "reads the input twice"),
        (("--input", "a.csv", "--output", "o.csv", "--adapt", "--prior", "p.json"), "give either"),
        (("nurse", "--prior", "missing.json"), "missing.json: found No such file"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(
    words: tuple[str, ...], why: str, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main.main(["classify", *words, "--model", str(model_folder)])

    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert why in err
