"""The pages about AWS can be typed from top to bottom: each command in its order, with every value that it needs.

Each command runs with `--dry-run`, which needs no account, so it can't see an order. What a command needs to be there
is in `STEPS`; where moto can tell, a test compares the table with what a real command answers.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from jobmajor import settings
from jobmajor.cli.main import app, main
from jobmajor.data import source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

DOCS = Path(__file__).resolve().parents[2] / "docs"
FENCE = re.compile(r"^```(bash|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"[<>…]|\b[A-Z]{3,}/?[A-Z]*\b|\$\{?\w")
# What each command needs to be there, and what it leaves. An entry with more words counts before one with fewer.
STEPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "python3 --version": ((), ()),
    "python3 -m venv .venv": ((), ("environment",)),
    ". .venv/bin/activate": (("environment",), ("activated environment",)),
    "pip install": (("activated environment",), ("jobmajor",)),
    "git clone": (("project",), ("clone",)),
    "jobmajor aws show": ((), ()),
    "jobmajor aws policy": ((), ()),
    "jobmajor aws bootstrap": ((), ("stack",)),
    "jobmajor aws upload": (("stack",), ("data",)),
    "jobmajor aws image": (("stack",), ("image",)),
    "jobmajor aws pipeline upsert": (("stack",), ("pipeline",)),
    "jobmajor aws pipeline start": (("pipeline", "data", "image"), ("execution", "version")),
    "jobmajor aws pipeline logs": (("execution",), ()),
    "jobmajor aws models list": (("version",), ()),
    "jobmajor aws models approve": (("version",), ("approved version",)),
    "jobmajor aws deploy": (("approved version",), ("staging",)),
    "jobmajor aws deploy --stage production": (("staging", "approved deployment"), ("production",)),
    "jobmajor aws approve-deployment": (("staging",), ("approved deployment",)),
    "jobmajor aws invoke": (("production",), ()),
    "jobmajor aws invoke --stage staging": (("staging",), ()),
    "jobmajor aws capture": (("production",), ("captured traffic",)),
    "jobmajor aws rollback": (("an earlier version in production",), ()),
    "jobmajor aws project connect": ((), ("connection",)),
    "jobmajor aws project catalog": ((), ("templates",)),
    "jobmajor aws project create": (("stack", "connection", "the setting aws.github"), ("project",)),
    "jobmajor aws project seed": (("clone",), ()),
    "jobmajor aws cleanup": ((), ()),
}


def entry(words: list[str]) -> str:
    """Return the entry of `STEPS` that a command has; the one with the most words, in any order, wins."""
    own = [name for name in STEPS if name.split()[:2] == words[:2] and set(name.split()) <= set(words)]
    return max(own, key=lambda name: len(name.split()), default="")


@dataclass
class Typist:
    """Types pages into an empty folder; `there` is what earlier commands left, `problems` what a reader can't type."""

    runs: bool = True
    there: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)

    def page(self, text: str) -> None:
        for kind, body in FENCE.findall(text):
            if kind == "toml":
                self.settings(body)
            else:
                for line in body.splitlines():
                    self.line(line)

    def settings(self, body: str) -> None:
        """Write a block of settings down, as the reader is told to, in place of an earlier one of the same table."""
        path = Path(settings.FILE)
        before = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        merged = {name: {**before.get(name, {}), **table} for name, table in {**before, **tomllib.loads(body)}.items()}
        lines = [line for name, table in merged.items() for line in (f"[{name}]", *_assignments(table))]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        if merged.get("aws", {}).get("github"):
            self.there.add("the setting aws.github")

    def line(self, line: str) -> None:
        command = re.sub(r" > \S+$", "", line)
        words = shlex.split(command)
        name = entry(words)
        if not name:
            self.problems.append(f"{line}: no entry of STEPS says what it needs")
            return
        if any(PLACEHOLDER.search(word) for word in words if " " not in word):
            self.problems.append(f"{line}: lacks a value")
        needs, gives = STEPS[name]
        needs = (*needs, "jobmajor") if words[0] == "jobmajor" else needs
        self.problems += [f"{line}: needs {need} before" for need in needs if need not in self.there]
        self.there.update(gives)
        self.typed.append(name)
        if words[:2] == ["git", "clone"]:
            (Path(words[-1]) / ".git").mkdir(parents=True)
        elif words[0] == "jobmajor" and self.runs:
            self.run(line, words[1:])

    def run(self, line: str, words: list[str]) -> None:
        words = ["starter" if word == "28.1" else word for word in words]  # a test downloads nothing
        if "--dry-run" not in words and "--dry-run" in options(words):
            words.append("--dry-run")
        if main(words) != 0:
            self.problems.append(f"{line}: ended with an error")


