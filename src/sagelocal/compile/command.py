"""A definition from what a person names: its JSON file, or a script that is compiled first."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.compile import script
from sagelocal.definition import parse
from sagelocal.definition.fields import MAX_BYTES
from sagelocal.errors import InputError
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sagelocal.compile.script import Compiled, CompileOptions
    from sagelocal.definition.steps import Definition


@dataclass(frozen=True, slots=True)
class Source:
    """A definition, and what a script said beside it.

    That is the pipeline's name (empty for a file), the parameters, and the steps to run; no step means all of them.
    """

    definition: Definition
    name: str
    parameters: Mapping[str, str]
    selected: tuple[str, ...] = ()


def source(text: str, home: Path, options: CompileOptions) -> Source:
    """Return the definition in a JSON file, or that of a script.

    Args:
        text: A path, for a script with `:name` at will.
        home: The workspace, which gets what a script uploads.
        options: How to compile a script.

    Raises:
        InputError: The file can't be read or the script can't be compiled. DefinitionError: The definition can't run.
    """
    if is_script(text):
        made = compiled(text, home, options)
        return Source(parse.parse(made.definition), made.name, made.parameters, made.selected)
    path = Path(text)
    try:
        with path.open("rb") as file:
            return Source(parse.parse(file.read(MAX_BYTES + 1)), "", {})
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: name a definition's JSON file or a script") from error


def is_script(text: str) -> bool:
    """Return whether a text names a script.

    >>> is_script("pipeline.py:make"), is_script("pipeline.json")
    (True, False)
    """
    return _split(text)[0].endswith(".py")


def compiled(text: str, home: Path, options: CompileOptions) -> Compiled:
    """Compile the script that a text names, with `:name` at will."""
    path, name = _split(text)
    return script.run(Path(path), home, replace(options, name=name or options.name))


def _split(text: str) -> tuple[str, str]:
    path, sign, name = text.rpartition(":")
    return (path, name) if sign and path.endswith(".py") else (text, "")


def write(made: Compiled, text: str, output: Path | None) -> Path:
    """Write the definition's bytes as they are, and return the file: `output`, or the script's name with `.json`.

    Raises:
        InputError: The file is there and is no definition.
    """
    target = output or Path(Path(_split(text)[0]).stem + ".json")
    if target.exists() and not _is_definition(target):
        raise InputError(f"{target} is no definition, so it is not replaced: name another file with --output")
    publish.write_file(target, made.definition)
    return target


def _is_definition(path: Path) -> bool:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"Version", "Steps"} <= found.keys()


def about(made: Compiled) -> dict[str, Any]:
    """Return what is to be said of a compiled script, for JSON."""
    return {
        "name": made.name,
        "bytes": len(made.definition),
        "parameters": dict(made.parameters),
        "selected": list(made.selected),
        "uploads": list(made.uploads),
        "refused": list(made.refused),
    }


def lines(made: Compiled, written: Path) -> Iterator[str]:
    """Yield what is to be said of a compiled script, for people."""
    steps = len(json.loads(made.definition).get("Steps", ()))
    yield f"{written}: pipeline {made.name}, {steps} steps, {len(made.definition):,} bytes"
    for address in made.uploads:
        yield f"uploaded {address}"
    if made.parameters:
        yield f"started with {', '.join(f'{name}={value}' for name, value in made.parameters.items())}"
    if made.selected:
        yield f"started for {', '.join(made.selected)} alone"
    for call in made.refused:
        yield f"held back {call}"
