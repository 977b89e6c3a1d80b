"""`jobmajor monitor`: compare the titles and answers of a period with a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.options import LOOK, Home, Json, Model, Weight, said, title_column, workspace
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, near, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.monitor.check import Finding
    from jobmajor.monitor.observe import Capture, File, Observer
    from jobmajor.monitor.profile import Profile

monitor = typer.Typer(help="Compare titles and answers with those of an accepted period.", **LOOK)

Rows = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE", help="A table of titles, in any format of classify --input; or a folder of captured traffic."
    ),
]
Column = Annotated[str | None, typer.Option(help="The column of titles.", show_default="guessed")]
Unit = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="The column of what rows belong together by: client, day. Captures: each request."
    ),
]
Captured = Annotated[
    str | None,
    typer.Option(
        "--capture",
        metavar="PERIOD",
        help="Captured traffic, of FILE or of the workspace's captures: all, yesterday, 7d, 2026-11, a day, or "
        "2026-11-01..2026-11-30.",
    ),
]


def add(app: typer.Typer) -> None:
    """Add the group to the program."""
    app.add_typer(monitor, name="monitor")


@monitor.command()
def baseline(
    file: Rows = None,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Write the reference here.")] = Path(
        "reference.json"
    ),
    column: Column = None,
    weight: Weight = None,
    unit: Unit = None,
    capture: Captured = None,
    model: Model = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Make a reference of titles whose answers you have accepted, for later checks.

    The reference holds titles, except of a capture with hashes. Beside it, reference.statistics.json and
    reference.constraints.json have the layout of SageMaker's Model Monitor.

    Example: jobmajor monitor baseline payroll.csv --unit department --output reference.json
    """
    from jobmajor.monitor import reference as library
    from jobmajor.monitor import violations
    from jobmajor.monitor.profile import is_hashed

    observer, source = _observer(model, home), source_of(file, (column, weight, unit), capture, home)
    found = _observed(observer, source)
    paths = library.save(found, output)
    body = {**violations.about(found), "files": [str(path) for path in paths]}
    if as_json:
        dump(body)
        return
    kept = (
        f"the {len(found.titles):,} {said('commonest titles are kept')}" if found.titles else said("no title is kept")
    )
    typer.echo(f"{found.total:,} rows in {found.units.sum():,} units; {kept}")
    if is_hashed(found):
        typer.echo(said("the capture holds hashes instead of titles: only answers are compared with this reference"))
    if found.about["column"]:
        typer.echo(f"{said('titles')}: column {found.about['column']}")
    typer.echo(f"reference: {near(output)}")


@monitor.command()
def check(
    file: Rows = None,
    *,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="The reference, which `monitor baseline` wrote.",
            show_default="the champion's training",
        ),
    ] = None,
    column: Column = None,
    weight: Weight = None,
    unit: Unit = None,
    capture: Captured = None,
    labelled: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A table of titles with the codes that people gave them.")
    ] = None,
    code: Annotated[str, typer.Option(help="The labelled table's column of codes.")] = "code",
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Write violations.json, drift.html and metrics.prom here.")
    ] = Path("monitor"),
    false_alarms: Annotated[
        float,
        typer.Option("--false-alarms", help="The chance of a violation where nothing differs.", show_default="1/365"),
    ] = 1 / 365,
    least: Annotated[float, typer.Option("--least", help="The smallest difference of a share that counts.")] = 0.01,
    model: Model = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say what differs from a reference by more than chance; the status is 1 on a violation.

    Without --against, the reference is what the champion answered to the titles of its test. Titles of a payroll always
    differ from those, so this says what is unlike training. To find drift, make a reference of an accepted period.

    Example: jobmajor monitor check november.csv --against reference.json --unit department
    """
    from jobmajor.data.labelled import TitleFile
    from jobmajor.monitor import check as library
    from jobmajor.monitor import page, violations
    from jobmajor.monitor import reference as references

    limits = library.Limits(false_alarms, least)
    observer, source = _observer(model, home), source_of(file, (column, weight, unit), capture, home)
    reference = references.load(against) if against else _training(model, home)
    found = _observed(observer, source)
    known = TitleFile(labelled, title_column(labelled, column), code) if labelled else None
    quality = library.quality(known, observer.classifier, limits) if known else None
    doing("comparing")
    finding = library.check(reference, found, observer.flags.all, limits, quality=quality)
    paths = violations.write(finding, output, page.render(finding))
    if as_json:
        dump(violations.violations(finding))
    else:
        _show(finding, paths["drift.html"])
    if finding.is_violated:
        raise typer.Exit(1)


def _training(model: Path | None, home: Path | None) -> Profile:
    """Return the champion's training baseline."""
    from jobmajor.errors import InputError
    from jobmajor.monitor.observe import training_baseline

    if model:
        raise InputError("--model names a model without a baseline: add --against with a reference, or leave it out")
    return training_baseline(workspace(home))


def _observer(model: Path | None, home: Path | None) -> Observer:
    from jobmajor.monitor.observe import Observer

    doing("loading the model")
    return Observer.load(model, workspace(home))


def source_of(file: Path | None, names: Sequence[str | None], capture: str | None, home: Path | None) -> File | Capture:
    """Return what an argument FILE and an option `Captured` name together."""
    from jobmajor.errors import InputError
    from jobmajor.home import Workspace
    from jobmajor.monitor.observe import Capture, File
    from jobmajor.monitor.traffic.capture import Period
    from jobmajor.serve.messages.captured import titles

    if file is None and capture is None:
        raise InputError("nothing says which titles: name a FILE, or captured traffic by --capture PERIOD")
    chosen = file or Workspace(workspace(home)).captures
    if file is None and not chosen.is_dir():
        raise InputError(f"{chosen} is no folder: record traffic by `jobmajor serve --capture {near(chosen)}`")
    if chosen.is_dir():
        if any(names):
            raise InputError(f"{chosen} is a folder of captures: leave out --column, --weight and --unit")
        return Capture(chosen, titles, Period.parse(capture or "all"))
    if capture:
        raise InputError(f"{chosen} is no folder: --capture chooses days of captured traffic")
    return File(chosen, title_column(chosen, names[0]), *names[1:])


def _observed(observer: Observer, source: File | Capture) -> Profile:
    done = [0]

    def tell(rows: int) -> None:
        done[0] = rows

    doing("answering the titles", lambda: f"{done[0]:,} rows")
    return observer.observe(source, tell=tell)


def _show(finding: Finding, page: Path) -> None:
    from jobmajor import soc
    from jobmajor.monitor.shape import is_group

    typer.echo(finding.verdict)
    if finding.note:
        typer.echo(finding.note)
    rows = [
        (
            change.flag.name,
            soc.name(change.flag.name) if is_group(change.flag.name) else said(change.flag.meaning),
            f"{100 * change.reference:.1f} %",
            f"{100 * change.found:.1f} %",
            f"{100 * change.difference:+.1f}",
            f"{change.p:.4f}",
        )
        for change in finding.alarms
    ]
    if rows:
        table(("what", "meaning", "reference", "now", "points", "by chance"), rows)
    if (known := finding.quality) is not None:
        shown = "none" if known.precision is None else f"{100 * known.precision:.1f} %"
        right = f"right: {100 * known.right:.1f} %; sure answers right: {shown}"
        typer.echo(f"{said('labelled titles')}: {known.titles:,}; {right}")
    typer.echo(f"report: {near(page)}")
