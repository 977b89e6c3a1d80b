"""Run a definition on this machine, with independent steps in parallel, and keep finished results.

A run that is killed at any moment leaves only complete results. The next run of the same definition takes those from
the cache and continues from there.
"""

from __future__ import annotations

import functools
import os
import re
import secrets
import string
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sagelocal.definition import graph
from sagelocal.definition.expressions import EXECUTION
from sagelocal.definition.language import Scope
from sagelocal.definition.parse import bind, check
from sagelocal.errors import DefinitionError, InputError
from sagelocal.jobs import environment
from sagelocal.jobs.environment import Environment
from sagelocal.loopback import buckets
from sagelocal.run import checks, limits, quotas, records, selective
from sagelocal.run.attempts import iso
from sagelocal.run.execution import Runner
from sagelocal.run.holding import hold, share, sweep
from sagelocal.run.records import Execution, StepRecord
from sagelocal.run.register import FolderRegistry, RegisterHandler, RegisterRequest
from sagelocal.storage import lock, publish
from sagelocal.storage.store import FolderStore
from sagelocal.storage.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from sagelocal.definition.steps import Definition
    from sagelocal.run.handlers import Handler
    from sagelocal.storage.store import Backend

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
    "warnings",
]

_PIPELINE_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}")
_ID = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run a definition.

    `parameters` override the definition's defaults. `images` maps image URIs to environments; every other image is
    `environment`, by default the one that runs this program. `register` handles RegisterModel steps; by default they
    write to a folder in the workspace. `on_event` gets the record of a step when it starts (`Executing`) and when it
    ends. A job that is told to stop has `grace_s` seconds. `now` returns seconds since 1970. `handlers` run Lambda and
    Callback steps; their keys are names of steps, ARNs of functions or URLs of queues. `lock` is the descriptor that
    `hold` gave, if the caller holds the workspace for longer than the run.

    `jobs` is the number of steps that run at the same time, by default one for each core. `only` are the steps to run;
    empty means all. What they read of other steps is taken from the run `source`, by default the newest that has it.
    `store` resolves `s3://` addresses, by default to folders below `s3` in the workspace. `wait` is called with the
    seconds to wait before a retry. `on_wait` gets a sentence before the run waits for another process.
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
    store: Backend | None = None
    wait: Callable[[float], None] | None = None
    on_wait: Callable[[str], None] | None = None


def run(definition: Definition, workspace: Path, options: RunOptions | None = None) -> Execution:
    """Run a definition, and return its execution, whether it succeeded or failed.

    Independent steps run in parallel. When a step fails and has no retry left, running steps may end and no other step
    starts. Network, VPC, KMS and role settings have no effect. The register handler and `on_event` are called in the
    caller's thread.

    Args:
        definition: A parsed definition.
        workspace: The folder for all results; made if missing.
        options: None means the defaults.

    Raises:
        InputError: A parameter is invalid, or the definition can't run here (DefinitionError); nothing
        ran. Busy: Another program holds the workspace alone. PipelineError: The workspace can't be written.
    """
    options = options or RunOptions()
    if not _PIPELINE_NAME.fullmatch(options.pipeline_name):
        raise InputError(f"found pipeline name {options.pipeline_name!r}, expected 1 to 256 letters, digits and -")
    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"found {options.jobs} jobs at once, expected 1 or more")
    values = validate(definition, options.parameters, options.handlers)
    workspace = workspace.absolute()
    chosen = _chosen(definition, workspace, options)
    if options.lock is not None:
        sweep(workspace)
        return _run(definition, workspace, options, (values, chosen), options.lock)
    with share(workspace, options.on_wait) as held:
        return _run(definition, workspace, options, (values, chosen), held)


def _chosen(definition: Definition, workspace: Path, options: RunOptions) -> _Chosen:
    if not options.only:
        if options.source is not None:
            raise InputError(f"run {options.source!r} was named as a source, and every step is to run: select some")
        return (), {}
    only = selective.choose(definition, options.only)
    return only, selective.others(definition, only, workspace, (options.pipeline_name, options.source))


def validate(
    definition: Definition, parameters: Mapping[str, Any], handled: Collection[str] = (), *, whole: bool = True
) -> dict[str, Any]:
    """Check that a definition can run with these parameters and handlers, and return the value of every parameter.

    Unless it is to be `whole`, a parameter without default may have no value yet; what depends on it is not checked.

    Raises:
        InputError: A parameter is invalid.
        DefinitionError: The service would not accept the definition, or this machine can't run it.
    """
    values = bind(definition.parameters, parameters, whole=whole)
    check(definition, values)
    faults = limits.faults(definition, _before(definition, values), handled)
    if faults:
        raise DefinitionError(faults)
    return values


def known_arguments(definition: Definition, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the Arguments of each step as far as they are known before anything runs, by the step's name."""
    return limits.known_arguments(definition, _before(definition, values))


def warnings(definition: Definition, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a sentence for everything that runs here and may surprise: quotas of the service, skipped checks.

    Args:
        definition: A definition that can run.
        values: The values of the parameters, as `validate` gives them; one that is missing is named.
    """
    skipped = limits.skipped_checks(definition, _before(definition, values))
    open_ones = [name for name in definition.parameters if name not in values]
    needed = (f"parameter {name!r} has no default: a run needs -p {name}=VALUE" for name in open_ones)
    return (*needed, *quotas.warnings(definition), *checks.warnings(skipped))


def _before(definition: Definition, values: Mapping[str, Any]) -> Scope:
    """Return what is known before any step runs."""
    sample = dict.fromkeys(EXECUTION, "unknown")  # replaces values that only an execution has
    return Scope(values, sample, {}, lambda _step, _file: None, experiment=definition.experiment)


def _run(
    definition: Definition, workspace: Path, options: RunOptions, given: tuple[Mapping[str, Any], _Chosen], held: int
) -> Execution:
    values, (selected, taken) = given
    folder = _new_folder(workspace / "runs")
    store = options.store or FolderStore(workspace / "s3")
    staging = workspace / "jobs" / f"uploads-{folder.name}"
    # As long as the folder's lock is held, the run is not interrupted.
    with lock.wait_for(folder), buckets.served(store, staging) as connected:
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
            store=Uploads(store),
            environment_of=_environments(options),
            register=options.register or FolderRegistry(workspace / "registry"),
            on_event=options.on_event or (lambda _record: None),
            now=options.now,
            grace_s=options.grace_s,
            lock=held,
            execution=start,
            steps={step.name: step for step, _ in graph.flatten(definition.steps)},
            experiment=definition.experiment,
            waits=graph.dependencies(definition),
            taken=taken,
            handlers=options.handlers,
            wait=options.wait,
            connected=connected,
        )
        return runner.run(options.jobs or _cores())


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _environments(options: RunOptions) -> Callable[[str], Environment]:
    """Return a function from image URI to environment; the default one is inspected once, if it is needed."""

    @functools.cache
    def default() -> Environment:
        return options.environment or environment.current()

    return lambda image: options.images.get(image) or default()


def _new_folder(runs: Path) -> Path:
    """Make a new folder named like the service's execution ids: 12 letters and digits."""
    while True:
        folder = runs / "".join(secrets.choice(_ID) for _ in range(12))
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
