"""`jobmajor aws deploy`: serve an approved version from an endpoint, or run it over files."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.aws.options import DryRun, Profile, Region, newest, session
from jobmajor.cli.options import Json, SettingsFile  # noqa: TC001 - typer reads them
from jobmajor.errors import InputError
from sagelocal.show.terminal import dump

if TYPE_CHECKING:
    from jobmajor.aws.batch.transform import TransformRequest
    from jobmajor.aws.endpoints.plan import Plan
    from jobmajor.cli.aws.options import CommandContext

_TRANSFORM = "transform"


def add(app: typer.Typer) -> None:
    """Add the command to `jobmajor aws`."""
    app.command("deploy")(deploy)


def deploy(
    number: Annotated[
        int | None,
        typer.Argument(metavar="[VERSION]", min=1, help="A version's number; the newest approved one when left out."),
    ] = None,
    mode: Annotated[str, typer.Option(help="real-time, serverless, async, or transform (a file, once).")] = "real-time",
    stage: Annotated[str | None, typer.Option(help="staging or production.", show_default="staging")] = None,
    instance_type: Annotated[str, typer.Option(metavar="TYPE", help="The instance type.")] = "ml.m5.large",
    instances: Annotated[
        int | None,
        typer.Option(
            help="The minimum number of instances; 0 lets an async endpoint scale to none.",
            show_default="1; 2 in production",
        ),
    ] = None,
    max_instances: Annotated[
        int | None, typer.Option(help="The maximum number of instances.", show_default="4, or --instances")
    ] = None,
    invocations: Annotated[
        int, typer.Option("--invocations-per-minute", help="The load of one instance that scaling aims at.")
    ] = 3000,
    memory: Annotated[int, typer.Option(help="A serverless endpoint's memory, in MB.")] = 2048,
    concurrency: Annotated[int, typer.Option(help="A serverless endpoint's concurrent requests.")] = 5,
    capture: Annotated[
        int, typer.Option("--capture-percent", help="The share of requests and answers to capture.")
    ] = 100,
    shadow: Annotated[
        int | None,
        typer.Option(metavar="VERSION", min=1, help="A version that gets a copy of each request, without answering."),
    ] = None,
    canary: Annotated[
        int, typer.Option("--canary-instances", help="How many new instances answer first; 0 for all.")
    ] = 1,
    bake: Annotated[
        int, typer.Option("--bake-seconds", help="How long to watch the alarms after each traffic shift.")
    ] = 600,
    source: Annotated[
        str | None, typer.Option("--input", metavar="S3-URL", help="The titles in S3, with --mode transform.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="S3-URL",
            help="The folder for the answers, with --mode transform.",
            show_default="below batch/",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--content-type",
            metavar="TYPE",
            help="The type of the titles, with --mode transform.",
            show_default="application/jsonlines",
        ),
    ] = None,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Serve an approved version; status 1 if it may not serve, or if an alarm rolls it back.

    A new version first answers a share of the requests while alarms are watched. Production only takes a version that
    staging serves and a person approved. Run it again to continue after an interruption.

    Example: jobmajor aws deploy 3 --stage staging
    """
    from jobmajor.aws.batch import places
    from jobmajor.aws.batch.transform import LINES, TransformRequest, target_of
    from jobmajor.aws.endpoints.plan import PRODUCTION, STAGING, Fleet, Plan, Rollout, Serverless

    if mode != _TRANSFORM and (source is not None or target is not None or kind is not None):
        raise InputError(
            "--input, --output and --content-type belong to a transform: add --mode transform, or leave them out"
        )
    least = (2 if stage == PRODUCTION and mode != _TRANSFORM else 1) if instances is None else instances
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        number = newest(context) if number is None else number
        if mode == _TRANSFORM:
            _refuse(stage, shadow, source)
            titles = places.address(context.names, source or "")
            named = None if target is None else places.address(context.names, target)
            where = named or target_of(context.names, number, titles)
            places.require(context.names, places.Access("endpoint", titles, where))
            wanted = TransformRequest(number, titles, where, LINES if kind is None else kind, instance_type, least)
            _transform(context, wanted, as_json=as_json)
            return
        plan = Plan(
            version=number,
            mode=mode,
            stage=STAGING if stage is None else stage,
            fleet=Fleet(instance_type, least, max(4, least) if max_instances is None else max_instances, invocations),
            serverless=Serverless(memory, concurrency),
            rollout=Rollout(canary, bake),
            capture_percent=capture,
            shadow=shadow,
        )
        _serve(context, plan, as_json=as_json)


def _refuse(stage: str | None, shadow: int | None, source: str | None) -> None:
    """Raise InputError for options that a transform doesn't have, and for a missing --input."""
    if stage is not None or shadow is not None:
        raise InputError(f"a transform has no {'--shadow' if stage is None else '--stage'}: leave it out")
    if not source:
        raise InputError("a transform needs titles: name their S3 address with --input s3://…")


def _serve(context: CommandContext, plan: Plan, *, as_json: bool) -> None:
    from jobmajor.aws.endpoints import deploy as deployments

    found = deployments.deploy(context.account, context.names, plan)
    if context.account.dry:
        return
    if as_json:
        dump(asdict(found))
        return
    typer.echo(
        f"{found.stage}: endpoint {found.endpoint} serves version {found.version} ({found.mode}, {found.config})"
    )


def _transform(context: CommandContext, batch: TransformRequest, *, as_json: bool) -> None:
    from jobmajor.aws.batch import transform

    name = transform.start(context.account, context.names, batch)
    status = transform.wait(context.account, name)
    if context.account.dry:
        return
    if as_json:
        dump({"job": name, "status": status, **asdict(batch)})
        return
    typer.echo(f"batch transform {name}: {status}, answers below {batch.target}")
