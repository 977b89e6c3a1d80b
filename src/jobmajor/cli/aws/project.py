"""`jobmajor aws project catalog | connect | create | seed`: the project, and the pipeline in its repository."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.aws.options import DryRun, Profile, Region, session
from jobmajor.cli.options import LOOK, Json, SettingsFile
from jobmajor.errors import InputError
from sagelocal.show.terminal import complain, dump, pairs

if TYPE_CHECKING:
    from jobmajor.aws.project.project import Repository
    from jobmajor.settings import Settings

group = typer.Typer(help="The SageMaker project, and our pipeline in its repository.", **LOOK)

Minutes = Annotated[float, typer.Option(min=0.1, help="How many minutes to wait at most.")]

_PRODUCT = "MLOps template for model building and training"
_PROVIDER = "Amazon SageMaker"


def add(app: typer.Typer) -> None:
    """Add the group to `jobmajor aws`."""
    app.add_typer(group, name="project")


@group.command("create")
def create(
    catalog: Annotated[
        bool, typer.Option("--catalog", help="Use AWS's template from Service Catalog, as the tutorial does.")
    ] = False,
    product: Annotated[str, typer.Option(help="The product's name, with --catalog.")] = _PRODUCT,
    provider: Annotated[str, typer.Option(help="The product's provider, with --catalog.")] = _PROVIDER,
    codecommit: Annotated[str | None, typer.Option(metavar="NAME", help="An existing CodeCommit repository.")] = None,
    launch_role: Annotated[
        str | None, typer.Option(metavar="ARN", help="The role that creates the template's resources.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A template's parameter, with --catalog."),
    ] = None,
    minutes: Minutes = 30.0,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Create the SageMaker project, whose build starts at each push, and wait until it is complete.

    It is made from our template in S3, for the GitHub repository of the settings aws.github and aws.connection, once a
    person has approved the connection. Run it again to continue waiting.

    Example: jobmajor aws project create --dry-run
    """
    from jobmajor.aws.project import project as projects
    from jobmajor.aws.project.catalog import Catalog

    values = tuple(pairs(parameter, "--parameter").items())
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        if values and not catalog:
            raise InputError("--parameter belongs to --catalog: our own template takes its values from the settings")
        if catalog and (codecommit is not None or launch_role is not None):
            raise InputError("--codecommit and --launch-role belong to our own template: leave out them, or --catalog")
        origin = Catalog(product, provider, values) if catalog else _repository(context.settings, codecommit)
        made = projects.create(context.account, context.names, origin, launch_role=launch_role, limit_s=60 * minutes)
        if context.account.dry:
            return
        if as_json:
            dump(asdict(made))
        else:
            typer.echo(f"project {made.name}: {made.change} ({made.arn})")


def _repository(settings: Settings, codecommit: str | None) -> Repository:
    from jobmajor.aws.project.project import Repository

    if codecommit is not None:
        return Repository(codecommit)
    if not (settings.aws.github and settings.aws.connection):
        missing = "aws.connection" if settings.aws.github else "aws.github"
        raise InputError(
            f"the setting {missing} is empty: name the code's repository (aws.github = OWNER/NAME and aws.connection = "
            "the ARN that `jobmajor aws project connect` prints), or --codecommit NAME, or --catalog"
        )
    return Repository(settings.aws.github, settings.aws.connection)


@group.command("connect")
def connect(
    minutes: Minutes = 30.0,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Create the account's connection to GitHub unless it exists, and wait until a person has approved it.

    Prints its ARN, for the setting aws.connection. Nobody but a person can approve it, in the console, signed in to
    GitHub; the command says where.

    Example: jobmajor aws project connect --dry-run
    """
    from jobmajor.aws.project import connection

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        made = connection.create(context.account, context.names, limit_s=60 * minutes)
        if context.account.dry:
            return
    if as_json:
        dump(asdict(made))
    else:
        typer.echo(f"connection {made.name}: {made.change}, AVAILABLE\n{made.arn}")


@group.command("catalog")
def catalog(
    role: Annotated[str, typer.Option(metavar="ARN", help="The role that creates projects, such as the notebook's.")],
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """As an administrator, turn on SageMaker's templates in Service Catalog, and let a role use them.

    Only `project create --catalog`, the tutorial's way, needs it. Status 1 if a role of the templates is missing.

    Example: jobmajor aws project catalog --role arn:aws:iam::123456789012:role/notebook --dry-run
    """
    from jobmajor.aws.project import catalog as catalogs

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        found = catalogs.enable(context.account, role)
        if context.account.dry:
            return
    if as_json:
        dump(asdict(found))
    else:
        typer.echo(f"templates of SageMaker: {'were on' if found.was_enabled else 'turned on'}")
        for name in found.portfolios:
            typer.echo(f"{role} may use {name}")
    if found.missing_roles:
        missing = " and no role ".join(found.missing_roles)
        how = "turn on SageMaker's project templates for the domain in SageMaker's console, which makes it"
        raise typer.Exit(complain(f"the account has no role {missing}: {how}", 1))


@group.command("seed")
def seed(
    folder: Annotated[Path, typer.Argument(help="A clone of the project's repository.")],
    checkout: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="jobmajor's checkout.", show_default="the running one, or the package"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also replace files that somebody changed.")] = False,
    settings_file: SettingsFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be written and removed; do neither.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Replace the example in a cloned repository with our pipeline; commit and push it to build and run it.

    Example: jobmajor aws project seed ../my-project
    """
    from jobmajor import settings
    from jobmajor.aws.project import seeding

    done = seeding.seed(folder, settings.read(settings_file), checkout, force=force, dry_run=dry_run)
    if as_json:
        dump(asdict(done))
        return
    for name in done.removed:
        typer.echo(f"{'would remove' if dry_run else 'removed'} {name}")
    kept = f"; {done.kept[0]} existed and stays" if done.kept else ""
    typer.echo(f"{'would write' if dry_run else 'wrote'} {len(done.written)} files{kept}")
    if dry_run:
        return
    typer.echo("check them (git status), then commit and push: a push tests, builds the image and starts the pipeline")
