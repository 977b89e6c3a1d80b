"""`jobmajor run` and `jobmajor tune`: the pipeline, and a search for better settings."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobmajor.cli.data import fetch_options, tell_source
from jobmajor.cli.options import Data, Home, Json, OwnTest, Release, Reviewed, SettingsFile, workspace
from sagelocal.show.patience import doing
from sagelocal.show.terminal import complain, dump, near, pairs, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobmajor.pipeline.run import Outcome
    from jobmajor.pipeline.tune import Progress, Result
    from jobmajor.registry.versions import Version
    from sagelocal.run.executor import StepRecord


def add(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(run)
    app.command()(tune)


def run(
    release: Release = "auto",
    data: Data = None,
    reviewed: Reviewed = None,
    own_test: OwnTest = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="The weighted F1 to exceed.", show_default="0.75 on O*NET, 0.80 on starter titles"),
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote/--no-promote", help="Make a version that passed the champion.")
    ] = True,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A pipeline parameter."),
    ] = None,
    settings_file: SettingsFile = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run the pipeline: preprocess, train, evaluate, check, register; status 1 if the gate refuses the model.

    Results of finished steps with equal inputs come from the workspace's cache, so an interrupted run continues.

    Example: jobmajor run --data onet/28.1 --threshold 0.75
    """
    from jobmajor import settings
    from jobmajor.errors import MissingExtra
    from jobmajor.pipeline import run as local
    from sagelocal import extras

    extras.require("jobmajor run", "train", MissingExtra)
    options = local.Options(
        release=release,
        data=data,
        reviewed=reviewed,
        own_test=own_test,
        threshold=threshold,
        promote=promote,
        parameters=pairs(parameter, "--parameter"),
        settings=settings.read(settings_file),
        fetch=fetch_options(),
        on_source=tell_source,
        on_event=teller(workspace(home)) if sys.stderr.isatty() else None,
    )
    doing("looking for data")
    outcome = local.run(workspace(home), options)
    try:
        if as_json:
            dump(outcome_record(outcome))
        else:
            show_outcome(outcome)
    except BrokenPipeError:  # the status stays 1 if nobody reads the output
        if outcome.succeeded:
            raise
    if not outcome.succeeded:
        raise typer.Exit(complain(_failure(outcome), 1))


def _failure(outcome: Outcome) -> str:
    version = outcome.version
    if version is None or not version.decision:
        return outcome.execution.failure or "the run was stopped"
    return f"version {version.number} was refused: " + "; ".join(map(str, version.decision.get("reasons") or ()))


def teller(home: Path) -> Callable[[StepRecord], None]:
    """Return what prints the steps as they begin and end; in between, the last line of their logs is shown."""
    from sagelocal.show import watch

    began = time.time()

    def tell(record: StepRecord) -> None:
        if record.status == "Executing":
            typer.echo(f"  {record.name} …", err=True)
            doing(record.name, watch.progress(home, began, record.name))
        elif record.status != "Skipped":
            how = " (from the cache)" if record.cached else f" in {record.seconds:.1f} s"
            typer.echo(f"  {record.name}: {record.status.lower()}{how}", err=True)
            doing("going on")

    return tell


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """Return what a run did as plain data."""
    version, champion = outcome.version, outcome.champion
    return {
        "status": outcome.execution.status,
        "failure": outcome.execution.failure,
        "execution_id": outcome.execution.id,
        "definition_digest": outcome.execution.definition_digest,
        "folder": str(outcome.execution.folder),
        "data": {"release": outcome.source.release, "how": outcome.source.how},
        "threshold": outcome.threshold,
        "classification_metrics": (outcome.evaluation or {}).get("classification_metrics"),
        "report": str(outcome.report) if outcome.report else None,
        "steps": [
            {"name": step.name, "status": step.status, "cached": step.cached, "seconds": step.seconds}
            for step in outcome.execution.steps
        ],
        "version": version.number if version else None,
        "outcome": version.outcome if version else "refuse",
        "held_for": list(version.holds) if version else [],
        "champion": champion.number if champion else None,
    }


