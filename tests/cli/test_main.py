"""The command line as people and programs meet it: help, JSON, statuses, and one line for everything that is wrong."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
import typer

from jobmajor import settings
from jobmajor.cli import main
from jobmajor.data.source import STARTER_FOLDER
from jobmajor.pipeline import definition
from jobmajor.registry.loading import open_registry
from sagelocal.run import executor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.conftest import FirstRun

    Command = Callable[..., subprocess.CompletedProcess[bytes]]
    Spoil = Callable[[Path], None]

PROGRAM = Path(sys.executable).with_name("jobmajor")
TITLES_HEAD = ("O*NET-SOC Code", "Title", "Alternate Title", "Short Title", "Source(s)")
NURSE = ("29-1141.00", "Registered Nurses", "Ward Nurse", "n/a", "01")
TITLES, OCCUPATIONS = "Alternate Titles", "Occupation Data"
# What nobody may pay for who only wants help, or a name out of the package.
HEAVY = {
    *("numpy", "scipy", "polars", "sklearn", "safetensors", "python_calamine"),
    *("mlflow", "sqlalchemy", "alembic", "botocore", "boto3", "jinja2", "rich", "urllib3"),
    *("fastapi", "starlette", "uvicorn", "pandas", "pyarrow", "torch", "transformers", "optuna", "numba"),
}


def commands(group: Any = None, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that call it, groups left out."""
    group = group or typer.main.get_command(main.app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *above, name)
        else:
            yield (*above, name), command


COMMANDS = dict(commands())


def workbook(path: Path, *rows: Sequence[object]) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = path.stem
    for row in rows:
        page.append(list(row))
    book.save(path)


def release(folder: Path, *rows: Sequence[object], head: Sequence[str] = TITLES_HEAD) -> Path:
    """A folder with both workbooks of a release."""
    folder.mkdir(exist_ok=True)
    workbook(folder / f"{TITLES}.xlsx", head, *rows)
    occupation = ("29-1141.00", "Registered Nurses", "Care for people.")
    workbook(folder / f"{OCCUPATIONS}.xlsx", ("O*NET-SOC Code", "Title", "Description"), occupation)
    return folder


def few_titles(folder: Path) -> Path:
    """Some starter titles of each occupation, in the layout of the text edition: a model of them takes a moment."""
    folder.mkdir()
    for name, every in (("Alternate Titles.txt", 17), ("Occupation Data.txt", 1)):
        head, *lines = (STARTER_FOLDER / name).read_text("utf-8").splitlines()
        (folder / name).write_text("\n".join([head, *lines[::every], ""]), "utf-8")
    return folder


def labelled(path: Path) -> Path:
    """Titles with codes, as `evaluate` reads them."""
    path.write_text("title,code,n\nnurse,29-1141,3\ncook,35-2014;35-2012,2\nbaker,99-9999,1\n", "utf-8")
    return path


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process: (status, standard output, standard error)."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def refuse(say: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """Runs a command that must be refused: status 2, nothing on standard output, one line on standard error."""

    def run(*words: object, status: int = 2) -> str:
        found, out, err = say(*words)
        assert (found, out) == (status, ""), err
        assert err.startswith("error: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        return err

    return run


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Sets what standard input holds."""

    def pipe(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))

    return pipe


