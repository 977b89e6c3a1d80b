"""Run several instances of a job on one machine; each has its own processes, /opt/ml, log and host name.

They share the machine's network: `algo-1` is 127.0.0.1, `algo-2` is 127.0.0.2, and so on, so that instances can listen
on the same port. As on the service, a job ends when all its instances have ended, and if one fails the others are
stopped.
"""

from __future__ import annotations

import select
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagelocal.errors import PipelineError
from sagelocal.jobs import sandbox
from sagelocal.storage import transfer
from sagelocal.storage.manifest import hash_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sagelocal.storage.manifest import FileRecord


@dataclass(frozen=True, slots=True)
class Host:
    """One instance of a job: its host name, its folder and its log."""

    name: str
    folder: Path
    log: Path

    @property
    def ml(self) -> Path:
        """What the instance sees as /opt/ml."""
        return self.folder / "ml"


def hosts(names: Sequence[str], folder: Path, log: Path) -> tuple[Host, ...]:
    """Return the instances of a job by their names; the first one writes to `log`.

    A job of one instance uses `folder` itself, otherwise each instance has a folder in it.
    """
    if len(names) == 1:
        return (Host(names[0], folder, log),)
    logs = [log, *(log.with_name(f"{log.stem}-{name}{log.suffix}") for name in names[1:])]
    return tuple(Host(name, folder / name, path) for name, path in zip(names, logs, strict=True))


def addresses(names: Sequence[str]) -> dict[str, str]:
    """Return the loopback address of each instance by its host name.

    >>> addresses(("algo-1", "algo-2"))
    {'algo-1': '127.0.0.1', 'algo-2': '127.0.0.2'}
    """
    return {name: f"127.0.{number // 254}.{number % 254 + 1}" for number, name in enumerate(names)}


def spread(folders: Sequence[Path], names: Mapping[str, FileRecord]) -> None:
    """Distribute the files of the first folder over all of them, round-robin in the order of their names.

    The service guarantees only that each instance gets a part of the objects.
    """
    for number, name in enumerate(sorted(names)):
        target = folders[number % len(folders)] / name
        if number % len(folders):
            target.parent.mkdir(parents=True, exist_ok=True)
            (folders[0] / name).rename(target)


def gather(sources: Sequence[Path], target: Path, *, strict: bool = True) -> Path:
    """Merge the regular files of several folders into one, and return it; a single folder is returned itself.

    Args:
        sources: The same folder of each instance.
        target: The folder to make.
        strict: Whether to fail if two folders have different files of one name; otherwise the first one is kept.

    Raises:
        PipelineError: They have; on the service, the file that is uploaded last is kept.
    """
    if len(sources) == 1:
        return sources[0]
    target.mkdir(parents=True)
    for source in sources:
        for name, path in transfer.regular_files(source):
            if not (target / name).exists():
                transfer.link(path, target / name)
            elif strict and hash_file(target / name) != hash_file(path):
                fault = f"two instances left different files named {name!r} in {source.name!r}"
                raise PipelineError(
                    f"{fault}, and which one would stay is chance: let one write it, or name them apart"
                )
    return target


def run(commands: Sequence[sandbox.Command]) -> tuple[int, sandbox.Exit]:
    """Run all commands, and return the index and exit of the first that failed, or else of the first command."""
    ends: list[tuple[int, sandbox.Exit]] = []
    with ExitStack() as stack:
        running = {stack.enter_context(sandbox.Running(command)): index for index, command in enumerate(commands)}
        while running:
            for job in select.select(list(running), [], [])[0]:
                index, ended = running.pop(job), job.wait()
                if ended.failed and not any(other.failed for _, other in ends):
                    for other in running:
                        other.stop()
                ends.append((index, ended))
    return next((end for end in ends if end[1].failed), min(ends, key=lambda end: end[0]))
