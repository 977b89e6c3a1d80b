"""Fine-tune and calibrate a model on prepared tables."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from jobmajor.data import prepare
from jobmajor.model.transformer import calibrate, loop, pretrained, targets
from jobmajor.model.transformer.encode import encode
from jobmajor.model.transformer.model import RECIPE, Description, TransformerModel
from jobmajor.model.transformer.state import Keeper, Run
from jobmajor.model.transformer.team import join
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from jobmajor.model.transformer.team import Team
    from jobmajor.settings import Transformer

_log = logging.getLogger(__name__)


def fit(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    settings: Transformer,
    about: Mapping[str, Any] | None = None,
    checkpoints: Path | None = None,
) -> TransformerModel:
    """Do what `jobmajor.model.transformer.fit` says."""
    lessons = targets.lessons(prepare.titles(train))
    trial = targets.trial(validation, lessons.codes)
    _log.info("%d titles, %d codes, %d rows to judge by", len(lessons.texts), len(lessons.codes), len(trial.row_text))
    with join() as team, _repeatable(team, settings.seed):
        network, tokenizer = pretrained.open_base(settings, lessons.codes)
        data = loop.Data(
            train=encode(tokenizer, lessons.texts, settings.max_length),
            shares=lessons.shares,
            validation=encode(tokenizer, trial.texts, settings.max_length),
            trial=trial,
            sizes=targets.group_sizes(lessons.codes),
        )
        run = Run(network.to(team.device).train(), settings, team)
        loop.train(run, data, Keeper(checkpoints, _key(targets.digest(lessons, trial), settings)))
        temperatures = _calibrated(run, data)
    origin = {"recipe": RECIPE, "settings": asdict(settings), **(about or {})}
    description = Description(lessons.codes, temperatures, settings.max_length, origin)
    return TransformerModel(network.eval(), tokenizer, description)


@contextmanager
def _repeatable(team: Team, seed: int) -> Iterator[None]:
    """Seed all random numbers within the block, and restore the caller's generators after it.

    On a CPU, operations with a random order of sums are refused; CUDA's are left as fast as they are.
    """
    before = torch.are_deterministic_algorithms_enabled()
    devices = [team.device] if team.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(before or not devices)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


def _key(data: str, settings: Transformer) -> str:
    """Return the name of a training in the folder of checkpoints; other data or settings give another name."""
    values = asdict(settings)
    del values["checkpoint_minutes"]
    folder = Path(settings.checkpoint)
    if folder.is_dir():  # by content: in a container its path differs, and the hub's cache consists of links
        files = sorted(path for path in folder.iterdir() if path.is_file())
        values["checkpoint"] = {path.name: manifest.hash_file(path) for path in files}
    text = json.dumps({"data": data, "settings": values}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _calibrated(run: Run, data: loop.Data) -> calibrate.Temperatures:
    found = loop.score(run, data.validation)[data.trial.row_text]
    usable = data.trial.truth < found.shape[1]
    temperatures = calibrate.fit(found[usable], data.sizes, data.trial.truth[usable])
    _log.info("temperatures %s", asdict(temperatures))
    return temperatures
