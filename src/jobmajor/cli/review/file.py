"""`jobmajor review`: give doubtful titles of a file their codes, in a terminal or by spreadsheet."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobmajor.cli.options import (
    Encoding,
    Home,
    Json,
    Model,
    Sheet,
    Weight,
    reading,
    rounded,
    said,
    score,
    use_codes,
    workspace,
)
from sagelocal.show.patience import doing, held
from sagelocal.show.terminal import dump, near, one_line, table

_HAS_TERMIOS = False
with suppress(ImportError):  # Windows has none
    import termios
    import tty

    _HAS_TERMIOS = True

if TYPE_CHECKING:
    from jobmajor.review.choices import Choices
    from jobmajor.review.doubtful import DoubtfulTitle, Source
    from jobmajor.soc import Level


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(review)


def review(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A table of titles, in any format of classify --input.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="The column of titles.", show_default="guessed")] = None,
    weight: Weight = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    overrides: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the choices are kept, for classify --overrides.")
    ] = Path("overrides.csv"),
    level: Annotated[str, typer.Option(help="Show titles that are unsure at this level.")] = "major",
    most: Annotated[int, typer.Option("--most", min=1, help="How many titles to show, the most frequent first.")] = 100,
    export: Annotated[
        Path | None, typer.Option(metavar="SHEET", help="Write the titles as CSV, to be filled in in a spreadsheet.")
    ] = None,
    filled: Annotated[
        Path | None, typer.Option("--import", metavar="SHEET", help="Take the choices from a filled-in sheet.")
    ] = None,
    model: Model = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show the titles of a file that have no sure answer, and keep the codes that you give them.

    On a terminal a key picks one of the best codes, searches the classification, or says that the title is no job.
    Every choice is kept at once. In a pipe the titles are listed. A second run shows titles that have no choice yet.

    Example: jobmajor review payroll.csv --column title --overrides ours.csv
    """
    from jobmajor import soc
    from jobmajor.errors import InputError
    from jobmajor.review import choices as library
    from jobmajor.review import doubtful

    use_codes(model, home)
    if filled is not None:
        if file or export:
            raise InputError("--import takes the choices of a sheet: leave FILE and --export out")
        kept = library.Choices(overrides)
        count = kept.put_all(library.read_sheet(filled))
        typer.echo(f"taken: {count:,}, {said('titles')} with a choice: {len(kept):,} ({one_line(str(overrides))})")
        return
    if file is None:
        raise InputError(
            "no file was given: name a table of titles, a filled-in sheet with --import, or call jobmajor queue review"
        )
    kept = library.Choices(overrides)
    depth = soc.parse_level(level, "--level")
    title, how = reading(file, column, encoding, sheet)
    titles = _doubtful(doubtful.Source(file, title, weight, how), depth, model, workspace(home), kept)
    shown = titles[:most]
    if export is not None:
        library.write_sheet(export, shown)
        where = one_line(str(export))
        typer.echo(f"{len(shown):,} of {len(titles):,} {said('doubtful titles')}: fill in the column code of {where}")
    elif as_json:
        dump(rounded([_plain(each) for each in shown]))
    elif sys.stdin.isatty() and sys.stdout.isatty():
        _talk(shown, kept, file, overrides)
    else:
        _list(shown)


def _doubtful(source: Source, level: Level, model: Path | None, home: Path, kept: Choices) -> list[DoubtfulTitle]:
    from jobmajor.registry.loading import load
    from jobmajor.review import doubtful

    doing(f"{said('answering the titles')} of {one_line(str(source.path))}")
    return doubtful.find(source, load(model, home=home), level=level, overrides=kept.overrides)


def _talk(titles: list[DoubtfulTitle], kept: Choices, file: Path, overrides: Path) -> None:
    from jobmajor.review import session

    before = len(kept)
    with held(), Terminal() as terminal:
        rows = session.review(titles, kept, terminal)
    typer.echo(
        f"\n{said('titles')} reviewed: {len(kept) - before:,}, with {rows:,g} rows. Code the file again with them:"
    )
    typer.echo(f"jobmajor classify --input {near(file)} --output coded.csv --overrides {near(overrides)}")


class Terminal:
    """Keys without Enter. The terminal is set once, not for each key, so that none is lost that comes early."""

    def __init__(self) -> None:
        self._usual: list[Any] | None = None

    def __enter__(self) -> Terminal:
        if _HAS_TERMIOS:
            self._usual = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin, termios.TCSADRAIN)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _restore(self) -> None:
        if self._usual is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._usual)

    def show(self, text: str) -> None:
        """Write a line."""
        typer.echo(text)

    def key(self) -> str:
        """Return the next key."""
        try:
            return os.read(sys.stdin.fileno(), 1).decode("latin-1") if self._usual else typer.getchar()
        except (KeyboardInterrupt, EOFError):
            return "q"

    def line(self, prompt: str) -> str:
        """Return a line of text."""
        self._restore()
        try:
            return str(typer.prompt(prompt, prompt_suffix="", default="", show_default=False))
        except typer.Abort:
            return ""
        finally:
            self.__enter__()


def _plain(title: DoubtfulTitle) -> dict[str, Any]:
    """Return a title as JSON has it: each candidate with `code` beside `label`, as in all answers."""
    candidates = [
        {"label": item.label, "code": item.label, "name": item.name, "score": item.score} for item in title.candidates
    ]
    return {**asdict(title), "candidates": candidates}


def _list(titles: list[DoubtfulTitle]) -> None:
    rows = []
    for each in titles:
        best = each.candidates[0] if each.candidates else None
        cells = (best.label, best.name, score(best.score)) if best else ("", "", "")
        rows.append((one_line(each.title), f"{each.rows:,g}", each.reason, *cells))
    table(("title", "rows", "abstain", "code", "name", "score"), rows)
