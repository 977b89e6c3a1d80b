"""The state of a training: the network, the optimiser's moments, the best weights so far, and the position."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from jobmajor.model.transformer import checkpoint
from jobmajor.model.transformer.checkpoint import Position

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from jobmajor.model.transformer.team import Team
    from jobmajor.settings import Transformer

_MOMENTS = ("exp_avg", "exp_avg_sq")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keeper:
    """The folder of the state, if any, and the name of the training in it."""

    folder: Path | None
    key: str


@dataclass(slots=True)
class Run:
    """The state of a training; `best` holds the weights of the best epoch so far."""

    network: Any
    settings: Transformer
    team: Team
    optimizer: torch.optim.AdamW = field(init=False)
    best: dict[str, Tensor] = field(init=False)
    at: Position = field(default_factory=Position)

    def __post_init__(self) -> None:
        self.optimizer = _optimizer(self.network, self.settings)
        self.best = {name: tensor.detach().clone() for name, tensor in self.weights().items()}

    def weights(self) -> dict[str, Tensor]:
        """Return the tensors of the network, each once."""
        return {**dict(self.network.named_parameters()), **dict(self.network.named_buffers())}

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor of the state by a name that is equal in all processes."""
        found = {f"model.{name}": tensor.detach() for name, tensor in self.weights().items()}
        found |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for name, parameter in self.network.named_parameters():
            found |= {f"{moment}.{name}": self.optimizer.state[parameter][moment] for moment in _MOMENTS}
        return found

    def resume(self, keeper: Keeper) -> None:
        """Load the newest state that the first process has, if any, into all processes."""
        kept = checkpoint.newest(keeper.folder, keeper.key) if keeper.folder and self.team.rank == 0 else None
        tensors = self.tensors()
        if kept:
            self.at = kept[0]
            for name, tensor in tensors.items():
                tensor.copy_(kept[1][name])
            _log.info("going on after step %d", self.at.step)
        self.at = checkpoint.position(self.team.bytes_of_first(self.at.to_bytes()))
        self.team.follow_first([*tensors.values()])
        for state in self.optimizer.state.values():
            state["step"].fill_(self.at.step)

    def keep(self, keeper: Keeper) -> None:
        """Store the current state."""
        if keeper.folder and self.team.rank == 0:
            checkpoint.save(keeper.folder, keeper.key, self.at, self.tensors())
        self.team.wait()  # a process that ended while the first one writes would count as failed


def _optimizer(network: Any, settings: Transformer) -> torch.optim.AdamW:
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]  # biases and norms
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    found = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    for parameter in network.parameters():
        # The first step would create these tensors; they are created here so that a state can be copied into them.
        zeros = {moment: torch.zeros_like(parameter) for moment in _MOMENTS}
        found.state[parameter] = {"step": torch.zeros((), device=parameter.device), **zeros}
    return found
