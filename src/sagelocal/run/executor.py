"""Runs a definition on this machine, independent steps side by side, and keeps what is finished.

A run that is killed at any moment leaves nothing that counts but whole results: the next run of the same
definition takes those from the cache and goes on from there.
"""

from __future__ import annotations

import functools
import os
import re
import secrets
import string
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sagelocal.definition import graph
from sagelocal.definition.expressions import EXECUTION
from sagelocal.definition.language import Scope
from sagelocal.definition.parse import bind, check
from sagelocal.errors import DefinitionError, InputError, PipelineError
from sagelocal.jobs import environment
from sagelocal.jobs.environment import Environment
from sagelocal.run import limits, records, selective
from sagelocal.run.attempts import iso
from sagelocal.run.execution import Runner
from sagelocal.run.records import Execution, StepRecord
from sagelocal.run.register import FolderRegistry, RegisterHandler, RegisterRequest
from sagelocal.storage import lock, publish, transfer
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from sagelocal.definition.steps import Definition
    from sagelocal.run.handlers import Handler
    from sagelocal.storage.store import Store

    _Chosen = tuple[Sequence[str], Mapping[str, StepRecord | None]]  # the steps that run, what stands for the others

__all__ = [
    "Environment",
    "Execution",
    "RegisterHandler",
    "RegisterRequest",
    "RunOptions",
    "StepRecord",
    "hold",
    "run",
    "validate",
]

_PIPELINE_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}")
_ID = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a definition is run.

    `parameters` come before the definition's defaults. `images` maps image URIs to environments; every
    other image is `environment`, or the one that runs this program. `register` takes the RegisterModel
    steps, a folder in the workspace by default. `on_event` is called with a step's record when it begins
    (`Executing`) and when it is decided. A job that is asked to stop has `grace_s` seconds. `now` gives
    seconds since 1970. `handlers` take the Lambda and Callback steps, by the step's name, the function's ARN or the
    queue's URL. `lock` is what `hold` gave, where the caller holds the workspace for more than the run.

    `jobs` is how many steps run at the same time, by default one for every core. `only` are the steps to run, all
    when empty; what they read of the others is taken from the run `source`, by default the newest that has it.
    `store` is where `s3://` addresses are, by default the folders below `s3` in the workspace. `wait` is called with
    the seconds to wait before a step is tried again.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Environment] = field(default_factory=dict)
    environment: Environment | None = None
    register: RegisterHandler | None = None
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    pipeline_name: str = "pipeline"
    on_event: Callable[[StepRecord], None] | None = None
    grace_s: float = 120.0
    now: Callable[[], float] = time.time
    lock: int | None = None
    jobs: int | None = None
    only: Sequence[str] = ()
    source: str | None = None
    store: Store | None = None
    wait: Callable[[float], None] | None = None


def run(definition: Definition, workspace: Path, options: RunOptions | None = None) -> Execution:
    """Run the definition to its end; an execution that fails is returned like one that succeeds.

    Steps run side by side where none waits for the other. When one fails, those that run then may end, and no other
    begins; a step's retry policies come first, for the failures that `retries` maps to the service's. Network, VPC,
    KMS and role settings have no effect. The register handler and `on_event` are called in the caller's own thread.

    Args:
        definition: A parsed definition.
        workspace: The folder for everything that is kept; made if missing.
        options: The defaults when None.

    Raises:
        InputError: A parameter can't be used, or the definition can't run here (DefinitionError); nothing
        ran. Busy: Another run holds the workspace. PipelineError: The workspace can't be written.
    """
    options = options or RunOptions()
    if not _PIPELINE_NAME.fullmatch(options.pipeline_name):
        raise InputError(f"found pipeline name {options.pipeline_name!r}, expected 1 to 256 letters, digits and -")
    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"found {options.jobs} jobs at once, expected 1 or more")
    values = validate(definition, options.parameters, options.handlers)
    workspace = workspace.absolute()
    chosen = _chosen(definition, workspace, options)
    with nullcontext(options.lock) if options.lock is not None else hold(workspace) as held:
        return _run(definition, workspace, options, (values, chosen), held)


