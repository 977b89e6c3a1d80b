"""`jobmajor classify --input`: code files, show the progress, and print a summary."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jobmajor.cli.options import said
from jobmajor.errors import InputError
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jobmajor.batch.options import FileOptions, Summary
    from jobmajor.batch.progress import Progress
    from jobmajor.model.rules.prior import Prior
    from jobmajor.tables.block import Column, Reading, Values
    from jobmajor.tables.packed import Packed

_CLEAR = "\r\x1b[K"


def classify(source: str, output: Path, options: FileOptions, model: Path | None, home: Path, *, as_json: bool) -> None:
    """Code the files and print a summary; on a terminal, show the progress on standard error."""
    # pyarrow's default allocator keeps 40 MB more of freed memory. The variable is read when pyarrow is loaded.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from jobmajor.batch.files import code_file

    is_watched = options.on_progress is not None
    doing(f"loading the model and opening {one_line(source)}")
    try:
        found = code_file(source, output, options, model=model, home=home)
    finally:
        if is_watched:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
    if as_json:
        dump(asdict(found))
    else:
        show(found)


@contextmanager
def recording(folder: Path | None, share: float) -> Iterator[Callable[[Packed, Sequence[Column], Values], None] | None]:
    """Yield what records a sample of coded rows in a folder; None without one."""
    if folder is None:
        yield None
        return
    import numpy as np

    from jobmajor.monitor.traffic.batch_recorder import BatchRecorder, Rows

    with BatchRecorder(folder, share, np.random.default_rng()) as recorder:

        def record(titles: Packed, columns: Sequence[Column], values: Values) -> None:
            cells = [column.cells(found) for column, found in zip(columns, values, strict=True)]
            names = [column.name for column in columns]
            recorder.add(Rows(len(titles), titles.title, names, lambda row: [column[row] for column in cells]))

        yield record


def mix_of(source: str, reading: Reading, model: Path | None, home: Path) -> Prior:
    """Return the mix of occupations of the file that is to be coded.

    Raises:
        InputError: It is no file that can be read twice. NotAdapted: its titles don't tell the mix.
    """
    from jobmajor.pipeline import adapt
    from jobmajor.tables import formats

    if not Path(source).is_file():
        raise InputError(
            f"--adapt reads the input twice, and {source} is no single file on a disk: save it as one, or make a prior "
            "of one file with `jobmajor adapt` and name it with --prior"
        )
    doing(f"{said('estimating the mix of occupations')} of {one_line(source)}")
    column = reading.column or formats.title_column(Path(source), reading)
    return adapt.adapt(source, column, reading=reading, model=model, home=home)


def tell(progress: Progress) -> None:
    """Show the progress in one line that replaces the line before."""
    left = f", {_time(progress.left_s)} left" if progress.left_s is not None else ""
    rate = f"{progress.rows_per_s:,.0f} rows/s"
    sys.stderr.write(f"{_CLEAR}{progress.rows:,} rows, {progress.share:.0%}, {rate}{left}")
    sys.stderr.flush()


def note(line: str) -> None:
    """Say something before anything is written."""
    sys.stderr.write(f"note: {one_line(line)}\n")


def _time(seconds: float) -> str:
    """Return seconds as hours, minutes and seconds.

    >>> _time(75.2), _time(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def show(found: Summary) -> None:
    """Print what the run did."""
    rate = found.rows / found.seconds if found.seconds else 0.0
    typer.echo(f"rows: {found.rows:,} in {found.seconds:.1f} s ({rate:,.0f} a second)")
    stored = f", and {found.stored:,} by the run before" if found.stored else ""
    typer.echo(f"{said('titles')} scored: {found.scored:,}{stored}")
    for level, reasons in found.abstained.items():
        counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
        typer.echo(f"abstains, {level}: {sum(reasons.values()):,}{f' ({counts})' if counts else ''}")
    typer.echo(f"sources: {', '.join(f'{count:,} {source}' for source, count in found.sources.items())}")
    if found.prior:
        typer.echo(f"{said('moved toward the mix of occupations')}: {found.prior[:12]}")
    if found.classes:
        typer.echo(f"codes added to the model: {found.classes[:12]}")
    typer.echo(f"rows with a fault: {found.bad:,}{_side(found) if found.bad else ''}")
    for note in found.notes:
        typer.echo(f"note: {one_line(note)}")
    typer.echo(f"output: {_names(found.files)}")


def _side(found: Summary) -> str:
    """Return where rows with a fault are listed, and how many of them are not in the output."""
    left_out = f"{found.left_out:,} left out" if found.left_out else "all in the output"
    return f", {left_out} ({_names(found.bad_files)})"


def _names(names: tuple[str, ...]) -> str:
    return one_line(names[0]) if len(names) == 1 else f"{one_line(names[0])} and {len(names) - 1} more"