def show_outcome(outcome: Outcome) -> None:
    """Print what a run did."""
    from jobmajor.soc.chosen import OWN_TEXTS

    source = outcome.source
    own = {"starter": "starter titles", OWN_TEXTS: OWN_TEXTS}
    release = own.get(source.release) or f"O*NET {source.release}"
    typer.echo(f"data: {release} ({source.how})")
    rows = [
        (
            step.name,
            step.type,
            f"{step.status} (cached)" if step.cached else step.status,
            f"{step.seconds:.1f} s",
        )
        for step in outcome.execution.steps
    ]
    table(("step", "type", "status", "time"), rows)
    if outcome.evaluation:
        _show_figures(outcome.evaluation["classification_metrics"], outcome.threshold)
    if outcome.report:
        typer.echo(f"report: {near(outcome.report)}")
    if version := outcome.version:
        state = ", ".join(version.aliases) or "a candidate"
        typer.echo(f"version {version.number}: {version.status}, {state} ({near(version.folder)})")
        _show_holds(version)
    elif outcome.champion:
        typer.echo(f"champion: still version {outcome.champion.number}")
    execution = outcome.execution
    typer.echo(f"run {execution.id}: {execution.status} in {execution.seconds:.1f} s ({near(execution.folder)})")


def _show_holds(version: Version) -> None:
    """Say why a person has to promote the version, if the gate holds it and nobody did."""
    if version.aliases or not version.holds:
        return
    for reason in version.holds:
        typer.echo(f"held: {reason}")
    typer.echo(f'a person decides: jobmajor models promote {version.number} --reason "…"')


_FIGURES = {
    "test_f1": "weighted F1",
    "test_accuracy": "accuracy",
    "test_f1_macro": "macro F1",
    "test_any_code_accuracy": "any listed code",
}


def _show_figures(figures: dict[str, Any], threshold: float) -> None:
    for key, name in _FIGURES.items():
        interval = figures["intervals"][key]
        asked = f"; more than {threshold:g} is asked" if key == "test_f1" else ""
        low, high = interval["low"], interval["high"]
        typer.echo(f"test {name}: {figures[key]:.4f} (95 % interval {low:.4f} to {high:.4f}{asked})")


def tune(
    trials: Annotated[int, typer.Option(help="How many finished trials to end with, earlier ones included.")] = 30,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The seed of the search.")] = 0,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new file for the best.", show_default="HOME/tune.toml")
    ] = None,
    release: Release = "auto",
    data: Data = None,
    settings_file: SettingsFile = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Search for better settings of the linear recipe; writes the best ones as a part of jobmajor.toml.

    Trials are judged on validation, never on the test. A search that was interrupted goes on when it is called again.

    Example: jobmajor tune --trials 50 --data onet/28.1
    """
    from jobmajor import settings
    from jobmajor.home import Workspace
    from jobmajor.pipeline import run as local
    from jobmajor.pipeline import tune

    folder = workspace(home)
    target = output or Workspace(folder).found_settings
    options = local.Options(
        release=release,
        data=data,
        settings=settings.read(settings_file),
        fetch=fetch_options(),
        on_source=tell_source,
    )
    search = tune.SearchOptions(trials=trials, seed=seed, on_trial=_tell_trial if sys.stderr.isatty() else None)
    doing("reading the titles, and the first trial")
    found = local.tune(folder, target, options, search)
    if as_json:
        dump(_search_record(found, target))
        return
    typer.echo(f"best of {found.finished} trials: weighted F1 {found.best.f1:.4f} on validation")
    typer.echo(f"settings: {near(target)}")


def _tell_trial(progress: Progress) -> None:
    f1, best = progress.trial.f1, progress.best.f1
    typer.echo(
        f"  {progress.finished} of {progress.wanted}: weighted F1 {f1:.4f}, best {best:.4f}, {progress.seconds:.1f} s",
        err=True,
    )
    doing(f"trial {progress.finished + 1} of {progress.wanted}")


def _search_record(found: Result, output: Path) -> dict[str, Any]:
    return {
        "trials": found.finished,
        "best": {"trial": found.best.number, "f1": found.best.f1, "settings": asdict(found.best.settings)},
        "data": found.data,
        "output": str(output),
    }
