"""One job from its inputs to its published outputs, under the contract that `contracts` describes."""

from __future__ import annotations

import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sagelocal import archive, sandbox, transfer
from sagelocal.errors import InputError, StepFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sagelocal.contracts import Job, Transfer
    from sagelocal.environment import Environment
    from sagelocal.manifest import FileRecord
    from sagelocal.store import Store

REASON_CHARACTERS = 1024  # of the service's FailureReason and ExitMessage
_NO_NAMESPACE = (
    "this machine gives a job no /opt/ml of its own ({why}): allow user namespaces (on Ubuntu: sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0), run as root on Linux, or map the image to an "
    "environment whose entry points read SAGELOCAL_ML_ROOT"
)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where one job works: `folder` is its own, `log` stays after it; `lock` as in `sandbox.Command`."""

    step: str
    store: Store
    environment: Environment
    folder: Path
    log: Path
    lock: int
    grace_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a job left: the objects of every published prefix, its last metrics, its own message."""

    outputs: Mapping[str, Mapping[str, FileRecord]]
    metrics: Mapping[str, float] = field(default_factory=dict)
    message: str = ""


def run(job: Job, bench: Bench, contents: Mapping[str, Mapping[str, FileRecord]]) -> Result:
    """Run the job and publish what it made.

    Args:
        job: What to run.
        bench: Where.
        contents: The objects of every input by its name, as they were when it was decided to run.

    Raises:
        StepFailed: The job failed, could not start, or ran too long; its own reason, if it gave one.
        InputError: An input has no objects.
    """
    patterns = _patterns(job)
    ml = bench.folder / "ml"
    _lay_out(job, ml)
    for item in job.inputs:
        _bring(item, bench, ml, contents[item.name])
    if job.checkpoints:
        bench.store.download(job.checkpoints.uri, ml / job.checkpoints.folder)
    try:
        ended = sandbox.run(_command(job, bench))
    finally:
        if job.checkpoints:
            bench.store.publish(job.checkpoints.uri, ml / job.checkpoints.folder)
    if ended.code != 0 or ended.timed_out or ended.fault:
        raise StepFailed(bench.step, _reason(job, bench, ended), bench.log)
    outputs = {item.uri: bench.store.publish(item.uri, _made(job, item, bench)) for item in job.outputs}
    return Result(outputs, dict(_metrics(patterns, bench.log)), _text(ml / "output" / "message"))


def _lay_out(job: Job, ml: Path) -> None:
    folders = [item.folder for item in (*job.inputs, *job.outputs)]
    for name in ("input/config", "input/data", "model", "output/data", "checkpoints", "config", *folders):
        (ml / name).mkdir(parents=True, exist_ok=True)
    for name, body in job.files.items():
        (ml / name).write_text(json.dumps(body, indent=1), encoding="utf-8")


def _bring(item: Transfer, bench: Bench, ml: Path, expected: Mapping[str, FileRecord]) -> None:
    if not expected:
        raise InputError(f"input {item.name!r}: no objects below {item.uri}, expected some: put them there")
    if bench.store.download(item.uri, ml / item.folder) != expected:
        raise StepFailed(bench.step, f"input {item.name!r} ({item.uri}) changed while it was read: run again")


def _command(job: Job, bench: Bench) -> sandbox.Command:
    environment = bench.environment
    argv = job.argv
    if not argv[0]:
        train = environment.prefix / "bin" / "train"
        if not os.access(train, os.X_OK):
            fault = f"the step names no ContainerEntrypoint, and {train}, the image's own program, is missing"
            raise StepFailed(bench.step, f"{fault}: map {job.image} to an environment that has it")
        argv = (str(train), *(argv[1:] or ()))
    if not environment.honours_root and (why := sandbox.refusal()):
        raise StepFailed(bench.step, _NO_NAMESPACE.format(why=why))
    return sandbox.Command(
        argv=argv,
        variables={**environment.variables, **job.variables},
        prefix=environment.prefix,
        folder=bench.folder,
        log=bench.log,
        mounted=not environment.honours_root,
        lock=bench.lock,
        max_runtime_s=job.max_runtime_s,
        grace_s=bench.grace_s,
    )


def _made(job: Job, item: Transfer, bench: Bench) -> Path:
    """The folder to publish for an output."""
    ml = bench.folder / "ml"
    folder = ml / item.folder
    if folder.resolve() != ml.resolve() / item.folder:
        raise StepFailed(bench.step, f"/opt/ml/{item.folder} became a link: write into the folder itself", bench.log)
    if not job.packed:
        return folder
    upload = bench.folder / "upload"
    archive.pack(folder, upload / "model.tar.gz")
    if any(transfer.regular_files(ml / "output" / "data")):
        archive.pack(ml / "output" / "data", upload / "output.tar.gz")
    return upload


def _reason(job: Job, bench: Bench, ended: sandbox.Exit) -> str:
    if ended.fault.startswith("namespace"):
        return _NO_NAMESPACE.format(why=ended.fault)
    if ended.fault:
        return f"can't start {job.argv[0] or 'train'!r} in {bench.environment.prefix} ({ended.fault})"
    if ended.timed_out:
        limit = f"StoppingCondition.MaxRuntimeInSeconds is {job.max_runtime_s:g}"
        return f"MaxRuntimeExceeded: {limit}, and the job had not ended by then"
    given = _text(bench.folder / "ml" / job.reason_file)
    return given or f"{ended}; its log ends with: {_last_line(bench.log) or '(nothing)'}"


def _text(path: Path) -> str:
    """The first 1,024 characters of a file that the job may have written; nothing for a link or a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(4 * REASON_CHARACTERS).decode(errors="replace").strip()[:REASON_CHARACTERS]


def _last_line(log: Path) -> str:
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
    """(name, value) of every match in the log, in order: who makes a dict of them keeps the last."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines if patterns else ():
            for name, pattern in patterns:
                for match in pattern.finditer(line):
                    # As the service has it: what is no number is no metric.
                    with suppress(ValueError, IndexError, TypeError):
                        yield name, float(match[1])
