"""A model's folder: the parts of a classifier as files with a manifest; the recipe that made it, and what reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from jobmajor import arguments
from jobmajor.errors import ArtifactError
from jobmajor.model import transformer
from jobmajor.model.linear import context as contexts
from jobmajor.model.linear import model
from jobmajor.model.rules import knowledge as knowledge_files
from jobmajor.soc import carried
from sagelocal.storage import manifest, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from jobmajor.model.linear.context import Context
    from jobmajor.model.rules.knowledge import Knowledge
    from jobmajor.model.scorer import Scorer

    Parts = tuple[Scorer, Mapping[str, Any], Knowledge, Context | None]

_MODEL = "model.json"  # a scorer's description, which names its recipe
_TRANSFORMER = "transformer"


def write(folder: str | Path, parts: Parts, lineage: Mapping[str, Any]) -> manifest.Manifest:
    """Write a model into an empty folder, with its manifest; `lineage` as in `manifest.write`."""
    folder, (scorer, about, knowledge, context) = arguments.path("folder", folder), parts
    with publish.naming(folder):
        scorer.save(folder)
        knowledge.save(folder, about)
        if context:
            context.save(folder)
        carried.copy(folder)
    return manifest.write(folder, **lineage)


def read(folder: str | Path, *, is_mapped: bool = False) -> Parts:
    """Verify the manifest of a model folder, and return what it holds; with `is_mapped`, large arrays are mapped.

    Raises:
        InputError: `folder` is no path.
        ArtifactError: A file is missing, foreign, damaged or of another format.
        MissingExtra: The model's recipe needs packages that aren't installed.
    """
    folder = arguments.path("folder", folder)
    manifest.verify(folder)
    carried.adopt(folder)
    try:
        scorer = load(folder, is_mapped=is_mapped)
        knowledge, about = knowledge_files.load(folder, len(scorer.codes))
        learned = contexts.load(folder, len(scorer.codes))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise ArtifactError(f"{folder} is no model ({error}): train it again") from error
    return scorer, about, knowledge, learned


def load(folder: Path, *, is_mapped: bool = False) -> Scorer:
    """Return the scorer in a model's folder; with `is_mapped`, a linear one shares its arrays (`linear.mapped`).

    Raises:
        ValueError: The recipe is unknown, or its files don't fit it.
        MissingExtra: The recipe needs packages that aren't installed.
    """
    recipe = json.loads((folder / _MODEL).read_bytes()).get("recipe", model.RECIPE)  # format 1 names none
    if is_mapped and recipe == model.RECIPE:
        return model.load(folder, is_mapped=True)
    return _reader(recipe)(folder)


def _reader(recipe: object) -> Callable[[Path], Scorer]:
    if recipe not in (model.RECIPE, _TRANSFORMER):
        raise ValueError(f"its recipe is {recipe!r}, expected {model.RECIPE!r} or {_TRANSFORMER!r}")
    return model.load if recipe == model.RECIPE else transformer.load
