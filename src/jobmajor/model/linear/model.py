"""The model of the linear recipe: arrays that score normalised titles, and the two files that hold them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from jobmajor import soc
from jobmajor.errors import ArtifactError
from jobmajor.model.linear import mapped, spelling
from jobmajor.model.linear.arrays import Arrays, Blend, Learned, Tables
from jobmajor.model.linear.scoring import blended, evidence
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


RECIPE = "linear"
_FORMAT = 3
_ARRAYS, _DESCRIPTION = "model.safetensors", "model.json"
_BATCH = 256  # titles scored at a time: bounds memory at about 100 MB whatever the input


class LinearModel:
    """Normalised titles in, shares of detailed codes out.

    Attributes:
        recipe: The name of the recipe.
        arrays: What was learned.
        codes: The detailed codes that it can answer, in the order of its columns.
        blend: How the parts of the model make one score, fitted on validation.
    """

    recipe = RECIPE

    def __init__(self, arrays: Arrays, codes: Sequence[str], blend: Blend) -> None:
        self.arrays, self.blend = arrays, blend
        self.codes = tuple(codes)

    @cached_property
    def _tables(self) -> Tables:
        return self.arrays.tables()

    @cached_property
    def _major_of(self) -> NDArray[np.int64]:
        """Return the column of each code's major group, ascending."""
        majors = [soc.ancestor(code, "major") for code in self.codes]
        columns: NDArray[np.int64] = np.unique(majors, return_inverse=True)[1]
        return columns

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the share of each code, shape (titles, codes); each row sums to 1.

        Args:
            texts: As `titles.normalise` gives them; of an empty one, only the model's biases speak.
        """
        return self.scored(texts)[0]

    def scored(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], Sequence[str]]:
        """Return what `shares` says, and the texts with each word that is one slip from a known one read as that."""
        shares, read = np.empty((len(texts), len(self.codes)), np.float32), list[str]()
        for start in range(0, len(texts), _BATCH):
            pieces, mended = spelling.read(texts[start : start + _BATCH], self.arrays.gains, self._tables)
            part = evidence(pieces, self.arrays, self._tables)
            shares[start : start + _BATCH] = blended(part, self.blend, self._major_of)
            read += mended
        return shares, read

    @property
    def learned(self) -> Learned:
        """Return what compiled code scores with."""
        return Learned(self.arrays, self._tables, self.blend, self._major_of)

    def save(self, folder: Path) -> None:
        """Write its files into a folder that has none of them."""
        body = {"format": _FORMAT, "recipe": RECIPE, "codes": self.codes, "blend": asdict(self.blend)}
        text = json.dumps(body, indent=1, sort_keys=True) + "\n"
        publish.write_file(folder / _DESCRIPTION, text.encode())
        publish.write_file(folder / _ARRAYS, save_arrays(self.arrays.to_mapping()))


def load(folder: Path, *, is_mapped: bool = False) -> LinearModel:
    """Read the model that `save` wrote; verify its manifest first to know that it is unchanged.

    With `is_mapped`, the arrays are mapped from their file, which nobody may write to.

    Raises:
        ArtifactError: A file is missing, damaged or of another format.
    """
    try:
        body = json.loads((folder / _DESCRIPTION).read_bytes())
        if body["format"] != _FORMAT:
            raise ArtifactError(f"{folder} is a model of format {body['format']!r}, expected {_FORMAT}: train it again")
        path = folder / _ARRAYS
        arrays = mapped.load(path) if is_mapped else load_arrays(path.read_bytes())
        codes, blend, _ = _codes(body["codes"]), _blend(body["blend"]), body["recipe"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise ArtifactError(f"{folder} is no model ({error}): train it again") from error
    majors = {soc.ancestor(code, "major") for code in codes}
    return LinearModel(Arrays.from_mapping(arrays, len(codes), len(majors)), codes, blend)


def _codes(names: Sequence[str]) -> tuple[str, ...]:
    """Return the codes if they are detailed, distinct and ascending; otherwise labels would not match their scores."""
    if not names or list(names) != sorted(soc.detailed_codes() & set(names)):
        raise ValueError("its codes are not detailed ones in ascending order")
    return tuple(names)


def _blend(values: Mapping[str, Any]) -> Blend:
    blend = Blend(**{name: float(value) for name, value in values.items()})
    if asdict(blend).keys() != values.keys() or not all(map(math.isfinite, asdict(blend).values())):
        raise ValueError("its blend lacks a part or holds what is no number")
    shares = blend.counts_share, blend.network_share
    if min(shares) < 0 or sum(shares) > 1:
        raise ArtifactError(
            f"its blend gives the counts and the network {shares[0]:g} and {shares[1]:g} of a major group: expected "
            "shares whose sum is 1 at most: train it again"
        )
    return blend
