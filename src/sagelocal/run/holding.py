"""Who uses a workspace: any number of runs together, or one program alone.

Runs share the store, the cache and the records, which are safe to share. What killed runs left is removed by a run that
is the only one: to the others, the unfinished files of a running one would look the same.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from sagelocal.errors import PipelineError
from sagelocal.run import records
from sagelocal.storage import lock, publish, transfer
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Held by every user of the workspace; by runs only; by the supervisors of jobs, which may outlive their run.
_USERS, _RUNS, _JOBS = ".lock", ".runs.lock", ".jobs.lock"
# A run that is killed while it starts a job leaves a copy of its descriptors, until the job's program runs. Without
# this patience, its copy would pass for another run, and what it left would stay.
_PATIENCE_S: Final = 0.5
_ENDING: Final = "waiting for the jobs of a run that was killed to end"


@contextmanager
def hold(workspace: Path, on_wait: Callable[[str], None] | None = None) -> Iterator[int]:
    """Lock the workspace for this process alone, and give the descriptor that every job's supervisor inherits.

    Raises:
        Busy: A run or another program uses the workspace. PipelineError: It can't be written, now or in the block.
    """
    with _told(workspace), lock.take(workspace / _USERS, busy=workspace):
        _announce(workspace, on_wait)
        # A supervisor whose run was killed holds this lock until it has ended its job.
        with lock.wait_for(workspace / _JOBS) as descriptor:
            yield descriptor


@contextmanager
def share(workspace: Path, on_wait: Callable[[str], None] | None = None) -> Iterator[int]:
    """Lock the workspace together with other runs; the first one removes what killed runs left.

    Raises:
        Busy: A program holds the workspace alone. PipelineError: It can't be written, now or in the block.
    """
    with _told(workspace), lock.take(workspace / _USERS, busy=workspace, is_shared=True), ExitStack() as stack:
        runs = stack.enter_context(lock.opened(workspace / _RUNS))
        if lock.lock_now(runs, _PATIENCE_S):
            _announce(workspace, on_wait)
            with lock.wait_for(workspace / _JOBS):
                sweep(workspace)
        lock.share_open(runs)  # waits while another run sweeps
        yield stack.enter_context(lock.share(workspace / _JOBS))


def _announce(workspace: Path, on_wait: Callable[[str], None] | None) -> None:
    with lock.opened(workspace / _JOBS) as jobs:
        if on_wait and not lock.lock_now(jobs):
            on_wait(_ENDING)


@contextmanager
def _told(workspace: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fault = f"{error.filename or workspace}: {error.strerror or error}"
        raise PipelineError(f"the run could not go on, {fault}: make room or give access, and run again") from error


def sweep(workspace: Path) -> None:
    """Remove the unfinished files of killed runs; call it only while no other run uses the workspace."""
    FolderStore(workspace / "s3").sweep()
    transfer.remove(workspace / "jobs")
    for pattern in ("cache", "registry/*", "runs/*"):
        for folder in workspace.glob(pattern):
            publish.sweep(folder)
    for folder in workspace.glob("runs/*"):
        if not (folder / records.NAME).exists():
            transfer.remove(folder)  # killed before it wrote its record
        else:
            records.settle(folder)
