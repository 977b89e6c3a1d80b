"""The training loop: AdamW with a warm-up, order and dropout from the seed, and validation after each epoch.

Every step is a function of the state before it, the seed and the step's number. So a training that was killed and
goes on from a checkpoint ends in the very weights of one that was not, and where several processes train together
they stay alike.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from jobmajor.errors import Unfinished
from jobmajor.evaluation import metrics
from jobmajor.model.transformer import calibrate
from jobmajor.model.transformer.encode import Encoded, logits
from jobmajor.model.transformer.loss import title_losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from jobmajor.model.transformer.state import Keeper, Run
    from jobmajor.model.transformer.targets import Trial
    from jobmajor.settings import Transformer

_CLIP = 1.0  # the longest gradient, as Hugging Face's trainer has it
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Data:
    """Encoded titles of both tables; `shares` and `trial` as in `targets`, `sizes` of the major groups."""

    train: Encoded
    shares: csr_array
    validation: Encoded
    trial: Trial
    sizes: list[int]


def train(run: Run, data: Data, keeper: Keeper) -> None:
    """Train to the end, or from where `keeper` has it, and leave the best epoch's weights in the network.

    Raises:
        Unfinished: SIGTERM came; the step was finished and the state kept.
    """
    run.resume(keeper)
    at, settings = run.at, run.settings
    with _told_to_stop(listening=keeper.folder is not None) as told:
        while at.epoch < settings.epochs and at.epoch - at.best_epoch < settings.patience:
            _epoch(run, data, keeper, told)
            _look(run, data)
            run.keep(keeper)
    _log.info("epoch %d of %d was the best", at.best_epoch, at.epoch)
    for name, tensor in run.weights().items():
        tensor.detach().copy_(run.best[name])


@contextmanager
def _told_to_stop(*, listening: bool) -> Iterator[threading.Event]:
    """Yield an event that SIGTERM sets; unless `listening`, or outside the main thread, SIGTERM ends the process."""
    told = threading.Event()
    if not listening or threading.current_thread() is not threading.main_thread():
        yield told
        return
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: told.set())
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


def _epoch(run: Run, data: Data, keeper: Keeper, told: threading.Event) -> None:
    """Return the batches of this epoch that are not done yet."""
    at, size = run.at, run.settings.batch
    order = np.random.default_rng([run.settings.seed, at.epoch]).permutation(len(data.train.starts) - 1)
    batches = -(-len(order) // size)
    kept_s = time.monotonic()

    def wishes() -> list[bool]:
        is_due = time.monotonic() - kept_s >= run.settings.checkpoint_minutes * 60
        return [told.is_set(), is_due and run.team.rank == 0]

    while at.batch < batches:
        rows = order[at.batch * size : (at.batch + 1) * size]
        loss, stops, keeps = _step(run, data, rows, batches, wishes)
        at.loss, at.batch, at.step = at.loss + loss, at.batch + 1, at.step + 1
        _log.debug("step=%d", at.step)
        if keeps or stops:
            run.keep(keeper)
            kept_s = time.monotonic()
        if stops and keeper.folder:
            raise Unfinished(at.step, batches * run.settings.epochs, keeper.folder)


def _step(
    run: Run, data: Data, rows: NDArray[np.int64], batches: int, wishes: Callable[[], list[bool]]
) -> tuple[float, bool, bool]:
    """Take one step on the titles in `rows`; each process takes a share of them.

    Args:
        run: The run, which the step changes.
        data: The titles.
        rows: The rows of all processes.
        batches: The number of batches in an epoch.
        wishes: Returns whether this process was told to stop, and whether it is time for a checkpoint.

    Returns:
        The summed loss of the titles, whether any process was told to stop, and whether it is time for a checkpoint.
    """
    team, parameters = run.team, [*run.network.parameters()]
    mine = rows[team.rank :: team.size]
    torch.manual_seed(int(np.random.SeedSequence([run.settings.seed, run.at.step, team.rank]).generate_state(1)[0]))
    run.optimizer.zero_grad()
    loss = torch.zeros(1, device=team.device)
    if len(mine):
        found = run.network(**data.train.batch(mine, team.device)).logits
        truth = torch.from_numpy(data.shares[mine].toarray()).to(found)
        loss = title_losses(found, truth, data.sizes).sum().reshape(1)
        torch.autograd.backward(loss / len(rows))
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    # All processes decide together, in the message with the gradients; otherwise one would stop while others wait.
    message = torch.cat([loss.detach(), loss.new_tensor(wishes())])
    team.add_up([*(parameter.grad for parameter in parameters), message])
    torch.nn.utils.clip_grad_norm_(parameters, _CLIP)
    for group in run.optimizer.param_groups:
        group["lr"] = rate(run.settings, run.at.step, batches)
    run.optimizer.step()
    total, stops, keeps = message.tolist()
    return total, stops > 0, keeps > 0


def rate(settings: Transformer, step: int, batches: int) -> float:
    """Return the learning rate of a step: it rises linearly to its peak, then falls to 0 at the end of the last epoch.

    >>> from jobmajor.settings import Transformer
    >>> settings = Transformer(learning_rate=1.0, warmup_steps=2, epochs=1)
    >>> [round(rate(settings, step, batches=6), 2) for step in range(6)]
    [0.33, 0.67, 1.0, 0.75, 0.5, 0.25]
    """
    warmup = settings.warmup_steps
    rising = (step + 1) / (warmup + 1)
    falling = (batches * settings.epochs - step) / max(1, batches * settings.epochs - warmup)
    return float(settings.learning_rate * min(rising, falling, 1.0))


def score(run: Run, encoded: Encoded) -> NDArray[np.float32]:
    """Return the scores of the network for all titles, shape (titles, codes), computed by the whole team."""
    titles = len(encoded.starts) - 1
    rows = np.arange(run.team.rank, titles, run.team.size)
    found = torch.zeros((titles, run.network.config.num_labels))
    found[rows] = torch.from_numpy(logits(run.network, encoded, rows))
    found = found.to(run.team.device)
    run.team.add_up([found])  # each row is one process's and 0 elsewhere, so the sum is exact
    scores: NDArray[np.float32] = found.cpu().numpy()
    return scores


def _look(run: Run, data: Data) -> None:
    """End the epoch: evaluate on validation, and keep the weights if they are the best so far."""
    at, trial = run.at, data.trial
    begun = time.monotonic()
    found = score(run, data.validation)[trial.row_text]
    usable = trial.truth < found.shape[1]
    losses = calibrate.log_losses(found[usable], data.sizes, trial.truth[usable])
    answers = calibrate.shares(found, data.sizes, calibrate.Temperatures())
    groups = np.add.reduceat(answers, np.cumsum([0, *data.sizes[:-1]]), axis=1).argmax(axis=1)
    matrix = metrics.confusion_matrix(trial.major, groups, len(data.sizes) + 1)
    f1, seconds = float(metrics.weighted_f1(matrix)), time.monotonic() - begun
    _log.info(
        "epoch=%d train_loss=%.6f eval_loss=%.6f eval_accuracy=%.6f eval_f1=%.6f eval_runtime=%.3f "
        "eval_samples_per_second=%.1f",
        at.epoch + 1,
        at.loss / (len(data.train.starts) - 1),
        losses.mean() if len(losses) else 0.0,
        float(metrics.accuracy(matrix)),
        f1,
        seconds,
        len(trial.row_text) / seconds,
    )
    at.epoch, at.batch, at.loss = at.epoch + 1, 0, 0.0
    if f1 > at.best_f1:
        at.best_epoch, at.best_f1 = at.epoch, f1
        for name, tensor in run.weights().items():
            run.best[name].copy_(tensor.detach())
