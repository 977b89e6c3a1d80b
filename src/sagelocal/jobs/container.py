"""Run one container job: copy its inputs, run its processes, publish its outputs, as `contracts` describes."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import stat
import tarfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sagelocal.definition import retries
from sagelocal.errors import InputError, StepFailed
from sagelocal.jobs import contracts, instances, sandbox
from sagelocal.jobs.stop import StopSignal
from sagelocal.storage import archive, transfer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sagelocal.jobs.contracts import Job, Transfer
    from sagelocal.jobs.environment import Environment
    from sagelocal.jobs.instances import Host
    from sagelocal.storage.manifest import FileRecord
    from sagelocal.storage.store import Store

REASON_CHARACTERS = 1024  # of the service's FailureReason and ExitMessage
NO_NAMESPACE = (
    "this machine gives a job no /opt/ml of its own ({why}): allow user namespaces (on Ubuntu: sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0), run as root on Linux, or map the image to an "
    "environment whose entry points read SAGELOCAL_ML_ROOT"
)


@dataclass(frozen=True, slots=True)
class JobContext:
    """Where and how a job runs: `folder` is for this job only, `log` is kept; `lock` as in `sandbox.Command`.

    `variables` are those that lead the job to S3; empty if it has no network.
    """

    step: str
    store: Store
    environment: Environment
    folder: Path
    log: Path
    lock: int
    grace_s: float = 120.0
    stop: StopSignal = field(default_factory=StopSignal)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a job: the objects of every published prefix, its last metrics, its message.

    `notes` are sentences for people. `told` holds further members of the service's Describe… response.
    """

    outputs: Mapping[str, Mapping[str, FileRecord]]
    metrics: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    notes: Sequence[str] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


def run(job: Job, context: JobContext, contents: Mapping[str, Mapping[str, FileRecord]]) -> Result:
    """Run the job and publish what it made.

    Args:
        job: What to run.
        context: Where to run it.
        contents: The objects of every input, by the input's name, as they were when the cache was asked.

    Raises:
        StepFailed: The job failed, could not start, or ran too long; with the job's own reason, if there is one.
        InputError: An input has no objects.
    """
    patterns = _patterns(job)
    hosts = instances.hosts(job.hosts, context.folder, context.log)
    for host in hosts:
        _lay_out(job, host)
    for item in job.inputs:
        _bring(item, context, [host.ml / item.folder for host in hosts], contents[item.name])
    with _checkpoints(job, context, hosts):
        index, ended = instances.run([_command(job, context, host) for host in hosts])
    if ended.failed:
        kind = retries.after_exit(ended.code, ended.fault, timed_out=ended.timed_out)
        raise StepFailed(context.step, _reason(job, context, hosts[index], ended), context.log, kind)
    made = [(item.uri, _made(job, item, context, hosts)) for item in job.outputs]
    outputs: dict[str, dict[str, FileRecord]] = {}
    for (uri, _), records in zip(made, context.store.add(made), strict=True):
        outputs[uri] = outputs.get(uri, {}) | records
    found = {name: value for host in reversed(hosts) for name, value in _metrics(patterns, host.log)}
    message = next(filter(None, (text_of(host.ml / "output" / "message") for host in hosts)), "")
    return Result(outputs, found, message, tuple(_dropped(job, hosts)))


@contextmanager
def _checkpoints(job: Job, context: JobContext, hosts: Sequence[Host]) -> Iterator[None]:
    """Fetch the checkpoints of earlier jobs, and publish those of this one, even if it fails."""
    if job.checkpoints is None:
        yield
        return
    uri, folders = job.checkpoints.uri, [host.ml / job.checkpoints.folder for host in hosts]
    for folder in folders:
        context.store.download(uri, folder)
    try:
        yield
    finally:
        context.store.publish(uri, instances.gather(folders, context.folder / "kept", strict=False))


def _lay_out(job: Job, host: Host) -> None:
    folders = [item.folder for item in (*job.inputs, *job.outputs)]
    for name in ("input/config", "input/data", "model", "output/data", "checkpoints", "config", *folders):
        (host.ml / name).mkdir(parents=True, exist_ok=True)
    for name, body in job.files_of(host.name).items():
        (host.ml / name).write_text(json.dumps(body, indent=1), encoding="utf-8")


def _bring(item: Transfer, context: JobContext, folders: Sequence[Path], expected: Mapping[str, FileRecord]) -> None:
    if item.folder == contracts.CODE:
        _bring_code(item, context, folders, expected)
        return
    for folder in folders[:1] if item.sharded else folders:
        fetch(item, context, folder, expected)
    if item.sharded:
        instances.spread(folders, expected)


def _bring_code(
    item: Transfer, context: JobContext, folders: Sequence[Path], expected: Mapping[str, FileRecord]
) -> None:
    """Unpack scripts where the image's toolkit would, so that it calls no AWS account; having none is no error."""
    kept = context.folder / "scripts"
    if expected:
        fetch(item, context, kept, expected)
    for _, path in transfer.regular_files(kept):
        for folder in folders if tarfile.is_tarfile(path) else ():
            archive.unpack(path, folder)


def fetch(item: Transfer, context: JobContext, folder: Path, expected: Mapping[str, FileRecord]) -> None:
    """Copy an input's objects into the folder.

    Raises:
        InputError: There are none. StepFailed: They have changed.
    """
    if not expected:
        raise InputError(f"input {item.name!r}: no objects below {item.uri}, expected some: put them there")
    if context.store.download(item.uri, folder) != expected:
        raise StepFailed(context.step, f"input {item.name!r} ({item.uri}) changed while it was read: run again")


