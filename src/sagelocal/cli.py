"""The command line: parse arguments, call one library function, print.

Results go to standard output, everything else to standard error. The exit status is 0 when done, 1 when an execution
failed, 2 when an input can't be used.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sagelocal
from sagelocal.errors import DefinitionError
from sagelocal.project.choices import Options
from sagelocal.show import outcome
from sagelocal.show.help import Group
from sagelocal.show.terminal import dump, edge, pairs, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sagelocal.project.choices import Choices
    from sagelocal.run.records import Execution

app = typer.Typer(
    name="sagelocal",
    cls=Group,
    help="Run SageMaker pipeline definitions on this machine: no Docker, no account.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

DefinitionFile = Annotated[
    str,
    typer.Argument(metavar="DEFINITION", help="The definition's JSON file, or a script that has it: FILE.py[:NAME]."),
]
Python = Annotated[
    Path | None,
    typer.Option(help="The Python that has the script's SDK; else this one.", envvar="SAGELOCAL_PYTHON"),
]
Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter's value.")
]
Handlers = Annotated[
    list[str] | None,
    typer.Option("--handler", metavar="NAME=MODULE:FUNCTION", help="The Python function of a Lambda or Callback step."),
]
ImageOptions = Annotated[
    list[str] | None,
    typer.Option("--image", metavar="URI=PATH", help="The environment (a folder with a bin/) of an image or pattern."),
]
Profile = Annotated[str | None, typer.Option(help="The profile of sagelocal.toml that counts.")]
Home = Annotated[Path, typer.Option(help="The workspace: buckets in s3/, runs in runs/.", envvar="SAGELOCAL_HOME")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
HOME = Path(".sagelocal")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; `arguments` None means those of the process."""
    return edge(app, "sagelocal", arguments)


def _show_version(*, is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"sagelocal {sagelocal.__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def run(
    definition: DefinitionFile,
    parameter: Parameters = None,
    image: ImageOptions = None,
    handler: Handlers = None,
    profile: Profile = None,
    home: Home = HOME,
    name: Annotated[
        str | None,
        typer.Option(help="The pipeline's name, for Execution.PipelineName; else that in the script."),
    ] = None,
    python: Python = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Steps at the same time; else one a core.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Run it and all that waits for it.")
    ] = None,
    only: Annotated[str | None, typer.Option(metavar="STEP,STEP", help="Run these steps and no others.")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="ID", help="The run whose outputs the others have; else the newest that can.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Draw the steps while they run, on a terminal.")] = False,
    s3: Annotated[
        bool, typer.Option("--s3", help="Take s3:// addresses to S3 itself, with your AWS settings.")
    ] = False,
    s3_endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="As --s3, to what speaks like it at this address.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a definition; status 1 when the execution fails.

    The objects of s3://bucket/key are the files HOME/s3/bucket/key: put your input there first. Finished
    steps are taken from the cache of the workspace. A script is compiled first, as `sagelocal compile` does.

    Example: sagelocal run pipeline.json -p InputDataUrl=s3://bucket/input
    """
    from sagelocal.run import executor, handlers, selective
    from sagelocal.show import watch as watching

    chosen = _choices(definition, home, Options(profile, python, *_given(parameter, image, handler)))
    parsed, values = chosen.definition, chosen.check()
    options = executor.RunOptions(
        parameters=chosen.parameters,
        handlers={name: handlers.load(text) for name, text in chosen.handlers.items()},
        images=chosen.images,
        pipeline_name=name or chosen.name or "pipeline",
        on_event=outcome.teller(home) if sys.stderr.isatty() else None,
        on_wait=outcome.say if sys.stderr.isatty() else None,
    )
    options = replace(options, jobs=jobs, only=selective.asked(parsed, begin, only) or chosen.selected, source=source)
    outcome.warn(executor.warnings(parsed, values))
    endpoint = s3_endpoint or chosen.project.endpoint
    if s3 or endpoint or chosen.project.s3:
        from sagelocal.storage import object_store

        options = replace(options, store=object_store.connect(endpoint))
    execution = watching.run(parsed, home, options) if watch else executor.run(parsed, home, options)
    _end(execution, as_json=as_json)


def _end(execution: Execution, *, as_json: bool) -> None:
    outcome.show(execution, as_json=as_json)
    if execution.status != "Succeeded":
        raise typer.Exit(1)


@app.command(name="compile")
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


@app.command()
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
        chosen = _choices(definition, home, Options(profile, python, *_given(parameter, image, handler)))
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


@app.command()
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


@app.command()
def runs(
    execution_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this run's steps.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """List the runs of a workspace, oldest first, or show one with its steps, times, metrics and reasons.

    Example: sagelocal runs --json
    """
    from sagelocal.run import records

    if execution_id is not None:
        outcome.show(records.find(home, execution_id), as_json=as_json)
        return
    found = records.every(home)
    if as_json:
        dump([execution.as_dict() for execution in found])
        return
    rows = [
        (item.id, item.status, item.pipeline_name, item.started, f"{item.seconds:.1f} s", item.failure or "")
        for item in found
    ]
    table(("run", "status", "pipeline", "started", "time", "failure"), rows)


@app.command()
def watch(
    execution_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The run; else the newest.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Follow a run until it is over, and end as it ends: status 1 when it failed.

    On a terminal its steps are drawn while they run; in a pipe only the end is printed.

    Example: sagelocal watch
    """
    from sagelocal.show import watch as watching

    _end(watching.follow(home, execution_id or watching.latest(home).id), as_json=as_json)


@app.command()
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

    parsed = _choices(definition, home, Options(python=python)).definition
    text = drawing.svg(parsed, title or Path(definition).stem) if svg else diagrams.mermaid(parsed)
    typer.echo(text, nl=False)


def _given(*options: list[str] | None) -> Iterator[dict[str, str]]:
    for name, texts in zip(("--parameter", "--image", "--handler"), options, strict=True):
        yield pairs(texts, name)


def _choices(text: str, home: Path, options: Options) -> Choices:
    from sagelocal.project import choices

    return choices.choose(text, home, options)
