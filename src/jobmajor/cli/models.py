"""`jobmajor models`: registered versions."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobmajor.cli.options import LOOK, By, Home, Json, OwnTest, Reason, Weight, approval, said, use_codes, workspace
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, near, one_line, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobmajor.monitor.models import Difference
    from jobmajor.registry.versions import Event, Registry, Version

Number = Annotated[int, typer.Argument(metavar="VERSION", help="A version's number.")]
models = typer.Typer(help="Registered versions.", **LOOK)


def add(app: typer.Typer) -> None:
    """Add the group to the program."""
    app.add_typer(models, name="models")


def _registry(home: Path | None) -> Registry:
    """Open the workspace's registry; raise if there is none."""
    from jobmajor.errors import NoChampion
    from jobmajor.home import Workspace
    from jobmajor.registry.loading import open_registry

    folder = workspace(home)
    if not Workspace(folder).database.is_file():
        raise NoChampion(folder)
    return open_registry(folder)


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


def _event_record(event: Event) -> dict[str, Any]:
    return {"version" if name == "number" else name: value for name, value in event._asdict().items()}


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
def show_version(number: Number, home: Home = None, as_json: Json = False) -> None:
    """Show where a version comes from: files, rows, labels, settings, code, run, figures, decision and approval.

    With --json, also every check of the decision and every parameter of the run.

    Example: jobmajor models show 1
    """
    registry = _registry(home)
    version = registry.get(number)
    if as_json:
        history = [_event_record(event) for event in registry.history() if event.number == number]
        dump({**_version_record(version), "history": history})
        return
    from jobmajor.registry import origin
    from sagelocal.storage import manifest

    made = manifest.read(version.folder) if version.folder.is_dir() else manifest.Manifest({})
    lines = origin.told(origin.of_model(made, version, registry.history()))
    width = max(len(name) for name, _ in lines)
    before = ""
    for name, text in lines:
        typer.echo(f"{name if name != before else '':<{width}}  {one_line(text)}")
        before = name


@models.command("promote")
def promote_version(
    number: Number,
    reason: Reason = "",
    by: By = None,
    own_test: OwnTest = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Make a version the champion; status 1 when its decision is not passed, or asks for a reason that is not given.

    Example: jobmajor models promote 2 --reason "looked at the legal titles, the new answers are right"
    """
    registry, decider = _registry(home), approval(by, reason)
    if own_test is None:
        _show_versions([registry.promote(number, decider)], as_json=as_json)
        return
    from jobmajor.data.labelled import TitleFile
    from jobmajor.pipeline import own_test as library

    doing(said("answering your titles with both versions"))
    _show_versions([library.promote(workspace(home), number, TitleFile(own_test), decider)], as_json=as_json)


@models.command()
def rollback(reason: Reason = "", by: By = None, home: Home = None, as_json: Json = False) -> None:
    """Make the champion before this one the champion again.

    Example: jobmajor models rollback --reason "too many unsure answers"
    """
    _show_versions([_registry(home).rollback(approval(by, reason))], as_json=as_json)


@models.command()
def history(home: Home = None, as_json: Json = False) -> None:
    """List every change of the champion, oldest first: when, which version, who, and why.

    Example: jobmajor models history
    """
    events = _registry(home).history()
    if as_json:
        dump([_event_record(each) for each in events])
        return
    rows = [(each.at, str(each.number), each.verb, each.by, each.reason) for each in events]
    table(("at", "version", "change", "by", "reason"), rows)


@models.command("diff")
def diff_versions(
    before: Number,
    after: Annotated[int, typer.Argument(metavar="VERSION", help="The version that would take over.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table of titles, in any format of classify --input.")],
    column: Annotated[str | None, typer.Option(help="The column of titles.", show_default="guessed")] = None,
    weight: Weight = None,
    level: Annotated[str, typer.Option(help="major, minor, broad or detailed.")] = "major",
    most: Annotated[int, typer.Option("--most", min=0, help="How many titles to show.")] = 20,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List the titles of a file whose answers change from one version to another, those with the most rows first.

    A change is another code, of which either version is sure, or an answer that becomes sure or unsure.

    Example: jobmajor models diff 1 2 payroll.csv --weight employees
    """
    from jobmajor import soc
    from jobmajor.model import classifier
    from jobmajor.monitor import models as library
    from jobmajor.monitor.observe import File

    use_codes(None, home)
    depth, registry = soc.parse_level(level, "--level"), _registry(home)
    for number in (before, after):
        registry.verify(number)
    old, new = (classifier.load(registry.get(number).folder) for number in (before, after))
    doing(said("answering the titles with both versions"))
    found = library.difference(File(file, column, weight), old, new, depth)
    if as_json:
        dump(found.to_json())
        return
    _show_difference(found, most, (f"version {before}", f"version {after}"))


@models.command("shadow")
def shadow_answers(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that serve --shadow filled.")],
    period: Annotated[str, typer.Option(help="The requests to count: all, a day, a month, or a range.")] = "all",
    most: Annotated[int, typer.Option("--most", min=0, help="How many titles to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Say how a candidate's answers in the shadow differ from the champion's: how many, in which groups, which titles.

    Example: jobmajor models shadow .jobmajor/shadow/2 --period yesterday
    """
    from jobmajor import soc
    from jobmajor.monitor import models as library
    from jobmajor.monitor.traffic.capture import Period

    found = library.shadowed(folder, Period.parse(period))
    difference = found.difference
    if as_json:
        dump({"requests": found.requests, "version": found.version, **difference.to_json()})
        return
    typer.echo(f"version {found.version} in the shadow of {found.requests:,} requests")
    _show_difference(difference, most, ("champion", f"version {found.version}"))
    rows = [
        (code or "no code", soc.name(code) if code else "", f"{rows:,g}", f"{100 * changed / rows:.1f} %")
        for code, (rows, changed) in difference.groups.items()
        if changed
    ]
    if rows:
        table(("champion's group", "name", "rows", "changed"), rows)


def _show_difference(found: Difference, most: int, names: tuple[str, str]) -> None:
    counts = [(kind, found.rows_of(kind)) for kind in ("another code", "now sure", "no longer sure")]
    typer.echo(f"{found.rows:,g} rows, {found.titles:,} {said('distinct titles')}; " + _shares(counts, found.rows))
    typer.echo(f"sure answers: {100 * found.sure[0]:.1f} % of the rows before, {100 * found.sure[1]:.1f} % after")
    rows = [
        (each.title, f"{each.rows:,g}", each.kind, each.before or "none", each.after or "none")
        for each in found.changed[:most]
    ]
    if rows:
        table(("title", "rows", "change", *names), rows)


def _shares(counts: Iterable[tuple[str, float]], total: float) -> str:
    return ", ".join(f"{name} {100 * rows / total:.1f} %" for name, rows in counts)


@models.command()
def verify(number: Number, home: Home = None) -> None:
    """Compare every file of a version with its manifest; status 1 if one differs.

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
    doing(f"exporting version {number}")
    registry.verify(number)
    mlflow_model.save(registry.get(number).folder, folder)
    typer.echo(f"version {number}: {near(folder)}")
