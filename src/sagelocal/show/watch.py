"""Follow a run in a live table of its steps, with the last log line of each job.

It reads only what a run writes to disk, so it can follow a run of another process, or one that has ended. The table is
drawn on terminals only; in a pipe, only the result is printed.
"""

from __future__ import annotations

import re
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sagelocal.definition import graph
from sagelocal.definition.parse import parse
from sagelocal.errors import ArtifactError, Error, InputError
from sagelocal.run import executor, records
from sagelocal.show.terminal import one_line
from sagelocal.storage import transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from sagelocal.definition.steps import Definition
    from sagelocal.run.executor import RunOptions
    from sagelocal.run.records import Execution, StepRecord

_INTERVAL_S = 0.25
_TAIL_BYTES = 4096
_COLOURS = {"Succeeded": "green", "Failed": "red", "Executing": "cyan", "Stopped": "yellow", "Interrupted": "yellow"}
_ORIGIN = re.compile(r"^[A-Z]+ [\w.]+: ")  # of a log line: its level and its logger
Row = tuple[str, str, str, str, str]


def latest(home: Path) -> Execution:
    """Return the newest run of a workspace.

    Raises:
        InputError: There is none.
    """
    for execution in reversed(records.every(home)):
        return execution
    raise InputError(f"{home} has no run to watch: `sagelocal run` makes one")


def follow(home: Path, execution_id: str, wait: Callable[[float], None] = time.sleep) -> Execution:
    """Wait for the end of a run and return it; until then, draw it if standard error is a terminal."""
    folder = records.find(home, execution_id).folder
    with drawn(lambda: folder):
        while (execution := records.read(folder)).status == records.EXECUTING:
            wait(_INTERVAL_S)
    return execution


@contextmanager
def drawn(folder: Callable[[], Path | None], console: Console | None = None) -> Iterator[None]:
    """Draw the run of a folder during the block, and remove the table at its end.

    Args:
        folder: Called for each redraw; returns None while there is no run.
        console: None means standard error; nothing is drawn if it is not a terminal.
    """
    if not (console.is_terminal if console else sys.stderr.isatty()):
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - slow to load, and of use to people only
    from rich.live import Live  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    console = console or Console(stderr=True)
    last: list[Any] = [Text("")]

    def draw() -> Any:
        with suppress(Error, OSError):
            found = folder()
            last[0] = table(records.read(found), time.time()) if found else last[0]
        return last[0]

    rate = 1 / _INTERVAL_S
    with Live(get_renderable=draw, console=console, refresh_per_second=rate, transient=True, redirect_stdout=False):
        yield


def newest_folder(home: Path, since: float) -> Path | None:
    """Return the folder of the newest run, or None if none began after `since`, in seconds since 1970."""
    runs = home / "runs"
    folders = [path for path in runs.iterdir() if path.is_dir()] if runs.is_dir() else []
    began = {path: path.stat().st_mtime for path in folders if (path / records.NAME).exists()}
    path = max(began, key=began.__getitem__, default=None)
    return path if path and began[path] >= since else None


def table(execution: Execution, now: float) -> Table:
    """Return the run as a table of rich; `now` is in seconds since 1970."""
    from rich.table import Column, Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    spent = duration(execution.started, execution.seconds, now, runs=execution.status == records.EXECUTING)
    title = f"run {execution.id} of {execution.pipeline_name}: {execution.status}, {spent}"
    columns = ("step", "type", "status", "time", Column("last line", ratio=1))
    drawn = Table(*columns, title=title, title_justify="left", expand=True)
    for row in rows(execution, now):
        style = _COLOURS.get(row[2].partition(" ")[0], "dim")
        cells = [Text(cell, style=style if number == 2 else "", no_wrap=True) for number, cell in enumerate(row)]
        cells[4].overflow = "ellipsis"
        drawn.add_row(*cells)
    return drawn


def rows(execution: Execution, now: float) -> list[Row]:
    """Return (step, type, status, time, last line) of every step; waiting steps come last."""
    known = {record.name for record in execution.steps}
    waiting: list[Row] = []
    if execution.status == records.EXECUTING:
        waiting = [(name, kind, "waits", "", "") for name, kind in _planned(execution) if name not in known]
    return [*(_row(record, execution.folder, now) for record in execution.steps), *waiting]


def _planned(execution: Execution) -> list[tuple[str, str]]:
    """Return name and type of the steps that run unless a Condition skips them."""
    try:
        parsed = parse(records.load(execution.folder / records.DEFINITION))
    except (OSError, ValueError, InputError, ArtifactError):
        return []
    kinds = {step.name: step.type for step, _ in graph.flatten(parsed.steps)}
    wanted = execution.selected or kinds
    return [(name, kinds[name]) for name in graph.order(parsed) if name in wanted]


def _row(record: StepRecord, folder: Path, now: float) -> Row:
    runs = record.status == records.EXECUTING
    notes = {" (cached)": record.cached, f" (of {record.taken_from})": record.taken_from is not None}
    status = record.status + "".join(note for note, holds in notes.items() if holds)
    if record.attempts > 1:
        status += f" (try {record.attempts})"
    last = one_line(record.reason) if record.reason else last_line(folder / "steps" / record.name)
    spent = "" if record.status == "Skipped" else duration(record.started, record.seconds, now, runs=runs)
    return record.name, record.type, status, spent, last


def duration(started: str, seconds: float, now: float, *, runs: bool) -> str:
    """Return how long something took or, if it still runs, takes until `now`, in seconds since 1970."""
    if runs and started:
        seconds = max(0.0, now - datetime.fromisoformat(started).timestamp())
    minutes, rest = divmod(int(seconds), 60)
    return f"{seconds:.1f} s" if seconds < 60 else f"{minutes} min {rest:02d} s"


def progress(home: Path, since: float, step: str) -> Callable[[], str]:
    """Return a function that gives the last log line of a step, in the newest run that began after `since`."""

    def said() -> str:
        folder = newest_folder(home, since)
        return _ORIGIN.sub("", last_line(folder / "steps" / step)) if folder else ""

    return said


def last_line(folder: Path) -> str:
    """Return the last line of the newest log in a step's folder; empty if there is none."""
    try:
        found = (path for name, path in transfer.regular_files(folder) if name.endswith(".txt"))
        logs = {path: path.stat().st_mtime for path in found}
        with max(logs, key=logs.__getitem__).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except (OSError, ValueError):
        return ""
    return next((one_line(line) for line in reversed(lines) if line.strip()), "")


def run(definition: Definition, home: Path, options: RunOptions) -> Execution:
    """Run a definition while its steps are drawn."""
    began = time.time() - 1  # some file systems store times with a low resolution
    with drawn(lambda: newest_folder(home, began)):
        return executor.run(definition, home, replace(options, on_event=None))
