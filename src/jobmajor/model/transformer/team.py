"""The processes that train one model together; a single process is a team of one and sends nothing.

Only sums and copies from the first process cross the network, so that all of them take the same decision at the same
step: whether to stop, to keep the state, or to end training.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import distributed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Team:
    """The rank of this process among `size` processes, from 0, and its device."""

    rank: int
    size: int
    device: torch.device

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each float tensor by its sum over all processes, in one message."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        pieces = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, piece in zip(tensors, pieces, strict=True):
            tensor.copy_(piece.view_as(tensor))

    def follow_first(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of the first process."""
        if self.size > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, src=0)

    def bytes_of_first(self, data: bytes) -> bytes:
        """Return the bytes of the first process, in every process."""
        if self.size == 1:
            return data
        length = torch.tensor([len(data)], device=self.device)
        distributed.broadcast(length, src=0)
        body = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        if self.rank == 0:
            body.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        distributed.broadcast(body, src=0)
        found: bytes = body.cpu().numpy().tobytes()  # where torch is not installed, mypy knows no type of it
        return found

    def wait(self) -> None:
        """Wait until every process has called this."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def join() -> Iterator[Team]:
    """Return the team that torchrun's variables describe; without them, a team of this process alone."""
    rank, size, local_rank = (int(os.environ.get(name, default)) for name, default in _VARIABLES)
    device = torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
    if size == 1:
        yield Team(0, 1, device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(rank, size, device)
    finally:
        distributed.destroy_process_group()


_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
