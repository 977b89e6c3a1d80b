"""`make lint-stack` gives the linter of policies every role of every template."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.long
def test_policies_of_all_templates_can_be_written_for_the_linter(tmp_path: Path) -> None:
    templates = sorted((ROOT / "src/jobmajor/aws/project").glob("*.yaml"))

    subprocess.run([sys.executable, "tools/stack_policies.py", tmp_path, *templates], cwd=ROOT, check=True)

    written = {path.name for path in tmp_path.iterdir()}
    assert {path.stem for path in templates} <= {name.partition("-")[0] for name in written}
    assert all(json.loads((tmp_path / name).read_text("utf-8"))["Statement"] for name in written)
    (linted,) = re.findall(r"src/jobmajor/aws/project/,([\w. ]+)\)", (ROOT / "Makefile").read_text("utf-8"))
    assert sorted(linted.split()) == [path.name for path in templates]
