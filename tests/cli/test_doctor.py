"""`jobmajor doctor`: a line for each check, in a pipe, on a terminal, as JSON, and where extras are missing."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from jobmajor.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
CALL = "from jobmajor.cli.main import main; raise SystemExit(main(['doctor', '--home', {home!r}, *{more!r}]))"


def test_lines_in_a_pipe_are_plain_and_have_their_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlflow.db").write_text("nonsense" * 200)

    status = main(["doctor", "--home", str(tmp_path)])

    found = capsys.readouterr()
    lines = found.out.splitlines()
    registry = next(line for line in lines if " registry " in line)
    assert status == 1
    assert "\x1b" not in found.out + found.err
    assert {line.split()[0] for line in lines} <= {"ok", "note", "unknown", "failed"}
    assert registry.startswith("failed ")
    assert f"| mv {tmp_path}/mlflow.db " in registry
    assert found.err == "1 to mend\n"


def test_terminal_gets_signs_and_colours_unless_they_are_refused(tmp_path: Path) -> None:
    shown = {}
    for name, more in (("colours", {}), ("plain", {"NO_COLOR": "1"})):
        ours, theirs = pty.openpty()
        code = CALL.format(home=str(tmp_path), more=[])
        environment = {**os.environ, "PYTHONUTF8": "1", "TERM": "xterm", **more}
        done = subprocess.run([sys.executable, "-c", code], stdout=theirs, env=environment, timeout=120, check=False)
        os.close(theirs)
        shown[name] = os.read(ours, 2**16).decode()
        os.close(ours)
        assert done.returncode == 0

    assert "\x1b[32m✓\x1b[0m version" in shown["colours"]
    assert "→ " in shown["colours"]
    assert "\x1b[32m" not in shown["plain"]
    assert "✓" not in shown["plain"]


@pytest.mark.parametrize("system", ["windows", "macos"])
def test_base_installation_on_another_system_is_looked_at_without_a_trace(system: str, tmp_path: Path) -> None:
    code = CALL.format(home=str(tmp_path), more=["--aws", "--json"])
    words = [sys.executable, str(ROOT / "tools" / "elsewhere.py"), system, "base", code]

    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)

    found = {each["what"]: each for each in json.loads(done.stdout)}
    assert (done.returncode, done.stderr) == (1, "")
    assert found["identity"]["status"] == "failed"
    assert "boto" in found["identity"]["found"] or "'aws'" in found["identity"]["found"]
    lacking = {"disk", "temporary files"} if system == "windows" else set()  # our stand-in for it tells no free space
    assert {what for what, each in found.items() if each["status"] == "failed"} == {"identity", *lacking}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--command", "deploy"), "--command belongs to --aws"),
        (("--aws", "--command", "nonsense"), "--command: found 'nonsense', expected one of"),
        (("now",), "now"),
    ],
)
def test_wrong_word_is_refused_in_one_line(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["doctor", *words])

    found = capsys.readouterr()
    assert (status, found.out) == (2, "")
    assert found.err.count("\n") == 1
    assert said in found.err