def _command(job: Job, context: JobContext, host: Host) -> sandbox.Command:
    argv = job.argv
    if not argv[0]:
        name = contracts.PROGRAMS[job.kind]
        argv = (program(job, context, name, "the step names no ContainerEntrypoint"), *argv[1:])
    # Instances find each other through /etc/hosts, which only a mounted job has for itself.
    mounted = not context.environment.honours_root or len(job.hosts) > 1
    if mounted and (why := sandbox.refusal()):
        raise StepFailed(context.step, NO_NAMESPACE.format(why=why))
    return dataclasses.replace(
        command(job, context, argv, mounted=mounted),
        folder=host.folder,
        log=host.log,
        hosts=instances.addresses(job.hosts),
    )


def program(job: Job, context: JobContext, name: str, why: str) -> str:
    """Return the path of a program of the image.

    Raises:
        StepFailed: The environment doesn't have it.
    """
    path = context.environment.prefix / "bin" / name
    if not os.access(path, os.X_OK):
        fault = f"{why}, and {path}, the image's own program, is missing"
        raise StepFailed(context.step, f"{fault}: map {job.image} to an environment that has it")
    return str(path)


def command(job: Job, context: JobContext, argv: tuple[str, ...], *, mounted: bool) -> sandbox.Command:
    """Return the command of a job with one instance."""
    return sandbox.Command(
        argv=argv,
        variables={**context.environment.variables, **context.variables, **job.variables},
        prefix=context.environment.prefix,
        folder=context.folder,
        log=context.log,
        mounted=mounted,
        lock=context.lock,
        max_runtime_s=job.max_runtime_s,
        grace_s=context.grace_s,
        stop=context.stop,
    )


def _made(job: Job, item: Transfer, context: JobContext, hosts: Sequence[Host]) -> Path:
    """Return the folder to publish for an output."""
    for host in hosts:
        folder = host.ml / item.folder
        if folder.resolve() != host.ml.resolve() / item.folder:
            fault = f"/opt/ml/{item.folder} became a link: write into the folder itself"
            raise StepFailed(context.step, fault, context.log)
    made = instances.gather([host.ml / item.folder for host in hosts], context.folder / "made" / item.folder)
    if not job.packed:
        return made
    upload = context.folder / "upload"
    archive.pack(made, upload / "model.tar.gz")
    data = instances.gather(
        [host.ml / "output" / "data" for host in hosts], context.folder / "made" / "output" / "data"
    )
    if any(transfer.regular_files(data)):
        archive.pack(data, upload / "output.tar.gz")
    return upload


def _dropped(job: Job, hosts: Sequence[Host]) -> Iterator[str]:
    """Yield a sentence for each output with something that is no regular file, and was not uploaded."""
    for item in job.outputs:
        for host in hosts:
            found = [f"{name} ({kind})" for name, kind in transfer.dropped(host.ml / item.folder)]
            if found:
                more = f" and {len(found) - 3} more" if len(found) > 3 else ""
                yield f"not uploaded from /opt/ml/{item.folder}: {', '.join(found[:3])}{more}; only files are"


def _reason(job: Job, context: JobContext, host: Host, ended: sandbox.Exit) -> str:
    whose = f"{host.name}: " if len(job.hosts) > 1 else ""
    if ended.fault or ended.timed_out:
        return f"{whose}{never_ran(job, context, ended)}"
    given = text_of(host.ml / job.reason_file)
    return f"{whose}{given}" if given else f"{whose}{ended}; its log ends with: {last_line(host.log) or '(nothing)'}"


def never_ran(job: Job, context: JobContext, ended: sandbox.Exit) -> str:
    """Return why a job failed that didn't start or ran too long."""
    if ended.fault.startswith("namespace"):
        return NO_NAMESPACE.format(why=ended.fault)
    if ended.fault:
        program = job.argv[0] or contracts.PROGRAMS[job.kind]
        return f"can't start {program!r} in {context.environment.prefix} ({ended.fault})"
    limit = f"StoppingCondition.MaxRuntimeInSeconds is {job.max_runtime_s:g}"
    return f"MaxRuntimeExceeded: {limit}, and the job had not ended by then"


def text_of(path: Path) -> str:
    """Return the first 1,024 characters of a file that the job may have written; empty for a link or a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(4 * REASON_CHARACTERS).decode(errors="replace").strip()[:REASON_CHARACTERS]


def last_line(log: Path) -> str:
    """Return the last line of a log, at most 300 characters; empty if there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4 * REASON_CHARACTERS))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""


def _patterns(job: Job) -> list[tuple[str, re.Pattern[str]]]:
    try:
        return [(name, re.compile(pattern)) for name, pattern in job.metrics]
    except re.error as error:
        fault = f"{error.pattern!r} is no regular expression ({error})"
        raise InputError(f"MetricDefinitions: {fault}: correct it in the definition") from error


def _metrics(patterns: list[tuple[str, re.Pattern[str]]], log: Path) -> Iterator[tuple[str, float]]:
    """Yield (name, value) of every match in the log, in order; a dict of them keeps the last values."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines if patterns else ():
            for name, pattern in patterns:
                for match in pattern.finditer(line):
                    # As on the service, text that is not a number is not a metric.
                    with suppress(ValueError, IndexError, TypeError):
                        yield name, float(match[1])
