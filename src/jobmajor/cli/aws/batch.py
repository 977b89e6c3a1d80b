"""`jobmajor aws batch`: score titles in S3 on many instances."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.aws.options import DryRun, Profile, Region, newest, price_table, session
from jobmajor.cli.options import Json, SettingsFile  # noqa: TC001 - typer reads them
from jobmajor.errors import InputError
from sagelocal.show.terminal import dump

if TYPE_CHECKING:
    from jobmajor.aws.batch.processing import ScoringRequest
    from jobmajor.cli.aws.options import CommandContext


def add(app: typer.Typer) -> None:
    """Add the command to `jobmajor aws`."""
    app.command("batch")(batch)


def batch(
    source: Annotated[
        str, typer.Option("--input", metavar="S3-URL", help="A folder of .parquet, .csv or .jsonl parts.")
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--output", metavar="S3-URL", help="The folder for the answers.", show_default="below runs/scored"
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="The model's version.", show_default="the newest approved one")
    ] = None,
    instances: Annotated[int, typer.Option(min=1, help="The number of instances, which share the parts.")] = 1,
    instance_type: Annotated[str, typer.Option(help="The instance type.")] = "ml.c5.9xlarge",
    level: Annotated[str, typer.Option(help="major, minor, broad or detailed.")] = "major",
    titles: Annotated[
        float | None,
        typer.Option(min=1, max=1e15, metavar="N", help="Print the cost of N titles; start nothing."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1, max=1e9, metavar="N", help="Titles per core and second, for --titles.", show_default="assumed"
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job is done.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Score the titles of an S3 folder: each part gets the columns code, name, score and abstain.

    Run it again to join the running job, or to start one for the parts that are left.

    A name without s3:// is a folder below the project's prefix, where the job's role may read.

    Example: jobmajor aws batch --input titles --instances 8 --titles 1e9
    """
    from jobmajor.aws.batch import places
    from jobmajor.aws.batch import processing as batches
    from jobmajor.soc import parse_level

    dry = dry_run or titles is not None
    if rate is not None and titles is None:
        raise InputError("--rate needs --titles: add --titles, or leave out --rate")
    with session(settings_file, region=region, profile=profile, dry_run=dry, as_json=as_json) as context:
        found = batches.ScoringRequest(
            version or newest(context),
            places.address(context.names, source),
            context.names.url("runs", "scored") if target is None else places.address(context.names, target),
            parse_level(level),
            instances,
            instance_type,
        )
        if titles is not None:
            _show_cost(context, found, (titles, rate), as_json=as_json)
            raise typer.Exit
        places.require(context.names, places.Access("job", found.source, found.target))
        started = batches.start(context.account, context.names, found)
        if context.account.dry:
            return
        if wait:
            batches.wait(context.account, started.job)
    if as_json:
        dump(asdict(started))
    else:
        said = f"job {started.job}" if started.job else "nothing is left to score"
        typer.echo(f"{said}: answers in {started.target}")


def _show_cost(
    context: CommandContext, batch: ScoringRequest, asked: tuple[float, float | None], *, as_json: bool
) -> None:
    from jobmajor.aws.batch import processing as batches

    titles, rate = asked
    table = price_table(context.settings, context.account.region)
    cost = batches.estimate(titles, batch, table, context.account.region, rate or batches.TITLES_PER_CORE_S)
    if as_json:
        dump(cost.to_dict())
        return
    said = "from --rate" if rate else "assumed: measure yours, and give it with --rate"
    usd = "unknown" if cost.compute_usd is None else f"{cost.compute_usd:,.2f} USD"
    typer.echo(f"{titles:,.0f} titles on {batch.instances} × {batch.instance_type}: {cost.hours:.1f} h, {usd}")
    typer.echo(f"disk of each instance: {cost.disk_gb:,} GB")
    typer.echo(f"at {cost.titles_per_core_s:,.0f} titles a second on each core ({said}), with 10 minutes to start")
    stored = "unknown" if cost.storage_usd_month is None else f"{cost.storage_usd_month:,.2f} USD a month"
    typer.echo(f"titles and answers in S3: {stored}; prices of {cost.as_of}, in {context.account.region}")
