"""The command line: parses, calls one library function, prints.

Everything that a command does, `import jobmajor` can do in three lines. What a command needs is imported when it
runs, so that `--help` costs nothing.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobmajor.cli import aws
from jobmajor.cli import serve as service
from jobmajor.errors import InputError
from sagelocal.show.terminal import complain, dump, edge, near, one_line, pairs, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobmajor.data.source import Source, Way
    from jobmajor.pipeline.run import Outcome
    from jobmajor.pipeline.tune import Progress, Result
    from jobmajor.registry.versions import Registry, Version
    from jobmajor.soc import Level
    from sagelocal.run.executor import StepRecord

_LOOK = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
app = typer.Typer(
    name="jobmajor",
    help="Job titles to SOC codes, with the model's whole life: data, training, gate, registry, answers.",
    **_LOOK,  # type: ignore[arg-type]  # a mapping of differently typed options
)
data = typer.Typer(help="O*NET releases: fetch, list, check.", **_LOOK)  # type: ignore[arg-type]  # as above
parse = typer.Typer(help="The pipeline's definition.", **_LOOK)  # type: ignore[arg-type]  # as above
models = typer.Typer(help="Registered versions.", **_LOOK)  # type: ignore[arg-type]  # as above
app.add_typer(data, name="data")
app.add_typer(parse, name="pipeline")
app.add_typer(models, name="models")
app.add_typer(aws.app, name="aws")

Home = Annotated[Path | None, typer.Option(help="The workspace.", envvar="JOBMAJOR_HOME", show_default=".jobmajor")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Release = Annotated[str, typer.Option(help="auto, starter, or an O*NET release such as 28.1.")]
Data = Annotated[Path | None, typer.Option(metavar="DIR", help="Read O*NET's files from here.", envvar="JOBMAJOR_DATA")]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings.", show_default="jobmajor.toml, if there"),
]
Number = Annotated[int, typer.Argument(metavar="VERSION", help="A version's number.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """The status that the process ends with; `arguments` are the process's own when None."""
    shown = logging.WARNING if sys.stderr.isatty() else logging.ERROR  # a retry is news to a person, noise in a pipe
    logging.basicConfig(level=shown, format="%(levelname)s %(name)s: %(message)s")
    return edge(app, "jobmajor", arguments)


def _home(named: Path | None) -> Path:
    from jobmajor import settings

    return settings.home(named)


