"""The protocol of trained models: the classifier works with any recipe whose model has these methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from jobmajor.model.linear.arrays import Learned


class Scorer(Protocol):
    """A trained model: normalised titles in, shares of detailed codes out."""

    @property
    def recipe(self) -> str:
        """The name of the recipe."""
        ...

    @property
    def codes(self) -> tuple[str, ...]:
        """The detailed codes that the model can answer, ascending: the order of its columns."""
        ...

    @property
    def learned(self) -> Learned | None:
        """What compiled code needs for scores; None if there is no compiled code for the recipe."""
        ...

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the share of each code, shape (titles, codes); each row sums to 1.

        Args:
            texts: As `normalise` gives them.
        """
        ...

    def scored(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], Sequence[str]]:
        """Return what `shares` returns, and the texts with the spelling that the model reads."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model's files into an empty folder; `model.json` has a key `recipe`."""
        ...
