"""`jobmajor aws models …`: list, show, approve and reject registered versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobmajor.cli.aws.options import DryRun, Profile, Region, session
from jobmajor.cli.options import LOOK, Json, SettingsFile
from sagelocal.show.terminal import dump, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobmajor.aws.registry import Package

group = typer.Typer(help="Registered versions in the account: list, show, approve, reject.", **LOOK)
Number = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="A version's number.")]
Note = Annotated[str, typer.Option(metavar="TEXT", help="The reason, which is stored with the version.")]


def add(app: typer.Typer) -> None:
    """Add the group to `jobmajor aws`."""
    app.add_typer(group, name="models")


@group.command("list")
def list_versions(
    most: Annotated[int, typer.Option(min=1, max=10_000, help="The number of versions to list.")] = 20,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """List the registered versions, oldest first, each with the gate's decision.

    Example: jobmajor aws models list
    """
    from jobmajor.aws.registry import PackageGroup

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        found = PackageGroup(context.account, context.names).packages(most)
        if not context.account.dry:
            _show(found, as_json=as_json)


@group.command("show")
def show_version(
    number: Number,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Print a version as JSON: its figures, its decision with reasons, and the addresses of its files.

    Example: jobmajor aws models show 3
    """
    from jobmajor.aws.registry import PackageGroup

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        found = PackageGroup(context.account, context.names).get(number)
        if not context.account.dry:
            dump(_record(found))


@group.command("approve")
def approve_version(
    number: Number,
    note: Note = "",
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Approve a version, so that it can be deployed; status 1 if its decision is not passed.

    The newest approved version is the champion.

    Example: jobmajor aws models approve 3 --note "looked at the report"
    """
    from jobmajor.aws.registry import PackageGroup

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        found = PackageGroup(context.account, context.names).approve(number, note)
        if not context.account.dry:
            _show([found], as_json=as_json)


@group.command("reject")
def reject_version(
    number: Number,
    note: Note = "",
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Reject a version, so that it can't be deployed; endpoints that serve it keep running until a rollback.

    Example: jobmajor aws models reject 3 --note "confuses 29- with 31-"
    """
    from jobmajor.aws.registry import PackageGroup

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        found = PackageGroup(context.account, context.names).reject(number, note)
        if not context.account.dry:
            _show([found], as_json=as_json)


def _record(package: Package) -> dict[str, Any]:
    return {"version" if name == "number" else name: value for name, value in asdict(package).items()}


def _show(packages: Iterable[Package], *, as_json: bool) -> None:
    found = list(packages)
    if as_json:
        dump([_record(package) for package in found])
        return
    rows = [
        (
            str(package.number),
            package.status,
            _gate(package),
            f"{package.metrics.get('test_f1', float('nan')):.4f}",
            package.metadata.get("TestScoreThreshold", ""),
            package.created,
            package.metadata.get("ExecutionId", ""),
        )
        for package in found
    ]
    table(("version", "status", "gate", "test F1", "threshold", "created", "execution"), rows)


def _gate(package: Package) -> str:
    if package.decision is None:
        return "no decision"
    if package.decision.get("passed") is not True:
        return "refused"
    return "passed" if package.decision.get("outcome", "promote") == "promote" else "held"
