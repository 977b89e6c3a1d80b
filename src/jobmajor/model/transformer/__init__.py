"""The transformer recipe: a Hugging Face checkpoint, fine-tuned to give every detailed code its share of a title.

An extra: torch and transformers take 900 MB, and only these functions load them. The training loop is plain PyTorch,
since the usual trainer writes its checkpoints as pickles; here every tensor is in a safetensors file.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from jobmajor.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl

    from jobmajor.model.transformer.model import TransformerModel
    from jobmajor.settings import Transformer

_PACKAGES = ("torch", "transformers", "tokenizers")


def fit(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    settings: Transformer,
    about: Mapping[str, Any] | None = None,
    checkpoints: Path | None = None,
) -> TransformerModel:
    """Fine-tune a model on `train`; `validation` decides when to stop, and calibrates the scores.

    In a process that torchrun started (`launch`), all processes of the job train one model together, and each returns
    it. Only the process where `launch.is_first()` is true should save it.

    Args:
        train: Columns `text` and `code`, as `prepare` writes them; every source counts.
        validation: Columns `text`, `code` and `source`; the counted rows are used.
        settings: The settings of the recipe.
        about: What the model should say of its origin; a key "settings" replaces the settings of the training.
        checkpoints: A folder for the state of the training, which continues from there; None stores no state.

    Raises:
        MissingExtra: torch or transformers isn't installed. InputError: The checkpoint can't be used.
        DataError: A table without rows to learn or count. Unfinished: SIGTERM came; the state is kept, start again.
    """
    require("the transformer recipe")
    from jobmajor.model.transformer import recipe  # noqa: PLC0415 - loads torch

    return recipe.fit(train, validation, settings, about, checkpoints)


def load(folder: Path) -> TransformerModel:
    """Read the model that `TransformerModel.save` wrote.

    Raises:
        MissingExtra: As above. ArtifactError: A file is missing, damaged or of another format.
    """
    require("this model")
    from jobmajor.model.transformer import model  # noqa: PLC0415 - loads torch

    return model.load(folder)


def require(verb: str) -> None:
    """Return if the recipe's packages are installed, of which none is loaded.

    Raises:
        MissingExtra: One is not.
    """
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        raise MissingExtra(verb, "transformer")
