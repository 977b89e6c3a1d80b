"""`jobmajor aws monitor`: check an endpoint's captured traffic on a schedule."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from jobmajor.cli.aws.endpoints import STAGES, Stage
from jobmajor.cli.aws.options import DryRun, Profile, Region, newest, session
from jobmajor.cli.options import Json, SettingsFile  # noqa: TC001 - typer reads them
from jobmajor.errors import InputError
from sagelocal.show.terminal import dump


def add(app: typer.Typer) -> None:
    """Add the command to `jobmajor aws`."""
    app.command("monitor")(monitor)


def monitor(
    number: Annotated[
        int | None,
        typer.Argument(
            metavar="[VERSION]", min=1, help="The version that the endpoint serves.", show_default="newest approved"
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="The reference, from jobmajor monitor baseline.")
    ] = None,
    at: Annotated[
        str, typer.Option("--at", metavar="EXPRESSION", help="In UTC: cron(0 6 * * ? *) or rate(1 day).")
    ] = "cron(0 6 * * ? *)",
    period: Annotated[str, typer.Option(help="The days that a check reads: yesterday, 7d or all.")] = "yesterday",
    stage: Stage = "production",
    instance_type: Annotated[str, typer.Option(help="The job's instance type.")] = "ml.m5.large",
    disk_gb: Annotated[
        int, typer.Option("--disk-gb", help="The job's disk, which holds all that the endpoint captured.")
    ] = 30,
    absent_days: Annotated[
        int, typer.Option("--absent-days", help="Alarm after so many days without a check, 1 to 7.")
    ] = 2,
    remove: Annotated[bool, typer.Option("--remove", help="Remove schedule, filters and alarms.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Check an endpoint's captured traffic on a schedule; alarms tell of violations, failed and absent checks.

    Run it again after another version was deployed, with a reference that was made by its model.

    Example: jobmajor aws monitor --against reference.json --at 'cron(0 6 * * ? *)'
    """
    from jobmajor.aws.project import monitoring
    from jobmajor.monitor import reference
    from jobmajor.monitor.traffic.capture import Period

    if stage not in STAGES:
        raise InputError(f"--stage: found {stage}, expected {' or '.join(STAGES)}")
    if not remove and against is None:
        raise InputError("no reference was named: make one by jobmajor monitor baseline, and give it by --against")
    Period.parse(period)
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        stack = monitoring.stack(context.names)
        if remove or against is None:
            done = stack.remove(context.account)
        else:
            reference.load(against)
            wanted = monitoring.Checks(
                number or newest(context),
                against.read_bytes(),
                at=at,
                period=period,
                stage=stage,
                instance_type=instance_type,
                disk_gb=disk_gb,
                absent_days=absent_days,
            )
            done = monitoring.put(context.account, context.names, wanted)
        if context.account.dry:
            return
        if as_json:
            dump({"stack": stack.name, "change": done})
        else:
            typer.echo(f"{done} {stack.name}")