@app.command()
def run(
    release: Release = "auto",
    data: Data = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="The weighted F1 to exceed.", show_default="0.75 on O*NET, 0.80 on starter titles"),
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote/--no-promote", help="Make a version that passed the champion.")
    ] = True,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A pipeline parameter."),
    ] = None,
    settings_file: SettingsFile = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run the pipeline: preprocess, train, evaluate, check, register; status 1 when the gate says no.

    Finished steps of equal input are taken from the workspace's cache, so a run that was interrupted goes on.

    Example: jobmajor run --data onet/28.1 --threshold 0.75
    """
    from jobmajor import settings
    from jobmajor.pipeline import run as local

    options = local.Options(
        release=release,
        data=data,
        threshold=threshold,
        promote=promote,
        parameters=pairs(parameter, "--parameter"),
        settings=settings.read(settings_file),
        way=_way(),
        on_source=_tell_source,
        on_event=_tell_step if sys.stderr.isatty() else None,
    )
    outcome = local.run(_home(home), options)
    try:
        if as_json:
            dump(_outcome_record(outcome))
        else:
            _show_outcome(outcome)
    except BrokenPipeError:  # a no stays a no where nobody reads what is printed
        if outcome.succeeded:
            raise
    if not outcome.succeeded:
        raise typer.Exit(complain(outcome.execution.failure or "the run was stopped", 1))


def _way() -> Way:
    """How data is fetched: with a progress bar on a terminal, silently in a pipe."""
    from jobmajor.data.source import Way

    return Way(on_progress=_tell_bytes if sys.stderr.isatty() else None)


def _tell_bytes(name: str, done: int, total: int | None) -> None:
    filled = int(30 * done / total) if total else 0
    size = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
    end = "\n" if done == total else ""
    sys.stderr.write(f"\r{name} [{'█' * filled}{' ' * (30 - filled)}] {size}\x1b[K{end}")
    sys.stderr.flush()


def _tell_source(source: Source) -> None:
    if source.notice:
        typer.echo(f"notice: {source.notice}", err=True)


def _tell_step(record: StepRecord) -> None:
    if record.status == "Executing":
        typer.echo(f"  {record.name} …", err=True)
    elif record.status != "Skipped":
        how = " (from the cache)" if record.cached else f" in {record.seconds:.1f} s"
        typer.echo(f"  {record.name}: {record.status.lower()}{how}", err=True)


def _outcome_record(outcome: Outcome) -> dict[str, Any]:
    version, champion = outcome.version, outcome.champion
    return {
        "status": outcome.execution.status,
        "failure": outcome.execution.failure,
        "execution_id": outcome.execution.id,
        "definition_digest": outcome.execution.definition_digest,
        "folder": str(outcome.execution.folder),
        "data": {"release": outcome.source.release, "how": outcome.source.how},
        "threshold": outcome.threshold,
        "classification_metrics": (outcome.evaluation or {}).get("classification_metrics"),
        "report": str(outcome.report) if outcome.report else None,
        "steps": [
            {"name": step.name, "status": step.status, "cached": step.cached, "seconds": step.seconds}
            for step in outcome.execution.steps
        ],
        "version": version.number if version else None,
        "champion": champion.number if champion else None,
    }


def _show_outcome(outcome: Outcome) -> None:
    source = outcome.source
    release = "starter titles" if source.release == "starter" else f"O*NET {source.release}"
    typer.echo(f"data: {release} ({source.how})")
    rows = [
        (
            step.name,
            step.type,
            f"{step.status} (cached)" if step.cached else step.status,
            f"{step.seconds:.1f} s",
        )
        for step in outcome.execution.steps
    ]
    table(("step", "type", "status", "time"), rows)
    if outcome.evaluation:
        _show_figures(outcome.evaluation["classification_metrics"], outcome.threshold)
    if outcome.report:
        typer.echo(f"report: {near(outcome.report)}")
    if version := outcome.version:
        state = ", ".join(version.aliases) or "a candidate"
        typer.echo(f"version {version.number}: {version.status}, {state} ({near(version.folder)})")
    elif outcome.champion:
        typer.echo(f"champion: still version {outcome.champion.number}")
    execution = outcome.execution
    typer.echo(f"run {execution.id}: {execution.status} in {execution.seconds:.1f} s ({near(execution.folder)})")


_FIGURES = {
    "test_f1": "weighted F1",
    "test_accuracy": "accuracy",
    "test_f1_macro": "macro F1",
    "test_any_code_accuracy": "any listed code",
}


def _show_figures(figures: dict[str, Any], threshold: float) -> None:
    for key, name in _FIGURES.items():
        interval = figures["intervals"][key]
        asked = f"; more than {threshold:g} is asked" if key == "test_f1" else ""
        low, high = interval["low"], interval["high"]
        typer.echo(f"test {name}: {figures[key]:.4f} (95 % interval {low:.4f} to {high:.4f}{asked})")


@app.command()
def tune(
    trials: Annotated[int, typer.Option(help="How many are finished when it ends, earlier ones included.")] = 30,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of what is tried.")] = 0,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new file for the best.", show_default="HOME/tune.toml")
    ] = None,
    release: Release = "auto",
    data: Data = None,
    settings_file: SettingsFile = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Look for better settings of the linear recipe; the best are left as a part of jobmajor.toml.

    Trials are judged on validation, never on the test. A search that was interrupted goes on when it is called again.

    Example: jobmajor tune --trials 50 --data onet/28.1
    """
    from jobmajor import settings
    from jobmajor.pipeline import run as local
    from jobmajor.pipeline import tune

    workspace = _home(home)
    target = output or workspace / "tune.toml"
    options = local.Options(
        release=release,
        data=data,
        settings=settings.read(settings_file),
        way=_way(),
        on_source=_tell_source,
    )
    search = tune.Options(trials=trials, seed=seed, on_trial=_tell_trial if sys.stderr.isatty() else None)
    found = local.tune(workspace, target, options, search)
    if as_json:
        dump(_search_record(found, target))
        return
    typer.echo(f"best of {found.finished} trials: weighted F1 {found.best.f1:.4f} on validation")
    typer.echo(f"settings: {near(target)}")


def _tell_trial(progress: Progress) -> None:
    f1, best = progress.trial.f1, progress.best.f1
    typer.echo(
        f"  {progress.finished} of {progress.wanted}: weighted F1 {f1:.4f}, best {best:.4f}, {progress.seconds:.1f} s",
        err=True,
    )


def _search_record(found: Result, output: Path) -> dict[str, Any]:
    return {
        "trials": found.finished,
        "best": {"trial": found.best.number, "f1": found.best.f1, "settings": asdict(found.best.settings)},
        "data": found.data,
        "output": str(output),
    }


