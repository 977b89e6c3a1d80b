"""Use sagelocal as someone would who has its wheel alone: ENVIRONMENT/bin/python tools/sagelocal_check.py DEFINITION.

It validates, runs, reuses and shows a small pipeline in an empty folder, and asks for what is not installed. It prints
how large the environment is. Nothing but Python's own library is imported here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from wheel_check import TOOLS, expect, main, say, size_mb_of_packages

_MOST_MB = 60
_NOT_NEEDED = ("jobmajor", "numpy", "numba", "polars", "mlflow", "sklearn", "boto3", "starlette", "uvicorn")
_PAGE = ("sagelocal/ui/templates/run.html.j2", "sagelocal/ui/web/page.css", "sagelocal/ui/web/page.js")
_PROGRAM = str(Path(sys.executable).with_name("sagelocal"))


def _check(definition: Path, folder: Path) -> None:
    size_mb = size_mb_of_packages()
    packages = [each.metadata["Name"] for each in metadata.distributions() if each.metadata["Name"] not in TOOLS]
    say(f"{len(packages)} packages, {size_mb:.0f} MB without {', '.join(TOOLS)}: {', '.join(sorted(packages))}")
    expect(size_mb <= _MOST_MB, f"found {size_mb:.0f} MB of packages, expected at most {_MOST_MB}")
    there = [name for name in _NOT_NEEDED if importlib.util.find_spec(name)]
    expect(there == [], f"found {', '.join(there)} installed, expected none of {', '.join(_NOT_NEEDED)}")
    version = _call(folder, "--version").strip()
    expect(version == f"sagelocal {metadata.version('sagelocal')}", f"found the version {version!r}")
    source = folder / ".sagelocal" / "s3" / "demo" / "input" / "titles.txt"
    source.parent.mkdir(parents=True)
    source.write_text("Nurse\nWelder\nActuary\n", "utf-8")
    expect(_call(folder, "validate", str(definition)).startswith("valid: "), "the definition is not valid")
    first, second = (_run(folder, definition) for _ in range(2))
    expect(not first["steps"][0]["cached"], "the first run took its step from a cache")
    expect(second["steps"][0]["cached"], "the second run did not take its step from the cache")
    expect(len(json.loads(_call(folder, "runs", "--json"))) == 2, "`sagelocal runs` doesn't list two runs")
    carried = {str(file) for file in metadata.files("sagelocal") or ()}
    expect(carried.issuperset(_PAGE), f"the wheel lacks one of {', '.join(_PAGE)}")
    for verb, extra, words in (("S3 itself", "s3", ("run", str(definition), "--s3")), ("sagelocal ui", "ui", ("ui",))):
        said = _call(folder, *words, status=2)
        expect(f"{verb} needs the extra '{extra}': " in said and f"[{extra}]" in said, f"found {said!r}")
        say(said)


def _run(folder: Path, definition: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_call(folder, "run", str(definition), "--json"))
    expect(found["status"] == "Succeeded", f"the run's status is {found['status']}")
    return found


def _call(folder: Path, *words: str, status: int = 0) -> str:
    """Return what `sagelocal` prints in a folder: its results, or where it has to fail, its errors."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGELOCAL_"))}
    done = subprocess.run([_PROGRAM, *words], cwd=folder, env=kept, check=False, capture_output=True, text=True)
    shown = " ".join(word for word in words if os.sep not in word)
    expect(done.returncode == status, f"sagelocal {shown}: status {done.returncode}, expected {status}: {done.stderr}")
    say(f"sagelocal {shown}")
    return done.stderr if status else done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], "a definition, docs/examples/count.json", _check))
