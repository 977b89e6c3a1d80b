"""The closed loop, by real parts, as `docs/keep-a-model-good.md` tells it: the page's commands are what runs here.

Serve with capture, shifted traffic, alarm, review, retrain, a better champion; and what must not happen: no alarm
without a shift, and no worse model that takes over.
"""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.serve.conftest import SERVE, Program, program
from tests.test_docs import FENCE, plain

from jobmajor import settings
from jobmajor.cli import main
from jobmajor.registry.loading import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE = Path(__file__).resolve().parents[2] / "docs" / "keep-a-model-good.md"
ADDRESS = "http://127.0.0.1:8080"  # the page's; here, any port that is free
DATE = re.compile(r"\b20\d\d-\d\d-\d\dT[\d:.+]+(?: +[0-9a-f]{12}\b)?")  # in tables, the digest of a version follows


def parts() -> Iterator[tuple[str, str, str]]:
    """Return the page's commands in order: the kind of their block, the command, and the output that stands below."""
    for language, block in FENCE.findall(PAGE.read_text("utf-8")):
        if language == "bash":
            yield from ((language, line, "") for line in block.splitlines())
        elif language == "console":
            for part in block.removeprefix("$ ").split("\n$ "):
                command, _, output = part.partition("\n")
                yield language, command, output


@dataclass
class Reader:
    """Somebody who does what the page says, in a folder of their own."""

    capsys: pytest.CaptureFixture[str]
    stack: ExitStack
    service: Program | None = None

    def follow(self, language: str, command: str, output: str) -> str:
        """Return what a command prints; one that serves goes on until the next command that is no script."""
        words = shlex.split(command)
        if language == "bash":
            self.service = self.stack.enter_context(program([*SERVE, *words[2:], "--port", "0"]))
            return ""
        if words[0] == "cat":
            return self._cat(Path(words[1]), output)
        if words[0] == "python":
            return self._script(*words[1:])
        self._end()
        return self._run(words)

    def _cat(self, path: Path, output: str) -> str:
        if not path.exists():
            path.write_text(output, "utf-8")
        return path.read_text("utf-8")

    def _script(self, name: str, word: str) -> str:
        text = Path(name).read_text("utf-8")
        if ADDRESS in text:
            assert self.service
            text = text.replace(ADDRESS, self.service.url)
        done = subprocess.run([sys.executable, "-c", text, word], capture_output=True, text=True, check=True)
        return done.stdout

    def _end(self) -> None:
        if self.service:
            assert self.service.end() == 0  # as by Ctrl+C; it writes what it recorded
        self.stack.close()
        self.service = None

    def _run(self, words: list[str]) -> str:
        said = words.index("||") if "||" in words else len(words)
        status = main.main(words[1:said])
        found = self.capsys.readouterr()
        assert (status == 0) == (said == len(words)), found.err
        return found.out + (f"{words[-1].replace('$?', str(status))}\n" if said < len(words) else "")


def _assert_that_answers_changed_as_announced(printed: Mapping[str, str]) -> None:
    announced = re.findall(
        r"^(agv .*?)  +1 .* (\S+) +(\S+)$", printed["jobmajor models diff 1 2 new.csv"], re.MULTILINE
    )
    answers = {row["title"]: row["code"] for row in csv.DictReader(printed["cat answers.csv"].splitlines())}

    assert len(announced) == 11
    assert [(title, answers[title]) for title, _, after in announced if answers[title] != after] == []
    assert {after for *_, after in announced} == {"53-0000"}
    assert sum(before != after for _, before, after in announced) == 4


def same(printed: str) -> list[str]:
    return plain(DATE.sub("WHEN", printed))


@pytest.mark.slow
@pytest.mark.long  # two runs of the pipeline
def test_page_of_the_loop_tells_what_happens(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / settings.HOME)
    monkeypatch.chdir(tmp_path)
    told = list(parts())

    with ExitStack() as stack:
        reader = Reader(capsys, stack)
        found = [(command, reader.follow(language, command, output)) for language, command, output in told]

    pairs = [(same(text), same(printed), command) for (*_, text), (command, printed) in zip(told, found, strict=True)]
    assert [each for each in pairs if each[0] != each[1]] == []
    _assert_that_answers_changed_as_announced(dict(found))
    registry = open_registry(tmp_path / settings.HOME)
    _, second = registry.versions()  # the worse candidate is none
    assert (second.aliases, second.outcome) == (("champion",), "promote")
    assert len(second.lineage["retrain"]["reasons"]) == 2  # drift, and new labels
    used = second.lineage["data"]["reviewed"]
    assert used["trained"] + used["tested"] == 12
