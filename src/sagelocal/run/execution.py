"""Run the steps of one execution in topological order, and store each step's record before the next one starts.

One thread decides and writes; other threads only wait for jobs (`pool`). A step gets what it needs of other steps when
it starts, so there are no locks here.
"""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition import foreign
from sagelocal.definition.graph import TopologicalOrder
from sagelocal.definition.language import Scope, holds, resolve
from sagelocal.errors import ArtifactError, StepFailed
from sagelocal.jobs import container, contracts, functions, models
from sagelocal.jobs.contracts import ARN
from sagelocal.jobs.stop import StopSignal
from sagelocal.run import cache, checks, handlers, records, step_types
from sagelocal.run.attempts import Attempts, iso
from sagelocal.run.pool import StepPool
from sagelocal.run.records import Execution, StepRecord
from sagelocal.run.register import RegisterRequest
from sagelocal.storage import transfer
from sagelocal.storage.address import join

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sagelocal.definition.steps import Step
    from sagelocal.jobs.contracts import Job
    from sagelocal.jobs.environment import Environment
    from sagelocal.run.handlers import Handler
    from sagelocal.run.register import RegisterHandler
    from sagelocal.storage.manifest import FileRecord
    from sagelocal.storage.uploads import Uploads

    Contents = Mapping[str, Mapping[str, FileRecord]]

_DOCUMENT_BYTES: Final = 64 * 2**20  # of a report that conditions read; the service's limit is far lower
# Run in the thread that called `run`, because a register handler may be bound to its thread.
_AT_ONCE: Final = ("Condition", "Fail", "RegisterModel", "Model", *foreign.CHECKS)


