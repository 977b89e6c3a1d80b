"""`jobmajor aws approve-deployment | rollback | invoke | capture | delete`: commands for a deployed endpoint."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobmajor.cli.aws.options import DryRun, Profile, Region, session
from jobmajor.cli.options import Json, SettingsFile, score
from jobmajor.errors import InputError
from sagelocal.show.terminal import dump, near, one_line, table

if TYPE_CHECKING:
    from collections.abc import Sequence

STAGES = ("staging", "production")
Stage = Annotated[str, typer.Option(help="staging or production.")]
File = Annotated[Path | None, typer.Option("--input", metavar="FILE", help="One title a line; - for standard input.")]


def add(app: typer.Typer) -> None:
    """Add the commands to `jobmajor aws`."""
    app.command("approve-deployment")(approve_deployment)
    app.command("rollback")(rollback)
    app.command("invoke")(invoke)
    app.command("capture")(capture)
    app.command("delete")(delete)


def approve_deployment(
    number: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version that staging serves.")],
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Approve what staging serves for production; status 1 if staging serves another version.

    Example: jobmajor aws approve-deployment 3
    """
    from jobmajor.aws.endpoints import approval

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        caller = approval.approve(context.account, context.names, number)
        if context.account.dry:
            return
        if as_json:
            dump({"version": number, "approved_by": caller})
        else:
            typer.echo(f"version {number} is approved for production by {caller}")


def rollback(
    stage: Stage,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Serve the previous version again, at once; status 1 if there is none.

    Example: jobmajor aws rollback --stage production
    """
    from jobmajor.aws.endpoints import deploy as deployments

    _check(stage)
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        found = deployments.rollback(context.account, context.names, stage)
        if context.account.dry:
            return
        if as_json:
            dump(asdict(found))
        else:
            typer.echo(f"{stage}: endpoint {found.endpoint} serves version {found.version} again ({found.config})")


def invoke(
    titles: Annotated[list[str] | None, typer.Argument(help="Job titles, unless --input names some.")] = None,
    source: File = None,
    stage: Stage = "production",
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send titles to an endpoint and print their codes: at most 6 MiB at a time, or 4 MiB to a serverless one.

    Example: jobmajor aws invoke "licensed practical nurse" --stage staging
    """
    from jobmajor.aws.endpoints import invocation
    from jobmajor.aws.endpoints.config import staged

    _check(stage)
    wanted = [*(titles or ()), *(_lines(source) if source else ())]
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        context.account.tell(f"asking {staged(context.names.endpoint, stage)}, the endpoint of {stage}")
        answer = invocation.invoke(context.account, context.names, stage, wanted)
        if context.account.dry:
            return
        if as_json:
            dump(answer)
        else:
            _show(wanted, answer["predictions"])


def capture(
    period: Annotated[
        str, typer.Argument(metavar="[PERIOD]", help="all, yesterday, 7d, 2026-11, a day, or 2026-11-01..2026-11-30.")
    ] = "all",
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", file_okay=False, help="The folder to download to.")
    ] = Path("captures"),
    stage: Stage = "production",
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Download the requests that an endpoint captured, for jobmajor monitor; files that are here are left.

    Example: jobmajor aws capture 2026-10 --output captures
    """
    from jobmajor.aws.endpoints import traffic
    from jobmajor.monitor.traffic.capture import Period

    _check(stage)
    days = Period.parse(period)
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        found = traffic.download(context.account, context.names, stage, output, days)
        if context.account.dry:
            return
        if as_json:
            dump({**asdict(found), "folder": str(output)})
        else:
            size, here = f"{found.size_bytes / 1e6:,.1f} MB", f"{found.here:,} of them were here"
            typer.echo(f"{found.endpoint}: {found.files:,} files, {size}, {here}; folder: {near(output)}")


def delete(
    stage: Stage,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only list.")] = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delete a stage's endpoint and everything created for it; captured traffic stays in the bucket.

    Example: jobmajor aws delete --stage staging --yes
    """
    from jobmajor.aws.endpoints import removal

    _check(stage)
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        does = yes or context.account.dry
        found = (removal.remove if does else removal.contents)(context.account, context.names, stage)
        if context.account.dry:
            return
        if as_json:
            dump({"deleted": yes, "resources": list(found)})
            return
        for line in found:
            typer.echo(line)
        done = "deleted" if yes else "would be deleted: add --yes"
        typer.echo(f"{len(found)} {done}" if found else "there is nothing to delete")


def _check(stage: str) -> None:
    if stage not in STAGES:
        raise InputError(f"--stage: found {stage}, expected {' or '.join(STAGES)}")


def _lines(file: Path) -> list[str]:
    """Return the titles of a file, without empty lines."""
    try:
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return [line for line in text.decode("utf-8-sig").splitlines() if line.strip()]
    except OSError as error:
        raise InputError(f"{file} can't be read ({error.strerror}): name a file of titles") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: found {error.reason}, expected UTF-8 text") from error


def _show(titles: Sequence[str], predictions: Sequence[Any]) -> None:
    rows = [
        (
            one_line(title) if place == 0 else "",
            str(item.get("label", "")),
            one_line(str(item.get("name", ""))),
            score(float(item.get("score", float("nan")))),
        )
        for title, answers in zip(titles, predictions, strict=True)
        for place, item in enumerate(answers)
    ]
    table(("title", "code", "name", "score"), rows)
