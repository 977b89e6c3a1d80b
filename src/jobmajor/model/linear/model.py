"""The linear recipe's model: arrays that score normalised titles, and the two files that they are kept in."""

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
from jobmajor.model.linear.scoring import Arrays, Blend, Tables, blended, evidence
from jobmajor.model.linear.spelling import mended, pieces
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.model.kernels.shares import Kernel
    from jobmajor.tables.packed import Packed

RECIPE = "linear"
_FORMAT = 3
_ARRAYS, _DESCRIPTION = "model.safetensors", "model.json"
_BATCH = 256  # titles scored at a time: bounds memory at about 100 MB whatever the input


class LinearModel:
    """Normalised titles in, shares of detailed codes out.

    Attributes:
        arrays: What was learned.
        codes: The detailed codes that it can answer, in the order of its columns.
        blend: How the parts of the model make one score, fitted on validation.
    """

    def __init__(self, arrays: Arrays, codes: Sequence[str], blend: Blend) -> None:
        self.arrays, self.blend = arrays, blend
        self.codes = tuple(codes)

    @cached_property
    def _tables(self) -> Tables:
        return self.arrays.tables()

    @cached_property
    def _major_of(self) -> NDArray[np.int64]:
        """The column of each code's major group, ascending."""
        majors = [soc.ancestor(code, "major") for code in self.codes]
        columns: NDArray[np.int64] = np.unique(majors, return_inverse=True)[1]
        return columns

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The share of each code, shape (titles, codes); each row sums to 1.

        Args:
            texts: As `titles.normalise` gives them; of an empty one, only the model's biases speak.
        """
        found = np.empty((len(texts), len(self.codes)), np.float32)
        for start in range(0, len(texts), _BATCH):
            read = pieces(texts[start : start + _BATCH], self.arrays.gains, self._tables)
            part = evidence(read, self.arrays, self._tables)
            found[start : start + _BATCH] = blended(part, self.blend, self._major_of)
        return found

    def read(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts with each word that is one slip from a known one read as that, as `shares` reads them."""
        return mended(texts, self.arrays.gains, self._tables)

    @cached_property
    def kernel(self) -> Kernel:
        """Its compiled code, made when it is first asked for."""
        from jobmajor.model.kernels.shares import Kernel  # noqa: PLC0415 - loads Numba

        return Kernel(self.arrays, self._tables, self.blend, self._major_of)

    def compiled_shares(self, titles: Packed, starts: NDArray[np.intp]) -> NDArray[np.float32]:
        """What `shares` says of the same titles, cleaned and summed up by compiled code; equal within rounding.

        Args:
            titles: As people write them.
            starts: Where each code's own detailed codes begin, shape (codes of a level,).
        """
        return self.kernel.shares(titles, starts)

    def save(self, folder: Path) -> None:
        """Write its files into a folder that has none of them."""
        body = {"format": _FORMAT, "recipe": RECIPE, "codes": self.codes, "blend": asdict(self.blend)}
        text = json.dumps(body, indent=1, sort_keys=True) + "\n"
        publish.write_file(folder / _DESCRIPTION, text.encode())
        publish.write_file(folder / _ARRAYS, save_arrays(self.arrays.to_mapping()))


def load(folder: Path) -> LinearModel:
    """The model that `save` wrote; who wants to know that it is the very one verifies its manifest first.

    Raises:
        ArtifactError: A file is missing, damaged or of another format.
    """
    try:
        body = json.loads((folder / _DESCRIPTION).read_bytes())
        if body["format"] != _FORMAT:
            raise ArtifactError(f"{folder} is a model of format {body['format']!r}, expected {_FORMAT}: train it again")
        arrays = load_arrays((folder / _ARRAYS).read_bytes())
        codes, blend, _ = _codes(body["codes"]), _blend(body["blend"]), body["recipe"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise ArtifactError(f"{folder} is no model ({error}): train it again") from error
    majors = {soc.ancestor(code, "major") for code in codes}
    return LinearModel(Arrays.from_mapping(arrays, len(codes), len(majors)), codes, blend)


def _codes(names: Sequence[str]) -> tuple[str, ...]:
    """The codes, found to be detailed ones, each once and in their order: else labels would stand at other scores."""
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
