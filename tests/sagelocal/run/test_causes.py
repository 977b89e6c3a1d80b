"""Failures are told by their real cause, what stays until somebody acts is never tried again, and no wait is silent."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.definition import retries
from sagelocal.jobs import sandbox
from sagelocal.run import executor
from sagelocal.run.executor import RunOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)
OUT = "/opt/ml/processing/out"
POLICY = {"ExceptionType": list(retries.TYPES), "IntervalSeconds": 1, "MaxAttempts": 3}


def definition(command: str, source: str = "") -> definitions.Definition:
    """A step that runs a command in its output folder, with a policy for every kind of failure, and maybe an input."""
    target = {"S3Uri": "s3://bkt/out", "LocalPath": OUT, "S3UploadMode": "EndOfJob"}
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    arguments: dict[str, Any] = {
        "AppSpecification": {"ImageUri": "own", "ContainerEntrypoint": ["sh", "-c", f"cd {OUT}; {command}"]},
        "ProcessingResources": {"ClusterConfig": cluster},
        "RoleArn": "arn:aws:iam::123456789012:role/sm",
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": target}]},
    }
    if source:
        given = {"S3Uri": source, "LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix", "S3InputMode": "File"}
        arguments["ProcessingInputs"] = [{"InputName": "in", "S3Input": given}]
    cached = {"CacheConfig": {"Enabled": True}, "RetryPolicies": [POLICY]}
    step = {"Name": "work", "Type": "Processing", "Arguments": arguments, **cached}
    return definitions.parse(json.dumps({"Version": "2020-12-01", "Steps": [step]}).encode())


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_file_that_is_too_large_fails_the_step_once_and_is_named(tmp_path: Path) -> None:
    big = tmp_path / "home" / "s3" / "bkt" / "in" / "big"
    big.parent.mkdir(parents=True)
    big.write_bytes(bytes(200_000))

    with largest_file(100_000):
        whole = executor.run(definition("true", "s3://bkt/in"), tmp_path / "home")
        own = executor.run(definition("head -c 200000 /dev/zero > big"), tmp_path / "home")

    for execution in (whole, own):
        assert (execution.status, execution.step("work").attempts) == ("Failed", 1)
    assert str(whole.step("work").reason).endswith("big: File too large: make room or give access, and run again")
    # A shell that doesn't become its last command says in the log what the signal was.
    assert any(words in str(own.step("work").reason) for words in ("SIGXFSZ", "File size limit exceeded"))
    assert list((tmp_path / "home" / "s3").rglob("big")) == [big]


# Runs the definition of argv[1] in the workspace argv[2] and prints how it ended; a wait would be an endless one.
RUN = """
import json, sys, threading
from pathlib import Path
from sagelocal.definition import parse
from sagelocal.run import executor
options = executor.RunOptions(wait=lambda seconds: threading.Event().wait())
execution = executor.run(parse.parse(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]), options)
print(json.dumps([execution.status, execution.step("work").attempts, execution.step("work").reason]))
"""

# Mounts a disk of two megabytes at argv[2] and fills most of it with an input.
DISK = """
import subprocess, sys
from pathlib import Path
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", sys.argv[2]], check=True)
Path(sys.argv[2], "s3", "bkt", "in").mkdir(parents=True)
Path(sys.argv[2], "s3", "bkt", "in", "big").write_bytes(bytes(1500000))
"""


def test_full_disk_fails_the_step_once_and_is_named(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "definition.json"
    home.mkdir()
    file.write_bytes(definition("true", "s3://bkt/in").data)
    program = shutil.which("unshare")
    words = [str(program), "--mount", sys.executable, "-c", f"{DISK}\n{RUN}", str(file), str(home)]
    if program is None or subprocess.run([*words[:2], "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")

    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)

    status, attempts, reason = json.loads(done.stdout)
    assert (status, attempts) == ("Failed", 1)
    assert reason.endswith("big: No space left on device: make room or give access, and run again")


def test_link_and_pipe_that_are_not_uploaded_are_told(tmp_path: Path) -> None:
    command = "echo 1 > kept; ln -s kept soft; mkdir deep; mkfifo deep/pipe"

    first, second = (executor.run(definition(command), tmp_path / "home") for _ in range(2))

    assert [run.step("work").cached for run in (first, second)] == [False, True]
    for execution in (first, second):
        note = "not uploaded from /opt/ml/processing/out: soft (link), deep/pipe (pipe); only files are"
        assert list(execution.step("work").notes) == [note]
    assert [path.name for path in (tmp_path / "home" / "s3" / "bkt" / "out").rglob("*")] == ["kept"]


# Shares the lock of argv[1], as the supervisor of a job does, until it is killed.
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_SH)
print("held", flush=True)
input()
"""


def test_wait_for_the_jobs_of_a_killed_run_is_told(tmp_path: Path) -> None:
    home, told = tmp_path / "home", list[str]()
    home.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home / ".jobs.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as supervisor:
        assert supervisor.stdin
        assert supervisor.stdout
        supervisor.stdout.readline()

        def tell(sentence: str) -> None:
            told.append(sentence)
            threading.Timer(0.05, supervisor.kill).start()

        execution = executor.run(definition("echo 1 > a"), home, RunOptions(on_wait=tell))

    assert execution.status == "Succeeded"
    assert told == ["waiting for the jobs of a run that was killed to end"]


@pytest.mark.long
def test_processes_share_a_workspace_at_the_same_time(tmp_path: Path) -> None:
    home = tmp_path / "home"
    files = [tmp_path / f"{number}.json" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(definition(f"echo {number} > a; sleep 0.2").data)

    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    running = [
        subprocess.Popen([sys.executable, "-c", RUN, str(file), str(home)], stdout=subprocess.PIPE, env=environment)
        for file in files
    ]
    ends: list[Any] = [json.loads(process.communicate(timeout=120)[0]) for process in running]

    assert ends == [["Succeeded", 1, None]] * 3
    assert (home / "s3" / "bkt" / "out" / "a").read_text().strip() in {"0", "1", "2"}
    assert not list(home.rglob(".staging-*"))
