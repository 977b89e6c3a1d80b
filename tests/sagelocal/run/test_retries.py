"""What is tried again, when, and how often; and what never is."""

from __future__ import annotations

import errno
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.definition import retries
from sagelocal.definition.retries import Retries, RetryPolicy
from sagelocal.errors import THROTTLING, ArtifactError, DefinitionError, InputError, ServiceFault, StepFailed
from sagelocal.jobs import sandbox
from sagelocal.jobs.sandbox import Exit
from sagelocal.run import executor
from sagelocal.run.executor import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from sagelocal.run.executor import Execution, RegisterRequest

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"
# Leaves a mark each time and is killed, or exits, until there are enough of them.
COUNT = (
    "import os, sys; path, enough, how = sys.argv[1:]; print('try', flush=True); n = os.path.getsize(path) + 1; "
    "open(path, 'a').write('x'); n < int(enough) and (sys.exit(3) if how == 'exit' else os.kill(os.getpid(), 9))"
)
POLICY = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "IntervalSeconds": 30, "BackoffRate": 2, "MaxAttempts": 2}
KILLED = "SageMaker.JOB_INTERNAL_ERROR"

needs_namespaces = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


def body(*steps: dict[str, Any]) -> definitions.Definition:
    return definitions.parse(json.dumps({"Version": "2020-12-01", "Steps": list(steps)}).encode())


def step(name: str, program: str, *arguments: str, policies: list[dict[str, Any]]) -> dict[str, Any]:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
    application = {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "-c", program]}
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {"ClusterConfig": cluster},
            "AppSpecification": {**application, **({"ContainerArguments": list(arguments)} if arguments else {})},
            "RoleArn": "arn:aws:iam::123456789012:role/sm",
        },
        "RetryPolicies": policies,
    }


def counted(tmp_path: Path, enough: int, how: str = "kill", **policy: Any) -> tuple[Execution, list[float], int]:
    """The execution of a step that fails until its `enough`-th try, the waits, and how often it was tried."""
    marks, waits = tmp_path / "marks", list[float]()
    marks.touch()
    definition = body(step("work", COUNT, str(marks), str(enough), how, policies=[{**POLICY, **policy}]))
    execution = executor.run(definition, tmp_path / "home", RunOptions(wait=waits.append))
    return execution, waits, marks.stat().st_size


@needs_namespaces
def test_job_that_was_killed_is_tried_again_after_growing_waits(tmp_path: Path) -> None:
    execution, waits, tries = counted(tmp_path, enough=3)

    record = execution.step("work")
    assert (execution.status, tries, record.attempts) == ("Succeeded", 3, 3)
    assert waits == [30.0, 60.0]
    logs = sorted(path.parent.name for path in (execution.folder / "steps").glob("*/log.txt"))
    assert logs == ["work", "work.attempt-1", "work.attempt-2"]
    assert (execution.folder / "steps" / "work" / "log.txt").read_text() == "try\n"


@needs_namespaces
def test_step_that_fails_more_often_than_its_policy_allows_fails_for_its_own_reason(tmp_path: Path) -> None:
    execution, waits, tries = counted(tmp_path, enough=9)

    assert (execution.status, tries, len(waits)) == ("Failed", 3, 2)
    assert execution.step("work").attempts == 3
    assert "killed by signal 9" in str(execution.failure)


@needs_namespaces
@pytest.mark.parametrize(
    ("how", "policy"),
    [
        ("exit", {"ExceptionType": list(retries.TYPES)}),  # the algorithm's own failure
        ("kill", {"ExceptionType": ["Step.THROTTLING"]}),
        ("kill", {"MaxAttempts": 0}),
    ],
)
def test_what_no_policy_answers_is_tried_once(tmp_path: Path, how: str, policy: dict[str, Any]) -> None:
    execution, waits, tries = counted(tmp_path, 2, how, **policy)

    assert (execution.status, waits, tries) == ("Failed", [], 1)


