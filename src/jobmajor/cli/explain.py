"""`jobmajor explain`: why a title gets its code."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jobmajor.cli.options import Exact, Home, Json, Model, rounded, score, use_codes, workspace
from sagelocal.show.patience import doing
from sagelocal.show.terminal import dump, one_line, table

if TYPE_CHECKING:
    from jobmajor.model.explain import Explanation


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(explain)


def explain(
    title: Annotated[str, typer.Argument(help="A job title.")],
    level: Annotated[str, typer.Option(help="major, minor, broad or detailed.")] = "major",
    exact: Exact = True,
    model: Model = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what each word of a title adds to the share of its best code, and what training lists for the title.

    The share of a title without words and the worths of all words add up to the share by the model alone.

    Example: jobmajor explain "licensed practical nurse" --level detailed
    """
    from jobmajor import soc
    from jobmajor.registry.loading import load

    use_codes(model, home)
    depth = soc.parse_level(level, "--level")
    doing("loading the model")
    found = load(model, home=workspace(home)).explain(title, depth, exact=exact)
    if as_json:
        dump(rounded({"title": title, "level": depth, "code": found.label, **asdict(found)}))
    else:
        _show(title, found)


def _show(title: str, found: Explanation) -> None:
    if not found.label:
        from jobmajor import titles

        why = "it has no letter or digit" if titles.is_plain() else "this does not read like a job title in English"
        typer.echo(f"{one_line(title)}: no code, because {why}")
        return
    typer.echo(f"{one_line(title)}: {found.label} {found.name} ({found.source})")
    typer.echo(f"read as: {found.read}; share by the model alone: {score(found.score)}")
    parts = [("(no words)", f"{found.base:.3f}"), *((word.text, f"{word.worth:+.3f}") for word in found.words)]
    if round(found.answer - found.score, 3):
        parts.append(("(beside the words)", f"{found.answer - found.score:+.3f}"))
    table(("word", "worth"), [*parts, ("(score)", score(found.answer))])
    if found.listed:
        typer.echo()
        rows = [
            (each.code, f"{each.sources}", "yes" if each.official else "", score(each.model), score(each.share))
            for each in found.listed
        ]
        table(("listed under", "sources", "official", "by the model", "in the answer"), rows)
