"""`jobmajor aws bootstrap | cleanup`: create what a project needs in an account, and delete it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.aws.options import DryRun, Profile, Region, session, tell
from jobmajor.cli.options import Json, SettingsFile  # noqa: TC001 - typer reads them
from sagelocal.show.terminal import complain, dump, pairs, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobmajor.aws.cleanup.tagged import Resource

Choice = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        metavar="NAME=VALUE",
        help="A stack parameter such as Encryption=kms or CaptureDays=30; it stays until you change it.",
    ),
]
Minutes = Annotated[float, typer.Option(min=0.1, help="How many minutes to wait at most.")]
Yes = Annotated[bool, typer.Option("--yes", help="Delete what is listed.")]


def add(app: typer.Typer) -> None:
    """Add both commands to `jobmajor aws`."""
    app.command("bootstrap")(bootstrap)
    app.command("cleanup")(cleanup)


def bootstrap(
    parameter: Choice = None,
    minutes: Minutes = 30.0,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Create or update what the project needs in the account: bucket, image repository, roles, logs, alarms.

    All of it is one CloudFormation stack, which costs almost nothing while idle. Run it again to continue after an
    interruption.

    Example: jobmajor aws bootstrap --dry-run
    """
    from jobmajor.aws.project import stack

    choices = pairs(parameter, "--parameter")
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        made = stack.bootstrap(context.account, context.names, choices, limit_s=60 * minutes)
        if context.account.dry:
            return
    if as_json:
        dump(asdict(made))
        return
    typer.echo(f"stack {made.name}: {made.change}")
    table(("output", "value"), sorted(made.outputs.items()))


def cleanup(
    yes: Yes = False,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """List everything that carries the project's tag in this region; with --yes, delete it, including data and models.

    SageMaker keeps ended jobs as records, which cost nothing. Studio's domains and spaces are the account's: they stay
    and are named, with what they cost. Status 1 if something could not be deleted.

    Example: jobmajor aws cleanup
    """
    from jobmajor.aws.cleanup import cleanup as cleanups
    from jobmajor.aws.cleanup.remains import remains

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        account, names = context.account, context.names
        found = cleanups.listing(account, names)
        stays = remains(account)
        if account.dry:
            return
        if not as_json:
            _show(found, f"{names.project} in account {account.account_id}, {account.region}")
        left = cleanups.clean(account, names, on_removed=_removed) if yes else ()
    if as_json:
        dump(
            {
                "found": [asdict(resource) for resource in found],
                "left": [asdict(resource) for resource in left] if yes else None,
                "stays": stays,
            }
        )
        stays = ()
    elif found and not yes:
        typer.echo("nothing was deleted: add --yes to delete all of it")
    for line in stays:
        typer.echo(f"stays, as it is the account's: {line}")
    if left:
        names_left = ", ".join(f"{resource.kind} {resource.name}" for resource in left)
        raise typer.Exit(complain(f"not deleted: {names_left}; run the same command again", 1))


def _removed(resource: Resource) -> None:
    tell(f"{resource.kind} {resource.name}: {'stopped' if resource.detail == 'stopped' else 'deleted'}")


def _show(found: tuple[Resource, ...], where: str) -> None:
    typer.echo(f"{len(found) or 'no'} resources of {where}")
    table(("kind", "name", "detail"), _rows(found))


def _rows(found: Iterable[Resource]) -> list[tuple[str, str, str]]:
    return [(resource.kind, resource.name, resource.detail) for resource in found]
