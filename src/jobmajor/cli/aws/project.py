"""`jobmajor aws project create | seed`: the SageMaker project, and our pipeline in its repository."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.aws.options import LOOK, DryRun, Json, Profile, Region, SettingsFile, session
from jobmajor.errors import InputError
from sagelocal.show.terminal import dump

if TYPE_CHECKING:
    from jobmajor.aws.project.project import Repository
    from jobmajor.settings import Settings

group = typer.Typer(help="The SageMaker project, and our pipeline in its repository.", **LOOK)

_PRODUCT = "MLOps template for model building and training"
_PROVIDER = "Amazon SageMaker"


def add(app: typer.Typer) -> None:
    """Put the group into `jobmajor aws`."""
    app.add_typer(group, name="project")


@group.command("create")
def create(
    catalog: Annotated[
        bool, typer.Option("--catalog", help="The tutorial's way: AWS's own template, from Service Catalog.")
    ] = False,
    product: Annotated[str, typer.Option(help="Its name there.")] = _PRODUCT,
    provider: Annotated[str, typer.Option(help="Its provider there.")] = _PROVIDER,
    codecommit: Annotated[
        str | None, typer.Option(metavar="NAME", help="A repository of CodeCommit, where the account has one still.")
    ] = None,
    launch_role: Annotated[
        str | None, typer.Option(metavar="ARN", help="The role that makes what the template says.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to wait.")] = 30.0,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Create the SageMaker project whose build a push starts, and wait for it; run again, it waits on.

    From our own template in S3, for the GitHub repository of the settings aws.github and aws.connection.

    Example: jobmajor aws project create --dry-run
    """
    from jobmajor.aws.project import project as projects

    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as opened:
        if catalog and (codecommit is not None or launch_role is not None):
            raise InputError("--codecommit and --launch-role belong to our own template: leave them or --catalog out")
        way = projects.Catalog(product, provider) if catalog else _repository(opened.settings, codecommit)
        made = projects.create(opened.account, opened.names, way, launch_role=launch_role, limit_s=60 * minutes)
        if opened.account.dry:
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
            f"the setting {missing} is empty: say where the code is (aws.github = OWNER/NAME and aws.connection = the "
            "ARN of the account's connection to GitHub), or --codecommit NAME, or --catalog"
        )
    return Repository(settings.aws.github, settings.aws.connection)


@group.command("seed")
def seed(
    folder: Annotated[Path, typer.Argument(help="A clone of the project's repository.")],
    checkout: Annotated[
        Path | None, typer.Option(metavar="DIR", help="jobmajor's own repository.", show_default="the one that runs")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also replace files that somebody changed.")] = False,
    settings_file: SettingsFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written and removed; do neither.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put our pipeline in the place of the example in a cloned repository; commit and push, and it is built and run.

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
    kept = f"; {done.kept[0]} was there and stays" if done.kept else ""
    typer.echo(f"{'would write' if dry_run else 'wrote'} {len(done.written)} files{kept}")
    if dry_run:
        return
    typer.echo("look at them (git status), commit and push: a push tests, builds the image and starts the pipeline")
