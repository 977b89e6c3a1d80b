"""Independent steps run side by side, and nothing of what they make is lost or mixed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import graph
from sagelocal.definition import parse as definitions
from sagelocal.errors import InputError
from sagelocal.jobs import sandbox
from sagelocal.run import executor, holding, records
from sagelocal.run.executor import RunOptions
from sagelocal.storage import lock, publish
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"
ROLE = "arn:aws:iam::123456789012:role/sm"
OUT = "/opt/ml/processing/out"
# Each of two steps waits until the other runs too; alone, it would wait for ever.
MEET = (
    "import sys; own, other, turn = sys.argv[1:]; writer = turn == 'first' and open(own, 'w'); reader = open(other); "
    "writer = writer or open(own, 'w'); writer.write('x'); writer.close(); assert reader.read() == 'x'"
)
WRITE = 'from pathlib import Path; Path("/opt/ml/processing/out/a.txt").write_text("a")'

needs_namespaces = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


def step(name: str, program: str, *arguments: str, after: tuple[str, ...] = ()) -> dict[str, Any]:
    """A Processing step that runs a Python program, and keeps what it leaves in its one output."""
    return {
        "Name": name,
        "Type": "Processing",
        "DependsOn": list(after),
        "CacheConfig": {"Enabled": True},
        "Arguments": {
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
            },
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "-c", program],
                **({"ContainerArguments": list(arguments)} if arguments else {}),
            },
            "RoleArn": ROLE,
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "out",
                        "S3Output": {"S3Uri": f"s3://bkt/{name}", "LocalPath": OUT, "S3UploadMode": "EndOfJob"},
                    }
                ]
            },
        },
    }


def pipeline(*steps: dict[str, Any]) -> definitions.Definition:
    return definitions.parse(json.dumps({"Version": "2020-12-01", "Steps": list(steps)}).encode())


def statuses(execution: executor.Execution) -> dict[str, str]:
    return {record.name: record.status for record in execution.steps}


@pytest.fixture
def pipes(tmp_path: Path) -> tuple[str, str]:
    found = str(tmp_path / "one"), str(tmp_path / "two")
    for path in found:
        os.mkfifo(path)
    return found


@needs_namespaces
def test_independent_steps_run_at_the_same_time(tmp_path: Path, pipes: tuple[str, str]) -> None:
    one, two = pipes
    both = pipeline(step("left", MEET, one, two, "first"), step("right", MEET, two, one, "second"))

    execution = executor.run(both, tmp_path / "home", RunOptions(jobs=2))

    assert execution.failure is None
    assert statuses(execution) == {"left": "Succeeded", "right": "Succeeded"}
    assert [record.seconds > 0 for record in execution.steps] == [True, True]


@needs_namespaces
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_no_more_steps_run_at_once_than_allowed(tmp_path: Path, at_once: int) -> None:
    running, most = set[str](), [0]

    def count(record: executor.StepRecord) -> None:
        (running.add if record.status == "Executing" else running.discard)(record.name)
        most.append(len(running))

    executor.run(
        pipeline(*(step(name, WRITE) for name in "abcd")), tmp_path / "home", RunOptions(jobs=at_once, on_event=count)
    )

    assert max(most) == at_once


@needs_namespaces
def test_events_come_in_the_callers_thread(tmp_path: Path) -> None:
    seen = set[int]()

    executor.run(
        pipeline(step("a", WRITE), step("b", WRITE)),
        tmp_path / "home",
        RunOptions(jobs=2, on_event=lambda _record: seen.add(threading.get_ident())),
    )

    assert seen == {threading.get_ident()}


@needs_namespaces
def test_branch_that_runs_when_another_fails_may_end_and_nothing_new_begins(
    tmp_path: Path, pipes: tuple[str, str]
) -> None:
    one, _ = pipes
    # `slow` is let go only after the failure was recorded.
    slow = step("slow", f"import sys; open(sys.argv[1]).read(); {WRITE}", one)
    body = pipeline(slow, step("bad", "raise SystemExit(3)"), step("next", WRITE, after=("slow",)))

    def let_go(record: executor.StepRecord) -> None:
        if record.status == "Failed":
            Path(one).write_text("go")

    execution = executor.run(body, tmp_path / "home", RunOptions(jobs=2, on_event=let_go))
    again = executor.run(pipeline(slow), tmp_path / "home")

    assert statuses(execution) == {"slow": "Succeeded", "bad": "Failed"}
    assert execution.failure is not None
    assert execution.failure.startswith("step 'bad' failed: exit code 3")
    assert again.step("slow").cached


@needs_namespaces
def test_jobs_at_once_change_no_result(tmp_path: Path) -> None:
    waits = {"a": (), "b": (), "c": ("a", "b"), "d": ("a",)}
    steps = [step(name, WRITE, name, after=after) for name, after in waits.items()]
    alone = executor.run(pipeline(*steps), tmp_path / "one", RunOptions(jobs=1))
    together = executor.run(pipeline(*steps), tmp_path / "four", RunOptions(jobs=4))

    assert [record.name for record in alone.steps] == ["a", "b", "c", "d"]
    assert statuses(together) == statuses(alone)
    assert sorted(path.name for path in (tmp_path / "four" / "cache").iterdir()) == sorted(
        path.name for path in (tmp_path / "one" / "cache").iterdir()
    )


@pytest.mark.parametrize("jobs", [0, -1])
def test_fewer_than_one_job_at_once_is_refused_before_anything_is_written(tmp_path: Path, jobs: int) -> None:
    with pytest.raises(InputError, match=f"found {jobs} jobs at once"):
        executor.run(pipeline(step("a", WRITE)), tmp_path / "home", RunOptions(jobs=jobs))

    assert list(tmp_path.iterdir()) == []


@needs_namespaces
def test_bug_in_a_handler_ends_the_other_branch_and_keeps_its_traceback(tmp_path: Path, pipes: tuple[str, str]) -> None:
    endless = step("endless", "import sys; open(sys.argv[1]).read()", pipes[0])  # nobody ever writes there

    def broken(record: executor.StepRecord) -> None:
        if record.name == "quick" and record.status == "Succeeded":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        executor.run(
            pipeline(endless, step("quick", WRITE)),
            tmp_path / "home",
            RunOptions(jobs=2, on_event=broken),
        )

    # The lock is free: no job is left that holds it.
    assert executor.run(pipeline(step("quick", WRITE)), tmp_path / "home").step("quick").cached


RUN = """
import sys
from pathlib import Path
from sagelocal.definition import parse as definition
from sagelocal.run import executor
parsed = definition.parse(Path(sys.argv[1]).read_bytes())
executor.run(parsed, Path(sys.argv[2]), executor.RunOptions(jobs=2))
"""
TAKE = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)"


@pytest.fixture
def two_endless_jobs(tmp_path: Path, pipes: tuple[str, str]) -> Callable[[], tuple[subprocess.Popen[bytes], list[int]]]:
    def start() -> tuple[subprocess.Popen[bytes], list[int]]:
        tell = "import os, signal, sys; open(sys.argv[1], 'w').write(str(os.getpid())); signal.pause()"
        path = tmp_path / "definition.json"
        path.write_bytes(pipeline(step("left", tell, pipes[0]), step("right", tell, pipes[1])).data)
        waiting = [os.open(pipe, os.O_RDONLY | os.O_NONBLOCK) for pipe in pipes]
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(path), str(tmp_path / "home")],
            env={**os.environ, "PYTHONPATH": str(Path(executor.__file__).parents[2])},
        )
        pids = []
        for descriptor in waiting:
            with os.fdopen(descriptor, "rb") as pipe:
                select.select([pipe], [], [], 60)
                pids.append(int(pipe.read()))
        return process, pids

    return start


@needs_namespaces
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, "Interrupted"), (signal.SIGTERM, "Interrupted"), (signal.SIGINT, "Stopped")],
)
def test_all_branches_die_with_their_executor(
    tmp_path: Path,
    two_endless_jobs: Callable[[], tuple[subprocess.Popen[bytes], list[int]]],
    number: signal.Signals,
    status: str,
) -> None:
    process, pids = two_endless_jobs()

    process.send_signal(number)
    process.wait()
    subprocess.run([sys.executable, "-c", TAKE, str(tmp_path / "home" / ".jobs.lock")], timeout=60, check=True)

    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    (ended,) = records.every(tmp_path / "home")
    assert ended.status == status
    assert statuses(ended) == {"left": status, "right": status}


# Kills itself right before the argv[3]-th rename, link or removal of a file, in whichever thread that is.
KILLED = """
import os, signal, sys
from pathlib import Path
from sagelocal.definition import parse as definition
from sagelocal.run import executor
left = int(sys.argv[3])
def count(event, arguments):
    global left
    if event in ("os.rename", "os.link", "os.remove", "shutil.rmtree"):
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
parsed = definition.parse(Path(sys.argv[1]).read_bytes())
sys.addaudithook(count)
executor.run(parsed, Path(sys.argv[2]), executor.RunOptions(jobs=3))
"""


@needs_namespaces
@pytest.mark.slow
@pytest.mark.parametrize("at", [9, 30, *(pytest.param(at, marks=pytest.mark.long) for at in (2, 16, 23, 37))])
def test_run_of_branches_that_was_killed_is_finished_by_the_next_one(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "_PATIENCE_S", 60.0)  # for the copy that a kill leaves; see the next test
    body = pipeline(*(step(name, WRITE, name) for name in "abc"), step("d", WRITE, "d", after=("a", "b", "c")))
    home, path = tmp_path / "home", tmp_path / "definition.json"
    path.write_bytes(body.data)
    source = str(Path(executor.__file__).parents[2])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(home), str(at)],
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    finished = len(list((home / "cache").glob("*.json")))

    execution = executor.run(body, home, RunOptions(jobs=3))

    assert killed.returncode == -signal.SIGKILL
    assert set(statuses(execution).values()) == {"Succeeded"}
    assert sum(record.cached for record in execution.steps) == finished
    assert sorted((home / "s3" / "bkt").glob("*/a.txt")) == [home / "s3" / "bkt" / name / "a.txt" for name in "abcd"]
    assert not [found for found in home.rglob("*") if found.name.startswith(".staging-")]


# Holds the lock as the copy of a killed run's descriptors does, until its standard input ends.
HOLD = """
import fcntl, os, sys
with open(sys.argv[1], "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.write(1, b".")
    sys.stdin.read()
"""


@needs_namespaces
def test_run_sweeps_although_a_killed_runs_copy_of_the_lock_goes_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    left = home / "runs" / "killed" / f"{publish.STAGING}left"
    left.parent.mkdir(parents=True)
    left.touch()
    words = [sys.executable, "-c", HOLD, str(home / ".runs.lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as copy:
        assert copy.stdout
        copy.stdout.read(1)
        # It goes during the first pause of who wants the lock, however long that takes this machine.
        pause = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: copy.communicate())
        monkeypatch.setattr(lock, "time", pause)

        executor.run(pipeline(step("a", WRITE, "a")), home)

        assert copy.returncode == 0  # the run did wait for it
    assert not left.exists()


def test_ready_steps_come_in_the_order_of_the_definition() -> None:
    order = graph.TopologicalOrder({"a": [], "b": ["c"], "c": [], "d": ["a"]})

    given = [order.next(), order.next(), order.next()]
    order.done("c")
    given.append(order.next())
    order.done("a")
    given += [order.next(), order.next()]

    assert given == ["a", "c", None, "b", "d", None]


def test_publications_into_each_others_prefixes_lose_nothing(tmp_path: Path) -> None:
    store, count = FolderStore(tmp_path / "s3"), 20
    for name in ("outer", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
    store.publish("s3://bkt/out/inner", tmp_path / "inner")
    store.publish("s3://bkt/out", tmp_path / "outer")
    found = list[list[str]]()

    def again(uri: str, name: str) -> None:
        for _ in range(count):
            store.publish(uri, tmp_path / name)

    threads = [
        threading.Thread(target=again, args=("s3://bkt/out", "outer")),
        threading.Thread(target=again, args=("s3://bkt/out/inner", "inner")),
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found.append(sorted(store.listing("s3://bkt/out/inner")))

    assert [names for names in found if names != ["inner.txt"]] == []
    assert sorted(store.listing("s3://bkt/out")) == ["inner/inner.txt", "outer.txt"]
    assert [path.name for path in (tmp_path / "s3" / "bkt").iterdir()] == ["out"]
