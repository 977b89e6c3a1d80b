"""The commands that run a definition, and that show the runs of a workspace."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

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
from sagelocal.project.choices import Options
from sagelocal.show import outcome
from sagelocal.show.terminal import dump, near, table

if TYPE_CHECKING:
    from sagelocal.run.records import Execution


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

    chosen = choose(definition, home, Options(profile, python, *given(parameter, image, handler)))
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


def ui(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port; else 8787, or a free one if that is taken.")
    ] = None,
    home: Home = HOME,
) -> None:
    """Show the runs of a workspace on a web page of this machine: graph, logs, metrics, outputs; two side by side.

    The page is renewed while a run is on its way. It listens on 127.0.0.1 and writes nothing; Ctrl-C ends it.

    Example: sagelocal ui --port 8787
    """
    from sagelocal.show import patience
    from sagelocal.ui import hosting

    patience.end()
    hosting.run(home, port, lambda url: typer.echo(f"{url} shows {near(home)}; Ctrl-C ends it"))