@needs_namespaces
def test_waiting_step_is_told_with_the_reason_and_the_time(tmp_path: Path) -> None:
    marks, told = tmp_path / "marks", list[str | None]()
    marks.touch()
    definition = body(step("work", COUNT, str(marks), "2", "kill", policies=[POLICY]))

    executor.run(
        definition,
        tmp_path / "home",
        RunOptions(
            wait=lambda _s: None,
            on_event=lambda record: told.append(record.reason) if record.status == "Executing" else None,
        ),
    )

    reason = "killed by signal 9; its log ends with: try (SageMaker.JOB_INTERNAL_ERROR): tried again after 30 s"
    assert told == [None, reason, None]


@needs_namespaces
def test_wait_ends_as_soon_as_another_step_fails(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.touch()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    twelve_hours = {**POLICY, "IntervalSeconds": 43_200}
    definition = body(
        step("waits", COUNT, str(marks), "9", "kill", policies=[twelve_hours]),
        step("fails", "import sys; open(sys.argv[1]).read(); sys.exit(1)", str(pipe), policies=[]),
    )

    def let_fail(record: executor.StepRecord) -> None:
        if record.status == "Executing" and record.reason:
            pipe.write_text("go")

    execution = executor.run(definition, tmp_path / "home", RunOptions(jobs=2, on_event=let_fail))

    assert marks.stat().st_size == 1
    assert {record.status for record in execution.steps} == {"Failed"}


def test_registration_whose_registry_is_throttled_is_tried_again(tmp_path: Path) -> None:
    asked, waits = [], list[float]()

    def register(request: RegisterRequest) -> dict[str, Any]:
        asked.append(request.step)
        if len(asked) < 3:
            raise ServiceFault("slow down", THROTTLING)
        return {"ModelPackageVersion": 1}

    arguments = {
        "ModelPackageGroupName": "group",
        "InferenceSpecification": {
            "Containers": [{"Image": "image", "ModelDataUrl": "s3://bkt/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    }
    policy = {"ExceptionType": ["Step.THROTTLING", "Step.SERVICE_FAULT"]}
    definition = body({"Name": "r", "Type": "RegisterModel", "Arguments": arguments, "RetryPolicies": [policy]})

    execution = executor.run(definition, tmp_path / "home", RunOptions(register=register, wait=waits.append))

    assert (execution.status, asked, waits) == ("Succeeded", ["r"] * 3, [1.0, 2.0])  # the service's defaults


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (Exit(-signal.SIGKILL, timed_out=False, fault=""), "SageMaker.JOB_INTERNAL_ERROR"),
        (Exit(-signal.SIGTERM, timed_out=False, fault=""), "SageMaker.JOB_INTERNAL_ERROR"),
        (Exit(1, timed_out=False, fault="start: its supervisor was killed"), "SageMaker.JOB_INTERNAL_ERROR"),
        (Exit(127, timed_out=False, fault="start: [Errno 12] Cannot allocate memory"), "SageMaker.CAPACITY_ERROR"),
        (Exit(127, timed_out=False, fault="start: [Errno 24] Too many open files"), "SageMaker.RESOURCE_LIMIT"),
        (Exit(127, timed_out=False, fault="start: [Errno 2] No such file or directory: 'x'"), None),
        (Exit(-signal.SIGKILL, timed_out=True, fault=""), None),  # it ran too long
        (Exit(-signal.SIGSEGV, timed_out=False, fault=""), None),  # it crashed
        (Exit(137, timed_out=False, fault=""), None),  # it said so itself
        (Exit(1, timed_out=False, fault=""), None),
    ],
)
def test_end_of_a_job_has_the_services_name(ended: Exit, expected: str | None) -> None:
    assert retries.after_exit(ended.code, ended.fault, timed_out=ended.timed_out) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "no space"), None),
        (OSError(errno.EDQUOT, "quota"), None),
        (OSError(errno.EFBIG, "file too large"), None),
        (OSError(errno.EROFS, "read-only"), None),
        (OSError(errno.EMFILE, "open files"), "SageMaker.RESOURCE_LIMIT"),
        (OSError(errno.ENOMEM, "memory"), "SageMaker.CAPACITY_ERROR"),
        (OSError(errno.EIO, "disk"), "Step.SERVICE_FAULT"),
        (OSError(errno.EACCES, "access"), None),
        (ServiceFault("busy", THROTTLING), "Step.THROTTLING"),
        (StepFailed("a", "its own"), None),
        (InputError("yours"), None),
        (ArtifactError("stored"), None),
    ],
)
def test_error_has_the_services_name(error: Exception, expected: str | None) -> None:
    assert retries.of(error) == expected


