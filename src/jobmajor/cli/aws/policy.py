"""`jobmajor aws policy`: print the IAM policy that a caller of these commands needs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from jobmajor.cli.aws.options import AccountId, Region, names_of, tell
from jobmajor.cli.options import SettingsFile  # noqa: TC001 - typer reads them
from jobmajor.errors import InputError
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


class Who(StrEnum):
    """Whose policy to print."""

    NOTEBOOK = "notebook"


def add(app: typer.Typer) -> None:
    """Add the command to `jobmajor aws`."""
    app.command("policy")(policy)


def policy(
    command: Commands = None,
    who: Annotated[Who | None, typer.Option("--for", help="The role that runs a notebook in Studio.")] = None,
    region: Region = None,
    account: AccountId = None,
    settings_file: SettingsFile = None,
) -> None:
    """Print the IAM policy that these commands need, as JSON, without sending a request.

    Example: jobmajor aws policy --for notebook --account 123456789012
    """
    from jobmajor.aws import policy as policies

    if who and command:
        raise InputError("--for and --command exclude each other: leave out one of them")
    names = names_of(settings_file, region, account)
    found = policies.notebook(names) if who else policies.document(names, command or ())
    dump(found)
    size = policies.size(found)
    if size > policies.MANAGED_CHARACTERS:
        tell(
            f"{size:,} characters, and a managed policy takes {policies.MANAGED_CHARACTERS:,}: "
            f"split it with --command, or make it an inline policy of the role, whose policies take "
            f"{policies.ROLE_CHARACTERS:,} together"
        )
