"""`jobmajor classify --input` as a shell starts it: what it prints, and with which status it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jobmajor import FileOptions, code_file
from jobmajor.batch.progress import Progress
from jobmajor.cli.classify.files import tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

    Command = Callable[..., subprocess.CompletedProcess[bytes]]

# The program, which tells its progress after each block, however fast the machine is.
TELLING = (
    "import sys; from jobmajor.batch import progress; progress._INTERVAL_S = 0.0; "
    "from jobmajor.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture
def titles(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("id,job\n007,registered nurse\n8\n9,asdfgh\n", "utf-8")
    return path


@pytest.mark.slow
def test_summary_goes_to_standard_output_and_nothing_else_is_said_in_a_pipe(
    titles: Path,
    model_folder: Path,
    command: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from jobmajor.cli import main  # noqa: PLC0415 - as the program does

    words = ("classify", "--input", titles, "--column", "job", "--output", "out.csv", "--model", model_folder)

    told = command(*words, cwd=titles.parent)
    monkeypatch.chdir(titles.parent)
    assert main.main([*map(str, words), "--json"]) == 0
    as_json = capsys.readouterr().out

    assert (told.returncode, told.stderr) == (0, b"")
    lines = told.stdout.decode().splitlines()
    assert lines[0].startswith("rows: 3 in ")
    assert lines[-2:] == ["rows with a fault: 1, all in the output (out.csv.bad.csv)", "output: out.csv"]
    assert "nurse" not in told.stdout.decode()
    summary = json.loads(as_json)
    assert (summary["rows"], summary["bad"], summary["left_out"], summary["scored"]) == (3, 1, 0, 3)
    assert summary["abstained"]["major"]["not a title"] == 2


def test_wrong_input_is_one_line_and_status_2(
    titles: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from jobmajor.cli import main  # noqa: PLC0415 - as the program does

    files = ("--input", titles, "--output", titles.with_name("out.csv"), "--model", model_folder)
    words = ("classify", *files, "--column", "position")

    status = main.main([*map(str, words)])

    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert said.err.splitlines() == [
        f"error: {titles}: found the columns 'id', 'job', expected a column 'position'; name one that is there"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nurse", "--input", "x.csv", "--output", "y.csv"], "titles and --input were given"),
        (["--input", "x.csv"], "without --output"),
        (["nurse", "--column", "x"], "--column belongs to --input"),
        (["nurse", "--safe-cells"], "--safe-cells belongs to --input"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from jobmajor.cli import main  # noqa: PLC0415 - as the program does

    status = main.main(["classify", *words])

    assert status == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_progress_is_shown_on_a_terminal_and_cleared(
    table: Callable[[Path, int, int], Path], model_folder: Path, tmp_path: Path
) -> None:
    source = table(tmp_path / "in.csv", 300_000, 1500)
    ours, theirs = os.openpty()
    output = str(tmp_path / "out.csv")
    words = ["classify", "--input", str(source), "--output", output, "--model", str(model_folder)]

    with subprocess.Popen([sys.executable, "-c", TELLING, *words], stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the other end was closed
                break
    os.close(ours)

    assert process.returncode == 0
    parts = shown.decode().split("\r\x1b[K")
    assert len(parts) > 2
    assert parts[-1] == ""
    told = [part for part in parts[1:-1] if "rows/s" in part]
    assert told
    assert all("left" in part for part in told)
    # Before the first rows, and after the last ones, a line says for how long the command has been running.
    assert all(part in told or not part or re.search(r"\d+ s", part) for part in parts[1:-1])


def test_time_left_follows_from_the_share_that_was_read(
    table: Callable[[Path, int, int], Path],
    classifier: Classifier,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobmajor.batch.progress._INTERVAL_S", 0.0)  # after every block
    told: list[Progress] = []
    source = table(tmp_path / "in.csv", 300_000, 150)

    code_file(source, tmp_path / "out.csv", FileOptions(on_progress=told.append), model=classifier)
    tell(Progress(1_234_567, 0.256, 400_000.4, 75.2))

    shares = [each.share for each in told]
    assert len(shares) > 1
    assert shares == sorted(shares)
    assert all(abs(each.share - each.rows / 300_000) < 0.05 for each in told)
    assert capsys.readouterr().err == "\r\x1b[K1,234,567 rows, 26%, 400,000 rows/s, 1:15 left"
