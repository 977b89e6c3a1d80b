"""`jobmajor prune`: what a workspace no longer needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.options import Home, Json, workspace
from sagelocal.show.terminal import dump, near, table

if TYPE_CHECKING:
    from jobmajor.pipeline.prune import Plan


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(prune)


def prune(
    keep: Annotated[
        int, typer.Option(metavar="N", help="Keep the last N runs, and the N champions before the present one.")
    ] = 5,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it; without this, only say what would be removed.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Remove old runs and the files of old versions; without --yes, say what that would free.

    The champion stays, and all that it or a kept run needs. Records of all versions stay. A run that is in progress
    keeps the workspace from being pruned.

    Example: jobmajor prune --keep 3 --yes
    """
    from jobmajor.pipeline import prune as pruning

    folder = workspace(home)
    found = pruning.prune(folder, keep) if yes else pruning.plan(folder, keep)
    if as_json:
        items = [{"kind": item.kind, "path": str(item.path), "size_bytes": item.size_bytes} for item in found.items]
        kept = {"runs": found.runs, "versions": found.versions, "unreadable_runs": found.unreadable}
        dump({"removed": yes, "size_bytes": found.size_bytes, "items": items, "kept": kept})
        return
    rows = [(item.kind, near(item.path), f"{item.size_bytes / 1e6:,.1f} MB") for item in found.items]
    if rows:
        table(("kind", "path", "size"), rows)
    for name in found.unreadable:
        typer.echo(f"note: the run {name} has no readable record; it stays", err=True)
    count = f"{len(rows):,} {'item' if len(rows) == 1 else 'items'}"
    typer.echo(f"{'freed' if yes else 'would free'} {found.size_bytes / 1e6:,.1f} MB in {count}; {_kept(found)}")
    if rows and not yes:
        typer.echo("nothing was removed: add --yes to remove it")


def _kept(found: Plan) -> str:
    versions = ", ".join(map(str, found.versions)) or "none"
    return f"kept: {len(found.runs)} runs, the files of versions {versions}"
