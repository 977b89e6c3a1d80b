"""A run as a person follows it: a live table of its steps with the last line of what each job says.

It reads nothing but what a run leaves on disk, so it can follow the run of another process, and one that is over. It is
drawn on terminals only: in a pipe there is nothing to watch, and who reads there waits for the result.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sagelocal.definition import graph
from sagelocal.definition.parse import parse
from sagelocal.errors import ArtifactError, Error, InputError
from sagelocal.run import records
from sagelocal.show.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from sagelocal.run.records import Execution, StepRecord

_INTERVAL_S = 0.25
_TAIL_BYTES = 4096
_COLOURS = {"Succeeded": "green", "Failed": "red", "Executing": "cyan", "Stopped": "yellow", "Interrupted": "yellow"}
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
    """Return the run when it is over; until then it is drawn where standard error is a terminal."""
    folder = records.find(home, execution_id).folder
    with drawn(lambda: folder):
        while (execution := records.read(folder)).status == records.EXECUTING:
            wait(_INTERVAL_S)
    return execution


@contextmanager
def drawn(folder: Callable[[], Path | None], console: Console | None = None) -> Iterator[None]:
    """Draw the run of that folder, once there is one, as long as the block lasts; nothing stays on the screen.

    Args:
        folder: Asked each time.
        console: Standard error's when None; one that is no terminal is left alone.
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
    """Return the folder of the run that began last, None where none began after `since`, in seconds since 1970."""
    runs = home / "runs"
    folders = [path for path in runs.iterdir() if path.is_dir()] if runs.is_dir() else []
    began = {path: path.stat().st_mtime for path in folders if (path / records.NAME).exists()}
    path = max(began, key=began.__getitem__, default=None)
    return path if path and began[path] >= since else None


def table(execution: Execution, now: float) -> Table:
    """Return the run as rich draws it; `now` in seconds since 1970."""
    from rich.table import Column, Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    took = _seconds(execution.started, execution.seconds, now, runs=execution.status == records.EXECUTING)
    title = f"run {execution.id} of {execution.pipeline_name}: {execution.status}, {took}"
    columns = ("step", "type", "status", "time", Column("last line", ratio=1))
    drawn = Table(*columns, title=title, title_justify="left", expand=True)
    for row in rows(execution, now):
        style = _COLOURS.get(row[2].partition(" ")[0], "dim")
        cells = [Text(cell, style=style if number == 2 else "", no_wrap=True) for number, cell in enumerate(row)]
        cells[4].overflow = "ellipsis"
        drawn.add_row(*cells)
    return drawn


def rows(execution: Execution, now: float) -> list[Row]:
    """Return (step, type, status, time, last line) of every step, those that wait for their turn at the end."""
    known = {record.name for record in execution.steps}
    waiting: list[Row] = []
    if execution.status == records.EXECUTING:
        waiting = [(name, kind, "waits", "", "") for name, kind in _planned(execution) if name not in known]
    return [*(_row(record, execution.folder, now) for record in execution.steps), *waiting]


def _planned(execution: Execution) -> list[tuple[str, str]]:
    """Return name and type of the steps that run unless a choice is against them."""
    try:
        parsed = parse((execution.folder / records.DEFINITION).read_bytes())
    except (OSError, InputError, ArtifactError):
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
    took = "" if record.status == "Skipped" else _seconds(record.started, record.seconds, now, runs=runs)
    return record.name, record.type, status, took, last


def _seconds(started: str, seconds: float, now: float, *, runs: bool) -> str:
    if runs and started:
        seconds = max(0.0, now - datetime.fromisoformat(started).timestamp())
    minutes, rest = divmod(int(seconds), 60)
    return f"{seconds:.1f} s" if seconds < 60 else f"{minutes} min {rest:02d} s"


def last_line(folder: Path) -> str:
    """Return what a step's job said last: the end of the log in its folder that was written to last; empty where none is."""
    try:
        logs = {path: path.stat().st_mtime for path in folder.rglob("*.txt") if path.is_file()}
        with max(logs, key=logs.__getitem__).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except (OSError, ValueError):
        return ""
    return next((one_line(line) for line in reversed(lines) if line.strip()), "")
