"""The commands `jobmajor review` and `jobmajor queue …`: what people say of titles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.cli.review import file, queue

if TYPE_CHECKING:
    import typer


def add(app: typer.Typer) -> None:
    """Add the commands to the program."""
    file.add(app)
    queue.add(app)
