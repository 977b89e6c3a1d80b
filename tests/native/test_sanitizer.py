"""The compiled functions check no bounds. Here, a build that does so runs the tests that hold them to Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobmajor.native import build

ROOT = Path(__file__).resolve().parents[2]
TESTS = (
    *("tests/model/kernels", "tests/model/test_coder.py", "tests/tables/text/test_scan.py"),
    *("tests/native/test_build.py", "tests/native/test_structs.py"),
)
FLAGS = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"


def sanitizer() -> str:
    """Return the library of gcc's address sanitizer, empty if there is none."""
    if shutil.which("gcc") is None:
        return ""
    asked = ["gcc", "-print-file-name=libasan.so"]
    found = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    return found if "/" in found else ""


@pytest.mark.long
@pytest.mark.skipif(not sanitizer(), reason="needs gcc with its address sanitizer")
def test_compiled_functions_stay_within_their_arrays(tmp_path: Path) -> None:
    source, copy = ROOT / "src", tmp_path / "src"
    ignored = shutil.ignore_patterns("__pycache__", "kernels*.so", "aws", "web")
    shutil.copytree(source, copy, ignore=ignored)
    environment = {**os.environ, "PYTHONPATH": str(copy), "CC": f"gcc {FLAGS}", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, copy / "jobmajor" / "native" / "build.py"], env=environment, check=True)
    del environment["CC"]
    options = {"LD_PRELOAD": sanitizer(), "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    pytest_s = ("-q", "-p", "no:cacheprovider", "-o", f"pythonpath={copy}", "-k", "not library_of_other_sources")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *pytest_s, *TESTS],
        cwd=ROOT,
        env={**environment, **options},
        check=False,
        capture_output=True,
        text=True,
        timeout=1200,
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    made = {path.name for path in (copy / "jobmajor" / "native").iterdir()}
    assert set(build.names(*build.here()).values()) <= made
    assert "passed" in done.stdout
