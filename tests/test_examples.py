"""Every example on the pages of `docs/concepts` and `docs/from` is run in order, and prints what stands there.

A Python example says what it prints in comments, behind the line or below the last one. A block of the console has the
output below each command; `cat FILE` makes the file that the next command reads.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmajor import settings
from jobmajor.cli import main
from sagelocal import cli as sagelocal_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for name in ("concepts", "from") for path in DOCS.glob(f"{name}/*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"(?:^|  )# (.*)$", re.MULTILINE)


def plain(printed: str) -> list[str]:
    """Lines that a program printed, without what differs from run to run and from machine to machine."""
    text = re.sub(r"(runs?[ /])[a-z0-9]{12}\b", r"\1ID", printed)
    text = re.sub(r"\b\d+\.\d s\b", "TIME", text)
    text = re.sub(r"\([\d,]+ a second\)", "(RATE)", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\dT[\d:.+]+ +[0-9a-f]{12}\b", "WHEN DIGEST", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def commands(block: str) -> Iterator[tuple[list[str], str]]:
    for part in block.removeprefix("$ ").split("\n$ "):
        command, _, output = part.partition("\n")
        yield shlex.split(command), output


def without_sdk(block: str) -> list[str]:
    """The lines that need no SageMaker SDK; tests/sagelocal/compile runs scripts that do."""
    return [line for line in block.splitlines() if "--python envs/sdk" not in line]


def run(words: list[str]) -> int:
    program, *rest = words
    return {"jobmajor": main.main, "sagelocal": sagelocal_cli.main}[program](rest)


@pytest.fixture(scope="module")
def folder(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the workspace of a first run, and the example that the pages name."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(finished, folder / settings.HOME)
    shutil.copytree(DOCS / "examples", folder / "docs" / "examples")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_examples_print_what_stands_beside_them(
    page: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)

    for language, block in FENCE.findall((DOCS / page).read_text("utf-8")):
        if language == "python":
            exec(compile(block, page, "exec"), {})  # noqa: S102 - our own page
            assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == PRINTED.findall(block), block
        elif language == "bash":
            assert [line for line in without_sdk(block) if run(shlex.split(line)) != 0] == []
            capsys.readouterr()
        elif language == "console":
            for words, output in commands(block):
                if words[0] == "cat":
                    Path(words[1]).write_text(output, "utf-8")
                    continue
                run(words)
                assert plain(capsys.readouterr().out) == plain(output), words


def test_no_page_is_without_an_example() -> None:
    kinds = {page: {language for language, _ in FENCE.findall((DOCS / page).read_text("utf-8"))} for page in PAGES}

    assert len(kinds) >= 8
    assert [page for page, found in kinds.items() if found <= {"text"}] == []
