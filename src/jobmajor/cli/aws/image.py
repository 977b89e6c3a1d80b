"""`jobmajor aws image`: build the image that jobs and endpoints run in, and push it."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jobmajor.cli.aws.options import DryRun, Profile, Region, session
from jobmajor.cli.options import Json, SettingsFile  # noqa: TC001 - typer reads them
from sagelocal.show.terminal import dump, pairs


def add(app: typer.Typer) -> None:
    """Add the command to `jobmajor aws`."""
    app.command("image")(image)


def image(
    docker: Annotated[
        bool, typer.Option("--docker", help="Build with this machine's Docker instead of CodeBuild.")
    ] = False,
    build_arg: Annotated[
        list[str] | None,
        typer.Option("--build-arg", metavar="NAME=VALUE", help="An argument of the Dockerfile, such as PYTHON=…."),
    ] = None,
    checkout: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="jobmajor's checkout.", show_default="the running one, or the package"),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How many minutes to wait for CodeBuild.")] = 60.0,
    region: Region = None,
    profile: Profile = None,
    settings_file: SettingsFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Build the image from jobmajor's sources, and push it to the project's repository, unless it is there.

    The tag is the version and a digest of the sources. CodeBuild builds it, so Docker isn't needed here. Run it again
    to continue waiting.

    Example: jobmajor aws image --dry-run
    """
    import tempfile

    from jobmajor.aws.project import image as images
    from jobmajor.aws.project import sources as all_sources

    sources = all_sources.of_image(checkout, pairs(build_arg, "--build-arg"))
    with session(settings_file, region=region, profile=profile, dry_run=dry_run, as_json=as_json) as context:
        if docker:
            with tempfile.TemporaryDirectory() as folder:
                made = images.build_here(context.account, context.names, sources, Path(folder))
        else:
            made = images.build(context.account, context.names, sources, limit_s=60 * minutes)
        if context.account.dry:
            if not as_json:
                size = sum(map(len, sources.files.values()))
                origin = sources.origin or "the installed package"
                typer.echo(f"image {context.names.image_repository}:{made.tag}")
                typer.echo(f"from {origin}: {len(sources.files)} files, {size:,} bytes")
                for command in images.commands(context.names, sources, "FOLDER") if docker else ():
                    typer.echo(f"  {shlex.join(command)}")
            return
    if as_json:
        dump(asdict(made))
    else:
        typer.echo(f"{made.address}\n{made.tag}: {made.change}")
