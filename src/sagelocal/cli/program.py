"""The program: its commands, its version, and the edge where an error becomes one line and a status.

Results go to standard output, everything else to standard error. The exit status is 0 when done, 1 when an execution
failed, 2 when an input can't be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import sagelocal
from sagelocal.cli import definitions, executions
from sagelocal.show.help import Group
from sagelocal.show.terminal import edge

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="sagelocal",
    cls=Group,
    help="Run SageMaker pipeline definitions on this machine: no Docker, no account.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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


app.command()(executions.run)
app.command(name="compile")(definitions.compile_script)
app.command()(definitions.validate)
app.command()(definitions.environment)
app.command()(executions.runs)
app.command()(executions.watch)
app.command()(definitions.diagram)
app.command()(executions.ui)
