"""What every `jobmajor aws` command has in common: its options, the account behind them, and what a dry run prints."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sagelocal.show.terminal import dump, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.settings import Settings

LOOK: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the requests and what they would cost; send none, need nothing.")
]
Region = Annotated[
    str | None, typer.Option(metavar="REGION", help="Such as us-east-1.", show_default="the setting, else AWS's own")
]
Profile = Annotated[str | None, typer.Option(metavar="NAME", help="Of the AWS command line's files.")]
AccountId = Annotated[
    str | None, typer.Option(metavar="ID", help="12 digits.", show_default="the setting, else twelve zeros")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings.", show_default="jobmajor.toml, if there"),
]

_DRY_REGION, _DRY_ACCOUNT = "us-east-1", "000000000000"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works with."""

    account: Account
    settings: Settings
    names: Names


def opened(
    settings: Settings, *, region: str | None = None, profile: str | None = None, dry_run: bool = False
) -> Account:
    """The account that the options and the settings name; nobody's in a dry run.

    Raises:
        NoRegion, NoCredentials, WrongAccount, MissingExtra: As they say.
    """
    from jobmajor.aws.api import account as calls
    from jobmajor.settings import Aws, build

    where = region or settings.aws.region or None
    if dry_run:
        near = where or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _DRY_REGION
        build(Aws, {"region": near}, "aws.")  # refuses what is none
        return calls.rehearse(near, settings.aws.account or _DRY_ACCOUNT)
    return calls.connect(where, profile, expected_account=settings.aws.account or None, tell=tell)


@contextmanager
def session(
    settings_file: Path | None = None,
    *,
    region: str | None = None,
    profile: str | None = None,
    dry_run: bool = False,
    as_json: bool = False,
) -> Iterator[Opened]:
    """Account, settings and names for the body of a command; in a dry run, prints after it what would be sent.

    The body prints its own result only `if not opened.account.dry`.
    """
    from jobmajor import settings as all_settings
    from jobmajor.aws.names import Names

    settings = all_settings.read(settings_file)
    account = opened(settings, region=region, profile=profile, dry_run=dry_run)
    yield Opened(account, settings, Names.of(settings, account.region, account.account_id))
    if account.dry:
        show_calls(account, settings, as_json=as_json)


def names_of(settings_file: Path | None, region: str | None, account_id: str | None) -> Names:
    """What everything is called, of an account that nobody asks."""
    from jobmajor import settings as all_settings
    from jobmajor.aws.names import Names

    settings = all_settings.read(settings_file)
    given = {name: value for name, value in (("account", account_id), ("region", region)) if value}
    checked = all_settings.build(all_settings.Aws, given, "aws.")
    there = opened(settings, region=checked.region or None, dry_run=True)
    return Names.of(settings, there.region, checked.account or there.account_id)


def tell(line: str) -> None:
    """A line of progress, beside the result."""
    typer.echo(f"  {one_line(line)}", err=True)


def show_calls(account: Account, settings: Settings, *, as_json: bool) -> None:
    """Print the changes that a dry run would make, what it would look at before, and what all of it would cost."""
    from jobmajor.aws import prices
    from jobmajor.pipeline import definition

    table = prices.read(Path(settings.aws.prices) if settings.aws.prices else None)
    estimate = prices.estimate(account.sent, table, account.region, definition.build(settings))
    if as_json:
        looks, calls = ([call.to_dict() for call in some] for some in (account.looked, account.sent))
        dump({"looks": looks, "calls": calls, "estimate": estimate.to_dict()})
        return
    for number, call in enumerate(account.sent, 1):
        shown = call.to_dict()
        typer.echo(f"{number}. {call.service} {call.operation}")
        for name, value in shown["parameters"].items():
            typer.echo(f"     {name}: {_short(value)}")
    looked = dict.fromkeys(f"{call.service} {call.operation}" for call in account.looked)
    if looked:
        typer.echo(f"looked at before, as if nothing were there: {', '.join(looked)}")
    typer.echo(f"requests that would be sent: {len(account.sent)}; nothing was.")
    for line in estimate.lines():
        typer.echo(line)


def _short(value: Any) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = one_line(text)
    return text if len(text) <= 160 or not sys.stdout.isatty() else f"{text[:157]}…"
