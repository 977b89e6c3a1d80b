"""How a run ended, on a terminal: its steps as a table, their details, and each step as it begins and ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, near, one_line, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sagelocal.run.records import Execution, StepRecord


def show(execution: Execution, *, as_json: bool) -> None:
    """Print an execution with its steps."""
    if as_json:
        dump({**execution.as_dict(), "folder": str(execution.folder)})
        return
    typer.echo(f"run {execution.id}: {execution.status} in {execution.seconds:.1f} s ({near(execution.folder)})")
    rows = [
        (
            step.name,
            step.type,
            _status(step),
            f"{step.seconds:.1f} s",
            _details(step),
        )
        for step in execution.steps
    ]
    table(("step", "type", "status", "time", "details"), rows)
    if execution.failure:
        typer.echo(f"failure: {one_line(execution.failure)}")


def _status(step: StepRecord) -> str:
    if step.taken_from:
        return f"{step.status} (of {step.taken_from})"
    tries = f" (try {step.attempts})" if step.attempts > 1 else ""
    return f"{step.status}{' (cached)' if step.cached else ''}{tries}"


def _details(step: StepRecord) -> str:
    """Return on one line the reason of a failure, the evaluated conditions, the metrics and the notes."""
    conditions = [f"{item['text']}: {'yes' if item['passed'] else 'no'}" for item in step.conditions]
    metrics = [f"{name}={value:g}" for name, value in step.metrics.items()]
    notes = [one_line(note) for note in step.notes]
    return "; ".join([*([one_line(step.reason)] if step.reason else []), *conditions, *metrics, *notes])


def teller(home: Path) -> Callable[[StepRecord], None]:
    """Return what prints the steps of a run as they begin and end; in between, the last line of their logs is shown."""
    from sagelocal.show import watch  # noqa: PLC0415 - it draws with what is slow to load

    began = time.time()

    def tell(record: StepRecord) -> None:
        took = "" if record.status == "Executing" else f" in {record.seconds:.1f} s"
        waits = f": {one_line(record.reason)}" if record.status == "Executing" and record.reason else ""
        typer.echo(f"{record.name}: {_status(record)}{took}{waits}", err=True)
        if record.status == "Executing":
            doing(record.name, watch.progress(home, began, record.name))

    return tell


def say(sentence: str) -> None:
    """Print what a run waits for on one line of standard error."""
    typer.echo(one_line(sentence), err=True)


def warn(sentences: Sequence[str]) -> None:
    """Print what doesn't stop a run and is worth knowing, each on one line of standard error."""
    for sentence in sentences:
        typer.echo(f"warning: {one_line(sentence)}", err=True)
