"""Texts as bytes in one buffer, as Arrow and the scorer have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def packed(texts: Sequence[str]) -> tuple[Bytes, NDArray[np.int64]]:
    """UTF-8, and where each text begins, shape (texts + 1,).

    >>> packed(["é", ""])[1].tolist()
    [0, 2, 2]
    """
    parts = [text.encode() for text in texts]
    starts = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=starts[1:])
    return np.frombuffer(b"".join(parts), np.uint8), starts
