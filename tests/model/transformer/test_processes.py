from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'transformer'")
pytest.importorskip("transformers", reason="needs the extra 'transformer'")

from jobmajor.model import transformer  # noqa: E402 - after the skip
from jobmajor.model.transformer import launch  # noqa: E402 - after the skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from jobmajor.model.transformer.model import TransformerModel
    from jobmajor.settings import Transformer

    Tables = tuple[pl.DataFrame, pl.DataFrame]

# A step as the pipeline has it, but that it waits for a line on its standard input after one of its steps.
_STEP = """
import logging, sys
from pathlib import Path
import polars as pl
from jobmajor import settings; from jobmajor.model import transformer
from jobmajor.model.transformer import launch

root, port, pause = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

def main():
    status = launch.run(root, sys.argv, port=port)
    if status is not None:
        return status
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(message)s")
    class Pause(logging.Handler):
        def emit(self, record):
            if record.getMessage() == f"step={pause}":
                print("paused", flush=True)
                sys.stdin.readline()
    log = logging.getLogger("jobmajor.model.transformer")
    log.addHandler(Pause())
    how = settings.build(settings.Transformer, __import__("json").loads((root / "how.json").read_text()))
    tables = (pl.read_parquet(root / f"{name}.parquet") for name in ("train", "validation"))
    from jobmajor.errors import Unfinished
    try:
        found = transformer.fit(*tables, how, {}, root / "checkpoints")
    except Unfinished as stopped:
        print(stopped)
        return launch.UNFINISHED
    target = root / f"model-{'first' if launch.is_first() else 'second'}"
    target.mkdir()
    found.save(target)
    return 0

sys.exit(main())
"""


def lay_out(root: Path, few: Tables, how: Transformer) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, table in zip(("train", "validation"), few, strict=True):
        table.write_parquet(root / f"{name}.parquet")
    (root / "how.json").write_text(json.dumps(asdict(how)))
    (root / "step.py").write_text(_STEP)
    return root


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the step in `root`; whatever a failing test leaves running is ended with it."""
    begun: list[subprocess.Popen[str]] = []

    def run(root: Path, port: int = 0, pause: int = 0) -> subprocess.Popen[str]:
        words = (sys.executable, root / "step.py", root, str(port), str(pause))
        source = str(Path(transformer.__file__).parents[3])
        step = subprocess.Popen(
            words,
            env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun.append(step)
        return step

    yield run
    for step in begun:
        if step.poll() is None:
            step.terminate()  # torchrun takes its processes with it
    for step in begun:
        if step.returncode is None:
            step.communicate(timeout=60)


def paused(step: subprocess.Popen[str]) -> str:
    """What it said until it waited."""
    assert step.stdout
    said = ""
    for line in step.stdout:
        said += line
        if line == "paused\n":
            return said
    pytest.fail(said)


def ended(step: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = step.communicate("\n", timeout=120)
    return step.returncode, said


@pytest.mark.slow
@pytest.mark.long
def test_training_that_was_killed_twice_ends_in_the_very_same_weights(
    few: Tables, quick: Transformer, tmp_path: Path, start: Start
) -> None:
    root = lay_out(tmp_path / "killed", few, quick)
    asked = start(root, pause=5)
    paused(asked)
    asked.send_signal(signal.SIGTERM)
    stopped = ended(asked)
    unasked = start(root, pause=15)
    resumed = paused(unasked)
    unasked.send_signal(signal.SIGKILL)
    died = ended(unasked)
    left = list(root.glob("model-*"))

    again = ended(start(root))

    # Told to stop after its fifth step it ends the sixth and keeps it; killed without a word after the fifteenth, it
    # goes on from the end of the first epoch, the twelfth.
    assert (stopped[0], died[0], again[0], left) == (launch.UNFINISHED, -signal.SIGKILL, 0, [])
    assert "stopped after step 6 of at most 24" in stopped[1]
    assert "going on after step 6\n" in resumed
    assert "going on after step 12\n" in again[1]
    with single_thread():
        calm = transformer.fit(*few, quick, {})
    assert weights(transformer.load(root / "model-first")) == weights(calm)


@contextmanager
def single_thread() -> Iterator[None]:
    """As many threads as the other processes have: sums in another order would round otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def weights(found: TransformerModel) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in found.network.state_dict().items()}


@pytest.mark.long  # torchrun starts several processes that load torch
@pytest.mark.slow
def test_two_machines_train_one_model(  # noqa: PLR0917 - six fixtures
    few: Tables,
    quick: Transformer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    start: Start,
    free_port: Callable[[], int],
) -> None:
    caplog.set_level(logging.INFO)
    still = _without_dropout(Path(quick.checkpoint), tmp_path / "still")
    how = replace(quick, checkpoint=str(still), epochs=1)
    alone = transformer.fit(*few, how)
    hosts = ["127.0.0.1", "127.0.0.2"]  # two names for this very machine
    port, steps = free_port(), []
    for name in hosts:
        root = lay_out(tmp_path / name, few, how)
        (root / "input" / "config").mkdir(parents=True)
        body = {"current_host": name, "hosts": hosts, "network_interface_name": "lo"}
        (root / "input" / "config" / "resourceconfig.json").write_text(json.dumps(body))
        steps.append(start(root, port))

    ends = [ended(step) for step in steps]

    assert [status for status, _ in ends] == [0, 0], ends
    first, second = tmp_path / hosts[0] / "model-first", tmp_path / hosts[1] / "model-second"
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    assert not list((tmp_path / hosts[1] / "checkpoints").glob("*"))
    # A batch is the whole team's, so two machines learn what one does, up to the rounding of sums in another order.
    texts = few[1]["text"].to_list()
    assert train_loss(ends[0][1]) == pytest.approx(train_loss(caplog.text), rel=1e-4)
    assert transformer.load(first).shares(texts) == pytest.approx(alone.shares(texts), abs=1e-3)


def train_loss(log: str) -> float:
    return float(log.partition("train_loss=")[2].partition(" ")[0])


def _without_dropout(checkpoint: Path, target: Path) -> Path:
    shutil.copytree(checkpoint, target)
    config = json.loads((target / "config.json").read_text())
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    (target / "config.json").write_text(json.dumps({**config, **none}))
    return target
