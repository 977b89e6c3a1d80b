"""Encode titles for a network, and compute a network's scores for many titles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jobmajor.titles import without_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_BATCH = 256  # titles scored at a time


@dataclass(frozen=True, slots=True)
class Encoded:
    """Encoded titles: title i has the tokens `pieces[starts[i]:starts[i + 1]]`; `padding` fills up shorter ones."""

    pieces: NDArray[np.int64]
    starts: NDArray[np.int64]
    padding: int

    def batch(self, rows: NDArray[np.int64], device: torch.device) -> dict[str, Tensor]:
        """Return the titles in `rows`, shape (rows, length of the longest)."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        positions = np.arange(lengths.max())
        inside = positions < lengths[:, None]
        ids = np.full(inside.shape, self.padding)
        ids[inside] = self.pieces[(self.starts[rows, None] + positions)[inside]]
        arrays = {"input_ids": ids, "attention_mask": inside.astype(np.int64)}
        return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def encode(tokenizer: Any, texts: Sequence[str], max_length: int) -> Encoded:
    """Return the tokens of the titles, with the special tokens that the network expects, cut at `max_length`.

    Words of rank are left out, as in the linear recipe: they tell nothing about the work, and the gate requires that
    they change no answer.
    """
    if not texts:
        return Encoded(np.empty(0, np.int64), np.zeros(1, np.int64), tokenizer.pad_token_id)
    # A network needs at least one token, and some tokenizers add none to an empty title.
    found = [
        ids or [tokenizer.pad_token_id]
        for ids in tokenizer([without_rank(text) for text in texts], truncation=True, max_length=max_length)[
            "input_ids"
        ]
    ]
    starts = np.cumsum([0, *map(len, found)])
    return Encoded(np.concatenate([np.array(ids, np.int64) for ids in found]), starts, tokenizer.pad_token_id)


def logits(network: Any, encoded: Encoded, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the scores for the titles in `rows`, shape (rows, codes); like lengths are scored together."""
    found = np.empty((len(rows), network.config.num_labels), np.float32)
    order = np.argsort(encoded.starts[rows + 1] - encoded.starts[rows], kind="stable")
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), _BATCH):
            batch = order[start : start + _BATCH]
            found[batch] = network(**encoded.batch(rows[batch], network.device)).logits.float().cpu().numpy()
    network.train(was_training)
    return found