@app.command()
def classify(
    titles: Annotated[
        list[str] | None, typer.Argument(help="Job titles; none: one a line from standard input.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many codes for each title.")] = 1,
    level: Annotated[
        str, typer.Option(help="major, minor, broad or detailed; with --input also all, each in columns of its own.")
    ] = "major",
    source: Annotated[
        str | None,
        typer.Option("--input", metavar="PATH", help="A table of titles, a folder of such, or a pattern."),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Its column of titles.", show_default="title")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The table to write; a folder, where the input is several.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Put before the names of the added columns.")
    ] = None,
    safe_cells: Annotated[
        bool,
        typer.Option("--safe-cells", help="Put an apostrophe before the input's cells that a spreadsheet would run."),
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="A model instead of the champion: its folder or model.tar.gz."),
    ] = None,
    own: Annotated[
        Path | None,
        typer.Option("--overrides", metavar="FILE", help="Your own titles with their codes, as CSV: title,code."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact/--no-exact", help="Answer titles that training lists by what it lists.")
    ] = True,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Give titles their codes, with the champion; says where an answer comes from, and when not to take it.

    With --input and --output a file of any size: .csv, .tsv, .jsonl, .parquet or .xlsx, the text ones also with .gz
    or .zst. Its rows are kept as they are, with columns added. A run that was killed goes on when it is started again.

    Example: jobmajor classify "licensed practical nurse" "sw eng" --top 3 --level detailed
    """
    from jobmajor.model.rules import overrides

    mine = overrides.read(own) if own else None
    if source is not None:
        from jobmajor.batch.files import FileOptions
        from jobmajor.cli import classify_files as bulk

        if titles:
            raise InputError("titles and --input were given: name either (a pattern for --input goes between quotes)")
        if output is None:
            raise InputError(f"--input {source} was given without --output: name the file or folder to write")
        options = FileOptions(
            column="title" if column is None else column,
            level=level,
            top=top,
            overrides=mine,
            exact=exact,
            prefix=prefix or "",
            safe_cells=safe_cells,
            on_progress=bulk.tell if sys.stderr.isatty() else None,
        )
        bulk.classify(source, output, options, model, _home(home), as_json=as_json)
        return
    of_files = {"--column": column, "--output": output, "--prefix": prefix, "--safe-cells": safe_cells or None}
    for name, value in of_files.items():
        if value is not None:
            raise InputError(f"{name} belongs to --input, which is missing: name a file of titles with it")
    from jobmajor.registry.loading import load

    wanted = titles or _standard_input()
    known = _level(level)
    answers = load(model, home=_home(home)).answer(wanted, known, top, overrides=mine, exact=exact)
    if as_json:
        dump(
            [
                {
                    "title": title,
                    "level": known,
                    "answers": [{"label": item.label, "name": item.name, "score": item.score} for item in each.answers],
                    "abstain": each.abstain,
                    "reason": each.reason,
                    "source": each.source,
                }
                for title, each in zip(wanted, answers, strict=True)
            ]
        )
        return
    rows = [
        (one_line(title), item.label, item.name, f"{item.score:.3f}", each.source, each.reason)
        if place == 0
        else ("", item.label, item.name, f"{item.score:.3f}", "", "")
        for title, each in zip(wanted, answers, strict=True)
        for place, item in enumerate(each.answers)
    ]
    table(("title", "code", "name", "score", "source", "abstain"), rows)


def _level(text: str) -> Level:
    from jobmajor.soc import LEVELS

    for level in LEVELS:
        if level == text:
            return level
    raise InputError(f"--level {text!r}: expected one of {', '.join(LEVELS)}")


def _standard_input() -> list[str]:
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


service.add(app)


@data.command()
def pull(
    release: Annotated[str, typer.Option(help="An O*NET release, 25.1 or later.")] = "28.1",
    text: Annotated[bool, typer.Option("--text", help="The text edition instead of the workbooks.")] = False,
    home: Home = None,
) -> None:
    """Fetch a release into the workspace; goes on where an earlier try stopped.

    Example: jobmajor data pull --release 28.1
    """
    from jobmajor.data import download

    progress = _tell_bytes if sys.stderr.isatty() else None
    folder = download.pull(release, _home(home), edition="text" if text else "workbook", on_progress=progress)
    typer.echo(str(folder))


@data.command("list")
def list_releases(home: Home = None, as_json: Json = False) -> None:
    """List the releases that can be used, and which are in the workspace.

    Example: jobmajor data list --json
    """
    from jobmajor.data import download, releases

    workspace = _home(home)
    here = {item.version: download.cached(item.version, workspace) is not None for item in releases.known()}
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
    """Read a folder as a run would, and say what it holds; status 2 when it can't be used.

    Example: jobmajor data check onet/28.1
    """
    from jobmajor.data import onet

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


@parse.command()
def show(
    tuning: Annotated[
        bool, typer.Option("--tuning", help="With a search for better settings as its training, for SageMaker alone.")
    ] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Print the definition: the very bytes that run here and on SageMaker.

    Example: jobmajor pipeline show > pipeline.json
    """
    from jobmajor import settings
    from jobmajor.pipeline import definition, requests

    search = None
    if tuning:
        from jobmajor.pipeline.tune import parameter_ranges

        search = requests.Tuning(parameter_ranges())
    sys.stdout.buffer.write(definition.to_bytes(settings.read(settings_file), search))
    sys.stdout.buffer.flush()


@parse.command()
def validate(settings_file: SettingsFile = None, as_json: Json = False) -> None:
    """Check the definition against SageMaker's own request shapes; status 2 when it would be refused.

    Example: jobmajor pipeline validate
    """
    from jobmajor import settings
    from jobmajor.pipeline import definition
    from sagelocal.definition import graph, parse
    from sagelocal.run import executor

    parsed = parse.parse(definition.to_bytes(settings.read(settings_file)))
    values = executor.ready(parsed, {})
    order = graph.order(parsed)
    if as_json:
        dump({"valid": True, "digest": parsed.digest, "parameters": values, "steps": order})
        return
    typer.echo(f"valid: {len(order)} steps ({' → '.join(order)}), sha256 {parsed.digest}")


def _registry(home: Path | None) -> Registry:
    """The workspace's registry; a workspace without one is refused rather than made."""
    from jobmajor.errors import NoChampion
    from jobmajor.registry.loading import open_registry

    workspace = _home(home)
    if not (workspace / "mlflow.db").is_file():
        raise NoChampion(workspace)
    return open_registry(workspace)


def _version_record(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "status": version.status,
        "aliases": version.aliases,
        "digest": version.digest,
        "created": version.created,
        "metrics": version.metrics,
        "decision": version.decision,
        "lineage": version.lineage,
        "folder": str(version.folder),
    }


def _show_versions(versions: Iterable[Version], *, as_json: bool) -> None:
    found = list(versions)
    if as_json:
        dump([_version_record(version) for version in found])
        return
    rows = [
        (
            str(version.number),
            version.status,
            ", ".join(version.aliases),
            f"{version.metrics.get('test_f1', float('nan')):.4f}",
            str(version.lineage.get("source", {}).get("release", "")),
            version.created,
            version.digest[:12],
        )
        for version in found
    ]
    table(("version", "status", "alias", "test F1", "data", "created", "digest"), rows)


@models.command("list")
def list_versions(home: Home = None, as_json: Json = False) -> None:
    """List the registered versions, oldest first.

    Example: jobmajor models list
    """
    _show_versions(_registry(home).versions(), as_json=as_json)


@models.command("show")
def show_version(number: Number, home: Home = None) -> None:
    """Show one version as JSON: its figures, its decision with reasons, where it came from.

    Example: jobmajor models show 1
    """
    dump(_version_record(_registry(home).get(number)))


@models.command("promote")
def promote_version(number: Number, home: Home = None, as_json: Json = False) -> None:
    """Make a version the champion; status 1 when its decision is not passed.

    Example: jobmajor models promote 2
    """
    _show_versions([_registry(home).promote(number)], as_json=as_json)


@models.command()
def rollback(home: Home = None, as_json: Json = False) -> None:
    """Make the champion before this one the champion again.

    Example: jobmajor models rollback
    """
    _show_versions([_registry(home).rollback()], as_json=as_json)


@models.command()
def verify(number: Number, home: Home = None) -> None:
    """Hash every file of a version against its manifest; status 1 when one differs.

    Example: jobmajor models verify 1
    """
    manifest = _registry(home).verify(number)
    typer.echo(f"version {number}: {len(manifest.files)} files as recorded, digest {manifest.digest}")


@models.command()
def export(
    number: Number,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    home: Home = None,
) -> None:
    """Write a version as an MLflow model: a table with a column title in, an answer for each row out.

    Example: jobmajor models export 1 mlflow-model
    """
    from jobmajor.registry import mlflow_model

    registry = _registry(home)
    registry.verify(number)
    mlflow_model.save(registry.get(number).folder, folder)
    typer.echo(f"version {number}: {near(folder)}")