def _chosen(definition: Definition, workspace: Path, options: RunOptions) -> _Chosen:
    if not options.only:
        if options.source is not None:
            raise InputError(f"run {options.source!r} was named as a source, and every step is to run: select some")
        return (), {}
    only = selective.choose(definition, options.only)
    return only, selective.others(definition, only, workspace, (options.pipeline_name, options.source))


def validate(definition: Definition, parameters: Mapping[str, Any], handled: Collection[str] = ()) -> dict[str, Any]:
    """Return every parameter's value, if the definition could run with these and the handlers of these names here and now.

    Raises:
        InputError: A parameter can't be used.
        DefinitionError: The service would not take the definition, or this machine can't run it.
    """
    values = bind(definition.parameters, parameters)
    check(definition, values)
    sample = dict.fromkeys(EXECUTION, "unknown")  # stands in an address where the execution's own word will
    nothing = Scope(values, sample, {}, lambda _step, _file: None)
    faults = limits.faults(definition, nothing, handled)
    if faults:
        raise DefinitionError(faults)
    return values


def _run(
    definition: Definition, workspace: Path, options: RunOptions, given: tuple[Mapping[str, Any], _Chosen], held: int
) -> Execution:
    values, (selected, taken) = given
    _sweep(workspace)
    folder = _new_folder(workspace / "runs")
    with lock.wait_for(folder):  # as long as it is held, the run is not interrupted
        publish.write_file(folder / records.DEFINITION, definition.data)
        start = Execution(
            id=folder.name,
            status=records.EXECUTING,
            folder=folder,
            definition_digest=definition.digest,
            pipeline_name=options.pipeline_name,
            parameters=values,
            started=iso(options.now()),
            selected=selected,
        )
        runner = Runner(
            workspace=workspace,
            store=options.store or FolderStore(workspace / "s3"),
            environment_of=_environments(options),
            register=options.register or FolderRegistry(workspace / "registry"),
            on_event=options.on_event or (lambda _record: None),
            now=options.now,
            grace_s=options.grace_s,
            lock=held,
            execution=start,
            steps={step.name: step for step, _ in graph.flatten(definition.steps)},
            waits=graph.dependencies(definition),
            taken=taken,
            handlers=options.handlers,
            wait=options.wait,
        )
        return runner.run(options.jobs or _cores())


def _cores() -> int:
    """As many as this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _environments(options: RunOptions) -> Callable[[str], Environment]:
    """Image URI to environment; the default one is looked at once, and only if an image needs it."""

    @functools.cache
    def default() -> Environment:
        return options.environment or environment.current()

    return lambda image: options.images.get(image) or default()


@contextmanager
def hold(workspace: Path) -> Iterator[int]:
    """The workspace for this process alone; gives the open file that every job's supervisor holds too.

    Raises:
        Busy: Another run holds the workspace. PipelineError: It can't be written, now or in the block.
    """
    try:
        # The second lock waits: a supervisor whose executor was killed holds it until it has ended its job.
        with lock.take(workspace / ".lock", busy=workspace), lock.wait_for(workspace / ".jobs.lock") as descriptor:
            yield descriptor
    except OSError as error:
        fault = f"{error.filename or workspace}: {error.strerror or error}"
        raise PipelineError(f"the run could not go on, {fault}: make room or give access, and run again") from error


def _sweep(workspace: Path) -> None:
    """Remove what killed runs left half made."""
    FolderStore(workspace / "s3").sweep()
    transfer.remove(workspace / "jobs")
    for pattern in ("cache", "registry/*", "runs/*"):
        for folder in workspace.glob(pattern):
            publish.sweep(folder)
    for folder in workspace.glob("runs/*"):
        if not (folder / records.NAME).exists():
            transfer.remove(folder)  # killed before it had said what it is


def _new_folder(runs: Path) -> Path:
    """Return a folder that no other run has; its name is like the service's execution ids: 12 letters and digits."""
    while True:
        folder = runs / "".join(secrets.choice(_ID) for _ in range(12))
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
