"""The recipes by name: which one made a stored model, and what reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobmajor.model import transformer
from jobmajor.model.linear import model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.model.scorer import Scorer

_MODEL = "model.json"  # a scorer's description, which names its recipe
_TRANSFORMER = "transformer"


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
