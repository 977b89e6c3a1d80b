"""Show an execution: a table that is redrawn while it runs, or plain columns in a pipe."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import typer

from sagelocal.show.terminal import dump, one_line, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobmajor.aws.executions.execution import Execution
    from jobmajor.aws.executions.logs import Line

_HEAD: Final = ("step", "status", "time", "details")


@contextmanager
def live() -> Iterator[Callable[[Execution], None] | None]:
    """Yield a function that draws an execution over its last state; None if standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def drawn(found: Execution) -> Table:
        grid = Table(*_HEAD, title=f"execution {found.id}: {found.status}", title_justify="left")
        for row in _rows(found):
            grid.add_row(*map(Text, row))
        return grid

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield lambda found: live.update(drawn(found), refresh=True)


def _rows(found: Execution) -> list[tuple[str, ...]]:
    return [
        (
            step.name,
            f"{step.status} (cached)" if step.cached else step.status,
            "" if step.seconds is None else f"{step.seconds:.0f} s",
            "; ".join([f"attempt {step.attempts}"] * (step.attempts > 1) + [one_line(step.reason)] * bool(step.reason)),
        )
        for step in found.steps
    ]


def show(found: Execution, *, as_json: bool) -> None:
    """Print an execution with its steps."""
    if as_json:
        dump(record(found))
        return
    typer.echo(f"execution {found.id}: {found.status}, started {found.started}")
    table(_HEAD, _rows(found))
    if found.failure:
        typer.echo(f"failure: {one_line(found.failure)}")


def record(found: Execution) -> dict[str, Any]:
    """Return an execution as plain data for JSON."""
    return {"id": found.id, **asdict(found)}


def logged(line: Line) -> str:
    """Return a log line as text: the time in UTC, the step, the instance and the message."""
    time = datetime.fromtimestamp(line.time_ms / 1000, UTC).strftime("%H:%M:%S")
    instance = line.stream.rpartition("/")[2]
    return f"{time} {line.step} {instance}  {one_line(line.text)}"
