"""`jobmajor doctor`: what is installed and stored here, what is missing, and what to type."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from itertools import chain
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.aws.options import Profile, Region, open_account
from jobmajor.cli.options import Home, Json, SettingsFile, workspace
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.doctor.finding import Finding

# How each status is shown on a terminal: a sign and its colour. In a pipe, the status itself is printed.
_SIGNS = {"ok": ("✓", "green"), "note": ("·", "cyan"), "unknown": ("?", "yellow"), "failed": ("✗", "red")}
_WIDTH = 17  # of what was looked at, so that what was found stands in one column


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(doctor)


def doctor(
    account: Annotated[
        bool, typer.Option("--aws", help="Look at the AWS account, too: identity, permissions, quotas.")
    ] = False,
    command: Annotated[
        list[str] | None,
        typer.Option(
            "--command",
            "-c",
            metavar="NAME",
            help="With --aws: a command or a group whose permissions are needed, such as 'pipeline start'.",
            show_default="all that need no administrator",
        ),
    ] = None,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Look for what is missing or broken, and say what to type; status 1 if something that is needed fails.

    Nothing is changed, and without --aws nothing is sent. What is merely not installed is a note.

    Example: jobmajor doctor
    """
    from jobmajor.doctor import finding

    _check(command or [], account=account)
    found: list[Finding] = []
    asked = _of_account(settings_file, region, profile, command or []) if account else ()
    for each in chain(_local(settings_file, home), asked):
        found.append(each)
        if not as_json:
            _show(each)
    if as_json:
        dump([each.to_dict() for each in found])
    else:
        _sum_up(found)
    if not finding.is_sound(found):
        raise typer.Exit(1)


def _check(commands: list[str], *, account: bool) -> None:
    """Raise for commands that there are not; without the extra `aws` nothing is known of them."""
    from jobmajor.errors import InputError

    if commands and not account:
        raise InputError("--command belongs to --aws: give both, or neither")
    with suppress(ImportError):
        from jobmajor.aws import policy

        policy.chosen(commands)


def _local(settings_file: Path | None, home: Path | None) -> Iterator[Finding]:
    from jobmajor.doctor import finding, installation

    doing("looking at the installation")
    yield from installation.findings(settings_file)
    doing("looking at the workspace")
    yield from finding.guarded("workspace", lambda: _stored(home))


def _stored(home: Path | None) -> Iterator[Finding]:
    from jobmajor.doctor import stored

    yield from stored.findings(workspace(home))


def _of_account(
    settings_file: Path | None, region: str | None, profile: str | None, commands: list[str]
) -> Iterator[Finding]:
    from jobmajor.doctor import finding

    doing("asking AWS")
    yield from finding.guarded("account", lambda: _asked(settings_file, region, profile, commands))


def _asked(
    settings_file: Path | None, region: str | None, profile: str | None, commands: list[str]
) -> Iterator[Finding]:
    from jobmajor import settings as all_settings
    from jobmajor.doctor.finding import DISTRIBUTION, FAILED, Finding
    from sagelocal import extras

    if extras.lacking("aws", DISTRIBUTION):
        yield Finding("identity", FAILED, "needs the extra 'aws'", extras.install_command("aws", DISTRIBUTION))
        return
    from jobmajor.aws import readiness

    settings = all_settings.read(settings_file)
    yield from readiness.findings(lambda: open_account(settings, region=region, profile=profile), settings, commands)


def _show(each: Finding) -> None:
    what = each.what.ljust(_WIDTH)
    found, cure = one_line(each.found), one_line(each.cure)
    if _is_drawn():
        sign, colour = _SIGNS[each.status]
        typer.echo(f"{typer.style(sign, fg=colour)} {what} {found}")
        if cure:
            typer.echo(f"  {'':{_WIDTH}} → {typer.style(cure, bold=each.status == 'failed')}")
    else:
        typer.echo(f"{each.status:7}  {what}  {found}{f' | {cure}' if cure else ''}")


def _is_drawn() -> bool:
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return sys.stdout.isatty() and is_utf8 and not os.environ.get("NO_COLOR")


def _sum_up(found: list[Finding]) -> None:
    counts = {status: sum(each.status == status for each in found) for status in _SIGNS}
    failed = counts["failed"]
    said = "nothing that is needed fails" if not failed else f"{failed} to mend"
    unknown = f", {counts['unknown']} unknown" if counts["unknown"] else ""
    typer.echo(f"{said}{unknown}", err=True)
