"""`jobmajor summarise`: how many titles of a file belong to each occupation."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobmajor.cli.options import Encoding, Exact, Home, Json, Model, Sheet, Weight, reading, said, use_codes, workspace
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, one_line, table

if TYPE_CHECKING:
    from collections.abc import Mapping


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(summarise)


def summarise(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table of titles, coded or not, in any format of classify --input.")
    ],
    column: Annotated[
        str | None, typer.Option(help="The column of titles, also in the labelled table.", show_default="guessed")
    ] = None,
    weight: Weight = None,
    level: Annotated[str, typer.Option(help="major, minor, broad or detailed.")] = "major",
    labelled: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A table of titles with their codes, best some drawn from FILE: corrects the counts."
        ),
    ] = None,
    code: Annotated[str, typer.Option(help="The labelled table's column of codes.")] = "code",
    soc: Annotated[str, typer.Option(help="The revision of the labelled table's codes: 2018 or 2010.")] = "2018",
    encoding: Encoding = None,
    sheet: Sheet = None,
    exact: Exact = True,
    model: Model = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Count titles by occupation, corrected for wrong answers, with 95 % intervals.

    To count best answers is biased. The estimate counts every code's share, moved toward the file's mix of occupations,
    and with --labelled also by how the answers to those titles are wrong.

    Example: jobmajor summarise payroll.csv --column title --weight employees --level minor
    """
    from jobmajor import soc as classification
    from jobmajor.data.labelled import TitleFile
    from jobmajor.pipeline import summarise as library

    use_codes(model, home)
    depth = classification.parse_level(level, "--level")
    column, how = reading(file, column, encoding, sheet)
    known = TitleFile(labelled, column, code, revision=soc) if labelled else None
    wish = library.Wish(column, weight, depth, known, exact, reading=how)
    doing(f"{said('counting titles')} of {one_line(str(file))}")
    found = library.summarise(file, wish, model=model, home=workspace(home))
    if as_json:
        dump(found)
    else:
        _show(found)


def _show(found: Mapping[str, Any]) -> None:
    left_out = "".join(f", {weight:,g} left out ({reason})" for reason, weight in found["left_out"].items())
    known = f", {found['labelled']:,} {said('labelled titles')}" if found["labelled"] else ""
    typer.echo(f"{found['rows']:,g} rows, {found['titles']:,} {said('distinct titles')}{known}{left_out}")
    rows = [
        (
            each["code"],
            each["name"],
            f"{each['answered']:,.0f}",
            f"{each['estimate']:,.0f}",
            f"{each['low']:,.0f} to {each['high']:,.0f}",
        )
        for each in found["counts"]
        if each["answered"] or each["estimate"] >= 0.5
    ]
    table(("code", "name", "answered", "estimate", "95 % interval"), rows)
