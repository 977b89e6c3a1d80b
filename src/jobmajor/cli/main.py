"""The program `jobmajor`: its groups of commands, one file each, and its exit status.

A command parses, calls one library function and prints: `import jobmajor` can do the same in three lines. What a
command needs is imported when it runs, so that `--help` costs nothing.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import jobmajor
from jobmajor.cli import (
    adapt,
    aws,
    classify,
    data,
    doctor,
    evaluate,
    explain,
    models,
    monitor,
    prune,
    renamed,
    retrain,
    review,
    run,
    serve,
    summarise,
)
from jobmajor.cli.options import LOOK
from jobmajor.errors import MissingExtra
from sagelocal.show.terminal import edge

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="jobmajor",
    help="Job titles to SOC codes, with the model's whole life: data, training, gate, registry, answers.",
    **{**LOOK, "add_completion": True},
)
_COMMANDS = (
    *(run, retrain, classify, explain, review, adapt, summarise, evaluate, monitor),
    *(serve, data, models, prune, doctor),
)
for _group in _COMMANDS:
    _group.add(app)
app.add_typer(aws.app, name="aws")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; without `arguments`, those of the process are used."""
    shown = logging.WARNING if sys.stderr.isatty() else logging.ERROR  # retries interest people, but not pipes
    logging.basicConfig(level=shown, format="%(levelname)s %(name)s: %(message)s")
    words = renamed.current(sys.argv[1:] if arguments is None else arguments)
    return edge(app, "jobmajor", words, MissingExtra)


def _show_version(*, is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"jobmajor {jobmajor.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _program(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command; without one, print the help."""
    _use_classification()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _use_classification() -> None:
    """Use the classification of the project in the working folder, so that options may name its codes.

    Settings that can't be read are left to the command that needs them.
    """
    if not Path("jobmajor.toml").is_file():  # before anything is imported: help has to be quick
        return
    from jobmajor import settings
    from jobmajor.errors import Error
    from jobmajor.soc import chosen

    try:
        folder = settings.read().data.path
        if folder and (folder / chosen.FILE).is_file():
            from jobmajor import soc

            soc.use(chosen.read(folder / chosen.FILE))
    except Error:
        return
