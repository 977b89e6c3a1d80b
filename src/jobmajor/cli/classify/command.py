"""`jobmajor classify`: titles from the command line, standard input or a file."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from jobmajor.cli.options import (
    ClassesFile,
    Encoding,
    Exact,
    Home,
    Json,
    Model,
    Sheet,
    rounded,
    score,
    use_codes,
    workspace,
)
from jobmajor.errors import InputError
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, one_line, table


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(classify)


def classify(
    titles: Annotated[
        list[str] | None, typer.Argument(help="Job titles; without any, standard input with one on each line.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many codes for each title.")] = 1,
    level: Annotated[
        str,
        typer.Option(
            help="major, minor, broad or detailed; best for the deepest one that is sure, title by title; with --input "
            "also all, which adds columns for each level. Levels of isco-08 are numbers of digits, 1 to 4."
        ),
    ] = "major",
    to: Annotated[
        str, typer.Option(metavar="NAME", help="Give the codes in soc-2010 or isco-08, by the official crosswalks.")
    ] = "soc-2018",
    source: Annotated[
        str | None,
        typer.Option("--input", metavar="PATH", help="A table of titles, a folder of tables, or a pattern."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The column of titles, by its name or its number from 1.", show_default="guessed"
        ),
    ] = None,
    encoding: Encoding = None,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first line names the columns.", show_default="guessed"),
    ] = None,
    quotes: Annotated[
        bool, typer.Option("--quotes/--no-quotes", help="Whether cells of delimited text may stand in quotes.")
    ] = True,
    sheet: Sheet = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="A column with a second text of each row, such as duties or a department."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The table to write; a folder if the input is several tables.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A prefix for the names of the added columns.")
    ] = None,
    safe_cells: Annotated[
        bool,
        typer.Option(
            "--safe-cells", help="Put an apostrophe before input cells that a spreadsheet would run as formulas."
        ),
    ] = False,
    model: Model = None,
    overrides_file: Annotated[
        Path | None,
        typer.Option("--overrides", metavar="FILE", help="Your titles with their codes, as CSV: title,code."),
    ] = None,
    exact: Exact = True,
    prior_file: Annotated[
        Path | None,
        typer.Option("--prior", metavar="FILE", help="Move answers toward a mix of occupations, from jobmajor adapt."),
    ] = None,
    classes_file: ClassesFile = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Move answers toward the mix of the input itself, which is read twice.")
    ] = False,
    capture: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Record a sample of the rows and answers here, for jobmajor monitor."),
    ] = None,
    capture_share: Annotated[
        float, typer.Option("--capture-share", help="The share of rows that --capture records, up to 1.")
    ] = 0.1,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Find the codes of titles with the champion, the source of each answer, and when not to use it.

    With --input and --output, code a file of any size: .csv, .tsv, .jsonl, .parquet or .xlsx, the text formats also
    with .gz or .zst. The rows stay as they are and get more columns. A run that was killed continues when you start it
    again.

    Example: jobmajor classify "licensed practical nurse" "sw eng" --top 3 --level detailed
    """
    from jobmajor.model.rules import classes, overrides, prior

    use_codes(model, home)
    mine = overrides.read(overrides_file) if overrides_file else None
    if adapt and prior_file:
        raise InputError("--adapt and --prior were given: give either, as both name a mix of occupations")
    mix = prior.read(prior_file) if prior_file else None
    added = classes.read(classes_file) if classes_file else None
    if source is not None:
        from jobmajor.batch.options import FileOptions
        from jobmajor.cli.classify import files

        if titles:
            raise InputError("titles and --input were given: name either (a pattern for --input goes between quotes)")
        if output is None:
            raise InputError(f"--input {source} was given without --output: name the file or folder to write")
        options = FileOptions(
            column=column,
            encoding=encoding,
            has_header=header,
            has_quotes=quotes,
            sheet=sheet,
            prior=mix,
            context=context,
            level=level,
            top=top,
            overrides=mine,
            exact=exact,
            classes=added,
            to=to,
            prefix=prefix,
            safe_cells=safe_cells,
            on_progress=files.tell if sys.stderr.isatty() else None,
            on_note=files.note if sys.stderr.isatty() else None,
        )
        if adapt:
            options = replace(options, prior=files.mix_of(source, options.reading, model, workspace(home)))
        with files.recording(capture, capture_share) as recorded:
            options = replace(options, on_coded=recorded)
            files.classify(source, output, options, model, workspace(home), as_json=as_json)
        return
    of_files = {
        "--column": column,
        "--encoding": encoding,
        "--header": header,
        "--sheet": sheet,
        "--no-quotes": None if quotes else True,
        "--context": context,
        "--output": output,
        "--prefix": prefix,
        "--safe-cells": safe_cells or None,
        "--adapt": adapt or None,
        "--capture": capture,
    }
    for name, value in of_files.items():
        if value is not None:
            raise InputError(f"{name} belongs to --input, which is missing: name a file of titles with it")
    from jobmajor import soc
    from jobmajor.model.deepest import deepest
    from jobmajor.registry.loading import load
    from jobmajor.soc import classifications

    if not titles:
        doing("waiting for titles, one a line, from standard input")
    wanted = titles or _standard_input()
    doing("loading the model")
    target = classifications.parse(to, "--to")
    is_best, shown_level = level == soc.BEST_LEVEL, ""
    if not is_best:
        also = (soc.BEST_LEVEL,)
        depth = target.parse_level(level, "--level") if target else soc.parse_level(level, "--level", also=also)
        shown_level = target.level_name(depth) if target else depth
    classifier = load(model, home=workspace(home)).adapted(mix).with_classes(added)
    asked = classifier.to(to) if target else classifier
    if is_best:
        answers = deepest(asked).answer(wanted, top, overrides=mine, exact=exact)
    else:
        answers = asked.answer(wanted, depth, top, overrides=mine, exact=exact)
    if as_json:
        dump(
            rounded(
                [
                    {
                        "title": title,
                        "level": each.level or shown_level,
                        "answers": [
                            {"label": item.label, "code": item.label, "name": item.name, "score": item.score}
                            for item in each.answers
                        ],
                        "confidence": each.confidence,
                        "abstain": each.abstain,
                        "reason": each.reason,
                        **({"ambiguous": each.ambiguous} if target else {}),
                        "source": each.source,
                        **({"prior": mix.digest} if mix else {}),
                        **({"classes": added.digest} if added else {}),
                    }
                    for title, each in zip(wanted, answers, strict=True)
                ]
            )
        )
        return
    rows = []
    for title, each in zip(wanted, answers, strict=True):
        for index, item in enumerate(each.answers):
            shown = score(item.score) if item.label else ""
            levels = (each.level,) if is_best else ()
            of_title = (*levels, each.source, each.reason, *(("yes" if each.ambiguous else "",) if target else ()))
            cells = (item.label, item.name, shown)
            rows.append((one_line(title), *cells, *of_title) if index == 0 else ("", *cells, *("" for _ in of_title)))
    levels = ("level",) if is_best else ()
    names = ("title", "code", "name", "score", *levels, "source", "abstain", *(("ambiguous",) if target else ()))
    table(names, rows)


def _standard_input() -> list[str]:
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("no title was given, and standard input is closed: name some titles")
    if sys.stdin.isatty():
        raise InputError("no title was given: name some, or pipe one a line into standard input")
    found = []
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            found.append(line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise InputError(f"standard input, line {number}: found {error.reason}, expected UTF-8 text") from error
    if not found:
        raise InputError("standard input holds no title: expected one a line")
    return found
