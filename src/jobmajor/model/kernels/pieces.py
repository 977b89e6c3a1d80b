"""Words to pieces by `pieces.c`: what `features.bags` computes in numpy, in the same order; a test compares the two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.native import library

if TYPE_CHECKING:
    from jobmajor.model.kernels.buffers import Buffers


def cut(count: int, buffers: Buffers) -> None:
    """Fill `buffers.pieces` with the pieces of the first `count` titles of `buffers.words`."""
    library.load().jm_cut(count, buffers.words, buffers.scratch, buffers.pieces)