def test_policy_counts_its_own_tries_and_the_first_that_names_the_failure_counts() -> None:
    policies = (
        RetryPolicy(("A", "B"), interval_s=10, backoff_rate=1.5, max_attempts=3),
        RetryPolicy(("B", "C"), interval_s=1, backoff_rate=1, max_attempts=1),
    )
    tries = Retries(policies, began=0.0)

    pauses = [tries.pause_s(name, 0.0) for name in ("A", "C", "B", "C", "A", "A", "D", None)]

    assert pauses == [10.0, 1.0, 15.0, None, 22.5, None, None, None]


def test_policy_that_expires_begins_no_try_after_its_time() -> None:
    tries = Retries((RetryPolicy(("A",), interval_s=60, max_attempts=None, expire_after_s=300),), began=1000.0)

    assert tries.pause_s("A", 1100.0) == 60.0  # at 1160
    assert tries.pause_s("A", 1180.0) == 120.0  # at 1300, the last moment
    assert tries.pause_s("A", 1301.0) is None


def read(policy: dict[str, Any], kind: str = "Processing") -> RetryPolicy:
    made = step("work", "pass", policies=[policy])
    return body({**made, "Type": kind}).steps[0].retries[0]


def test_what_a_policy_leaves_out_is_the_services_default() -> None:
    assert read({"ExceptionType": ["Step.THROTTLING"]}) == RetryPolicy(("Step.THROTTLING",), 1.0, 2.0, 5, None)
    assert read({"ExceptionType": [KILLED], "ExpireAfterMin": 2}) == RetryPolicy((KILLED,), 1.0, 2.0, None, 120.0)


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        ({}, "RetryPolicies[0].ExceptionType: expected the names"),
        ({"ExceptionType": ["Step.THROTLING"]}, "did you mean 'Step.THROTTLING'?"),
        ({"ExceptionType": [KILLED], "MaxAttempts": 1, "ExpireAfterMin": 1}, "stands beside ExpireAfterMin"),
        ({"ExceptionType": [KILLED], "MaxAttempts": 21}, "MaxAttempts: found 21, expected a whole number from 0 to 20"),
        ({"ExceptionType": [KILLED], "IntervalSeconds": 0.5}, "IntervalSeconds: found 0.5, expected a whole number"),
        ({"ExceptionType": [KILLED], "IntervalSeconds": 43_201}, "from 1 to 43,200"),
        ({"ExceptionType": [KILLED], "BackoffRate": "2"}, 'BackoffRate: found "2", expected a number'),
        ({"ExceptionType": [KILLED], "MaxAttempts": True}, "MaxAttempts"),
        ({"ExceptionType": [KILLED], "MaxAttempt": 1}, "MaxAttempt: is no member here, did you mean 'MaxAttempts'?"),
    ],
)
def test_policy_that_the_service_would_not_take_is_refused_by_place(policy: dict[str, Any], named: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read(policy)

    assert any(problem.startswith("steps[work].RetryPolicies[0]") for problem in caught.value.problems)
    assert named in "\n".join(caught.value.problems)


def test_internal_error_of_a_search_is_not_retried_for_its_jobs_retry_themselves() -> None:
    faults = list[str]()
    raw = [{"ExceptionType": [KILLED, "Step.THROTTLING"]}]

    (found,) = retries.read(raw, "place", faults, "Tuning")

    assert (found.exception_types, faults) == (("Step.THROTTLING",), [])