def _assignments(table: dict[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        yield f"{name} = {value!r}" if isinstance(value, str) else f"{name} = {value}"


def options(words: list[str]) -> set[str]:
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return {option for parameter in command.params for option in parameter.opts}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(source.OFFLINE_VARIABLE, "1")


@pytest.mark.slow
def test_operate_can_be_typed_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    typist = Typist()

    typist.page((DOCS / "operate.md").read_text("utf-8"))

    assert typist.problems == [], capsys.readouterr().err
    assert len(typist.typed) > 25


@pytest.mark.slow
def test_what_comes_before_can_be_typed_and_leads_into_operate(capsys: pytest.CaptureFixture[str]) -> None:
    typist = Typist()

    typist.page((DOCS / "before-aws.md").read_text("utf-8"))

    assert typist.problems == [], capsys.readouterr().err
    assert {"stack", "connection", "project", "templates"} <= typist.there


def bash(*lines: str) -> str:
    return "```bash\n" + "\n".join(lines) + "\n```\n"


SET_UP = ("python3 -m venv .venv", ". .venv/bin/activate", "pip install -e '.[aws]'", "jobmajor aws bootstrap")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (SET_UP[2:], "pip install -e '.[aws]': needs activated environment before"),
        ([*SET_UP[:3], "jobmajor aws upload", SET_UP[3]], "jobmajor aws upload: needs stack before"),
        (
            [*SET_UP, "jobmajor aws upload", "jobmajor aws pipeline upsert", "jobmajor aws pipeline start"],
            "needs image",
        ),
        ([*SET_UP, "jobmajor aws models approve 1"], "needs version before"),
        ([*SET_UP, "jobmajor aws invoke nurse --stage staging"], "needs staging before"),
        ([*SET_UP, "jobmajor aws project create"], "needs the setting aws.github before"),
        ([*SET_UP, "jobmajor aws policy -c NAME"], "lacks a value"),
        ([*SET_UP, "jobmajor aws upload --data $DATA"], "lacks a value"),
        ([*SET_UP, "jobmajor aws quotas"], "no entry of STEPS"),
    ],
)
def test_command_out_of_order_or_without_a_value_is_found(lines: list[str], problem: str) -> None:
    typist = Typist(runs=False)

    typist.page(bash(*lines))

    assert [found for found in typist.problems if problem in found]


@pytest.mark.parametrize("line", ["jobmajor aws approve-deployment", "jobmajor aws invoke", "jobmajor aws deploy 0"])
def test_command_that_misses_its_argument_or_has_a_wrong_one_is_found(line: str) -> None:
    typist = Typist(there={"stack", "staging", "production", "approved version", "jobmajor"})

    typist.page(bash(line))

    assert typist.problems == [f"{line}: ended with an error"]


# The table, compared with real commands in moto's account


@pytest.fixture
def in_moto(moto: str, monkeypatch: pytest.MonkeyPatch, account: Account) -> Account:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_REGION", account.region)
    return account


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["aws", *words]) == 2
    return capsys.readouterr().err


@pytest.mark.slow
def test_account_answers_with_the_command_that_comes_before(
    in_moto: Account, names: Names, capsys: pytest.CaptureFixture[str]
) -> None:
    upload = ("upload", "--release", "starter")
    for words in (upload, ("image",)):
        assert "run `jobmajor aws bootstrap` first" in answer(capsys, *words)

    in_moto.change("s3", "CreateBucket", Bucket=names.bucket)
    in_moto.change("ecr", "CreateRepository", repositoryName=names.repository)
    assert "run `jobmajor aws image` first" in answer(capsys, "pipeline", "start")
    image = ("-p", f"ImageUri={names.image_repository}@sha256:{'0' * 64}")
    assert "run `jobmajor aws upload` first" in answer(capsys, "pipeline", "start", *image)

    assert main(["aws", *upload]) == 0
    assert "jobmajor aws pipeline upsert" in answer(capsys, "pipeline", "start", *image)
