"""The commands that compile, check and draw a definition, and that make environments for its images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sagelocal.cli.options import (
    HOME,
    DefinitionFile,
    Handlers,
    Home,
    ImageOptions,
    Json,
    Parameters,
    Profile,
    Python,
    choose,
    given,
)
from sagelocal.errors import DefinitionError
from sagelocal.project.choices import Options
from sagelocal.show import outcome
from sagelocal.show.terminal import dump, pairs


def compile_script(
    script: Annotated[
        str, typer.Argument(metavar="SCRIPT[:NAME]", help="The script; NAME is its pipeline, or what returns it.")
    ],
    argv: Annotated[list[str] | None, typer.Argument(metavar="[ARGUMENT]...", help="Arguments of the script.")] = None,
    python: Python = None,
    argument: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An argument of the function that returns it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; else the script's name with .json.")
    ] = None,
    region: Annotated[str, typer.Option(help="The region that the SDK is told.")] = "us-east-1",
    bucket: Annotated[str | None, typer.Option(help="The default_bucket of get_pipeline; else the SDK's own.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Run a script that defines a pipeline, and write the definition that its SDK makes; no call leaves this machine.

    The script gets dummy credentials, and a stand-in for the account takes what it uploads into HOME/s3, and
    its pipeline.upsert() and start(). AWS's templates work, too: get_pipeline() is called.

    Example: sagelocal compile pipeline.py --python envs/sdk/bin/python
    """
    from sagelocal.compile import command
    from sagelocal.compile.script import CompileOptions
    from sagelocal.project import toml_file

    project = toml_file.load(Path.cwd())
    options = CompileOptions(
        python=python or project.python,
        account=project.account,
        arguments=pairs(argument, "--argument"),
        argv=argv or (),
        region=region,
        bucket=bucket,
    )
    made = command.compiled(script, home, options)
    written = command.write(made, script, output)
    if as_json:
        dump({**command.about(made), "file": str(written)})
    else:
        for line in command.lines(made, written):
            typer.echo(line)


def validate(
    definition: DefinitionFile,
    parameter: Parameters = None,
    image: ImageOptions = None,
    handler: Handlers = None,
    profile: Profile = None,
    python: Python = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Check that a definition would be taken by the service and can run here; status 2 when not.

    Example: sagelocal validate pipeline.json -p TrainingInstanceCount=1
    """
    from sagelocal.definition import graph
    from sagelocal.run import executor

    try:
        chosen = choose(definition, home, Options(profile, python, *given(parameter, image, handler)))
        parsed, values = chosen.definition, chosen.check(whole=False)
    except DefinitionError as error:
        for problem in () if as_json else error.problems:
            typer.echo(problem)
        if as_json:
            dump({"valid": False, "problems": error.problems})
        raise
    order, warned = graph.order(parsed), executor.warnings(parsed, values)
    outcome.warn(warned)
    if as_json:
        about = {"parameters": values, "steps": order, "images": chosen.places(values), "warnings": warned}
        dump({"valid": True, "digest": parsed.digest, **about})
    else:
        typer.echo(f"valid: {len(order)} steps ({' → '.join(order)}), sha256 {parsed.digest}")


def environment(
    recipe: Annotated[str, typer.Argument(help="scikit-learn or xgboost, for AWS's images of that name.")],
    python: Annotated[Path | None, typer.Option(help="The interpreter; else this one.")] = None,
    home: Home = HOME,
) -> None:
    """Make the environment that stands for an image of AWS, with pip; `run` uses it for every image that it is for.

    Example: sagelocal environment scikit-learn
    """
    from sagelocal.project import recipes

    typer.echo(recipes.make(home, recipe, python))


def diagram(
    definition: DefinitionFile,
    svg: Annotated[bool, typer.Option("--svg", help="Draw an SVG picture instead.")] = False,
    title: Annotated[str, typer.Option(help="What the picture is called for those who can't see it.")] = "",
    python: Python = None,
    home: Home = HOME,
) -> None:
    """Print what waits for what, as text that Mermaid draws or as a picture for light and dark.

    Example: sagelocal diagram pipeline.json --svg > pipeline.svg
    """
    from sagelocal.show import diagram as diagrams
    from sagelocal.show import drawing

    parsed = choose(definition, home, Options(python=python)).definition
    text = drawing.svg(parsed, title or Path(definition).stem) if svg else diagrams.mermaid(parsed)
    typer.echo(text, nl=False)
