"""`jobmajor data`, `pipeline` and `init`: O*NET's releases, the definition, and a project for other texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.options import LOOK, Home, Json, SettingsFile, workspace
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, near, one_line, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.data.source import FetchOptions, TitleSource

data = typer.Typer(help="O*NET releases: fetch, list, check.", **LOOK)
pipeline = typer.Typer(help="The pipeline's definition.", **LOOK)


def add(app: typer.Typer) -> None:
    """Add the groups and the command to the program."""
    app.command()(init)
    app.add_typer(data, name="data")
    app.add_typer(pipeline, name="pipeline")


def fetch_options() -> FetchOptions:
    """Return how data is fetched: with a progress bar on a terminal, silently in a pipe."""
    from jobmajor.data.source import FetchOptions

    return FetchOptions(on_progress=_tell_bytes if sys.stderr.isatty() else None)


def _tell_bytes(name: str, done: int, total: int | None) -> None:
    filled = int(30 * done / total) if total else 0
    size = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
    end = "\n" if done == total else ""
    sys.stderr.write(f"\r{name} [{'█' * filled}{' ' * (30 - filled)}] {size}\x1b[K{end}")
    sys.stderr.flush()


def tell_source(source: TitleSource) -> None:
    """Print what a user should know about the data on standard error."""
    if source.notice:
        typer.echo(f"notice: {source.notice}", err=True)


@data.command()
def pull(
    release: Annotated[str, typer.Option(help="An O*NET release, 25.1 or later.")] = "28.1",
    text: Annotated[bool, typer.Option("--text", help="The text edition instead of the workbooks.")] = False,
    home: Home = None,
) -> None:
    """Fetch a release into the workspace; continues where an earlier try stopped.

    Example: jobmajor data pull --release 28.1
    """
    from jobmajor.data import download

    progress = _tell_bytes if sys.stderr.isatty() else None
    folder = download.pull(release, workspace(home), edition="text" if text else "workbook", on_progress=progress)
    typer.echo(str(folder))


@data.command("list")
def list_releases(home: Home = None, as_json: Json = False) -> None:
    """List the releases that can be used, and which are in the workspace.

    Example: jobmajor data list --json
    """
    from jobmajor.data import download, releases

    folder = workspace(home)
    here = {item.version: download.cached(item.version, folder) is not None for item in releases.known()}
    if as_json:
        dump([{"release": version, "in_workspace": is_here} for version, is_here in here.items()])
        return
    table(
        ("release", "in the workspace"),
        [(version, "yes" if is_here else "no") for version, is_here in here.items()],
    )


@data.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with O*NET's files.")],
    as_json: Json = False,
) -> None:
    """Read a folder as a run would, and print what it contains; status 2 if it can't be used.

    Example: jobmajor data check onet/28.1
    """
    from jobmajor.data import onet

    doing(f"reading {one_line(str(folder))}")
    found = onet.read(folder)
    counts = {
        "titles": found.titles.height,
        "occupations": found.occupations.height,
        "reported": found.reported.height,
    }
    if as_json:
        dump({"release": found.release, "edition": found.edition, **counts})
        return
    numbers = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    typer.echo(f"release {found.release}, {found.edition} edition: {numbers}")


@data.command()
def diff(
    earlier: Annotated[str, typer.Argument(metavar="RELEASE", help="A release in the workspace, or a folder.")],
    later: Annotated[str, typer.Argument(metavar="RELEASE", help="The one to compare it with.")],
    most: Annotated[int, typer.Option("--most", min=0, help="How many titles of each kind to show.")] = 10,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all titles that changed to this new CSV file, for models diff."),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say which titles a release adds, drops and moves to other codes.

    Example: jobmajor data diff 27.0 28.1
    """
    from jobmajor.data import onet
    from jobmajor.monitor import release_changes as library

    doing("reading both releases")
    found = library.difference(*(onet.read(_release_folder(name, home)) for name in (earlier, later)))
    count = library.write(found, output) if output else 0
    if as_json:
        dump(found.to_json())
        return
    before, after = found.titles
    typer.echo(f"titles: {before:,} in {found.releases[0]}, {after:,} in {found.releases[1]}")
    for name, codes in (("codes added", found.codes_added), ("codes gone", found.codes_gone)):
        typer.echo(f"{name}: {len(codes)}{_some(codes, most)}")
    for name in ("added", "gone", "moved"):
        titles = getattr(found, name)
        typer.echo(f"titles {name}: {len(titles):,}")
        if titles and most:
            rows = [(each.title, ", ".join(each.before), ", ".join(each.after)) for each in titles[:most]]
            table(("title", "before", "after"), rows)
    if output:
        typer.echo(f"{count:,} titles in {near(output)}")


def _some(codes: Sequence[str], most: int) -> str:
    shown = ", ".join(codes[:most])
    return f" ({shown}{', …' if len(codes) > most else ''})" if shown else ""


def _release_folder(name: str, home: Path | None) -> Path:
    """Return the folder of a release, or the folder that is named."""
    from jobmajor.data import download
    from jobmajor.errors import InputError

    folder = Path(name)
    if folder.is_dir():
        return folder
    found = download.cached(name, workspace(home))
    if found is None:
        raise InputError(f"{name} is no folder and no release in the workspace: jobmajor data pull --release {name}")
    return found


@pipeline.command()
def show(
    tune: Annotated[
        bool,
        typer.Option("--tune", help="With a search for better settings instead of one training; for SageMaker only."),
    ] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Print the definition: exactly the bytes that run here and on SageMaker.

    Example: jobmajor pipeline show > pipeline.json
    """
    from jobmajor import settings
    from jobmajor.pipeline import definition, requests

    search = None
    if tune:
        from jobmajor.pipeline.tune import parameter_ranges

        search = requests.Tuning(parameter_ranges())
    sys.stdout.buffer.write(definition.to_bytes(settings.read(settings_file), search))
    sys.stdout.buffer.flush()


@pipeline.command()
def validate(settings_file: SettingsFile = None, as_json: Json = False) -> None:
    """Check the definition against SageMaker's own request shapes; status 2 when it would be refused.

    Example: jobmajor pipeline validate
    """
    from jobmajor import settings
    from jobmajor.pipeline import definition
    from sagelocal.definition import graph, parse
    from sagelocal.run import executor

    parsed = parse.parse(definition.to_bytes(settings.read(settings_file)))
    values = executor.validate(parsed, {})
    order = graph.order(parsed)
    if as_json:
        dump({"valid": True, "digest": parsed.digest, "parameters": values, "steps": order})
        return
    typer.echo(f"valid: {len(order)} steps ({' → '.join(order)}), sha256 {parsed.digest}")


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
    found = made.classification
    counts = [f"{len(found.codes(level)):,}" for level in found.levels]
    levels = ", ".join(f"{count} at {name}" for count, name in zip(counts, found.labels, strict=True))
    labels = f"{counts[0]} labels" if len(counts) == 1 else f"codes of {one_line(found.name)}: {levels}"
    typer.echo(f"{near(folder)}: {made.rows:,} texts; {labels}")
    if made.left_out:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in made.left_out.items())
        typer.echo(f"note: rows left out: {reasons}", err=True)
    if made.few:
        typer.echo(f"note: labels with fewer than 5 texts, too few to be judged: {made.few:,}", err=True)
    typer.echo(f"next: cd {near(folder)} && jobmajor run")
