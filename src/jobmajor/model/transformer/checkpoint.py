"""Store the state of a training, so that a killed one continues where it was: as safetensors and JSON, never a pickle.

SageMaker copies the folder to S3 file by file while the job runs, so what comes back after a kill may be half a
checkpoint although it was published whole here. Each therefore has a manifest, and the newest that is whole counts.
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file

from jobmajor.errors import ArtifactError
from sagelocal.storage import manifest, publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_KEPT = 2  # states: one more than needed, in case the newest is damaged
_TENSORS, _POSITION = "state.safetensors", "position.json"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Position:
    """The progress of a training; with the tensors, all that it needs to continue.

    Dropout is drawn at each step from the seed and the number of the step, and the order of titles from the seed and
    the number of the epoch. So the position determines the state of the random generators.

    Attributes:
        epoch: Epochs that are finished.
        batch: Batches done of the next one.
        step: Steps done in all.
        loss: The sum over the titles of the epoch so far.
        best_epoch: The best epoch on validation, from 1 on; 0 before any.
        best_f1: The weighted F1 of the best epoch.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss: float = 0.0
    best_epoch: int = 0
    best_f1: float = -1.0

    def to_bytes(self) -> bytes:
        """Return the position as JSON."""
        return json.dumps(asdict(self)).encode()


def position(data: bytes) -> Position:
    """Read what `Position.to_bytes` wrote."""
    return Position(**json.loads(data))


def save(folder: Path, key: str, state: Position, tensors: Mapping[str, Tensor]) -> None:
    """Publish the state of the training `key` in `folder`, and delete its older ones."""
    with publish.new_folder(folder / f"{key}-{state.step:08d}-{state.epoch:04d}") as staging:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, staging / _TENSORS)
        publish.write_file(staging / _POSITION, state.to_bytes())
        manifest.write(staging)
    for older in _all(folder, key)[:-_KEPT]:
        shutil.rmtree(older, ignore_errors=True)
    _log.info("kept step %d", state.step)


def _all(folder: Path, key: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"{key}-*") if path.is_dir())


def newest(folder: Path, key: str) -> tuple[Position, dict[str, Tensor]] | None:
    """Return the last complete state of the training `key`; None where there is none.

    A damaged state is deleted, since the same step could not be published again otherwise.
    """
    publish.sweep(folder)
    for path in reversed(_all(folder, key)):
        try:
            manifest.verify(path)
        except ArtifactError as error:
            _log.warning("a checkpoint is damaged, an older one counts: %s", error)
            shutil.rmtree(path, ignore_errors=True)
            continue
        return position((path / _POSITION).read_bytes()), load_file(path / _TENSORS)
    return None
