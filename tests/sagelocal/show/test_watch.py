"""What a person sees of a run on its way, and that a pipe sees nothing of it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from sagelocal import cli
from sagelocal.definition import parse as definitions
from sagelocal.errors import InputError
from sagelocal.jobs import sandbox
from sagelocal.run import executor, records
from sagelocal.run.records import Execution, StepRecord
from sagelocal.show import watch
from sagelocal.storage import lock

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON, LATER = "2026-01-02T12:00:00.000+00:00", 1767355325.0  # 125 s later

needs_namespaces = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


def fails(*names: str) -> dict[str, Any]:
    steps = [{"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": "no"}} for name in names]
    return {"Version": "2020-12-01", "Steps": steps}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Execution]:
    """A run on its way, as another process would meet it: one step is done, one runs, one has not begun."""
    folder = tmp_path / "home" / "runs" / "abc"
    for name in ("train", "tune.attempt-1"):
        (folder / "steps" / name).mkdir(parents=True)
    (folder / "definition.json").write_text(json.dumps(fails("prepare", "train", "last")))
    (folder / "steps" / "train" / "log.txt").write_text("epoch 1\nepoch 2 \x1b[31m\n\n")
    steps = (
        StepRecord("prepare", "Processing", "Succeeded", cached=True, seconds=0.25, started=NOON),
        StepRecord("train", "Training", "Executing", started=NOON, attempts=2),
    )
    execution = Execution("abc", "Executing", folder, "digest", "own", {}, NOON, 1.0, steps)
    records.write(execution)
    with lock.wait_for(folder):
        yield execution


def test_rows_have_times_the_last_line_and_what_is_to_come(running: Execution) -> None:
    assert watch.rows(running, LATER) == [
        ("prepare", "Processing", "Succeeded (cached)", "0.2 s", ""),
        ("train", "Training", "Executing (try 2)", "2 min 05 s", r"epoch 2 \x1b[31m"),
        ("last", "Fail", "waits", "", ""),
    ]


def test_run_that_is_over_has_no_steps_to_come(running: Execution) -> None:
    over = Execution("abc", "Failed", running.folder, "digest", "own", {}, NOON, 1.0, running.steps[:1], "no")

    assert [row[0] for row in watch.rows(over, LATER)] == ["prepare"]


def test_selected_run_waits_only_for_what_was_selected(running: Execution) -> None:
    some = Execution("abc", "Executing", running.folder, "d", "own", {}, NOON, 1.0, running.steps[:1], None, ["train"])

    assert [row[0] for row in watch.rows(some, LATER)] == ["prepare", "train"]


def test_last_line_is_that_of_the_log_written_to_last(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("one\n")
    (tmp_path / "algo-2.txt").write_text("x" * 9000 + "\ntwo\n")
    os.utime(tmp_path / "log.txt", (0, 0))

    assert watch.last_line(tmp_path) == "two"
    assert watch.last_line(tmp_path / "missing") == ""


def test_table_is_drawn_on_a_terminal_and_taken_away_again(running: Execution) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, legacy_windows=False)

    with watch.drawn(lambda: running.folder, console):
        pass

    drawn = screen.getvalue()
    assert "run abc of own: Executing" in drawn
    assert "epoch 2" in drawn
    assert drawn.rstrip().endswith("\x1b[2K")  # the last thing is to erase the line


def test_console_that_is_no_terminal_stays_silent(running: Execution) -> None:
    screen = io.StringIO()

    with watch.drawn(lambda: running.folder, Console(file=screen, force_terminal=False)):
        pass

    assert screen.getvalue() == ""


def test_follow_waits_until_the_run_is_over(running: Execution, tmp_path: Path) -> None:
    waits = list[float]()

    def end_it(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            records.write(Execution("abc", "Succeeded", running.folder, "digest", "own", {}, NOON))

    assert watch.follow(tmp_path / "home", "abc", end_it).status == "Succeeded"
    assert len(waits) == 3


def test_run_whose_process_died_is_not_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "runs" / "abc"
    folder.mkdir(parents=True)
    records.write(Execution("abc", "Executing", folder, "digest", "own", {}, NOON))

    assert watch.follow(tmp_path / "home", "abc").status == "Interrupted"


def test_newest_run_is_the_one_that_is_watched(tmp_path: Path) -> None:
    definition = definitions.parse(json.dumps(fails("fail")).encode())
    with pytest.raises(InputError, match="has no run to watch"):
        watch.latest(tmp_path)
    executor.run(definition, tmp_path, executor.RunOptions(now=lambda: 1.0))
    second = executor.run(definition, tmp_path, executor.RunOptions(now=lambda: 2.0))

    assert watch.latest(tmp_path).id == second.id
    assert watch.newest_folder(tmp_path, 0.0) is not None
    assert watch.newest_folder(tmp_path, 9e12) is None


@pytest.mark.parametrize("words", [["run", "FILE", "--watch"], ["watch"]])
def test_pipe_gets_the_result_and_nothing_else(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.json").write_text(json.dumps(fails("fail")))
    home = ["--home", str(tmp_path / "home")]
    cli.main(["run", str(tmp_path / "p.json"), *home])
    expected = capsys.readouterr().out

    status = cli.main([str(tmp_path / "p.json") if word == "FILE" else word for word in words] + home)

    out, err = capsys.readouterr()
    assert (status, err) == (1, "")
    # The first line names the run, and each has its time.
    first, again = (re.sub(r"\d\.\d s", "0.0 s", text).splitlines()[1:] for text in (expected, out))
    assert first == again != []


@needs_namespaces
def test_terminal_sees_the_steps_while_they_run(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    program = "import sys; print('halfway', flush=True); open(sys.argv[1]).read()"
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
    application = {
        "ImageUri": "image",
        "ContainerEntrypoint": ["python3", "-c", program],
        "ContainerArguments": [str(pipe)],
    }
    arguments = {
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": application,
        "RoleArn": "arn:aws:iam::123456789012:role/sm",
    }
    body = {"Version": "2020-12-01", "Steps": [{"Name": "work", "Type": "Processing", "Arguments": arguments}]}
    (tmp_path / "p.json").write_text(json.dumps(body))
    words = ["run", str(tmp_path / "p.json"), "--home", str(tmp_path / "home"), "--watch"]
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from sagelocal.cli import main; sys.exit(main())", *words],
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "PYTHONPATH": str(Path(cli.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=other,
    )
    os.close(other)
    seen = b""
    give_up = threading.Timer(60, process.kill)
    give_up.start()
    while b"halfway" not in seen:
        seen += os.read(main, 4096)
    pipe.write_text("go")
    reader = threading.Thread(target=lambda: _drain(main))
    reader.start()
    out, _ = process.communicate()
    give_up.cancel()
    reader.join()
    os.close(main)

    assert process.returncode == 0
    assert b"Executing" in seen
    assert b"Succeeded in" in out


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:  # how Linux says that nobody is at the other end
        return
