"""`jobmajor init`: a project for another classification."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from jobmajor.cli.options import Json  # noqa: TC001 - likewise
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, near, one_line


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="NAME", help="A new folder, whose name the project gets.")],
    source: Annotated[Path, typer.Option("--input", "-i", metavar="FILE", help="A table of texts with labels.")],
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The column of texts.")],
    label: Annotated[str, typer.Option(metavar="COLUMN", help="The column of labels.")],
    classes: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="The labels as a hierarchy: columns code, parent (empty at the top), name."),
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="TEXT", help="The classification's name, for messages.", show_default="NAME")
    ] = "",
    job_titles: Annotated[
        bool, typer.Option("--job-titles", help="Texts are job titles: abbreviations and other languages count.")
    ] = False,
    encoding: Annotated[str | None, typer.Option(help="The encoding of the file.", show_default="recognised")] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook.", show_default="the first")] = None,
    as_json: Json = False,
) -> None:
    """Make a project that classifies other texts than job titles, or by another classification than SOC.

    The folder gets the texts, the labels and settings; `jobmajor run` in it trains the first model. All commands
    work there as they do for SOC: gate, registry, service, page, files and monitoring.

    Example: jobmajor init tickets --input tickets.csv --text subject --label team
    """
    from jobmajor.pipeline import init as projects
    from jobmajor.tables.block import Reading

    doing("reading the texts")
    texts = projects.Texts(source, text, label, Reading(encoding=encoding, sheet=sheet))
    made = projects.init(folder, texts, classes=classes, name=name, job_titles=job_titles)
    if as_json:
        dump(made.to_json())
        return
    levels = made.classification
    counts = ", ".join(
        f"{len(levels.codes(level)):,} {shown}" for level, shown in zip(levels.levels, levels.labels, strict=True)
    )
    typer.echo(f"{near(folder)}: {made.rows:,} texts; codes of {one_line(levels.name)}: {counts}")
    for reason, count in made.left_out.items():
        typer.echo(f"note: {count:,} rows {reason} were left out", err=True)
    if made.few:
        typer.echo(f"note: {made.few:,} labels have fewer than 5 texts, too few to be judged", err=True)
    typer.echo(f"next: cd {near(folder)} && jobmajor run")
