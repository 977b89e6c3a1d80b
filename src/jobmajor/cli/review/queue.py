"""`jobmajor queue`: titles that wait for a person, for several people at once."""

from __future__ import annotations

import getpass
import sys
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.monitor import Captured, Column, Rows, source_of
from jobmajor.cli.options import LOOK, Home, Json, Model, QueueAddress, Weight, rounded, said, use_codes, workspace
from jobmajor.cli.options import queue as opened
from sagelocal.show.patience import doing, held
from sagelocal.show.terminal import dump, near, one_line, table

if TYPE_CHECKING:
    from jobmajor.review.queue import Queue

group = typer.Typer(help="Titles that wait for a person: what comes next, who has it, and what was said.", **LOOK)
Reviewer = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who reviews.", show_default="the name of your login")
]
_DAY = 24 * 60.0  # minutes for a sheet
Order = Annotated[str, typer.Option(help="value, or random.")]


def add(app: typer.Typer) -> None:
    """Add the group to the program."""
    app.add_typer(group, name="queue")


@group.command("add")
def add_titles(
    file: Rows = None,
    capture: Captured = None,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The violations.json of monitor check: titles that moved.")
    ] = None,
    column: Column = None,
    weight: Weight = None,
    level: Annotated[str, typer.Option(help="Take titles that are unsure at this level.")] = "major",
    model: Model = None,
    queue: QueueAddress = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Put titles without a sure answer into the queue, once however often they occur.

    The same file, or the same days of traffic, again add no title twice and no row twice.

    Example: jobmajor queue add payroll.csv --column title --weight employees
    """
    from jobmajor import soc
    from jobmajor.errors import InputError
    from jobmajor.registry.loading import load
    from jobmajor.retrain import arrivals

    if check and (file or capture or column or weight):
        raise InputError("--check names what the titles come from: leave FILE, --capture, --column and --weight out")
    source = None if check else source_of(file, (column, weight, None), capture, home)
    use_codes(None, home)
    depth, kept = soc.parse_level(level, "--level"), _queue(queue, home)
    doing(said("answering the titles"))
    classifier = load(model, home=workspace(home))
    if check:
        found = arrivals.from_check(kept, check, classifier, depth)
    elif source:
        found = arrivals.from_traffic(kept, source, classifier, depth)
    if as_json:
        dump(found._asdict())
    else:
        typer.echo(f"{said('titles')} for a person: {found.titles:,}, new in the queue: {found.new:,}")


@group.command()
def review(
    reviewer: Reviewer = None,
    order: Order = "value",
    most: Annotated[int, typer.Option("--most", min=1, help="How many titles to show.")] = 100,
    queue: QueueAddress = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show the titles that come next, one after another, and keep the codes that you give them.

    A title is yours for 15 minutes; other reviewers get others meanwhile. In a pipe the titles are listed.

    Example: jobmajor queue review --reviewer ann
    """
    from jobmajor.cli.review.file import Terminal
    from jobmajor.review import session

    use_codes(None, home)
    kept, name = _queue(queue, home), _name(reviewer)
    if sys.stdin.isatty() and sys.stdout.isatty() and not as_json:
        with held(), Terminal() as terminal:
            decided = session.review_queue(kept, terminal, name, order=order, most=most)
        typer.echo(f"\ndecisions: {decided:,}. Learn from them: jobmajor retrain")
        return
    found = kept.next(name, most, order=order)
    if as_json:
        dump(
            rounded([{**asdict(each.title), "value": each.title.value, "spellings": each.spellings} for each in found])
        )
        return
    rows = [
        (one_line(each.title.title), f"{each.title.rows:,g}", each.title.reason, f"{each.title.value:,.3g}")
        for each in found
    ]
    table(("title", "rows", "abstain", "value"), rows)


@group.command()
def status(queue: QueueAddress = None, home: Home = None, as_json: Json = False) -> None:
    """Count what waits and what is done, and say how far reviewers agree.

    Example: jobmajor queue status
    """
    found = _queue(queue, home).status()
    if as_json:
        dump(rounded(found))
        return
    rows = [(state, f"{each['titles']:,}", f"{each['rows']:,g}") for state, each in found["states"].items()]
    table(("state", "titles", "rows"), rows)
    typer.echo(f"labels: {found['labels']:,}, lent now: {found['lent']:,}")
    for each in found["reviewers"]:
        typer.echo(f"{one_line(each['reviewer'])}: {each['decisions']:,} decisions, the last at {each['last']}")
    for name, each in found["agreement"].items():
        if each["titles"]:
            kappa = "none" if each["kappa"] is None else f"{each['kappa']:.3f}"
            typer.echo(
                f"agreement by {name}: {each['share']:.3f} of {each['titles']:,} {said('titles')}, kappa {kappa}"
            )


@group.command()
def history(
    since: Annotated[int, typer.Option(min=0, help="Show decisions after this number.")] = 0,
    queue: QueueAddress = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List every decision, with who and when; those that were taken back, too.

    Example: jobmajor queue history --since 100
    """
    found = _queue(queue, home).history(since)
    if as_json:
        dump([asdict(each) for each in found])
        return
    rows = [
        (str(each.number), each.at, one_line(each.reviewer), one_line(each.title), each.code or f"undo {each.undoes}")
        for each in found
    ]
    table(("number", "at", "reviewer", "title", "code"), rows)


@group.command()
def export(
    sheet: Annotated[Path, typer.Argument(metavar="SHEET", help="Write the titles here as CSV.")],
    reviewer: Reviewer = None,
    order: Order = "value",
    most: Annotated[int, typer.Option("--most", min=1, help="How many titles to write.")] = 100,
    queue: QueueAddress = None,
    home: Home = None,
) -> None:
    """Write the titles that come next for a spreadsheet, and keep them for a reviewer for a day.

    Example: jobmajor queue export sheet.csv --reviewer ann
    """
    from jobmajor.review import choices

    found = _queue(queue, home).take(_name(reviewer), most, minutes=_DAY, order=order)
    choices.write_sheet(sheet, [each.title for each in found])
    typer.echo(f"{len(found):,} {said('titles')}: fill in the column code of {one_line(str(sheet))}")


@group.command("import")
def import_sheet(
    sheet: Annotated[Path, typer.Argument(metavar="SHEET", help="A filled-in sheet, or any table of title and code.")],
    reviewer: Reviewer = None,
    queue: QueueAddress = None,
    home: Home = None,
) -> None:
    """Take the codes of a filled-in sheet, all or none. The same sheet again changes nothing.

    Example: jobmajor queue import sheet.csv --reviewer ann
    """
    from jobmajor.review import choices

    use_codes(None, home)
    given = choices.read_sheet(sheet)
    new = _queue(queue, home).decide_all(given, _name(reviewer))
    typer.echo(f"codes: {len(given):,}, new: {new:,}")


@group.command()
def labels(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="Write the labels here: title, code.")],
    queue: QueueAddress = None,
    home: Home = None,
) -> None:
    """Write the labels as a file for classify --overrides and run --reviewed; titles in dispute have none.

    Example: jobmajor queue labels ours.csv
    """
    from jobmajor.review import choices

    found = _queue(queue, home).labels()
    choices.write_labels(output, found)
    typer.echo(f"labels: {len(found):,} ({near(output)})")


def _queue(named: str | None, home: Path | None) -> Queue:
    return opened(named, workspace(home))


def _name(reviewer: str | None) -> str:
    from jobmajor.errors import InputError

    try:
        return reviewer or getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise InputError("your login has no name: name yourself by --reviewer NAME") from error
