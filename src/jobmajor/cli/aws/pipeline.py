"""`jobmajor aws pipeline …`: create or update the pipeline; start, watch and stop executions; read logs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from jobmajor.cli.aws import execution_view
from jobmajor.cli.aws.options import CommandContext, DryRun, Profile, Region, session
from jobmajor.cli.options import LOOK, Json, Reviewed, SettingsFile
from sagelocal.show.terminal import complain, dump, one_line, pairs, table

group = typer.Typer(help="The pipeline in the account: upsert, start, status, logs, stop, list, schedule.", **LOOK)
Named = Annotated[str | None, typer.Argument(metavar="[EXECUTION]", help="Its id or ARN; the newest when left out.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended; status 1 unless it succeeded.")]
Minutes = Annotated[float, typer.Option(min=0, help="How many minutes to wait at most.")]
Parameter = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A pipeline parameter.")
]


def add(app: typer.Typer) -> None:
    """Add the group to `jobmajor aws`."""
    app.add_typer(group, name="pipeline")


@group.command("upsert")
def upsert(
    tune: Annotated[bool, typer.Option("--tune", help="Replace the training by a hyperparameter search.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Create the pipeline, or update it if its definition differs.

    Example: jobmajor aws pipeline upsert
    """
    from jobmajor.aws.executions import pipeline as pipelines
    from jobmajor.pipeline import definition, requests

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        search = None
        if tune:
            from jobmajor.pipeline.tune import parameter_ranges

            search = requests.Tuning(parameter_ranges())
        done = pipelines.upsert(context.account, context.names, definition.to_bytes(context.settings, search))
        if not context.account.dry:
            _say(asdict(done), f"{done.change} {done.arn}", as_json=as_json)


@group.command("start")
def start(
    parameter: Parameter = None,
    reviewed: Reviewed = None,
    wait: Wait = False,
    minutes: Minutes = 1440.0,
    again: Annotated[
        bool, typer.Option("--again", help="Start another execution even if an equal one is running.")
    ] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Start an execution on the newest data and image, or join an equal one that is running.

    Example: jobmajor aws pipeline start --wait -p TestScoreThreshold=0.75
    """
    from jobmajor.aws.executions import pipeline as pipelines
    from jobmajor.aws.executions import start as starts
    from jobmajor.aws.executions import upload as uploads

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        given = pairs(parameter, "--parameter")
        if reviewed:
            given["ReviewedDataUrl"] = uploads.reviewed(context.account, context.names, reviewed).uri
        values = starts.parameters(context.account, context.names, given)
        begun = pipelines.start(context.account, context.names, values, again=again)
        if context.account.dry:
            return
        if wait:
            if sys.stderr.isatty():
                typer.echo(f"{'joined' if begun.joined else 'started'} {begun.arn}", err=True)
            _wait(context, begun.arn, minutes, as_json=as_json)
            return
        _say(asdict(begun), f"{'joined' if begun.joined else 'started'} {begun.arn}", as_json=as_json)


@group.command("status")
def status(
    execution: Named = None,
    wait: Wait = False,
    minutes: Minutes = 1440.0,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show an execution and its steps.

    Example: jobmajor aws pipeline status --wait
    """
    from jobmajor.aws.executions import execution as executions

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        arn = executions.execution_arn(context.account, context.names, execution)
        if wait and not context.account.dry:
            _wait(context, arn, minutes, as_json=as_json)
            return
        found = executions.state(context.account, arn)
        if not context.account.dry:
            execution_view.show(found, as_json=as_json)


@group.command("logs")
def logs(
    execution: Named = None,
    step: Annotated[str | None, typer.Option(metavar="NAME", help="Of this step only.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the execution has ended.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Print what the jobs of an execution wrote.

    Example: jobmajor aws pipeline logs --step train --follow
    """
    from jobmajor.aws.executions import execution as executions
    from jobmajor.aws.executions.logs import Reader

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        arn = executions.execution_arn(context.account, context.names, execution)
        found = Reader(context.account, arn, step).lines(follow=follow)
        if context.account.dry:
            list(found)
            return
        if as_json:
            dump([asdict(line) for line in found])
            return
        for line in found:
            typer.echo(execution_view.logged(line))


@group.command("stop")
def stop(
    execution: Named = None,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Ask an execution to stop; its jobs have two minutes to end.

    Example: jobmajor aws pipeline stop
    """
    from jobmajor.aws.executions import execution as executions

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        arn = executions.execution_arn(context.account, context.names, execution)
        found = executions.stop(context.account, arn)
        if not context.account.dry:
            words = f"{found.id}: {found.status} already" if found.ended else f"{found.id}: told to stop"
            _say({"arn": found.arn, "was": found.status}, words, as_json=as_json)


@group.command("list")
def list_executions(
    most: Annotated[int, typer.Option(min=1, max=10_000, help="The number of executions to list.")] = 20,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """List the executions, newest first.

    Example: jobmajor aws pipeline list --most 5
    """
    from jobmajor.aws.executions.execution import executions

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        found = executions(context.account, context.names, most)
        if context.account.dry:
            return
        if as_json:
            dump([execution_view.record(item) for item in found])
            return
        rows = [(item.id, item.status, item.started, one_line(item.failure)) for item in found]
        table(("execution", "status", "started", "failure"), rows)


@group.command("schedule")
def schedule(
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="EXPRESSION",
            help="In UTC: cron(0 6 ? * MON *) or rate(7 days).",
            show_default="aws.schedule",
        ),
    ] = None,
    on_data: Annotated[
        bool, typer.Option("--on-data/--no-on-data", help="Also start when a release is uploaded.")
    ] = True,
    reviewed: Reviewed = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the schedule and the start on data.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Start the pipeline automatically: on a schedule, and when a release is uploaded.

    Example: jobmajor aws pipeline schedule --at 'cron(0 6 ? * MON *)'
    """
    from jobmajor.aws.executions import upload as uploads
    from jobmajor.aws.project import schedule as scheduling

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        when = context.settings.aws.schedule if at is None else at
        if remove:
            done = scheduling.remove(context.account, context.names)
        else:
            url = uploads.reviewed(context.account, context.names, reviewed).uri if reviewed else None
            done = scheduling.put(context.account, context.names, schedule=when, on_data=on_data, reviewed=url)
        if not context.account.dry:
            name = scheduling.stack_name(context.names)
            _say({"stack": name, "change": done}, f"{done} {name}", as_json=as_json)


def _say(record: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        dump(record)
    else:
        typer.echo(words)


def _wait(context: CommandContext, arn: str, minutes: float, *, as_json: bool) -> None:
    """Wait for an execution and show it; exit with status 1 unless it succeeded."""
    from jobmajor.aws.executions import execution as executions

    context.account.tell = _keep_quiet  # the view shows the progress, and a pipe needs none
    with execution_view.live() as on_state:
        found = executions.wait(context.account, arn, on_state, limit_s=60 * minutes)
    execution_view.show(found, as_json=as_json)
    if found.status != executions.SUCCEEDED:
        raise typer.Exit(complain(found.failure or f"execution {found.id} was {found.status.lower()}", 1))


def _keep_quiet(line: str) -> None:
    """Discard a line of progress."""
