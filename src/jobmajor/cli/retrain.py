"""`jobmajor retrain`: run the pipeline again where there is a reason."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.data import fetch_options, tell_source
from jobmajor.cli.options import Data, Home, Json, QueueAddress, Release, SettingsFile, rounded, workspace
from jobmajor.cli.options import queue as opened
from jobmajor.cli.run import outcome_record, show_outcome, teller
from sagelocal.show.patience import doing
from sagelocal.show.terminal import complain, dump, one_line

if TYPE_CHECKING:
    from jobmajor.retrain.rerun import Retrained


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(retrain)


def retrain(
    drift: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The violations.json of monitor check: run if it has one.")
    ] = None,
    new_labels: Annotated[
        int, typer.Option("--new-labels", min=1, help="Run if so many titles were labelled since the champion.")
    ] = 50,
    days: Annotated[
        float | None, typer.Option(help="Run if the champion is older than so many days.", show_default="never")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether there is a reason; status 1 if there is none.")
    ] = False,
    promote: Annotated[
        bool, typer.Option("--promote/--no-promote", help="Make a version that passed the champion.")
    ] = True,
    release: Release = "auto",
    data: Data = None,
    settings_file: SettingsFile = None,
    queue: QueueAddress = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run the pipeline again if there is a reason: drift, new labels, a new release, or age.

    It learns from the labels of the queue. Without a reason it says so, and the status is 0. A champion of another
    release than the data, or none at all, is a reason, too. The version's lineage says why.

    Example: jobmajor retrain --drift monitor/violations.json --new-labels 100 --days 90
    """
    from jobmajor import settings
    from jobmajor.errors import MissingExtra
    from jobmajor.pipeline import run as local
    from jobmajor.retrain import rerun
    from jobmajor.retrain.triggers import Triggers
    from sagelocal import extras

    extras.require("jobmajor retrain", "train", MissingExtra)
    folder, wanted = workspace(home), Triggers(drift, new_labels, days)
    options = local.Options(
        release=release,
        data=data,
        promote=promote,
        settings=settings.read(settings_file),
        fetch=fetch_options(),
        on_source=tell_source,
        on_event=teller(folder) if sys.stderr.isatty() else None,
    )
    doing("looking for a reason")
    labelled = opened(queue, folder)
    if check:
        found = rerun.look(folder, options, wanted, queue=labelled)
    else:
        found = rerun.retrain(folder, options, wanted, queue=labelled, tell=None if as_json else _tell)
    if as_json:
        dump(rounded(_record(found)))
    elif found.outcome:
        show_outcome(found.outcome)
    elif check:
        _tell(found.reasons)
    if not found.reasons:
        if not as_json:
            typer.echo(_nothing(found, wanted.new_labels))
        raise typer.Exit(int(check))
    if found.outcome and not found.outcome.succeeded:
        raise typer.Exit(complain(found.outcome.execution.failure or "the run was stopped", 1))


def _tell(reasons: list[str]) -> None:
    for reason in reasons:
        typer.echo(f"reason: {one_line(reason)}")


def _nothing(found: Retrained, new_labels: int | None) -> str:
    now = found.situation
    return f"nothing to do: {now.labels:,} of {new_labels or 0:,} new labels, champion {now.age_days:.0f} days old"


def _record(found: Retrained) -> dict[str, object]:
    run = outcome_record(found.outcome) if found.outcome else None
    return {"reasons": found.reasons, "situation": asdict(found.situation), "run": run}
