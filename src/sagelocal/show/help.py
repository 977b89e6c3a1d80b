"""The help of a group of commands: each with its whole summary, not with the first words of it."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """A group whose list of commands has whole summaries, broken into lines where they are long."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, summary(command.help or "")) for name, command in commands if command and not command.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def summary(text: str) -> str:
    r"""Return the first paragraph of a help text on one line.

    >>> summary("Run it:\nfirst this, then that.\n\nMore.")
    'Run it: first this, then that.'
    """
    return " ".join(text.split("\n\n", 1)[0].split())