@dataclass(slots=True)
class Runner:
    """The state of a running execution; `waits` maps each step to the steps that it depends on.

    `taken` has the records of steps that don't run, by name; None for a step that is not needed either. `connected` are
    the variables that lead a job's SDK to the buckets.
    """

    workspace: Path
    store: Uploads
    environment_of: Callable[[str], Environment]
    register: RegisterHandler
    on_event: Callable[[StepRecord], None]
    now: Callable[[], float]
    grace_s: float
    lock: int
    execution: Execution
    steps: Mapping[str, Step]
    waits: Mapping[str, frozenset[str]]
    experiment: Mapping[str, Any] = field(default_factory=dict)
    taken: Mapping[str, StepRecord | None] = field(default_factory=dict)
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    wait: Callable[[float], None] | None = None
    connected: Mapping[str, str] = field(default_factory=dict)
    stop: StopSignal = field(default_factory=StopSignal)
    done: dict[str, StepRecord] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    texts: dict[str, tuple[StepRecord, str]] = field(default_factory=dict)
    is_unsaved: bool = False

    def run(self, at_once: int) -> Execution:
        """Run the steps, at most `at_once` at the same time, until one fails; running steps may then end."""
        self._save()
        try:
            with StepPool(at_once, self.stop) as pool:
                failure = self._decide_all(pool)
        except KeyboardInterrupt:
            for name, record in self.done.items():
                if record.status == records.EXECUTING:
                    self.done[name] = dataclasses.replace(record, status="Stopped")
            self._save("Stopped", "interrupted")
            raise
        finally:
            self.store.close()
        return self._save("Failed" if failure else "Succeeded", failure)

    def _decide_all(self, pool: StepPool) -> str | None:
        """Return why the execution failed, or None if it succeeded."""
        order, failure = TopologicalOrder(self.waits), None
        while True:
            while failure is None and pool.has_capacity and (name := order.next()):
                record = self._begin(self.steps[name], pool)
                if record is None or record.status != records.EXECUTING:
                    order.done(name)
                    failure = self._failure(record)
            if not pool.active:
                return failure
            if self.is_unsaved:
                self._save()
            record = pool.next()
            self._note(record, saves=record.status == records.EXECUTING)
            if record.status != records.EXECUTING:
                order.done(record.name)
                failure = failure or self._failure(record)

    def _failure(self, record: StepRecord | None) -> str | None:
        if record is None or record.status != "Failed":
            return None
        self.stop.drain()
        return f"step {record.name!r} failed: {record.reason}"

    def _begin(self, step: Step, pool: StepPool) -> StepRecord | None:
        """Start a step and return its record: `Executing` if it runs in the pool, None if the step is left out."""
        if step.name in self.taken:
            taken = self.taken[step.name]
            if taken:
                for uri in step_types.uploads(taken.properties):
                    self.store.claim({uri: self.store.whole.published_at(uri)})
                self._note(taken)
            return taken
        record = self.done.get(step.name) or self._inherited(step)
        if record is None:
            record = StepRecord(step.name, step.type, records.EXECUTING, started=iso(self.now()))
            self._note(record)
            decide = partial(self._attempts().decide, step, partial(self._carry_out, step, self._scope(step)))
            if step.type not in _AT_ONCE:
                pool.start(step.name, decide)
                return record
            record = decide(self._note)
        self._note(record)
        return record

    def _attempts(self) -> Attempts:
        return Attempts(self.stop, self.now, self.wait or self.stop.wait, self.execution.folder / "steps")

    def _inherited(self, step: Step) -> StepRecord | None:
        """Return a Skipped record for a step that depends on a skipped one, otherwise None."""
        waited = (self.done.get(name) for name in self.waits[step.name])
        if any(record and record.status == "Skipped" for record in waited):
            return StepRecord(step.name, step.type, "Skipped")
        return None

    def _note(self, record: StepRecord, *, saves: bool = True) -> None:
        """Keep a record and tell of it; one that is not saved at once is saved before anything starts or is awaited."""
        self.done[record.name] = record
        if saves:
            self._save()
        else:
            self.is_unsaved = True
        self.on_event(record)

    def _save(self, status: str = records.EXECUTING, failure: str | None = None) -> Execution:
        self.execution = dataclasses.replace(
            self.execution,
            status=status,
            failure=failure,
            steps=tuple(self.done.values()),
            seconds=round(time.monotonic() - self.began, 3),
        )
        records.write(self.execution, self.texts)
        self.is_unsaved = False
        return self.execution

    def _carry_out(self, step: Step, scope: Scope) -> StepRecord:
        if step.type == "Condition":
            return self._choose(step, scope)
        arguments = resolve(dict(step.arguments), scope)
        if step.type == "Fail":
            raise StepFailed(step.name, str(arguments["ErrorMessage"]))
        if step.type == "RegisterModel":
            return self._registered(step, arguments)
        if step.type == "Model":
            name = arguments.get("ModelName") or contracts.job_name(self.execution.id, step.name)
            properties = models.create(self.workspace / models.FOLDER, name, arguments, iso(self.now()))
            return StepRecord(step.name, step.type, "Succeeded", properties=properties)
        if step.type in foreign.CHECKS:
            properties = checks.properties(step.type, arguments, resolve(dict(step.settings), scope))
            return StepRecord(step.name, step.type, "Succeeded", properties=properties)
        if step.type in handlers.TYPES:
            properties = handlers.run(step, arguments, self.handlers, scope.execution)
            return StepRecord(step.name, step.type, "Succeeded", properties=properties)
        return self._job(step, arguments)

    def _choose(self, step: Step, scope: Scope) -> StepRecord:
        outcomes = [holds(condition, scope) for condition in step.conditions]
        passed = all(outcome.passed for outcome in outcomes)
        for other in step.else_steps if passed else step.if_steps:
            self.done[other.name] = StepRecord(other.name, other.type, "Skipped")
        return StepRecord(
            step.name,
            step.type,
            "Succeeded",
            properties={"Outcome": passed},
            conditions=tuple(dataclasses.asdict(outcome) for outcome in outcomes),
        )

    def _registered(self, step: Step, arguments: Mapping[str, Any]) -> StepRecord:
        about = {
            "id": self.execution.id,
            "pipeline_name": self.execution.pipeline_name,
            "definition_digest": self.execution.definition_digest,
            "parameters": dict(self.execution.parameters),
        }
        properties = self.register(RegisterRequest(step.name, arguments, self.store, about))
        return StepRecord(step.name, step.type, "Succeeded", properties=properties)

    def _job(self, step: Step, arguments: Mapping[str, Any]) -> StepRecord:
        job = step_types.job(step.type, arguments, step.name, self.execution.id, self.workspace)
        contents = {item.name: self.store.listing(item.uri) for item in job.inputs}
        key = cache.key(job, contents, self.environment_of(job.image).digest_for(job.argv))
        kept = step.cache is not None and step.cache.enabled
        found = cache.find(self._entries, key, self.store.whole, self._oldest(step)) if kept else None
        if found:
            self.store.claim(found.outputs)
        entry = found or dataclasses.replace(self._work(step, job, contents), key=key)
        if kept and not found:
            cache.keep(self._entries, entry)
        records.keep_outputs(self.execution.folder, step.name, entry.outputs)
        return StepRecord(
            step.name,
            step.type,
            "Succeeded",
            cached=found is not None,
            properties=entry.properties,
            metrics=entry.metrics,
            notes=entry.notes,
        )

    def _work(self, step: Step, job: Job, contents: Contents) -> cache.Entry:
        log = self.execution.folder / "steps" / step.name / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        folder = self.workspace / "jobs" / job.name
        environment = self.environment_of(job.image)
        context = container.JobContext(
            step.name, self.store, environment, folder, log, self.lock, self.grace_s, self.stop, self._connected(job)
        )
        started = self.now()
        try:
            result = step_types.run(job, context, contents)
            outputs = {**result.outputs, **functions.result(job, step.name, self.store)}
        finally:
            transfer.remove(folder)
        ended = self.now()
        properties = step_types.describe(job, result, (iso(started), iso(ended)))
        return cache.Entry("", ended, properties, outputs, result.metrics, result.notes)

    def _connected(self, job: Job) -> Mapping[str, str]:
        """Return the variables that lead a job to S3; none if its network is isolated."""
        network = job.arguments.get("NetworkConfig") or {}
        if job.arguments.get("EnableNetworkIsolation") or network.get("EnableNetworkIsolation"):
            return {}
        return {**self.connected, **(functions.VARIABLES if functions.is_function(job.arguments) else {})}

    @property
    def _entries(self) -> Path:
        return self.workspace / "cache"

    def _oldest(self, step: Step) -> float:
        expire = step.cache.expire_after_s if step.cache else None
        return 0.0 if expire is None else self.now() - expire

    def _scope(self, step: Step) -> Scope:
        execution, arn = self.execution, f"{ARN}:pipeline/{self.execution.pipeline_name}"
        return Scope(
            parameters=execution.parameters,
            execution={
                "PipelineName": execution.pipeline_name,
                "PipelineArn": arn,
                "PipelineExecutionId": execution.id,
                "PipelineExecutionArn": f"{arn}/execution/{execution.id}",
                "StartDateTime": execution.started,
                "CurrentDateTime": iso(self.now()),
                **step_types.job_names(step, execution.id),
            },
            properties={name: record.properties for name, record in self.done.items()},
            property_file=self._property_file,
            document=self._document,
            experiment=self.experiment,
        )

    def _property_file(self, step: str, name: str) -> Any:
        file = self.steps[step].property_files[name]
        outputs = self.done[step].properties["ProcessingOutputConfig"]["Outputs"]
        uri = next(item["S3Output"]["S3Uri"] for item in outputs if item["OutputName"] == file.output_name)
        return self._document(join(uri, file.path))

    def _document(self, uri: str) -> Any:
        try:
            return json.loads(self.store.read(uri, _DOCUMENT_BYTES))
        except (ValueError, RecursionError) as error:
            raise ArtifactError(f"{uri} is no JSON ({error}): the step before has to write it so") from error
