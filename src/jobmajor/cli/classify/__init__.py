"""The command `jobmajor classify`: titles and files of titles to codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.cli.classify import command

if TYPE_CHECKING:
    import typer


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    command.add(app)