# Help


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(
    words: tuple[str, ...], say: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, err = say(*words, "--help")

    assert (status, err) == (0, "")
    assert "Usage: jobmajor " + " ".join(words) in out
    assert "Example: jobmajor " + " ".join(words) in " ".join(out.split())


def test_commands_are_those_of_the_design() -> None:
    assert {" ".join(words) for words in COMMANDS} == {
        *("run", "tune", "classify", "data pull", "data list", "data check", "pipeline show", "pipeline validate"),
        *("models list", "models show", "models promote", "models rollback", "models verify"),
        *("models export", "models diff", "data diff", "monitor baseline", "monitor check"),
        *("models history", "models shadow", "prune", "retrain"),
        *(f"queue {verb}" for verb in ("add", "review", "status", "history", "export", "import", "labels")),
        *("serve", "evaluate", "summarise", "explain", "review", "adapt", "doctor", "init"),
        *("aws bootstrap", "aws cleanup", "aws upload", "aws show", "aws batch", "aws policy"),
        *(f"aws pipeline {verb}" for verb in ("upsert", "start", "status", "logs", "stop", "list", "schedule")),
        *(
            "aws project create",
            "aws project seed",
            "aws project connect",
            "aws project catalog",
            "aws image",
            "aws prices refresh",
        ),
        *("aws models list", "aws models show", "aws models approve", "aws models reject"),
        *(
            "aws capture",
            "aws monitor",
            "aws deploy",
            "aws approve-deployment",
            "aws rollback",
            "aws invoke",
            "aws delete",
        ),
    }


def test_every_option_of_every_command_says_what_it_does() -> None:
    for words, command in COMMANDS.items():
        for parameter in command.params:
            assert getattr(parameter, "help", None), (words, parameter.name)


# JSON

# Commands without --json print one value, or what is JSON anyway; the others are called below.
PLAIN = {
    ("data", "pull"),
    ("pipeline", "show"),
    ("models", "verify"),
    ("models", "export"),
    ("queue", "export"),
    ("queue", "import"),
    ("queue", "labels"),
    ("serve",),
    ("aws", "policy"),
}
CALLS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("run",): ("--release", "starter", "--home", "HOME"),
    ("tune",): ("--data", "TITLES", "--trials", "1", "--home", "HOME"),
    ("classify",): ("nurse", "sw eng", "--top", "2", "--home", "HOME"),
    ("evaluate",): ("--titles", "LABELLED", "--home", "HOME"),
    ("summarise",): ("LABELLED", "--home", "HOME"),
    ("explain",): ("nurse", "--home", "HOME"),
    ("init",): ("NEW", "--input", "NURSES", "--text", "title", "--label", "code"),
    ("review",): ("DOUBTFUL", "--home", "HOME"),
    ("adapt",): ("NURSES", "--code", "code", "--output", "PRIOR", "--home", "HOME"),
    ("data", "list"): ("--home", "HOME"),
    ("data", "check"): ("RELEASE",),
    ("pipeline", "validate"): (),
    ("models", "list"): ("--home", "HOME"),
    ("models", "show"): ("1", "--home", "HOME"),
    ("data", "diff"): ("RELEASE", "RELEASE"),
    ("models", "promote"): ("1", "--home", "HOME"),
    ("models", "diff"): ("1", "1", "LABELLED", "--home", "HOME"),
    ("monitor", "baseline"): ("LABELLED", "--output", "REFERENCE", "--home", "HOME"),
    ("models", "history"): ("--home", "HOME"),
    ("queue", "add"): ("DOUBTFUL", "--home", "HOME"),
    ("queue", "status"): ("--home", "HOME"),
    ("prune",): ("--home", "HOME"),
    ("doctor",): ("--home", "HOME"),
}


def test_every_command_that_prints_a_table_has_json() -> None:
    have = {words for words, command in COMMANDS.items() if any("--json" in item.opts for item in command.params)}

    assert have == COMMANDS.keys() - PLAIN
    here = {words for words in have if words[0] != "aws"}  # those of an account: tests/aws
    # These need two champions, a reference, a shadow's answers, a full queue or a reason to train: they have tests of
    # their own.
    queue = {("queue", "review"), ("queue", "history")}
    own = {("models", "rollback"), ("monitor", "check"), ("models", "shadow"), ("retrain",)} | queue
    assert here == CALLS.keys() | own


