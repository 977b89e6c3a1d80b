"""`jobmajor evaluate`: what to expect of a model on titles like yours."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobmajor.cli.options import Encoding, Exact, Home, Json, Model, Sheet, Weight, reading, said, use_codes, workspace
from jobmajor.errors import MissingExtra
from sagelocal import extras
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, one_line, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobmajor.data.labelled import TitleFile
    from jobmajor.model.classifier import Classifier

_SHOWN_MISTAKES = 10


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(evaluate)


def evaluate(
    titles: Annotated[
        Path,
        typer.Option(
            "--titles", metavar="FILE", help="A table of titles with their codes, in any format of classify --input."
        ),
    ],
    column: Annotated[str | None, typer.Option(help="The column of titles.", show_default="guessed")] = None,
    code: Annotated[
        str, typer.Option(help="The column of codes; a cell may name several, with ; or | between them.")
    ] = "code",
    weight: Weight = None,
    soc: Annotated[
        str, typer.Option(help="The revision of the codes: 2018, or 2010 by the official crosswalk.")
    ] = "2018",
    encoding: Encoding = None,
    sheet: Sheet = None,
    exact: Exact = True,
    model: Model = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Compare with this model: its folder or model.tar.gz. Decide as --own-test."),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Compare a model's answers with your own labelled titles, at every level.

    By row, each row counts with its weight. By title, each distinct title counts once, and any code that a row gives it
    is right. The ceiling is what a perfect model would reach that gives each title one answer.

    With --against, both models answer the titles, and the status is 1 where the other one is certainly better by more
    than 0.02.

    Example: jobmajor evaluate --titles register.csv --column title --code soc --weight rows --soc 2010
    """
    from jobmajor.data.labelled import TitleFile
    from jobmajor.evaluation.checks import REFUSE
    from jobmajor.pipeline import outside
    from jobmajor.registry import loading

    if against:
        extras.require("jobmajor evaluate --against", "train", MissingExtra)
    use_codes(model, home)
    column, how = reading(titles, column, encoding, sheet)
    file = TitleFile(titles, column, code, weight, soc, how)
    doing(f"{said('answering the titles')} of {one_line(str(titles))}")
    classifier = loading.load(model, home=workspace(home))
    other = loading.load(against) if against else None
    found = outside.evaluate(file, outside.Judging(exact=exact), model=classifier)
    beside = _beside(file, (classifier, other)) if other else None
    if as_json:
        dump({**found, "against": beside} if beside else found)
    else:
        _show(found)
        if beside:
            _show_beside(beside)
    if beside and beside["outcome"] == REFUSE:
        raise typer.Exit(1)


def _beside(file: TitleFile, models: tuple[Classifier, Classifier]) -> Mapping[str, Any]:
    from jobmajor.pipeline import own_test

    return own_test.against(file, models)


def _show_beside(found: Mapping[str, Any]) -> None:
    rows = [
        (
            level,
            f"{each['titles']:,}",
            f"{each['champion']:.3f}",
            f"{each['candidate']:.3f}",
            f"{each['difference']:+.3f} ({each['interval']['low']:+.3f} to {each['interval']['high']:+.3f})",
            each["verdict"],
        )
        for level, each in found["levels"].items()
    ]
    typer.echo()
    if rows:
        table(("level", "titles", "other model", "this model", "difference", "verdict"), rows)
    typer.echo(f"outcome: {found['outcome']}")
    for check in found["checks"]:
        if check["passed"] is not True:
            typer.echo(f"{check['name']}: {one_line(check['reason'])}")


def _show(found: Mapping[str, Any]) -> None:
    left_out = "".join(f", {count:,} rows {reason} left out" for reason, count in found["left_out"].items())
    titles = f"{found['titles']:,} {said('distinct titles')}"
    typer.echo(f"{found['rows']:,} rows of weight {found['weight']:,g}, {titles}{left_out}")
    if found["unknown_codes"]:
        typer.echo(f"unknown codes: {', '.join(map(one_line, found['unknown_codes']))}")
    levels = {level: each for level, each in found["levels"].items() if each["titles"]}
    head = ("level", "by", "right", "mean over groups", "ceiling", "accepted", "right of those")
    table(head, [row for level, each in levels.items() for row in _of_level(level, each)])
    typer.echo()
    columns = ("level", "source", "titles", "right", "accepted", "right of those")
    table(columns, list(_by_source(found["sources"], levels)))
    typer.echo()
    for level, each in levels.items():
        errors = each["calibration"]
        above = f"{errors['ece_above_chance']:.3f} above chance"
        codes = f"{each['codes_per_title']:.2f} {said('right codes for a title')}"
        typer.echo(f"{level}: calibration error {errors['ece']:.3f}, {above}; {codes}")
    typer.echo()
    rows = [
        (each["truth"], each["answer"] or "–", f"{each['share']:.1%}", one_line("; ".join(each["titles"])))
        for each in found["mistakes"]["major"][:_SHOWN_MISTAKES]
    ]
    table(("true", "answered", "of rows", "such as"), rows)


def _of_level(level: str, each: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for view, name in (("by_row", "row"), ("by_title", "title")):
        figures = each[view]
        yield (
            level,
            name,
            _with_interval(figures, "accuracy"),
            f"{figures['mean_over_groups']:.3f}",
            f"{figures['ceiling']:.3f}",
            _with_interval(figures, "accepted"),
            _with_interval(figures, "precision"),
        )


def _with_interval(figures: Mapping[str, Any], name: str) -> str:
    interval = figures["intervals"][name]
    if figures[name] is None or interval is None:
        return "–"
    return f"{figures[name]:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"


def _by_source(sources: Mapping[str, Any], levels: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for level in levels:
        for name, source in sources.items():
            each = source["levels"][level]
            shares = (each["accuracy"], each["accepted"], each["precision"])
            yield (level, name, f"{each['titles']:,}", *("–" if share is None else f"{share:.3f}" for share in shares))
