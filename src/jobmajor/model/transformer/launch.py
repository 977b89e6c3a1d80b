"""Run one training on several machines or GPUs by torchrun, as SageMaker's `resourceconfig.json` says.

The step's own command is started again in every process; there it finds the others through torchrun's variables.
One process per GPU, or one per machine where there is none.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobmajor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

UNFINISHED = 75  # EX_TEMPFAIL of sysexits.h: start the training again, and it continues
PORT = 29500  # torchrun's default; no other program runs on a job's machines
_GRACE_S = 110  # SageMaker kills a job 120 s after SIGTERM; torchrun's default is 30 s
_INSIDE = "TORCHELASTIC_RUN_ID"  # torchrun sets it for the processes it starts


@dataclass(frozen=True, slots=True)
class Cluster:
    """The machines of a job: their names in a fixed order, the index of this one, and the network between them."""

    hosts: tuple[str, ...] = ("localhost",)
    current: str = "localhost"
    interface: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """The processes to start on this machine."""

    words: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


def cluster(root: Path) -> Cluster:
    """Return the machines of this job; only this one if there is no file.

    Raises:
        InputError: The file does not say which machines there are.
    """
    path = root / "input" / "config" / "resourceconfig.json"
    try:
        body = json.loads(path.read_bytes())
        hosts = tuple(sorted(body["hosts"]))
        current = hosts[hosts.index(body["current_host"])]
    except FileNotFoundError:
        return Cluster()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} names no machines ({error}): expected hosts and current_host among them") from error
    return Cluster(hosts, current, body.get("network_interface_name") or "")


def torchrun(machines: Cluster, words: Sequence[str], *, gpus: int, port: int = PORT) -> Command | None:
    """Return how to start `words` (a program, or `-m` and a module) on this machine; None if one process is enough.

    >>> found = torchrun(Cluster(("algo-1", "algo-2"), "algo-2"), ["-m", "jobmajor.steps", "train"], gpus=0)
    >>> " ".join(found.words[3:11])
    '--nnodes 2 --node-rank 1 --nproc-per-node 1 --master-addr algo-1'
    """
    if len(machines.hosts) * max(gpus, 1) == 1:
        return None
    rendezvous = {
        "--nnodes": len(machines.hosts),
        "--node-rank": machines.hosts.index(machines.current),
        "--nproc-per-node": max(gpus, 1),
        "--master-addr": machines.hosts[0],
        "--master-port": port,
    }
    options = [str(word) for pair in rendezvous.items() for word in pair]
    variables = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(_GRACE_S)}
    if machines.interface:
        variables |= {f"{library}_SOCKET_IFNAME": machines.interface for library in ("GLOO", "NCCL")}
    return Command((sys.executable, "-m", "torch.distributed.run", *options, *words), variables)


def run(root: Path, words: Sequence[str], *, port: int = PORT) -> int | None:
    """Start `words` in every process of the job and wait; return 0, `UNFINISHED` after a SIGTERM, or torchrun's status.

    Return None if the caller has to do the work: it is the only process, or torchrun has already started it.
    """
    if _INSIDE in os.environ:
        return None
    import torch  # noqa: PLC0415 - heavy

    command = torchrun(cluster(root), words, gpus=torch.cuda.device_count(), port=port)
    return _supervise(command) if command else None


def _supervise(command: Command) -> int:
    asked: list[int] = []
    with subprocess.Popen(command.words, env={**os.environ, **command.variables}) as process:

        def forward(number: int, _frame: object) -> None:
            asked.append(number)
            process.send_signal(number)

        before = signal.signal(signal.SIGTERM, forward)
        try:
            status = process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
    return UNFINISHED if status and asked else status


def is_first() -> bool:
    """Return whether this process writes the model: the others of the job don't."""
    return os.environ.get("RANK", "0") == "0"