@pytest.mark.slow
@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_json_is_all_that_stands_on_standard_output(
    words: tuple[str, ...], workspace: Path, tmp_path: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    places = {"HOME": str(workspace), "RELEASE": str(release(tmp_path / "release", NURSE))}
    places["LABELLED"] = str(labelled(tmp_path / "labelled.csv"))
    places |= {"REFERENCE": str(tmp_path / "reference.json")}
    places |= {"PRIOR": str(tmp_path / "prior.json"), "NURSES": str(tmp_path / "nurses.csv")}
    places["DOUBTFUL"] = str(tmp_path / "doubtful.csv")
    (tmp_path / "doubtful.csv").write_text("title\nasdfgh\n", "utf-8")
    nurses = [f"nurse of ward {number},{'29-1141' if number else '11-1011'}" for number in range(40)]
    places["NEW"] = str(tmp_path / "new")
    (tmp_path / "nurses.csv").write_text("\n".join(["title,code", *nurses, ""]), "utf-8")
    if "TITLES" in CALLS[words]:
        pytest.importorskip("optuna", reason="needs the extra 'tune'")
        places["TITLES"] = str(few_titles(tmp_path / "titles"))

    status, out, err = say(*words, *(places.get(word, word) for word in CALLS[words]), "--json")

    assert (status, err) == (0, "")
    assert json.loads(out)


@pytest.mark.slow
def test_json_of_a_run_has_its_figures_with_their_intervals(first_run: FirstRun) -> None:
    answer = first_run.again

    figures = answer["classification_metrics"]
    interval = figures["intervals"]["test_f1"]
    assert interval["low"] < figures["test_f1"] < interval["high"]
    assert answer["threshold"] == 0.80
    assert answer["data"] == {"release": "starter", "how": "starter"}
    assert [step["name"] for step in answer["steps"] if step["status"] == "Skipped"] == ["fail", "fail-refit"]
    assert (answer["status"], answer["version"], answer["champion"]) == ("Succeeded", 1, 1)


@pytest.mark.slow
def test_version_is_shown_with_its_decision_and_lineage_as_text_and_as_json(
    finished: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, _ = say("models", "show", 1, "--json", "--home", finished)
    text = say("models", "show", 1, "--home", finished)[1]

    found = json.loads(out)
    assert status == 0
    assert found["history"][0]["verb"] == "promote"
    names = [line.split()[0] for line in text.splitlines() if line[0] != " "]
    assert names[:4] == ["version", "model", "titles", "file"]
    assert names[-1] == "champion"
    assert {"rows", "labels", "settings", "code", "run", "evaluation", "decision"} < {*names}
    assert found["decision"]["passed"] is True
    assert found["lineage"]["source"]["release"] == "starter"


# Status


@pytest.mark.slow
def test_gate_that_says_no_is_status_1_with_its_message_and_no_new_champion(
    workspace: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, err = say("run", "--release", "starter", "--home", workspace, "--threshold", "0.99")

    assert status == 1
    assert err.count("\n") == 1
    assert err.startswith("error: step 'fail' failed: Execution failed due to the gate: weighted F1 0.")
    assert "more than 0.99 is asked" in out
    assert "champion: still version 1" in out
    assert out.count("(cached)") == 3


@pytest.mark.slow
def test_run_prints_the_data_the_figure_its_interval_and_the_version(
    workspace: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, err = say("run", "--release", "starter", "--home", workspace)

    assert (status, err) == (0, "")
    assert "data: starter titles (starter)" in out
    assert "test weighted F1: 0." in out
    assert "(95 % interval 0." in out
    assert "version 1: Approved, champion" in out


@pytest.mark.slow
def test_models_are_verified_and_a_damaged_one_is_status_1(
    workspace: Path, say: Callable[..., tuple[int, str, str]], refuse: Callable[..., str]
) -> None:
    status, out, _ = say("models", "verify", 1, "--home", workspace)
    assert status == 0
    assert "files as recorded" in out
    path = open_registry(workspace).get(1).folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])

    assert "model.safetensors has sha256" in refuse("models", "verify", 1, "--home", workspace, status=1)
    assert "model.safetensors has sha256" in refuse("classify", "nurse", "--home", workspace, status=1)


@pytest.mark.slow
def test_version_that_is_not_there_and_rollback_to_nothing_are_status_1(
    workspace: Path, refuse: Callable[..., str]
) -> None:
    assert "has no version 7: name one of 1" in refuse("models", "show", 7, "--home", workspace)
    assert "has no version 7" in refuse("models", "promote", 7, "--home", workspace)
    assert "has no earlier champion" in refuse("models", "rollback", "--home", workspace, status=1)
    assert open_registry(workspace).sweep() == 0


# Bad input: one line on standard error, status 2


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def encrypted(path: Path) -> None:
    """What a spreadsheet program saves with a password: a compound file, whose stream has this name."""
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le"))


def sign_in_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><title>Sign in</title>", "utf-8")


def other_text(path: Path) -> None:
    path.write_text("O*NET-SOC Code\tAlternate Title\n29-1141.00\tWard Nurse\n", "utf-8")


def taxonomy_of_2010(path: Path) -> None:
    """Software developers, computer programmers, analysts and more as they were numbered up to release 25.0."""
    codes = ("15-1131.00", "15-1132.00", "15-1133.00", "15-1121.00", "15-1151.00", "29-1062.00")
    workbook(path, TITLES_HEAD, *((code, "Occupation", f"Title {code}", "n/a", "01") for code in codes))


def missing_column(path: Path) -> None:
    workbook(path, ("O*NET-SOC Code", "Title", "Short Title"), ("29-1141.00", "Registered Nurses", "n/a"))


def no_soc_code(path: Path) -> None:
    workbook(path, TITLES_HEAD, NURSE, ("99-9999.00", "Nobody", "Nobody", "n/a", "01"))


def no_code_at_all(path: Path) -> None:
    workbook(path, TITLES_HEAD, NURSE, ("nurse", "Nobody", "Nobody", "n/a", "01"))


def no_title(path: Path) -> None:
    workbook(path, TITLES_HEAD, NURSE, ("29-1141.00", "Registered Nurses", None, "n/a", "01"))


def no_rows(path: Path) -> None:
    workbook(path, TITLES_HEAD)


def other_sheet(path: Path) -> None:
    book = openpyxl.Workbook()
    book.save(path)


BAD = [
    (empty, ("found an empty file",)),
    (truncated, ("Alternate Titles.xlsx", "expected an .xlsx workbook")),
    (encrypted, ("found an encrypted workbook", "expected an .xlsx workbook")),
    (sign_in_page, ("found an HTML page",)),
    (other_text, ("found plain text", "expected an .xlsx workbook")),
    (taxonomy_of_2010, ("O*NET-SOC 2010", "expected codes of SOC 2018", "25.1 or later")),
    (missing_column, ("'Alternate Title'",)),
    (no_soc_code, ("'99-9999.00' in row 3", "no code of SOC 2018")),
    (no_code_at_all, ("'nurse' as 'O*NET-SOC Code' in row 3", "a code like 29-1141.00")),
    (no_title, ("'Alternate Title'", "row 3")),
    (no_rows, ("no rows",)),
    (other_sheet, ("a sheet 'Alternate Titles'",)),
]


@pytest.mark.parametrize(("spoil", "parts"), BAD, ids=[spoil.__name__ for spoil, _ in BAD])
def test_release_that_can_t_be_used_is_refused_by_what_was_found(
    spoil: Spoil, parts: tuple[str, ...], tmp_path: Path, refuse: Callable[..., str]
) -> None:
    folder = release(tmp_path / "release", NURSE)
    spoil(folder / f"{TITLES}.xlsx")

    said = [
        refuse("data", "check", folder),
        refuse("run", "--data", folder, "--home", tmp_path / "home"),  # refused before a run begins
    ]

    assert [part for part in parts if part not in said[0]] == []
    assert f"{TITLES}.xlsx" in said[0]
    assert not (tmp_path / "home" / "runs").exists()
    assert [part for part in parts if part not in said[1]] == []


def test_refusal_of_a_run_names_the_file_that_the_user_gave(tmp_path: Path, refuse: Callable[..., str]) -> None:
    folder = release(tmp_path / "release", NURSE)
    no_title(folder / f"{TITLES}.xlsx")

    assert str(folder / f"{TITLES}.xlsx") in refuse("run", "--data", folder, "--home", tmp_path / "home")


def test_sound_release_is_what_the_bad_ones_were_made_of(
    tmp_path: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, _ = say("data", "check", release(tmp_path / "release", NURSE))

    assert status == 0
    assert out == "release unknown, workbook edition: 1 titles, 1 occupations, 0 reported\n"


@pytest.mark.parametrize("words", [("data", "check"), ("run", "--home", "HOME", "--data")], ids=["check", "run"])
def test_no_such_folder(words: tuple[str, ...], tmp_path: Path, refuse: Callable[..., str]) -> None:
    home, nothing = tmp_path / "home", tmp_path / "nothing"

    said = refuse(*(home if word == "HOME" else word for word in words), nothing)

    assert said.startswith(f"error: {nothing} is no folder: ")
    assert list(tmp_path.iterdir()) == []


def test_release_of_the_2010_taxonomy_is_refused_by_its_number(tmp_path: Path, refuse: Callable[..., str]) -> None:
    assert "24.3" in refuse("run", "--release", "24.3", "--home", tmp_path)
    assert "24.3" in refuse("data", "pull", "--release", "24.3", "--home", tmp_path)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("-p", "TestScoreTreshold=0.9"), ("TestScoreTreshold", "TestScoreThreshold")),
        (("-p", "TestScoreThreshold=high"), ("TestScoreThreshold", "high")),
        (("-p", "ModelApprovalStatus=Maybe"), ("ModelApprovalStatus", "Maybe", "Approved")),
        (("-p", "nothing"), ("--parameter 'nothing'", "NAME=VALUE")),
        (("-p", "InputDataUrl=s3://other/data"), ("InputDataUrl", "--data")),
        (("--threshold", "7.5"), ("threshold", "7.5")),
        (("--threshold", "nan"), ("threshold", "nan")),
        (("--threshold", "high"), ("--threshold", "number", "--help")),
        (("--treshold", "0.9"), ("--treshold", "--help")),
        (("--settings", "nowhere.toml"), ("nowhere.toml",)),
        (("--release", "29"), ("29",)),
    ],
    ids=" ".join,
)
def test_option_that_can_t_be_used_is_refused_before_anything_is_made(
    words: tuple[str, ...], parts: tuple[str, ...], tmp_path: Path, refuse: Callable[..., str]
) -> None:
    said = refuse("run", *(() if "--release" in words else ("--release", "starter")), "--home", tmp_path, *words)

    assert [part for part in parts if part not in said] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[linear]\npenality = 2.0", ("linear.penality", "penalty")),
        ("[linear]\npenalty = -1", ("linear.penalty", "-1")),
        ("[split]\nseed = 1.5", ("split.seed", "whole number")),
        ('[train]\nrecipe = "forest"', ("train.recipe", "forest", "linear, transformer")),
        ("linear = 3", ("linear", "[linear]")),
        ("[linear", ("is no TOML",)),
    ],
)
def test_settings_file_that_can_t_be_used_is_refused_by_name(
    text: str, parts: tuple[str, ...], tmp_path: Path, refuse: Callable[..., str]
) -> None:
    path = tmp_path / "jobmajor.toml"
    path.write_text(text, "utf-8")

    said = refuse("pipeline", "show", "--settings", path)

    assert [part for part in parts if part not in said] == []


