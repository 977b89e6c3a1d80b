"""`jobmajor aws prices …`: the prices that estimates use."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it
from typing import Annotated

import typer

from jobmajor.cli.aws.options import Region, open_account
from jobmajor.cli.options import LOOK, Home, Json, SettingsFile
from jobmajor.errors import InputError
from sagelocal.show.terminal import dump

group = typer.Typer(help="The prices of estimates: refresh.", **LOOK)


def add(app: typer.Typer) -> None:
    """Add the group to `jobmajor aws`."""
    app.add_typer(group, name="prices")


@group.command("refresh")
def refresh(
    file: Annotated[
        Path | None,
        typer.Option(
            "--input", metavar="FILE", help="A price list that you downloaded.", show_default="AWS's public file"
        ),
    ] = None,
    region: Region = None,
    home: Home = None,
    settings_file: SettingsFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the address and the target; do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Read SageMaker's prices in a region from AWS's public price list; estimates use them from then on.

    Needs no account. What the list lacks is taken from the table that jobmajor has, and else is unknown.

    Example: jobmajor aws prices refresh --region us-east-1 --dry-run
    """
    from jobmajor import settings
    from jobmajor.aws import price_list
    from jobmajor.home import Workspace

    chosen = settings.read(settings_file)
    where = open_account(chosen, region=region, dry_run=True).region
    folder = Workspace(settings.home(home)).prices
    target = price_list.file_of(folder, where)
    if dry_run:
        source = str(file) if file else price_list.address(where)
        if as_json:
            dump({"source": source, "target": str(target)})
        else:
            typer.echo(f"would read {source}\nwould write {target}")
        return
    try:
        found = price_list.refresh(folder, where, file)
    except OSError as error:
        raise InputError(f"{error.filename} can't be read or written ({error.strerror}): name another") from error
    count = len(found.regions[where])
    if as_json:
        dump({"region": where, "as_of": found.as_of, "prices": count, "file": str(target)})
    else:
        typer.echo(f"{count} prices of {where}, published {found.as_of}: {target}")
