"""A fine-tuned network that gives every detailed code its share of a title.

Its folder is Hugging Face's own layout plus `model.json`, so `transformers.pipeline("text-classification", folder)`
reads it too; that gives the network's own shares, before they were calibrated. Arrays and JSON, never code.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor import soc
from jobmajor.errors import ArtifactError
from jobmajor.model.transformer import calibrate, pretrained, targets
from jobmajor.model.transformer.calibrate import Temperatures
from jobmajor.model.transformer.encode import encode, logits
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

RECIPE = "transformer"
DESCRIPTION = "model.json"
FILES = ("config.json", DESCRIPTION, "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_FORMAT = "jobmajor-transformer-1"


@dataclass(frozen=True, slots=True)
class Description:
    """The content of `model.json`, apart from the format.

    `codes` are detailed, in order; `max_length` counts tokens; `about` says where the model comes from and changes no
    answer.
    """

    codes: tuple[str, ...]
    temperatures: Temperatures
    max_length: int
    about: Mapping[str, Any]


class TransformerModel:
    """Normalised titles in, shares of detailed codes out.

    Attributes:
        recipe: The name of the recipe.
        learned: None, since there is no compiled code for it.
    """

    recipe = RECIPE
    learned = None

    def __init__(self, network: Any, tokenizer: Any, description: Description) -> None:
        self.network, self.tokenizer, self.description = network, tokenizer, description

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the detailed codes that the model can answer, in the order of its columns."""
        return self.description.codes

    @property
    def about(self) -> Mapping[str, Any]:
        """Return the origin of the model."""
        return self.description.about

    @cached_property
    def _sizes(self) -> list[int]:
        return targets.group_sizes(self.codes)

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the share of each code, shape (titles, codes); each row sums to 1.

        Args:
            texts: As `titles.normalise` gives them; an empty one gets what the network knows of none.
        """
        encoded = encode(self.tokenizer, texts, self.description.max_length)
        found = logits(self.network, encoded, np.arange(len(texts)))
        return calibrate.shares(found, self._sizes, self.description.temperatures)

    def scored(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], Sequence[str]]:
        """Return what `shares` says, and the same texts: its tokens are parts of words, and no spelling is mended."""
        return self.shares(texts), texts

    def save(self, folder: Path) -> None:
        """Write `FILES` into an empty folder."""
        pretrained.write(folder, self.network, self.tokenizer)
        text = (
            json.dumps({"format": _FORMAT, "recipe": RECIPE, **asdict(self.description)}, indent=1, sort_keys=True)
            + "\n"
        )
        publish.write_file(folder / DESCRIPTION, text.encode())


def load(folder: Path) -> TransformerModel:
    """Read the model that `save` wrote; verify its manifest first to know that it is unchanged.

    Raises:
        ArtifactError: A file is missing, damaged or of another format.
    """
    try:
        body = json.loads((folder / DESCRIPTION).read_bytes())
        if body["format"] != _FORMAT:
            raise ArtifactError(f"{folder} is a model of format {body['format']!r}, expected {_FORMAT}: train it again")
        description = _description(body)
        network, tokenizer, random = pretrained.read(folder)
        labels = tuple(name for _, name in sorted(network.config.id2label.items()))
        if random or labels != description.codes:
            raise ValueError(f"weights that are missing: {sorted(random)[:3]}" if random else "its labels differ")
    except (*pretrained.FAULTS, RecursionError) as error:
        why = str(error).strip().partition("\n")[0]
        raise ArtifactError(f"{folder} is no transformer model ({why}): train it again") from error
    return TransformerModel(network.eval(), tokenizer, description)


def _description(body: Mapping[str, Any]) -> Description:
    codes = tuple(body["codes"])
    if not codes or list(codes) != sorted(soc.detailed_codes() & set(codes)):
        raise ValueError("its codes are not detailed ones in ascending order")
    temperatures = Temperatures(**{name: float(value) for name, value in body["temperatures"].items()})
    if not all(0 < value < math.inf for value in asdict(temperatures).values()):
        raise ValueError("a temperature is no positive number")
    max_length = body["max_length"]
    if not isinstance(max_length, int) or max_length < 1:
        raise ValueError(f"max_length is {max_length!r}")
    return Description(codes, temperatures, max_length, dict(body["about"]))
