"""What a recipe learns, as the classifier needs it: another recipe is another class with these methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class Scorer(Protocol):
    """What a recipe learns: normalised titles in, shares of detailed codes out."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The detailed codes that it can answer, ascending: the order of its columns."""
        ...

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The share of each code, shape (titles, codes); each row sums to 1. Texts are as `normalise` gives them."""
        ...

    def read(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts as it understands them, where it mends their spelling."""
        ...

    def save(self, folder: Path) -> None:
        """Write its files, of which `model.json` has a key `recipe`, into an empty folder."""
        ...