@pytest.mark.parametrize(
    "words",
    [("classify", "nurse"), ("models", "list"), ("models", "show", "1"), ("models", "rollback")],
    ids=" ".join,
)
def test_workspace_without_a_champion_says_how_to_get_one(
    words: tuple[str, ...], tmp_path: Path, refuse: Callable[..., str]
) -> None:
    said = refuse(*words, "--home", tmp_path)

    assert said == f"error: {tmp_path} has no champion yet: run `jobmajor run` first, or name another --home\n"
    assert list(tmp_path.iterdir()) == []


def test_home_that_can_t_be_written_is_one_line(tmp_path: Path, refuse: Callable[..., str]) -> None:
    (tmp_path / "file").touch()

    assert f"{tmp_path / 'file'}" in refuse("run", "--release", "starter", "--home", tmp_path / "file", status=1)


def test_workspace_that_another_run_holds_is_refused_in_one_line(tmp_path: Path, refuse: Callable[..., str]) -> None:
    home = tmp_path / "home"
    home.mkdir()

    with executor.hold(home):
        said = refuse("run", "--release", "starter", "--home", home, status=1)

    assert said == f"error: another run holds {home}: wait for it to end, or name another folder with --home\n"


# Tune


def search(home: Path, *words: object) -> tuple[object, ...]:
    return ("tune", "--data", few_titles(home.with_name("titles")), "--home", home, *words)


