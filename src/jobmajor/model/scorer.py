"""What a recipe learns, as the classifier needs it: another recipe is another class with these methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from jobmajor.model.linear.arrays import Learned


class Scorer(Protocol):
    """What a recipe learns: normalised titles in, shares of detailed codes out."""

    @property
    def recipe(self) -> str:
        """The name of the recipe."""
        ...

    @property
    def codes(self) -> tuple[str, ...]:
        """The detailed codes that it can answer, ascending: the order of its columns."""
        ...

    @property
    def learned(self) -> Learned | None:
        """What compiled code scores with, None where there is no such code for the recipe."""
        ...

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the share of each code, shape (titles, codes); each row sums to 1.

        Args:
            texts: As `normalise` gives them.
        """
        ...

    def scored(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], Sequence[str]]:
        """Return what `shares` says, and the texts as the model reads them, where it mends their spelling."""
        ...

    def save(self, folder: Path) -> None:
        """Write its files, of which `model.json` has a key `recipe`, into an empty folder."""
        ...
