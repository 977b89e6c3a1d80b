"""`jobmajor aws batch`: titles in S3 by the billion, shared out over instances that end when they are done."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.aws.commands.options import DryRun, Json, Profile, Region, SettingsFile, session
from sagelocal.terminal import dump

if TYPE_CHECKING:
    from jobmajor.aws.batch import Batch
    from jobmajor.aws.commands.options import Opened


def add(app: typer.Typer) -> None:
    """Put the command into `jobmajor aws`."""
    app.command("batch")(batch)


def batch(
    source: Annotated[str, typer.Option("--input", metavar="S3", help="A folder of .parquet, .csv or .jsonl parts.")],
    target: Annotated[
        str | None, typer.Option("--output", metavar="S3", help="Where answers go.", show_default="below runs/scored")
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="The model's.", show_default="the newest approved one")
    ] = None,
    instances: Annotated[int, typer.Option(min=1, help="Each takes its share of the parts.")] = 1,
    instance_type: Annotated[str, typer.Option(help="With ml. in front.")] = "ml.c5.9xlarge",
    level: Annotated[str, typer.Option(help="major, minor, broad or detailed.")] = "major",
    titles: Annotated[
        float | None, typer.Option(min=1, metavar="N", help="Say what so many titles would cost, and start nothing.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is done.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Score the titles of an S3 folder: the same parts with code, name, score and abstain beside each title.

    Called again, it joins the job that runs, or starts one for the parts that are left.

    Example: jobmajor aws batch --input s3://bucket/titles --instances 8 --titles 1e9
    """
    from jobmajor.aws import batch as batches
    from jobmajor.batch import level as checked

    dry = dry_run or titles is not None
    with session(settings_file, region=region, profile=profile, dry_run=dry, as_json=as_json) as opened:
        found = batches.Batch(
            version or _champion(opened),
            source,
            target or opened.names.url("runs", "scored"),
            checked(level),
            instances,
            instance_type,
        )
        if titles is not None:
            _tell_cost(opened, found, titles, as_json=as_json)
            raise typer.Exit
        started = batches.start(opened.account, opened.names, found)
        if opened.account.dry:
            return
        if wait:
            batches.wait(opened.account, started.job)
    if as_json:
        dump(asdict(started))
    else:
        said = f"job {started.job}" if started.job else "nothing is left to do"
        typer.echo(f"{said}: answers in {started.target}")


def _champion(opened: Opened) -> int:
    from jobmajor.aws.registry import PackageGroup
    from jobmajor.errors import InputError

    if opened.account.dry:
        return 1
    champion = PackageGroup(opened.account, opened.names).champion()
    if champion is None:
        raise InputError(f"{opened.names.group} has no approved version: approve one, or name one with --version")
    return champion.number


def _tell_cost(opened: Opened, batch: Batch, titles: float, *, as_json: bool) -> None:
    from pathlib import Path

    from jobmajor.aws import batch as batches
    from jobmajor.aws import prices

    own = opened.settings.aws.prices
    cost = batches.estimate(titles, batch, prices.read(Path(own) if own else None), opened.account.region)
    if as_json:
        dump(cost.to_dict())
        return
    usd = "unknown" if cost.compute_usd is None else f"{cost.compute_usd:,.2f} USD"
    typer.echo(f"{titles:,.0f} titles on {batch.instances} × {batch.instance_type}: {cost.hours:.1f} h, {usd}")
    stored = "unknown" if cost.storage_usd_month is None else f"{cost.storage_usd_month:,.2f} USD a month"
    typer.echo(f"titles and answers in S3: {stored}; prices of {cost.as_of}, in {opened.account.region}")
