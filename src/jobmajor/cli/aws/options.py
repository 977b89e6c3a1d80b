"""Shared by all `jobmajor aws` commands: their options, the account to connect to, and the output of a dry run."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.aws.price_table import Table
    from jobmajor.settings import Settings

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the requests and their cost, without sending any.")]
Region = Annotated[
    str | None, typer.Option(metavar="REGION", help="Such as us-east-1.", show_default="the setting, else AWS's own")
]
Profile = Annotated[str | None, typer.Option(metavar="NAME", help="A profile of the AWS command line's files.")]
AccountId = Annotated[
    str | None, typer.Option(metavar="ID", help="12 digits.", show_default="the setting, else twelve zeros")
]

_DRY_REGION, _DRY_ACCOUNT = "us-east-1", "000000000000"


@dataclass(frozen=True, slots=True)
class CommandContext:
    """What a command works with: the account, the settings and the names."""

    account: Account
    settings: Settings
    names: Names


def open_account(
    settings: Settings, *, region: str | None = None, profile: str | None = None, dry_run: bool = False
) -> Account:
    """Return the account that the options and the settings name; in a dry run, one that sends nothing.

    Raises:
        NoRegion, NoCredentials, WrongAccount, MissingExtra: See each class.
    """
    from jobmajor.aws.api import account as calls
    from jobmajor.settings import Aws, build

    where = region or settings.aws.region or None
    if dry_run:
        near = where or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _DRY_REGION
        build(Aws, {"region": near}, "aws.")  # refuses an invalid region
        return calls.dry_account(near, settings.aws.account or _DRY_ACCOUNT)
    return calls.connect(where, profile, expected_account=settings.aws.account or None, tell=tell)


@contextmanager
def session(
    settings_file: Path | None = None,
    *,
    region: str | None = None,
    profile: str | None = None,
    dry_run: bool = False,
    as_json: bool = False,
) -> Iterator[CommandContext]:
    """Yield account, settings and names to a command's body; after a dry run, print what would be sent.

    The body prints its result only `if not context.account.dry`.
    """
    from jobmajor import settings as all_settings
    from jobmajor.aws.names import Names

    settings = all_settings.read(settings_file)
    account = open_account(settings, region=region, profile=profile, dry_run=dry_run)
    yield CommandContext(account, settings, Names.of(settings, account.region, account.account_id))
    if account.dry:
        show_calls(account, settings, as_json=as_json)


def names_of(settings_file: Path | None, region: str | None, account_id: str | None) -> Names:
    """Return the names in an account, without sending a request."""
    from jobmajor import settings as all_settings
    from jobmajor.aws.names import Names

    settings = all_settings.read(settings_file)
    given = {name: value for name, value in (("account", account_id), ("region", region)) if value}
    checked = all_settings.build(all_settings.Aws, given, "aws.")
    there = open_account(settings, region=checked.region or None, dry_run=True)
    return Names.of(settings, there.region, checked.account or there.account_id)


def newest(context: CommandContext) -> int:
    """Return the number of the newest approved version and say which it is; 1 in a dry run.

    Raises:
        InputError: No version is approved.
    """
    from jobmajor.aws.registry import PackageGroup
    from jobmajor.errors import InputError

    if context.account.dry:
        return 1
    champion = PackageGroup(context.account, context.names).champion()
    if champion is None:
        group = context.names.group
        raise InputError(f"{group} has no approved version: approve one (jobmajor aws models approve), or name one")
    context.account.tell(f"version {champion.number}, the newest approved one")
    return champion.number


def tell(line: str) -> None:
    """Print a line of progress to standard error."""
    typer.echo(f"  {one_line(line)}", err=True)
    doing(one_line(line))


def price_table(settings: Settings, region: str) -> Table:
    """Return the prices: the user's own, then those that `prices refresh` read, then jobmajor's table."""
    from jobmajor.aws import price_list
    from jobmajor.aws import price_table as tables
    from jobmajor.home import Workspace
    from jobmajor.settings import home

    refreshed = price_list.file_of(Workspace(home()).prices, region)
    return tables.read(Path(settings.aws.prices) if settings.aws.prices else None, refreshed)


def show_calls(account: Account, settings: Settings, *, as_json: bool) -> None:
    """Print the changes that a dry run would make, the reads before them, and the cost."""
    from jobmajor.aws import prices
    from jobmajor.pipeline import definition

    table = price_table(settings, account.region)
    estimate = prices.estimate(account.sent, table, account.region, definition.build(settings))
    if as_json:
        looks, calls = ([call.to_dict() for call in some] for some in (account.reads, account.sent))
        dump({"looks": looks, "calls": calls, "estimate": estimate.to_dict()})
        return
    for number, call in enumerate(account.sent, 1):
        shown = call.to_dict()
        typer.echo(f"{number}. {call.service} {call.operation}")
        for name, value in shown["parameters"].items():
            typer.echo(f"     {name}: {_short(value)}")
    looked = dict.fromkeys(f"{call.service} {call.operation}" for call in account.reads)
    if looked:
        typer.echo(f"reads that were skipped, as if nothing existed yet: {', '.join(looked)}")
    typer.echo(f"requests that would be sent: {len(account.sent)}; none was sent.")
    for line in estimate.lines():
        typer.echo(line)


def _short(value: Any) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = one_line(text)
    return text if len(text) <= 160 or not sys.stdout.isatty() else f"{text[:157]}…"