@pytest.mark.long
def test_search_leaves_settings_that_a_run_can_be_given(
    tmp_path: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    pytest.importorskip("optuna", reason="needs the extra 'tune'")

    status, out, err = say(*search(tmp_path / "home", "--trials", 2))

    assert (status, err) == (0, "")  # no progress where nobody watches
    first, second = out.splitlines()
    assert first.startswith("best of 2 trials: weighted F1 0.")
    assert second.startswith("settings: ")
    assert settings.read(tmp_path / "home" / "tune.toml").train.recipe == "linear"


def test_search_is_refused_before_it_begins_where_its_file_is_there(tmp_path: Path, refuse: Callable[..., str]) -> None:
    pytest.importorskip("optuna", reason="needs the extra 'tune'")
    (tmp_path / "mine.toml").touch()

    said = refuse(*search(tmp_path / "home", "--output", tmp_path / "mine.toml"))

    assert "mine.toml is there already" in said
    assert not (tmp_path / "home").exists()


def test_search_for_another_recipe_is_refused_by_name(tmp_path: Path, refuse: Callable[..., str]) -> None:
    assert "'train.recipe': found 'transformer'" in refuse(*search(tmp_path / "home", "--settings", chosen(tmp_path)))


def chosen(folder: Path) -> Path:
    path = folder / "transformer.toml"
    path.write_text('[train]\nrecipe = "transformer"\n', "utf-8")
    return path


@pytest.mark.parametrize(("package", "extra"), [("optuna", "tune"), ("torch", "transformer")])
def test_missing_extra_is_one_line_with_the_command_that_installs_it(
    package: str, extra: str, tmp_path: Path, refuse: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    words: dict[str, tuple[object, ...]] = {
        "tune": search(tmp_path / "home"),
        "transformer": ("run", "--release", "starter", "--home", tmp_path / "home", "--settings", chosen(tmp_path)),
    }

    said = refuse(*words[extra])

    assert re.search(rf"needs the extra {extra!r}: .*pip install .*\[{extra}\]'$", said, re.MULTILINE)
    assert not (tmp_path / "home").exists()


@pytest.mark.long
def test_definition_is_shown_with_a_search_if_asked_for(command: Command) -> None:
    plain, searching = (command("pipeline", "show", *words).stdout for words in ((), ("--tune",)))

    assert plain == definition.to_bytes(settings.Settings())
    kinds = {step["Name"]: step["Type"] for step in json.loads(searching)["Steps"]}
    assert kinds["train"] == "Tuning"


# Classify


@pytest.mark.slow
def test_titles_come_from_arguments_in_their_order(finished: Path, say: Callable[..., tuple[int, str, str]]) -> None:
    status, out, err = say("classify", "licensed practical nurse", "software developer", "--home", finished)

    head, *rows = out.splitlines()
    assert (status, err) == (0, "")
    assert head.split() == ["title", "code", "name", "score", "source", "abstain"]
    assert [row.split("  ")[0] for row in rows] == ["licensed practical nurse", "software developer"]
    assert "29-0000" in rows[0]
    assert "15-0000" in rows[1]


@pytest.mark.slow
@pytest.mark.parametrize(("level", "shape"), [("major", "-0000"), ("minor", "-"), ("broad", "0"), ("detailed", "-")])
def test_every_level_gives_as_many_answers_as_asked(
    level: str, shape: str, finished: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    words = ("classify", "registered nurse", "--level", level, "--top", 3, "--json", "--no-exact", "--home", finished)

    _, out, _ = say(*words)

    (found,) = json.loads(out)
    labels = [answer["label"] for answer in found["answers"]]
    assert (found["title"], found["level"], len(set(labels))) == ("registered nurse", level, 3)
    assert labels[0].startswith("29-")
    assert shape in labels[0]
    scores = [answer["score"] for answer in found["answers"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(("to", "code"), [("isco-08", "1112"), ("soc-2010", "11-1011")])
def test_codes_of_another_classification_are_printed(
    to: str, code: str, model_folder: Path, tmp_path: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "own.csv").write_text("title,code\nBig Boss,11-1011\n")
    words = ("classify", "big boss", "--overrides", tmp_path / "own.csv", "--model", model_folder, "--to", to)
    level = "4" if to == "isco-08" else "detailed"

    _, out, _ = say(*words, "--level", "detailed", "--json")
    _, table, _ = say(*words, "--level", level)

    (found,) = json.loads(out)
    assert (found["answers"][0]["label"], found["level"], found["ambiguous"]) == (code, level, to == "isco-08")
    assert table.splitlines()[0].split() == ["title", "code", "name", "score", "source", "abstain", "ambiguous"]
    assert code in table.splitlines()[1]


def test_unknown_classification_is_refused(model_folder: Path, refuse: Callable[..., str]) -> None:
    said = refuse("classify", "nurse", "--to", "noc", "--model", model_folder)

    assert "--to 'noc': expected one of soc-2018, soc-2010, isco-08" in said


@pytest.mark.slow
def test_answer_says_where_it_comes_from_and_when_not_to_take_it(
    finished: Path, tmp_path: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "own.csv").write_text("title,code\nHappiness Officer,13-1071\n")
    words = ("classify", "happiness officer", "asdf", "看護師", "--overrides", tmp_path / "own.csv", "--home", finished)

    _, out, _ = say(*words, "--level", "detailed", "--json")
    _, table, _ = say(*words)

    found = json.loads(out)
    assert [(each["source"], each["abstain"], each["reason"]) for each in found] == [
        ("override", False, ""),
        ("model", True, "not a title"),
        ("model", True, "unknown language"),
    ]
    best = {"label": "13-1071", "code": "13-1071", "name": "Human Resources Specialists", "score": 1.0}
    assert found[0]["answers"] == [best]
    assert [row.split()[-2:] for row in table.splitlines()[1:]] == [
        ["1.000", "override"],
        ["a", "title"],
        ["unknown", "language"],
    ]


def test_overrides_that_can_not_be_read_are_refused_by_line(tmp_path: Path, refuse: Callable[..., str]) -> None:
    (tmp_path / "own.csv").write_text("title,code\nnurse,99-9999\n")

    assert "own.csv, line 2" in refuse("classify", "nurse", "--overrides", tmp_path / "own.csv", "--home", tmp_path)


@pytest.mark.slow
def test_titles_come_from_standard_input_one_a_line(
    finished: Path, piped: Callable[[bytes], None], say: Callable[..., tuple[int, str, str]]
) -> None:
    piped("\ufeffnurse\r\ntruck driver\nkrankenpfleger (m/w/d) \u00e4\n".encode())

    _, out, _ = say("classify", "--json", "--home", finished)

    titles = [answer["title"] for answer in json.loads(out)]
    assert titles == ["nurse", "truck driver", "krankenpfleger (m/w/d) \u00e4"]  # no mark, no line ends


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"", ("standard input holds no title",)),
        (b"nurse\n\xff\xfe\n", ("standard input, line 2", "expected UTF-8")),
        ("nurse\n".encode("utf-16"), ("standard input, line 1", "expected UTF-8")),
    ],
    ids=["empty", "bad", "utf-16"],
)
def test_standard_input_that_is_no_text_is_refused_by_its_line(
    data: bytes, parts: tuple[str, ...], piped: Callable[[bytes], None], refuse: Callable[..., str], tmp_path: Path
) -> None:
    piped(data)

    said = refuse("classify", "--home", tmp_path)

    assert [part for part in parts if part not in said] == []


@pytest.mark.parametrize("words", [("--level", "tiny"), ("--top", "0"), ("--top", "many")], ids=" ".join)
def test_level_or_count_that_is_none_is_refused(
    words: tuple[str, ...], tmp_path: Path, refuse: Callable[..., str]
) -> None:
    assert words[0] in refuse("classify", "nurse", *words, "--home", tmp_path)


def test_path_that_is_no_model_is_refused(tmp_path: Path, refuse: Callable[..., str]) -> None:
    assert "is no model" in refuse("classify", "nurse", "--model", tmp_path / "nothing")


@pytest.mark.slow
def test_model_can_be_named_instead_of_the_champion(
    finished: Path, tmp_path: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    folder = open_registry(finished).get(1).folder
    (archive,) = finished.glob("s3/**/refitted_model/model.tar.gz")

    said = [say("classify", "nurse", "--model", path, "--home", tmp_path) for path in (folder, archive)]

    assert said[0] == said[1]
    assert "29-0000" in said[0][1]


@pytest.mark.slow
def test_what_is_no_text_in_an_argument_is_printed_as_an_escape(finished: Path, command: Command) -> None:
    """Bytes that are no UTF-8 come as lone surrogates, which no output can encode."""
    title = b"nurse \xff".decode(errors="surrogateescape")

    table, answer = (command("classify", title, "--home", finished, *more) for more in ((), ("--json",)))

    assert (table.returncode, table.stderr) == (answer.returncode, answer.stderr) == (0, b"")
    assert rb"nurse \udcff" in table.stdout
    assert json.loads(answer.stdout)[0]["title"] == title


@pytest.mark.slow
def test_json_is_json_where_the_output_is_no_unicode(finished: Path, command: Command) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}

    done = command("classify", "infirmière 護士", "--json", "--home", finished, env=environment)

    assert json.loads(done.stdout)[0]["title"] == "infirmière 護士"


@pytest.mark.slow
def test_line_ends_and_escape_codes_in_a_title_don_t_break_the_table(
    finished: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    _, out, _ = say("classify", "nurse\nof\tall", "--home", finished)

    assert len(out.splitlines()) == 2
    assert "nurse of all" in out


@pytest.mark.slow
@pytest.mark.parametrize("words", [("data", "list"), ("classify", "nurse", "--json")], ids=" ".join)
def test_reader_that_leaves_early_is_no_error(words: tuple[str, ...], finished: Path) -> None:
    with closed_pipe() as pipe:
        done = leave(pipe, *words, "--home", str(finished))

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.long
def test_no_of_the_gate_stays_a_no_where_nobody_reads_what_is_printed(workspace: Path) -> None:
    with closed_pipe() as pipe:
        done = leave(pipe, "run", "--release", "starter", "--threshold", "0.99", "--home", str(workspace))

    assert done.returncode == 1
    assert done.stderr.startswith(b"error: step 'fail' failed")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [("--help",), ("classify", "nurse"), ("models", "list"), ("data", "list"), ("nothing",)],
    ids=" ".join,
)
def test_pipe_gets_no_escape_codes_even_if_colours_are_asked_for(
    words: tuple[str, ...], finished: Path, command: Command
) -> None:
    environment = {**os.environ, "JOBMAJOR_HOME": str(finished), "FORCE_COLOR": "1", "TERM": "xterm-256color"}

    done = command(*words, env=environment)

    assert b"\x1b" not in done.stdout + done.stderr
    assert done.stdout or done.stderr


@contextmanager
def closed_pipe() -> Iterator[int]:
    """A pipe to write to whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


def leave(pipe: int, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([PROGRAM, *words], check=False, stdout=pipe, stderr=subprocess.PIPE, timeout=300)


# The cost of nothing


def imported(code: str) -> set[str]:
    """Modules that a fresh process has loaded after `code`, beyond those of a bare start."""
    counting = "import sys; before = set(sys.modules)\n{}\nsys.stderr.write('\\n'.join(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", counting.format(code)], check=True, capture_output=True, text=True, timeout=60
    )
    return set(done.stderr.split())


def test_importing_the_package_loads_next_to_nothing() -> None:
    found = imported("import jobmajor")

    assert {name.partition(".")[0] for name in found} & HEAVY == set()
    assert len(found) <= 40


@pytest.mark.parametrize(("words", "most"), [("--help", 200), ("run --help", 320), ("models list --help", 320)])
def test_help_loads_the_option_parser_and_no_more(words: str, most: int) -> None:
    found = imported(f"from jobmajor.cli.main import main; assert main({words.split()!r}) == 0")

    assert {name.partition(".")[0] for name in found} & HEAVY == set()
    assert len(found) <= most


def test_names_of_the_package_are_brought_in_when_they_are_used() -> None:
    found = imported("import jobmajor; jobmajor.normalise('Sr. Nurse')")

    assert "jobmajor.titles" in found
    assert not {"jobmajor.model.classifier", "jobmajor.pipeline.run", "sklearn", "mlflow"} & found


@pytest.mark.slow
def test_classifying_does_without_the_registry_s_and_the_trainer_s_libraries(finished: Path) -> None:
    words = ["classify", "nurse", "--home", str(finished)]

    found = imported(f"from jobmajor.cli.main import main; assert main({words!r}) == 0")

    heavy = {"mlflow", "sqlalchemy", "sklearn", "polars", "botocore"}
    assert {name.partition(".")[0] for name in found} & heavy == set()


def test_what_is_only_news_stays_out_of_a_pipe() -> None:
    code = (
        "import logging; from jobmajor.cli import main as cli; cli.main(['data', 'list']); logging.warning('a retry'); "
        "logging.error('a fault')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stderr == "ERROR root: a fault\n"
