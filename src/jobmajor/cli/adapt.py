"""`jobmajor adapt`: fit answers to the mix of occupations of a user's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobmajor.cli.options import Encoding, Home, Json, Model, Sheet, reading, said, use_codes, workspace
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, one_line, table


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(adapt)


def adapt(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table of titles, in any format of classify --input.")],
    column: Annotated[str | None, typer.Option(help="The column of titles.", show_default="guessed")] = None,
    code: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="A column of known codes: count those, in place of the model's answers."),
    ] = None,
    soc: Annotated[str, typer.Option(help="The revision of the known codes: 2018 or 2010.")] = "2018",
    encoding: Encoding = None,
    sheet: Sheet = None,
    output: Annotated[Path, typer.Option(metavar="PATH", help="The file to write.")] = Path("prior.json"),
    model: Model = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Estimate a file's mix of occupations, so that answers to titles like these can be moved toward it.

    A nurse's register and a farm's payroll use the same words for different work. Only a command that names the written
    file with --prior uses it: `classify`, `serve`. The champion stays as it is.

    Example: jobmajor adapt payroll.csv --column title --output payroll-prior.json
    """
    from jobmajor.data.labelled import TitleFile
    from jobmajor.pipeline import adapt as library

    use_codes(model, home)
    column, how = reading(file, column, encoding, sheet)
    given = TitleFile(file, column, code, revision=soc, reading=how) if code else file
    doing(f"{said('estimating the mix of occupations')} of {one_line(str(file))}")
    found = library.adapt(given, column, reading=how, model=model, home=workspace(home))
    found.write(output)
    report = library.report(found)
    if as_json:
        dump({**report, "output": str(output)})
        return
    rows = [
        (each["code"], each["name"], f"{each['training']:.1%}", f"{each['file']:.1%}", f"{each['factor']:.2f}")
        for each in report["groups"]
    ]
    table(("code", "name", "training", "file", "factor"), rows)
    known = f", {found.labelled:,} of them with codes" if found.labelled else ""
    typer.echo(
        f"{found.titles:,} {said('distinct titles')}{known}: wrote {one_line(str(output))} ({found.digest[:12]})"
    )
