"""`jobmajor aws policy`: print the IAM policy that a caller of these commands needs."""

from __future__ import annotations

from typing import Annotated

import typer

from jobmajor.cli.aws.options import AccountId, Region, names_of, tell
from jobmajor.cli.options import SettingsFile  # noqa: TC001 - typer reads them
from sagelocal.show.terminal import dump

Commands = Annotated[
    list[str] | None,
    typer.Option(
        "--command",
        "-c",
        metavar="NAME",
        help="A command or a group, such as 'pipeline start' or pipeline.",
        show_default="all",
    ),
]


def add(app: typer.Typer) -> None:
    """Add the command to `jobmajor aws`."""
    app.command("policy")(policy)


def policy(
    command: Commands = None,
    region: Region = None,
    account: AccountId = None,
    settings_file: SettingsFile = None,
) -> None:
    """Print the IAM policy that these commands need, as JSON, without sending a request.

    Example: jobmajor aws policy --command pipeline --command deploy --account 123456789012
    """
    from jobmajor.aws import policy as policies

    found = policies.document(names_of(settings_file, region, account), command or ())
    dump(found)
    size = policies.size(found)
    if size > policies.MANAGED_CHARACTERS:
        tell(
            f"{size:,} characters, and a managed policy takes {policies.MANAGED_CHARACTERS:,}: split it with --command"
        )
