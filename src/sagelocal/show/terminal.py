"""Print errors, tables and JSON for both command lines, and set the exit status.

Results go to standard output, everything else to standard error. Status 0 means done, 1 that the answer is no
or a run failed, 2 that an input can't be used, 130 that the command was interrupted.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from sagelocal import extras
from sagelocal.errors import Error, InputError
from sagelocal.show.patience import patience

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDEST, _LONGEST = 60, 120  # characters of a column, and of a cell on a terminal
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # titles and logs are untrusted text


def edge(
    app: typer.Typer,
    name: str,
    arguments: Sequence[str] | None,
    missing: type[extras.MissingExtra] = extras.MissingExtra,
) -> int:
    """Run a command line and return its exit status; our errors print one line, a bug keeps its traceback.

    The failed import of a package that an extra brings becomes `missing`.
    """
    for stream in (sys.stdout, sys.stderr):
        _forgive(stream)
    given = list(sys.argv[1:] if arguments is None else arguments)
    with patience(" ".join([name, *_command(app, given)])):
        return _run(app, name, given, missing)


def _command(app: typer.Typer, given: Sequence[str]) -> list[str]:
    """Return the words that name the command, groups first; nothing where there is none."""
    group: Any = app
    found: list[str] = []
    for word in given:
        groups = {each.name: each.typer_instance for each in group.registered_groups}
        if word.startswith("-"):
            break
        found.append(word)
        if word not in groups:
            break
        group = groups[word]
    return found


def _run(app: typer.Typer, name: str, arguments: Sequence[str], missing: type[extras.MissingExtra]) -> int:
    status = None
    try:
        with extras.named(_verb(name, arguments), missing):
            status = app(arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except Error as error:
        return complain(str(error), 2 if isinstance(error, InputError) else 1)
    except (BrokenPipeError, SystemExit):  # typer makes an exit of the first
        # The reader closed the pipe; nothing more can be written to it, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = error.filename2 or error.filename or "the output"
        return complain(f"{where}: {error.strerror or error}: give access or make room, and run again", 1)
    except Exception as error:
        # A wrong option. Releases of typer differ in the class of this error.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        asked = context.command_path if context else name
        return complain(f"{error.format_message().rstrip('.')}: see {asked} --help", 2)
    if status == _INTERRUPTED:  # typer turns a KeyboardInterrupt into this status silently
        return complain("interrupted: run again to go on from what is finished", _INTERRUPTED)
    return status if isinstance(status, int) else 0


def _verb(name: str, arguments: Sequence[str]) -> str:
    """Return the program's name and its first word, such as `jobmajor run`."""
    return " ".join([name, *[word for word in arguments if not word.startswith("-")][:1]])


def _forgive(stream: TextIO) -> None:
    """Print characters that can't be encoded (a lone surrogate in a title) as escapes."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure:
        reconfigure(errors="backslashreplace")


def complain(text: str, status: int) -> int:
    """Print an error on one line of standard error, and return `status`."""
    typer.echo(f"error: {one_line(text)}", err=True)
    return status


def one_line(text: str) -> str:
    r"""Return the text on one line, with runs of whitespace as one space and control characters as escapes.

    >>> one_line("a \n b\x1b[31m")
    'a b\\\\x1b[31m'
    """
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", " ".join(text.split()))


def near(path: Path) -> str:
    """Return the path relative to the working folder if it is below it, otherwise unchanged."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """Parse the NAME=VALUE texts of a repeatable option.

    Raises:
        InputError: A text has no name or no `=`.
    """
    found = {}
    for text in texts or ():
        # An image's URI may hold a digest (`@sha256:…`) but no `=`; neither may a parameter's name.
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError(f"{option} {text!r}: expected NAME=VALUE")
        found[name] = value
    return found


def dump(value: Any) -> None:
    """Print JSON; if the output is not UTF-8, with JSON escapes."""
    is_plain = sys.stdout.encoding.lower() != "utf-8"
    typer.echo(json.dumps(value, indent=1, ensure_ascii=is_plain, default=str))


def _cut(cell: str) -> str:
    return cell if len(cell) <= _LONGEST else f"{cell[: _LONGEST - 1]}…"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table: drawn on a terminal, where long cells are cut, plain columns with whole cells in a pipe."""
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - slow to load, and of use to people only
        from rich.table import Column, Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        drawn = Table(*(Column(name, max_width=_WIDEST, overflow="fold") for name in head))
        for row in rows:
            drawn.add_row(*(Text(_cut(cell)) for cell in row))
        Console().print(drawn)
        return
    # A longer cell moves only what stands behind it in its own row.
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
