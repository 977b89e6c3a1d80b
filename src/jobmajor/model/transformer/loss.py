"""The loss that training minimises: the log loss of a title's codes, and that of their major groups.

Summing a code's share up to its group inside the loss keeps all levels coherent by construction, and the second term
makes the network care for the level that the gate looks at: a wrong code of the right group costs less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def title_losses(logits: Tensor, truth: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the loss of each title, shape (titles,).

    Args:
        logits: Shape (titles, codes); each major group's codes stand side by side.
        truth: The same shape; each row holds the shares of a title's true codes and sums to 1.
        sizes: How many codes each group has.
    """
    detailed = torch.log_softmax(logits, dim=1)
    groups = torch.split(detailed, list(sizes), dim=1)
    majors = torch.stack([group.logsumexp(dim=1) for group in groups], dim=1)  # (titles, groups)
    true_majors = torch.stack([group.sum(dim=1) for group in torch.split(truth, list(sizes), dim=1)], dim=1)
    return -(truth * detailed).sum(dim=1) - (true_majors * majors).sum(dim=1)
