"""The options that several commands have, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sagelocal.show.terminal import pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagelocal.project.choices import Choices, Options

DefinitionFile = Annotated[
    str,
    typer.Argument(metavar="DEFINITION", help="The definition's JSON file, or a script that has it: FILE.py[:NAME]."),
]
Python = Annotated[
    Path | None,
    typer.Option(help="The Python that has the script's SDK; else this one.", envvar="SAGELOCAL_PYTHON"),
]
Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter's value.")
]
Handlers = Annotated[
    list[str] | None,
    typer.Option("--handler", metavar="NAME=MODULE:FUNCTION", help="The Python function of a Lambda or Callback step."),
]
ImageOptions = Annotated[
    list[str] | None,
    typer.Option("--image", metavar="URI=PATH", help="The environment (a folder with a bin/) of an image or pattern."),
]
Profile = Annotated[str | None, typer.Option(help="The profile of sagelocal.toml that counts.")]
Home = Annotated[Path, typer.Option(help="The workspace: buckets in s3/, runs in runs/.", envvar="SAGELOCAL_HOME")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
HOME = Path(".sagelocal")


def given(*options: list[str] | None) -> Iterator[dict[str, str]]:
    """Yield the values of --parameter, --image and --handler by their names."""
    for name, texts in zip(("--parameter", "--image", "--handler"), options, strict=True):
        yield pairs(texts, name)


def choose(text: str, home: Path, options: Options) -> Choices:
    """Return a definition, or what a script compiles to, with what the options and the project say of it."""
    from sagelocal.project import choices

    return choices.choose(text, home, options)
