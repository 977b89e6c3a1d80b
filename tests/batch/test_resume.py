"""Runs that break off: what was scored is not scored again, and the output is what an undisturbed run gives.

JOBMAJOR_KILLS says how many random moments a run is killed at (10), JOBMAJOR_KILLS_SEED which ones.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from jobmajor.batch import staging
from jobmajor.batch.files import code_file
from jobmajor.batch.options import FileOptions
from jobmajor.errors import Busy, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.batch.progress import Progress
    from jobmajor.model.classifier import Classifier

    Table = Callable[[Path, int, int], Path]

KILLS = int(os.environ.get("JOBMAJOR_KILLS", "10"))
QUICK_KILLS = 2  # of a csv and of a parquet file: `make test` has these
SEED = os.environ.get("JOBMAJOR_KILLS_SEED", "2140")
ROWS, TIMES = 300_000, 150  # 10 MB, of which 4 are read at a time


@pytest.fixture
def broken_off(
    table: Table, classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """Input and output of a run that ended in an error after most of its blocks."""
    data = table(tmp_path / "whole.csv", ROWS, TIMES).read_bytes()
    source, output = tmp_path / "in.csv.gz", tmp_path / "out.csv"
    source.write_bytes(gzip.compress(data, mtime=0))

    def stop(progress: Progress) -> None:
        if progress.rows > 0.7 * ROWS:
            raise InputError("stopped")

    with monkeypatch.context() as quick:
        quick.setattr("jobmajor.batch.progress._INTERVAL_S", 0.0)  # after every block
        with pytest.raises(InputError, match="stopped"):
            code_file(source, output, FileOptions(on_progress=stop), model=classifier)
    return source, output


def test_next_run_scores_only_what_is_left_and_gives_the_same_bytes(
    broken_off: tuple[Path, Path], classifier: Classifier, tmp_path: Path
) -> None:
    source, output = broken_off
    assert not output.exists()
    assert len(list((tmp_path / "out.csv.partial" / "answers").iterdir())) >= 2

    summary = code_file(source, output, model=classifier)

    assert summary.scored + summary.stored == ROWS / TIMES
    assert summary.stored > 1000
    code_file(tmp_path / "whole.csv", tmp_path / "undisturbed.csv", model=classifier)
    assert output.read_bytes() == (tmp_path / "undisturbed.csv").read_bytes()
    assert not (tmp_path / "out.csv.partial").exists()


@pytest.mark.parametrize(
    "other", [FileOptions(top=2), FileOptions(level="minor"), FileOptions(exact=False), FileOptions(to="soc-2010")]
)
def test_answers_to_another_question_are_not_taken(
    other: FileOptions, broken_off: tuple[Path, Path], classifier: Classifier
) -> None:
    summary = code_file(*broken_off, other, model=classifier)

    assert (summary.scored, summary.stored) == (ROWS / TIMES, 0)


def test_damaged_answers_are_made_again(broken_off: tuple[Path, Path], classifier: Classifier, tmp_path: Path) -> None:
    source, output = broken_off
    for path in (tmp_path / "out.csv.partial" / "answers").iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    assert code_file(source, output, model=classifier).stored == 0


def test_two_runs_on_one_output_do_not_mix(table: Table, classifier: Classifier, tmp_path: Path) -> None:
    table(tmp_path / "in.csv", 10, 1)

    with staging.staging(tmp_path / "out.csv"), pytest.raises(Busy, match=r"another run holds .*out\.csv\.partial"):
        code_file(tmp_path / "in.csv", tmp_path / "out.csv", model=classifier)

    code_file(tmp_path / "in.csv", tmp_path / "out.csv", model=classifier)
    assert (tmp_path / "out.csv").exists()


def test_old_output_stays_until_the_new_one_is_whole(
    broken_off: tuple[Path, Path], classifier: Classifier, tmp_path: Path
) -> None:
    source, output = broken_off
    output.write_bytes(b"old")
    source.write_bytes(source.read_bytes()[:-20_000])

    with pytest.raises(InputError):
        code_file(source, output, model=classifier)

    assert output.read_bytes() == b"old"


@pytest.mark.parametrize("size_bytes", [0, 2000, 10**6])
@pytest.mark.parametrize("level", ["major", "all"])
def test_size_of_the_memo_changes_no_answer(
    size_bytes: int, level: str, table: Table, classifier: Classifier, tmp_path: Path
) -> None:
    table(tmp_path / "in.csv", 70_000, 70)
    code_file(tmp_path / "in.csv", tmp_path / "out.csv", FileOptions(level=level), model=classifier)

    options = FileOptions(level=level, memo_bytes=size_bytes, threads=3)
    summary = code_file(tmp_path / "in.csv", tmp_path / "small.csv", options, model=classifier)

    assert (tmp_path / "small.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    assert summary.scored >= 1000


# Killed


def _arguments(source: Path, output: Path, model: Path) -> list[str]:
    program = os.path.join(os.path.dirname(sys.executable), "jobmajor")  # noqa: PTH118, PTH120 - a link is not followed
    named = ["--input", source, "--output", output, "--model", model, "--json"]
    return [program, "classify", *map(str, named)]


def _killed(words: list[str], partial: Path, delay_s: float, *, after: bool) -> bool:
    """Start a run and kill it so long after its start, or after it began to score; False if it was done before."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while after and not any(partial.glob("answers/*")) and process.poll() is None:
        time.sleep(0.01)
    with suppress(subprocess.TimeoutExpired):
        process.wait(delay_s)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> dict[str, tuple[str, float]]:
    """For each format, the digest of the output and the seconds that it took."""
    folder, found = tmp_path_factory.mktemp("undisturbed"), {}
    for name in ("t.csv", "t.parquet"):
        source = make(folder / name)
        began = time.monotonic()
        done = subprocess.run(_arguments(source, folder / f"out_{name}", model_folder), check=True, capture_output=True)
        found[name] = (digest(folder / f"out_{name}"), time.monotonic() - began)
        assert json.loads(done.stdout)["bad"] == (1 if name == "t.csv" else 0)
    return found


def make(path: Path) -> Path:
    """A table of four blocks with four thousand titles each, and in text a bad row."""
    dice = np.random.default_rng(7)
    numbers = np.arange(131_072) // 32_768 * 4_000 + dice.integers(0, 4_000, 131_072)
    frame = pl.DataFrame({"id": np.arange(131_072), "title": [f"senior cook {number}" for number in numbers]})
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        path.write_bytes(frame.write_csv().encode() + b"bad\n")
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [pytest.param(each, marks=pytest.mark.long if each >= QUICK_KILLS else ()) for each in range(KILLS)]
)
def test_run_killed_at_a_random_moment_goes_on_and_gives_the_same_bytes(
    number: int,
    undisturbed: dict[str, tuple[str, float]],
    model_folder: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    dice = random.Random(f"{SEED} {number}")  # noqa: S311 - it draws moments, no secrets
    name = ("t.csv", "t.parquet")[number % 2]
    source, output, partial = make(tmp_path / name), tmp_path / f"out_{name}", tmp_path / f"out_{name}.partial"
    words, (expected, whole_s) = _arguments(source, output, model_folder), undisturbed[name]
    after = number % 5 != 0

    was_killed = _killed(words, partial, dice.random() * whole_s * (0.6 if after else 1), after=after)
    kept = list(partial.glob("answers/*.answers"))
    there = output.exists()
    record_property("killed", f"{was_killed}, {len(kept)} blocks kept, output there: {there}")
    assert not there or digest(output) == expected  # a kill after the end
    again = subprocess.run(words, check=True, capture_output=True)

    summary: dict[str, Any] = json.loads(again.stdout)
    assert digest(output) == expected
    assert (summary["stored"] > 0) == bool(kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [name, output.name, *([f"{output.name}.bad.csv"] if name == "t.csv" else [])]
    )
