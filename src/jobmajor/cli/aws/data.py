"""`jobmajor aws upload | show`: upload data, and print the names of the account's resources."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.aws.options import AccountId, DryRun, Profile, Region, names_of, session
from jobmajor.cli.options import Data, Home, Json, SettingsFile  # noqa: TC001 - typer reads them
from sagelocal.show.terminal import dump, table

if TYPE_CHECKING:
    from jobmajor.aws.executions.upload import Uploaded
    from jobmajor.aws.names import Names
    from jobmajor.cli.aws.options import CommandContext


_PLACEHOLDER = "000000000000"


def add(app: typer.Typer) -> None:
    """Add the commands to `jobmajor aws`."""
    app.command("upload")(upload)
    app.command("show")(show)


def upload(
    release: Annotated[str, typer.Option(help="auto, starter, or an O*NET release such as 28.1.")] = "auto",
    data: Data = None,
    home: Home = None,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Upload a release to an S3 address that contains its digest; files that are there already are skipped.

    With the transformer recipe, also upload its checkpoint. Run it again to continue after an interruption.

    Example: jobmajor aws upload --data onet/28.1 --dry-run
    """
    from jobmajor import settings
    from jobmajor.aws.executions import upload as uploads
    from jobmajor.data import source as sources

    named = data or settings.read(settings_file).data.path
    source = sources.resolve(release, settings.home(home), data=named)
    if source.notice:
        typer.echo(f"notice: {source.notice}", err=True)
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        found = {"InputDataUrl": uploads.release(context.account, context.names, source), **_checkpoint(context)}
        if context.account.dry:
            return
        if as_json:
            dump({name: asdict(one) for name, one in found.items()})
            return
        for name, one in found.items():
            typer.echo(
                f"{name}: {one.uri} ({len(one.sent)} sent, {len(one.skipped)} skipped, {one.size_bytes:,} bytes)"
            )


def _checkpoint(context: CommandContext) -> dict[str, Uploaded]:
    """Upload the transformer's checkpoint, and return it under its parameter; empty with another recipe."""
    from jobmajor.aws.executions import upload as uploads
    from jobmajor.model import transformer
    from jobmajor.pipeline import requests

    if not requests.is_transformer(context.settings):
        return {}
    transformer.require('the setting train.recipe = "transformer"')
    from jobmajor.model.transformer import checkpoint_files

    files = checkpoint_files.files(context.settings.transformer.checkpoint)
    return {"CheckpointUrl": uploads.checkpoint(context.account, context.names, files)}


def show(
    region: Region = None,
    account: AccountId = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Print the names of all resources in the account, without sending a request.

    Example: jobmajor aws show --json
    """
    names = names_of(settings_file, region, account)
    if as_json:
        dump(names.to_dict())
        return
    table(("name", "value"), _rows(names))
    if names.account_id == _PLACEHOLDER:
        typer.echo("the account is a placeholder: set aws.account, or give --account", err=True)


def _rows(names: Names) -> list[tuple[str, str]]:
    found = []
    for name, value in names.to_dict().items():
        if isinstance(value, dict):
            found += [(f"{name}.{inner}", str(item)) for inner, item in value.items()]
        else:
            found.append((name, str(value)))
    return found
