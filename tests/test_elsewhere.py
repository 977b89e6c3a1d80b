"""Titles and files on other systems: what Windows or macOS lacks is taken away, and so is every extra."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmajor.batch.files import code_file

if TYPE_CHECKING:
    from jobmajor.model.classifier import Classifier

ROOT = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, str(ROOT / "tools" / "elsewhere.py"))
SYSTEMS = ("windows", "macos")
TAKE = """
from pathlib import Path
from sagelocal.storage import lock
with lock.take(Path({path!r}), busy=Path("busy")):
    {body}
lock.discard(Path({path!r}))
"""
CALLS = """
import json, sys
from jobmajor.cli.main import main
statuses = [main(words) for words in json.loads({words!r})]
sys.stderr.write(json.dumps(statuses))
"""
IMPORTS = """
import importlib, pkgutil, sys
import jobmajor, sagelocal
for package in (jobmajor, sagelocal):
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if each.name not in {left_out!r} and "kernels-v" not in each.name:
            importlib.import_module(each.name)
"""
# They start a program as they are imported, need torch, or are a program of their own that Linux and macOS run.
PROGRAMS = ("jobmajor.__main__", "jobmajor.model.transformer.loop", "sagelocal.__main__")


def elsewhere(system: str, which: str, program: str) -> subprocess.CompletedProcess[str]:
    words = [*COMMAND, system, which, program]
    return subprocess.run(words, check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=300)


@pytest.mark.parametrize("system", SYSTEMS)
def test_titles_and_files_need_nothing_that_another_system_lacks(
    system: str, classifier: Classifier, model_folder: Path, tmp_path: Path
) -> None:
    rows = [f'{number},"Nurse, ward {number}\n"' if number % 9 else f"{number},Infirmière 職" for number in range(300)]
    (tmp_path / "in.csv").write_text("\n".join(["id,title", *rows, ""]), "utf-8", newline="\r\n")
    names = ("out.csv", "out.jsonl.gz", "out.csv")  # the last one replaces the first
    files = [["classify", "--input", str(tmp_path / "in.csv"), "--output", str(tmp_path / name)] for name in names]
    titles = [
        ["classify", "registered nurse", "職人", "--json"],
        ["explain", "Nurse, ward 1"],
        ["classify", "cook", "a"],
    ]
    words = json.dumps([[*call, "--model", str(model_folder)] for call in (*titles, *files)])

    done = elsewhere(system, "base", CALLS.format(words=words))

    assert done.stderr == json.dumps([0] * 6)
    assert '"title": "registered nurse"' in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", *names}
    for name in sorted({*names}):
        code_file(tmp_path / "in.csv", tmp_path / f"here-{name}", model=classifier)
        assert (tmp_path / name).read_bytes() == (tmp_path / f"here-{name}").read_bytes(), name


def test_lock_of_windows_is_held_against_another_process_and_let_go(tmp_path: Path) -> None:
    path = str(tmp_path / "folder" / "lock")
    inner = TAKE.format(path=path, body="print('taken')")
    words = [*COMMAND, "windows", "base", inner]

    held = elsewhere("windows", "base", TAKE.format(path=path, body=f"import subprocess; subprocess.run({words!r})"))
    after = elsewhere("windows", "base", inner)

    assert held.stderr.splitlines()[-1].startswith("sagelocal.errors.Busy: ")
    assert held.stdout == ""
    assert (after.stdout, after.stderr) == ("taken\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_module_can_be_imported_elsewhere(system: str) -> None:
    left_out = (*PROGRAMS, *(("sagelocal.jobs.supervise",) if system == "windows" else ()))

    # With the transformer's extra, one of its packages warns that Windows has no file locks of its own.
    quiet = "import warnings; warnings.filterwarnings('ignore', 'only soft file lock')\n"
    done = elsewhere(system, "all", quiet + IMPORTS.format(left_out=left_out))

    assert done.stderr == ""
    assert done.returncode == 0
