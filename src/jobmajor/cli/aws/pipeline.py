"""`jobmajor aws pipeline …`: the definition sent, executions started, watched, read and stopped."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from jobmajor.cli.aws import execution_view
from jobmajor.cli.aws.options import LOOK, DryRun, Json, Opened, Profile, Region, SettingsFile, session
from sagelocal.show.terminal import complain, dump, one_line, pairs, table

group = typer.Typer(help="The pipeline in the account: upsert, start, status, logs, stop, list, schedule.", **LOOK)
Named = Annotated[str | None, typer.Argument(metavar="[EXECUTION]", help="Its id or ARN; the newest when left out.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it has ended; the status then says how.")]
Hours = Annotated[float, typer.Option(min=0, help="How long to wait at most.")]
Parameter = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A pipeline parameter.")
]


def add(app: typer.Typer) -> None:
    """Put the group into `jobmajor aws`."""
    app.add_typer(group, name="pipeline")


@group.command("upsert")
def upsert(
    tune: Annotated[bool, typer.Option("--tune", help="With a search in the training's place.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send the definition's bytes: create the pipeline, update it, or leave it where it has them already.

    Example: jobmajor aws pipeline upsert
    """
    from jobmajor.aws.executions.pipeline import upsert as send
    from jobmajor.pipeline import definition, requests

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as opened:
        search = None
        if tune:
            from jobmajor.pipeline.tune import parameter_ranges

            search = requests.Tuning(parameter_ranges())
        done = send(opened.account, opened.names, definition.to_bytes(opened.settings, search))
        if not opened.account.dry:
            _say(asdict(done), f"{done.change} {done.arn}", as_json=as_json)


@group.command("start")
def start(
    parameter: Parameter = None,
    wait: Wait = False,
    hours: Hours = 24.0,
    again: Annotated[bool, typer.Option("--again", help="Also where an equal execution is running.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Start an execution on the newest data and image, compared with the champion; join one that does just that.

    Example: jobmajor aws pipeline start --wait -p TestScoreThreshold=0.75
    """
    from jobmajor.aws.executions import start as starting
    from jobmajor.aws.executions.pipeline import start as send

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as opened:
        values = starting.parameters(opened.account, opened.names, pairs(parameter, "--parameter"))
        begun = send(opened.account, opened.names, values, again=again)
        if opened.account.dry:
            return
        if wait:
            if sys.stderr.isatty():
                typer.echo(f"{'joined' if begun.joined else 'started'} {begun.arn}", err=True)
            _wait(opened, begun.arn, hours, as_json=as_json)
            return
        _say(asdict(begun), f"{'joined' if begun.joined else 'started'} {begun.arn}", as_json=as_json)


@group.command("status")
def status(
    execution: Named = None,
    wait: Wait = False,
    hours: Hours = 24.0,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show how far an execution is, step by step.

    Example: jobmajor aws pipeline status --wait
    """
    from jobmajor.aws.executions import execution as executions

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as opened:
        arn = executions.execution_arn(opened.account, opened.names, execution)
        if wait and not opened.account.dry:
            _wait(opened, arn, hours, as_json=as_json)
            return
        found = executions.state(opened.account, arn)
        if not opened.account.dry:
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

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as opened:
        arn = executions.execution_arn(opened.account, opened.names, execution)
        found = Reader(opened.account, arn, step).lines(follow=follow)
        if opened.account.dry:
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

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as opened:
        arn = executions.execution_arn(opened.account, opened.names, execution)
        found = executions.stop(opened.account, arn)
        if not opened.account.dry:
            words = f"{found.id}: {found.status} already" if found.ended else f"{found.id}: told to stop"
            _say({"arn": found.arn, "was": found.status}, words, as_json=as_json)


@group.command("list")
def list_executions(
    newest: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """List the executions, newest first.

    Example: jobmajor aws pipeline list --newest 5
    """
    from jobmajor.aws.executions.execution import executions

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as opened:
        found = executions(opened.account, opened.names, newest)
        if opened.account.dry:
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
    on_data: Annotated[bool, typer.Option("--on-data/--no-on-data", help="Also when a release was uploaded.")] = True,
    remove: Annotated[bool, typer.Option("--remove", help="Take both away.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Have the pipeline start by itself: on a schedule, and when a release was uploaded.

    Example: jobmajor aws pipeline schedule --at 'cron(0 6 ? * MON *)'
    """
    from jobmajor.aws.project import schedule as scheduling

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as opened:
        when = opened.settings.aws.schedule if at is None else at
        if remove:
            done = scheduling.remove(opened.account, opened.names)
        else:
            done = scheduling.put(opened.account, opened.names, schedule=when, on_data=on_data)
        if not opened.account.dry:
            name = scheduling.stack_name(opened.names)
            _say({"stack": name, "change": done}, f"{done} {name}", as_json=as_json)


def _say(record: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        dump(record)
    else:
        typer.echo(words)


def _wait(opened: Opened, arn: str, hours: float, *, as_json: bool) -> None:
    """Status 1 where the execution ends in anything but success."""
    from jobmajor.aws.executions import execution as executions

    opened.account.tell = _keep_quiet  # the view says it all, and in a pipe nobody looks
    with execution_view.live() as on_look:
        found = executions.wait(opened.account, arn, on_look, limit_s=3600 * hours)
    execution_view.show(found, as_json=as_json)
    if found.status != executions.SUCCEEDED:
        raise typer.Exit(complain(found.failure or f"execution {found.id} was {found.status.lower()}", 1))


def _keep_quiet(line: str) -> None:
    """The end of a line of progress."""
