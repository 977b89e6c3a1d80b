"""`python -m benchmarks.overhead`: the time that sagelocal itself takes for a step and for a file.

Two pipelines run in a new workspace, with one step at a time: many steps that do nothing, and one step that writes many
files of one byte. The same commands run bare in the same rounds. What a pipeline takes longer is sagelocal's own time:
the supervisor's process, the namespaces, the checksums, the flushes to disk, the cache and the records. Of each, the
round that took least counts, because other programs only add to it. On a machine that is busy with other work, compare
with the start of a bare Python in the same rounds, which takes 7 to 13 ms on an idle one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.definition import parse
from sagelocal.errors import PipelineError
from sagelocal.jobs import sandbox
from sagelocal.run import executor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_STEP_MS, MAX_FILE_MS = 40.0, 0.4
_STARTS = 20
_OUT = "/opt/ml/processing/out"
_WRITE = "import sys; [open(f'{sys.argv[1]}/{n:06d}', 'wb').write(b'x') for n in range(int(sys.argv[2]))]"


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds of a pipeline and its bare commands for `count` things, and the milliseconds of a bare Python's start."""

    count: int
    pipeline_s: float
    bare_s: float
    start_ms: float

    @property
    def own_ms(self) -> float:
        """Milliseconds of our own for each step or file."""
        return 1000 * (self.pipeline_s - self.bare_s) / self.count


def _step(name: str, command: Sequence[str], *, writes: bool) -> dict[str, Any]:
    target = {"S3Uri": f"s3://bkt/{name}", "LocalPath": _OUT, "S3UploadMode": "EndOfJob"}
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    arguments = {
        "AppSpecification": {"ImageUri": "own", "ContainerEntrypoint": list(command)},
        "ProcessingResources": {"ClusterConfig": cluster},
        "RoleArn": "arn:aws:iam::123456789012:role/sm",
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": target}] if writes else []},
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments, "CacheConfig": {"Enabled": True}}


def _pipeline_s(steps: Sequence[dict[str, Any]]) -> float:
    definition = parse.parse(json.dumps({"Version": "2020-12-01", "Steps": steps}).encode())
    executor.validate(definition, {})  # what is loaded once is no step's time
    sandbox.refusal()
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        execution = executor.run(definition, Path(home), executor.RunOptions(jobs=1))
        seconds = time.perf_counter() - began
    if execution.failure:
        raise PipelineError(execution.failure)
    return seconds


def _bare_s(commands: Sequence[Sequence[str]]) -> float:
    began = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True)
    return time.perf_counter() - began


def steps(count: int) -> Overhead:
    """Measure steps that do nothing."""
    commands = [["true", str(number)] for number in range(count)]  # different ones, or the cache would answer
    made = [_step(f"step-{number}", command, writes=False) for number, command in enumerate(commands)]
    return Overhead(count, _pipeline_s(made), _bare_s(commands), _start_ms())


def files(count: int) -> Overhead:
    """Measure a step that writes files of one byte."""
    command = [sys.executable, "-I", "-S", "-c", _WRITE]
    pipeline_s = _pipeline_s([_step("write", [*command, _OUT, str(count)], writes=True)])
    with tempfile.TemporaryDirectory() as folder:
        return Overhead(count, pipeline_s, _bare_s([[*command, folder, str(count)]]), _start_ms())


def _start_ms() -> float:
    return 1000 * _bare_s([[sys.executable, "-I", "-S", "-c", ""]] * _STARTS) / _STARTS


def _best(measure: Callable[[int], Overhead], count: int, rounds: int) -> Overhead:
    found = [measure(count) for _ in range(rounds)]
    pipeline_s, bare_s = min(each.pipeline_s for each in found), min(each.bare_s for each in found)
    return Overhead(count, pipeline_s, bare_s, min(each.start_ms for each in found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args(arguments)
    found = {
        "step": (_best(steps, wanted.steps, wanted.rounds), MAX_STEP_MS),
        "file": (_best(files, wanted.files, wanted.rounds), MAX_FILE_MS),
    }
    if wanted.json:
        print(json.dumps({name: {**asdict(one), "own_ms": one.own_ms} for name, (one, _) in found.items()}))  # noqa: T201
    for name, (one, most) in found.items() if not wanted.json else ():
        told = f"{one.count:,} {name}s: {one.pipeline_s:.2f} s, bare {one.bare_s:.2f} s, a Python {one.start_ms:.0f} ms"
        print(f"{told}: {one.own_ms:.2f} ms of our own a {name}, at most {most:g}")  # noqa: T201
    return int(any(one.own_ms > most for one, most in found.values()))


if __name__ == "__main__":
    sys.exit(main())
