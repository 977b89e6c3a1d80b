"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sagelocal.show.help import Group
from sagelocal.show.terminal import one_line

if TYPE_CHECKING:
    from jobmajor.registry.versions import Approval
    from jobmajor.review.queue import Queue
    from jobmajor.tables.block import Reading

_DIGITS = 6  # decimals, as those of tables and of the service
# Of every group of commands: plain help with whole summaries, and tracebacks as Python prints them.
LOOK: dict[str, Any] = {
    "cls": Group,
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}

Home = Annotated[Path | None, typer.Option(help="The workspace.", envvar="JOBMAJOR_HOME", show_default=".jobmajor")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[
    Path | None, typer.Option(metavar="PATH", help="A model instead of the champion: its folder or model.tar.gz.")
]
Exact = Annotated[
    bool, typer.Option("--exact/--no-exact", help="Weigh what training lists for a title with the model.")
]
ClassesFile = Annotated[
    Path | None,
    typer.Option(
        "--classes", metavar="FILE", help="Codes that the model never saw, as CSV: code,name and maybe description."
    ),
]
Weight = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="The column that says how often a row occurs.", show_default="1"),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="The encoding of text files, such as cp1252.",
        show_default="recognised",
    ),
]
Sheet = Annotated[
    str | None, typer.Option("--sheet", metavar="NAME", help="The sheet of a workbook.", show_default="the first one")
]
QUEUE = "JOBMAJOR_QUEUE"
QueueAddress = Annotated[
    str | None,
    typer.Option(
        "--queue",
        metavar="ADDRESS",
        help="The queue: postgresql://HOST/DATABASE, or a file.",
        envvar=QUEUE,
        show_default="in the workspace",
    ),
]
Release = Annotated[str, typer.Option(help="auto, starter, or an O*NET release such as 28.1.")]
Reviewed = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A table of your own titles with their codes, to learn from: title, code."),
]
OwnTest = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A table of your own titles with their codes (title, code), to compare with the champion.",
    ),
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, in one line, for the history.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who decides.", show_default="your login name")]
Data = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help="Read O*NET's files from here; others may hold the SOC's Direct Match titles (dmtf_2018.csv), and O*NET's "
        "task statements.",
        envvar="JOBMAJOR_DATA",
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings.", show_default="jobmajor.toml, if there"),
]


def workspace(named: Path | None) -> Path:
    """Return the workspace that `--home` named, else the default one."""
    from jobmajor import settings

    return settings.home(named)


def use_codes(model: Path | None, home: Path | None) -> None:
    """Use the classification of the model, so that options and files that are read before it may name its codes."""
    from jobmajor.registry import loading

    loading.use_classification(model, home=workspace(home))


def queue(named: str | None, home: Path) -> Queue:
    """Return the queue that `--queue` or the environment named, else that of the workspace.

    Raises:
        ArtifactError: It can't be used.
    """
    import os

    from jobmajor.home import Workspace
    from jobmajor.review.queue import Queue

    return Queue(named or os.environ.get(QUEUE) or Workspace(home).reviews)


def approval(by: str | None, reason: str) -> Approval:
    """Return who changes the champion, and why.

    Raises:
        InputError: The system has no login name, or a text is too long.
    """
    import getpass

    from jobmajor.errors import InputError
    from jobmajor.registry.versions import Approval

    try:
        return Approval(by or getpass.getuser(), reason.strip())
    except (OSError, KeyError, ImportError) as error:  # a container's user may have no name
        raise InputError("your login name is unknown: expected who decides, give --by NAME") from error


def reading(file: Path, column: str | None, encoding: str | None, sheet: str | None) -> tuple[str, Reading]:
    """Return the column of titles of a file and how to read it; say what was guessed about it."""
    from jobmajor.tables.block import Reading

    found = Reading(encoding=encoding, sheet=sheet)
    return title_column(file, column, found), found


def title_column(file: Path, column: str | None, how: Reading | None = None) -> str:
    """Return the column of titles of a file, the guessed one unless it is named; say what was guessed about the file.

    Raises:
        InputError: The file can't be read as a table.
    """
    from dataclasses import replace

    from jobmajor.tables import formats
    from jobmajor.tables.block import AS_IT_IS

    found, notes = formats.guessed(file, replace(how or AS_IT_IS, column=column))
    for note in notes:  # on standard error, so that a table or JSON stays as it is
        typer.echo(f"note: {one_line(str(file))}: {one_line(note)}", err=True)
    return column or found


def said(sentence: str) -> str:
    """Return a sentence about titles; where the classification in use is one of other texts, about texts."""
    from jobmajor import titles

    return titles.said(sentence)


def score(share: float) -> str:
    """Return a score as every table shows it.

    >>> score(0.98132)
    '0.981'
    """
    return f"{share:.3f}"


def rounded(value: Any) -> Any:
    """Return plain data with the numbers of six decimals that files and the service have.

    >>> rounded([{"score": 0.12345678, "rows": 3}])
    [{'score': 0.123457, 'rows': 3}]
    """
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value
