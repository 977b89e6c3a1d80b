"""Use the wheel as someone would who has nothing else: ENVIRONMENT/bin/python tools/wheel_check.py WORKSPACE.

It answers titles with the workspace's champion and with a model that is named by its folder, codes files of text, with
compiled code and without, and asks for what is not installed. It prints how large the environment is, and the seconds
of each call. Nothing but Python's own library is imported here, so it runs on every system.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_MB = 150
TOOLS = ("pip", "setuptools", "wheel")  # of an environment, whatever is installed there
_FIND = """
import sys
from pathlib import Path
from jobmajor.registry import loading
print(loading.champion_folder(Path(sys.argv[1])))
"""
_ROWS = 20_000
_TITLES = ("Registered Nurse", "truck driver, night shift", "Sr. Software Engineer II", "asdfgh", "Infirmière", "")


class Failed(Exception):
    """What was expected of a call, and what it did."""


def main(words: list[str], expected: str, check: Callable[[Path, Path], None]) -> int:
    """Check everything; 1 if something is not as it should be.

    Args:
        words: The arguments of the program: one path.
        expected: What that path is.
        check: Gets the path and a temporary folder.
    """
    if len(words) != 1:
        sys.stderr.write(f"found {len(words)} arguments, expected one: {expected}\n")
        return 2
    try:
        with tempfile.TemporaryDirectory() as folder:
            check(Path(words[0]).resolve(), Path(folder))
    except Failed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _check(home: Path, folder: Path) -> None:
    size_mb = size_mb_of_packages()
    say(f"{len(list(metadata.distributions()))} packages, {size_mb:.0f} MB without {', '.join(TOOLS)}")
    expect(size_mb <= _MOST_MB, f"found {size_mb:.0f} MB of packages, expected at most {_MOST_MB}")
    looked = "from jobmajor.native import library; print(library.load() is not None)"
    expect(_python("-c", looked).strip() == "True", "found no compiled code that can be loaded in this wheel")
    model = Path(_python("-c", _FIND, str(home)).strip())
    answers = [_titles("--home", str(home)), _titles("--model", str(model))]
    expect(answers[0] == answers[1], "the champion and the model of its folder answer differently")
    _files(model, folder)
    lacking = {"train": ["run"], "formats": _coding(model, folder / "titles.csv", folder / "out.parquet")}
    for extra, call in lacking.items():
        said = _call(*call, status=2).strip()
        expect(said.count("\n") == 0 and f"needs the extra '{extra}': " in said, f"found {said!r}, expected one line")
        say(said)


def _titles(*options: str) -> str:
    said = _call("classify", *_TITLES[:4], "--json", "--level", "detailed", *options)
    codes = [each["answers"][0]["label"] if each["answers"] else "" for each in json.loads(said)]
    expect(codes[0] == "29-1141", f"found {codes[0]!r} for {_TITLES[0]}, expected '29-1141'")
    return said


def _files(model: Path, folder: Path) -> None:
    lines = "".join(f'{row},"{_TITLES[row % len(_TITLES)]} {row % 7 or ""}"\n' for row in range(_ROWS))
    (folder / "titles.csv").write_bytes(f"id,title\n{lines}".encode())
    for name in ("csv", "tsv", "jsonl", "csv.gz"):
        _call(*_coding(model, folder / "titles.csv", folder / f"compiled.{name}"))
        _call(*_coding(model, folder / "titles.csv", folder / f"plain.{name}"), JOBMAJOR_COMPILED="no")
    made, plain = (_codes(folder / f"{kind}.csv") for kind in ("compiled", "plain"))
    expect(made == plain, "numpy gives other codes than compiled code")
    expect(len(made) == _ROWS, f"found {len(made)} rows, expected {_ROWS}")


def _codes(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["code"] for row in csv.DictReader(file)]


def _coding(model: Path, source: Path, target: Path) -> list[str]:
    return ["classify", "--input", str(source), "--output", str(target), "--model", str(model)]


def _call(*words: str, status: int = 0, **more: str) -> str:
    """Return what `jobmajor` prints: its results, or where it has to fail, its errors."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "jobmajor", *words], env={**os.environ, **more}, check=False, capture_output=True
    )
    errors = done.stderr.decode("utf-8", "replace")
    shown = " ".join(word for word in words if os.sep not in word)
    expect(done.returncode == status, f"jobmajor {shown}: status {done.returncode}, expected {status}: {errors}")
    say(f"{time.perf_counter() - begun:6.1f} s  jobmajor {shown} {' '.join(f'{key}={more[key]}' for key in more)}")
    return errors if status else done.stdout.decode("utf-8")


def _python(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)
    expect(done.returncode == 0, done.stderr)
    return done.stdout


def size_mb_of_packages() -> float:
    """Return the size of what is installed, without the tools of an environment."""
    files = (
        item.locate()
        for each in metadata.distributions()
        if each.metadata["Name"] not in TOOLS
        for item in each.files or ()
    )
    return sum(Path(path).stat().st_size for path in files if Path(path).is_file()) / 1e6


def expect(is_so: bool, text: str) -> None:  # noqa: FBT001 - what is expected stands first
    """Raise with the text unless it is so."""
    if not is_so:
        raise Failed(text)


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text.rstrip()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], "a workspace with a champion", _check))
