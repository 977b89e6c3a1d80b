"""One word for one thing in all commands, whole summaries, and scores that are rounded alike."""

from __future__ import annotations

import io
import json
import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from jobmajor.cli import main, renamed
from jobmajor.cli.options import rounded, score
from sagelocal import cli as sagelocal_cli
from sagelocal.show import terminal
from sagelocal.show.help import summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What an option is for, and its one name in every command that has it.
WORDS = {
    "the workspace": "--home",
    "print JSON": "--json",
    "a model instead of the champion": "--model",
    "settings": "--settings",
    "the column of titles": "--column",
    "the column of codes": "--code",
    "the column of weights": "--weight",
    "the level of codes": "--level",
    "what is read": "--input",
    "what is written": "--output",
    "your titles with their codes": "--overrides",
    "a table of titles with the codes that people gave": "--labelled",
    "how many codes for a title": "--top",
    "how many to show or to list": "--most",
    "how long to wait at most": "--minutes",
    "a search in place of one training": "--tune",
    "the type of an instance": "--instance-type",
    "the number of instances": "--instances",
    "a dry run": "--dry-run",
    "the AWS region": "--region",
    "a profile of the AWS command line": "--profile",
    "a parameter": "--parameter",
}
# Names that the same things had, or could have: no help may show one.
SYNONYMS = {
    "--workspace",
    "--format-json",
    "--config",
    "--title-column",
    "--file",
    "--labels",
    "--newest",
    "--limit",
    "--hours",
    "--seconds",
    "--timeout",
    "--tuning",
    "--instance",
    "--count",
    "--top-k",
    "--out",
    "--params",
}


def commands() -> Iterator[tuple[str, Any]]:
    """Every command of both programs, with the words that call it."""
    waiting = [
        ("jobmajor", typer.main.get_command(main.app)),
        ("sagelocal", typer.main.get_command(sagelocal_cli.app)),
    ]
    while waiting:
        name, command = waiting.pop()
        yield name, command
        waiting += [(f"{name} {each}", inner) for each, inner in getattr(command, "commands", {}).items()]


def options() -> dict[str, list[str]]:
    """The names of all options, each with the commands that have it."""
    found = defaultdict(list)
    for name, command in commands():
        for each in command.params:
            if each.param_type_name == "option":
                for option in (*each.opts, *each.secondary_opts):
                    found[option].append(name)
    return found


def test_every_thing_has_one_name_and_no_command_shows_another() -> None:
    found = options()

    assert [what for what, name in WORDS.items() if name not in found] == []
    assert len(set(WORDS.values())) == len(WORDS)
    assert {name: found[name] for name in SYNONYMS if name in found} == {}


def test_commands_that_wait_count_in_minutes() -> None:
    waiting = set(options()["--minutes"])

    assert waiting == {
        "jobmajor aws pipeline start",
        "jobmajor aws pipeline status",
        "jobmajor aws project create",
        "jobmajor aws project connect",
        "jobmajor aws image",
        "jobmajor aws bootstrap",
    }


OLD = [
    ("pipeline show --tuning", "pipeline show --tune"),
    ("aws deploy 3 --instance ml.m5.large", "aws deploy 3 --instance-type ml.m5.large"),
    ("aws deploy 3 --instance=ml.m5.large", "aws deploy 3 --instance-type=ml.m5.large"),
    ("aws deploy 3 --mode batch --input s3://b/k", "aws deploy 3 --mode transform --input s3://b/k"),
    ("aws deploy 3 --mode=batch", "aws deploy 3 --mode=transform"),
    ("aws invoke --file titles.txt", "aws invoke --input titles.txt"),
    ("aws models list --newest 5", "aws models list --most 5"),
    ("aws pipeline list --newest 5", "aws pipeline list --most 5"),
    ("aws pipeline start --wait --hours 0.5", "aws pipeline start --wait --minutes 30"),
    ("aws pipeline status --hours=2", "aws pipeline status --minutes=120"),
    ("aws pipeline status --hours many", "aws pipeline status --minutes many"),
    ("aws bootstrap --limit 10", "aws bootstrap --minutes 10"),
    ("monitor check x.csv --labels y.csv", "monitor check x.csv --labelled y.csv"),
    ("aws pipeline start --hours", "aws pipeline start --minutes"),
    ("classify -- --instance", "classify -- --instance"),
    ("aws invoke -- --file", "aws invoke -- --file"),
    ("classify --instance", "classify --instance"),
    ("", ""),
]


@pytest.mark.parametrize(("old", "new"), OLD)
def test_spelling_of_before_still_works(old: str, new: str) -> None:
    assert renamed.current(old.split()) == new.split()


def test_every_new_name_of_an_old_one_is_an_option_of_its_command() -> None:
    found = dict(commands())
    for command, names in renamed._OPTIONS.items():
        known = {option for each in found[f"jobmajor {command}"].params for option in each.opts}
        assert set(names.values()) <= known
        assert not set(names) & known


def test_old_spelling_reaches_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["aws", "deploy", "1", "--mode", "batch", "--dry-run"]) == 2
    assert "a transform needs titles" in capsys.readouterr().err


def test_summaries_in_the_help_of_groups_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in commands():
        if not getattr(command, "commands", None):
            continue
        program, *words = name.split()
        edge = main.main if program == "jobmajor" else sagelocal_cli.main
        assert edge([*words, "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        missing = [each for each, inner in command.commands.items() if summary(inner.help or "") not in shown]
        assert missing == []


class Wide(io.StringIO):
    """A terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_long_cell_is_cut_on_a_terminal_and_widens_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    long = "very " * 400
    shown = Wide()
    monkeypatch.setattr(sys, "stdout", shown)

    terminal.table(("title", "code"), [(long, "11-0000"), ("cook", "35-2014")])

    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue()).splitlines()
    assert max(map(len, lines)) < 90
    assert len(lines) < 10
    assert "…" in shown.getvalue()


def test_long_cell_is_whole_in_a_pipe_and_moves_no_other_row(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 400

    terminal.table(("title", "code"), [(long, "11-0000"), ("cook", "35-2014")])

    head, first, second = capsys.readouterr().out.splitlines()
    assert first == f"{long}  11-0000"
    assert (len(head), len(second)) == (66, 69)


def test_scores_have_six_decimals_in_json_and_three_in_tables(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    title = ["cook", "--model", str(model_folder)]
    assert main.main(["classify", *title, "--json"]) == 0
    ((answer,),) = [each["answers"] for each in json.loads(capsys.readouterr().out)]
    assert main.main(["explain", *title, "--json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert main.main(["classify", *title]) == 0
    table = capsys.readouterr().out

    numbers = [answer["score"], explained["score"], *(word["worth"] for word in explained["words"])]
    assert numbers == [round(number, 6) for number in numbers]
    assert answer["code"] == answer["label"] == explained["code"]
    assert score(answer["score"]) in table
    assert rounded(({"a": (0.12345678, True, None, "x")},)) == [{"a": [0.123457, True, None, "x"]}]
